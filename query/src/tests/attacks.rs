//! Queries of a few hundred bytes that would take the process with them: each is an error of its own.
use super::*;
use crate::Kind;
use std::time::Duration;

fn refusal(sql: String) -> Error {
    let start: String = sql.chars().take(80).collect();
    let config = Config { time_max: Duration::from_secs(20), ..Config::default() };
    let engine = engine_with(config, &Arc::new(InMemory::new()), Some(FakeHot::new(0, Vec::new())));
    on_a_workers_stack(async move { ask(&engine, &sql).await }).expect_err(&start)
}

#[test]
fn types_are_bounded_in_depth_and_size() {
    for (sql, word) in [
        (format!("select arrow_cast(null, '{}')", "List(".repeat(920)), "longer"),
        (format!("select arrow_cast(null, '{}')", "List(".repeat(190)), "deeper"),
        (format!("select arrow_try_cast(null, '{}')", "Struct(\"a\": ".repeat(80)), "deeper"),
        (format!("select arrow_cast(null, '{}Int8{}')", "List(".repeat(40), ")".repeat(40)), "deeper"),
        ("select arrow_cast(null, 'FixedSizeBinary(2000000000)') from range(10000)".to_owned(), "fixed size"),
        ("select arrow_cast(null, 'FixedSizeList(2000000000, Int8)') from range(10000)".to_owned(), "fixed size"),
        ("select cast(null as int[2000000000]) from range(10000)".to_owned(), "fixed size"),
        (format!("select cast(null as int{})", "[]".repeat(100)), "deeper"),
        (format!("select cast(null as {}int{})", "array<".repeat(100), ">".repeat(100)), "deep"),
    ] {
        let error = refusal(sql);
        assert!(matches!(error.kind, Kind::Sql | Kind::Limit), "{error:?}");
        assert!(error.message.contains(word), "{error:?}");
    }
}

#[test]
fn types_of_sql_nest_without_harm() {
    for n in [20, 60, 190, 1_000, 5_000] {
        for sql in [
            format!("select cast(null as {}int{})", "array<".repeat(n), ">".repeat(n)),
            format!("select cast(null as {}int{})", "struct<a ".repeat(n), ">".repeat(n)),
            format!("select cast(null as {}int{})", "map(int, ".repeat(n), ")".repeat(n)),
            format!("select {}1{}", "[".repeat(n), "]".repeat(n)),
            format!("select {}1{}", "{a: ".repeat(n), "}".repeat(n)),
            format!("select {}1{}", "map {1: ".repeat(n), "}".repeat(n)),
            format!("select array_any_match([1], {} true)", "x -> ".repeat(n)),
        ] {
            // An error or a result, as long as the process lives.
            let engine = engine(&Arc::new(InMemory::new()), None);
            let _ = on_a_workers_stack(async move { Ok::<_, Error>(engine.query(&sql).await?.collect().await) });
        }
    }
}

#[tokio::test]
async fn groupings_are_bounded_in_number() {
    let columns = (0..30).map(|n| format!("pid + {n}")).collect::<Vec<_>>().join(", ");
    for clause in [
        format!("group by cube ({columns})"),
        format!("group by {columns} with cube"),
        format!("group by rollup ({columns}), rollup ({columns})"),
        "group by cube (pid, type), cube (logger, hostname), cube (severity, payload, env_version)".to_owned(),
        format!("group by grouping sets ({})", vec!["(pid)"; 65].join(", ")),
    ] {
        for sql in [
            format!("select count(*) from messages {clause}"),
            format!("select 1 union all select count(*) from messages {clause}"),
            format!("select * from (select count(*) from messages {clause})"),
        ] {
            let engine = engine(&Arc::new(InMemory::new()), None);
            let error = ask(&engine, &sql).await.unwrap_err();
            assert_eq!(error.kind, Kind::Limit, "{clause:.60}: {error:?}");
            assert!(error.message.contains("grouping sets"), "{clause:.60}: {error:?}");
        }
    }
    let engine = engine(&Arc::new(InMemory::new()), None);
    let sql = "select type, logger, count(*) as n from messages group by cube (type, logger)";
    check(ask(&engine, sql).await, serde_json::json!([{"type": null, "logger": null, "n": 0}]));
}

#[test]
fn lists_are_not_multiplied_by_lists() {
    let list = "(select array_agg(value) from range(1000000))";
    for sql in [
        format!("select array_length(array_replace_all({list}, 1, 2)) from range(100)"),
        concat!(
            "select array_length(array_replace_all(x, array[1], y)) from ",
            "(select array_agg(array[1]) x from range(10000)), (select array_agg(value) y from range(100000))"
        )
        .to_owned(),
        format!("select array_has_any({list}, {list})"),
    ] {
        let error = refusal(sql);
        assert_eq!(error.kind, Kind::Limit, "{error:?}");
    }
    let error = refusal("select approx_percentile_cont(value, 0.5, 1000000000000) from range(10)".to_owned());
    assert!(error.kind == Kind::Limit && error.message.contains("centroids"), "{error:?}");
    let error = refusal(
        "select approx_percentile_cont(0.5, 1000000000000) within group (order by value) from range(10)".to_owned(),
    );
    assert!(error.kind == Kind::Limit && error.message.contains("centroids"), "{error:?}");
}

#[test]
fn refused_functions_say_why() {
    for (sql, word) in [
        ("select repeat('x', 1000000000)", "any length"),
        ("select lpad('x', 1000000000)", "any length"),
        ("select array_repeat(1, 1000000000)", "any length"),
        ("select array_resize([1], 1000000000)", "any length"),
        ("select generate_series(1, 1000000000)", "table function"),
        ("select array_transform([1, 2], x -> 'long')", "unnest"),
        ("select input_file_name() from messages", "stored files"),
        ("select version()", "metlog --version"),
        ("select union_tag(1)", "union"),
    ] {
        let error = refusal(sql.to_owned());
        assert_eq!(error.kind, Kind::Sql, "{sql}: {error:?}");
        assert!(error.message.contains("is not available") && error.message.contains(word), "{sql}: {error:?}");
        assert!(error.position.is_some(), "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn only_what_is_allowed_is_shown() {
    let engine = engine(&Arc::new(InMemory::new()), None);
    for sql in ["show functions", "select distinct routine_name as function_name from information_schema.routines"] {
        let found = ask(&engine, sql).await.unwrap();
        let names: Vec<&str> =
            found.as_array().unwrap().iter().filter_map(|row| row["function_name"].as_str()).collect();
        for name in ["date_bin", "sum", "time_bucket", "json_get_str", "regexp_extract", "arg_max"] {
            assert!(names.contains(&name), "{sql}: {name} is missing");
        }
        for name in
            ["repeat", "lpad", "array_resize", "input_file_name", "version", "arrow_metadata", "array_transform"]
        {
            assert!(!names.contains(&name), "{sql}: {name} is shown");
        }
    }
}

#[tokio::test]
async fn our_functions_say_what_they_are() {
    let engine = engine(&Arc::new(InMemory::new()), None);
    let sql = "select distinct routine_name, description, syntax_example from information_schema.routines \
               where routine_name in ('json_get_str', 'time_bucket', 'regexp_extract', 'arg_max', 'sketch_quantile')";
    let found = ask(&engine, sql).await.unwrap();
    let rows = found.as_array().unwrap();
    assert_eq!(rows.len(), 5, "{found}");
    for row in rows {
        let name = row["routine_name"].as_str().unwrap();
        assert!(row["syntax_example"].as_str().is_some_and(|form| form.starts_with(name)), "{row}");
        assert!(row["description"].as_str().is_some_and(|text| text.ends_with('.')), "{row}");
    }
}
