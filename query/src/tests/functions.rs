//! metlog's own functions, by example; those of `schemas/tables.md` run as they stand there.
use super::*;
use serde_json::json;

async fn value(sql: &str) -> Value {
    let engine = engine(&Arc::new(InMemory::new()), Some(FakeHot::new(0, vec![rows()])));
    let found = ask(&engine, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    found[0].as_object().and_then(|row| row.values().next().cloned()).unwrap_or(Value::Null)
}

/// Payloads that are JSON, but for one.
fn rows() -> RecordBatch {
    let payloads = [
        r#"{"user":{"name":"ann","id":7},"ms":12.5,"ok":true,"tags":["a","b"]}"#,
        r#"{"user":{"name":"bob \u00e4\n"},"ms":3,"ok":false,"tags":[]}"#,
        "no JSON",
    ];
    messages(HOUR, &payloads)
}

#[tokio::test]
async fn json_in_payloads() {
    for (expression, expected) in [
        ("json_get(payload, 'user')", json!(r#"{"name":"ann","id":7}"#)),
        ("json_get(payload, 'user', 'name')", json!("ann")),
        ("json_get(payload, 'ms')", json!("12.5")),
        ("json_get_str(payload, 'user', 'name')", json!("ann")),
        ("json_get_str(payload, 'ms')", json!(null)),
        ("json_get_int(payload, 'user', 'id')", json!(7)),
        ("json_get_float(payload, 'ms')", json!(12.5)),
        ("json_get_bool(payload, 'ok')", json!(true)),
        ("json_get_json(payload, 'tags')", json!(r#"["a","b"]"#)),
        ("json_get_str(payload, 'tags', 1)", json!("b")),
        ("json_get_array(payload, 'tags')", json!([r#""a""#, r#""b""#])),
        ("json_length(payload, 'tags')", json!(2)),
        ("json_contains(payload, 'user', 'id')", json!(true)),
        ("json_object_keys(payload, 'user')", json!(["name", "id"])),
        ("payload -> 'user' ->> 'name'", json!("ann")),
        ("payload ->> 'ms'", json!("12.5")),
        ("payload -> 'tags' -> 0", json!(r#""a""#)),
    ] {
        let sql = format!("select {expression} as v from messages order by timestamp limit 1");
        assert_eq!(value(&sql).await, expected, "{expression}");
        let sql = format!("select {expression} as v from messages where payload = 'no JSON'");
        let of_none = if expression.starts_with("json_contains") { json!(false) } else { json!(null) };
        assert_eq!(value(&sql).await, of_none, "{expression} of what is no JSON");
    }
    let sql = "select json_get_str(payload, 'user', 'name') as v from messages where json_get_int(payload, 'ms') = 3";
    assert_eq!(value(sql).await, json!("bob ä\n"));
    let sql = "select sum(json_get_float(payload, 'ms')) as v from messages";
    assert_eq!(value(sql).await, json!(15.5));
}

#[tokio::test]
async fn json_that_nests_is_not_followed_for_ever() {
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let hot = FakeHot::new(0, vec![messages(HOUR, &[deep.as_str()])]);
    let engine = engine(&Arc::new(InMemory::new()), Some(hot));
    let sql = "select json_get(payload, 0) as v, json_length(payload) as n from messages";
    check(ask(&engine, sql).await, json!([{"v": null, "n": null}]));
}

#[tokio::test]
async fn times_in_buckets() {
    let bucket =
        |interval: &str, time: &str| format!("select time_bucket(interval '{interval}', to_timestamp('{time}')) as v");
    for (interval, time, expected) in [
        ("5 minutes", "2026-03-04T05:07:59Z", "2026-03-04T05:05:00"),
        ("1 hour", "2026-03-04T05:07:59Z", "2026-03-04T05:00:00"),
        ("1 day", "2026-03-04T05:07:59Z", "2026-03-04T00:00:00"),
        // A Wednesday; weeks begin on Mondays.
        ("7 days", "2026-03-04T05:07:59Z", "2026-03-02T00:00:00"),
        ("1 week", "1969-12-31T23:59:59Z", "1969-12-29T00:00:00"),
        ("1 month", "2026-03-04T05:07:59Z", "2026-03-01T00:00:00"),
        ("1 year", "2026-03-04T05:07:59Z", "2026-01-01T00:00:00"),
    ] {
        let found = value(&bucket(interval, time)).await;
        let found = found.as_str().unwrap().trim_end_matches('Z').to_owned();
        assert_eq!(found, expected, "{interval} {time}");
    }
    let sql =
        "select time_bucket(interval '1 day', timestamp '2026-03-04T05:00:00', timestamp '2026-01-01T06:00:00') as v";
    assert_eq!(value(sql).await, json!("2026-03-03T06:00:00"));
    let sql = "select time_bucket(interval '1 hour', timestamp) as v from messages group by 1";
    assert_eq!(value(sql).await, json!("2026-03-04T05:00:00Z"));
}

#[tokio::test]
async fn groups_of_regular_expressions() {
    for (arguments, expected) in [
        (r"'GET /a/b 200', '(\w+) (\S+) (\d+)', 2", json!("/a/b")),
        (r"'GET /a/b 200', '\d+'", json!("200")),
        (r"'GET /a/b 200', '(x)?GET', 1", json!(null)),
        (r"'GET /a/b 200', 'POST'", json!(null)),
        ("null, 'x'", json!(null)),
    ] {
        assert_eq!(value(&format!("select regexp_extract({arguments}) as v")).await, expected, "{arguments}");
    }
    let sql = r#"select regexp_extract(payload, '"id":(\d+)', 1) as v from messages order by timestamp limit 1"#;
    assert_eq!(value(sql).await, json!("7"));
    let engine = engine(&Arc::new(InMemory::new()), None);
    for (arguments, word) in [("'x', '(', 1", "not a regular expression"), ("'x', 'x', 1", "has 0 groups")] {
        let error = ask(&engine, &format!("select regexp_extract({arguments})")).await.unwrap_err();
        assert!(error.message.contains(word), "{arguments}: {error}");
    }
}

/// A backslash in a literal pattern is one, not an escape of LIKE.
#[tokio::test]
async fn regular_expressions_find_backslashes() {
    for (condition, expected) in [
        (r"t ~ '\\=b'", vec![r"\=b"]),
        (r"t !~ '\\=b'", vec!["=b", r"a\x"]),
        (r"t ~* '\x5C=B'", vec![r"\=b"]),
        (r"t ~ '^\\=b$'", vec![r"\=b"]),
        (r"t ~ 'a|\\='", vec![r"\=b", r"a\x"]),
        (r"regexp_like(t, '\\=b')", vec![r"\=b"]),
        ("t ~ '=b'", vec!["=b", r"\=b"]),
    ] {
        let engine = engine(&Arc::new(InMemory::new()), None);
        let sql = format!(r"select t from (values ('=b'), ('\=b'), ('a\x')) as v(t) where {condition} order by t");
        let expected: Vec<_> = expected.into_iter().map(|t| json!({"t": t})).collect();
        assert_eq!(ask(&engine, &sql).await, Ok(json!(expected)), "{condition}");
    }
}

#[tokio::test]
async fn the_value_of_the_largest_and_smallest() {
    let sql = "select arg_max(a, b) as v from (values ('x', 1), ('y', 3), ('z', 2), ('n', null)) as t(a, b)";
    assert_eq!(value(sql).await, json!("y"));
    assert_eq!(value(&sql.replace("arg_max", "arg_min")).await, json!("x"));
    assert_eq!(value(&sql.replace("arg_max", "max_by")).await, json!("y"));
    assert_eq!(value("select arg_max(a, b) as v from (values (1, null::int)) as t(a, b)").await, json!(null));
    assert_eq!(value("select arg_max(a, b) as v from (values (1, -2.5), (2, -0.5)) as t(a, b)").await, json!(2));
    assert_eq!(value("select arg_max(a, b) as v from (values (null, 2), (1, 1)) as t(a, b)").await, json!(null));
    assert_eq!(value("select arg_max(pid, payload) as v from messages").await, json!(7));
    let sql = "select arg_max(value, value % 1000003) as v from range(1000000)";
    assert_eq!(value(sql).await, json!(999_999));
    let engine = engine(&Arc::new(InMemory::new()), None);
    let sql = "select value % 3 as g, arg_max(value, -value) as v from range(100000) group by 1 order by 1";
    check(ask(&engine, sql).await, json!([{"g": 0, "v": 0}, {"g": 1, "v": 1}, {"g": 2, "v": 2}]));
    let sql = "select value, arg_max(value, value) over (order by value) as v from range(3) order by 1";
    check(ask(&engine, sql).await, json!([{"value": 0, "v": 0}, {"value": 1, "v": 1}, {"value": 2, "v": 2}]));
}

/// Guarantees: one row a group is kept, so memory does not grow with the rows.
#[tokio::test]
async fn the_largest_of_many_takes_little_memory() {
    let config = Config { memory_bytes: 1 << 20, ..Config::default() };
    let engine = engine_with(config, &Arc::new(InMemory::new()), None);
    let sql = "select arg_max(cast(value as varchar) || 'a text of some length', value) as v from range(2000000)";
    check(ask(&engine, sql).await, json!([{"v": "1999999a text of some length"}]));
}

#[tokio::test]
async fn functions_keep_what_they_were() {
    for (expression, expected) in [
        ("concat('a', 1)", json!("a1")),
        ("[1, 2] || 3", json!([1, 2, 3])),
        ("map {'a': 1}['a']", json!(1)),
        ("coalesce(null, 'x')", json!("x")),
        ("nullif('a', 'a')", json!(null)),
        ("greatest(1, 3, 2)", json!(3)),
        ("substring('abc' from 2)", json!("bc")),
        ("position('b' in 'abc')", json!(2)),
        ("trim('  a ')", json!("a")),
        ("{a: 1, b: 'x'}['b']", json!("x")),
        ("named_struct('a', 1)['a']", json!(1)),
        ("struct('x')", json!({"c0": "x"})),
        ("array_to_string([1, 2], '-')", json!("1-2")),
        ("arrow_cast('7', 'Int64')", json!(7)),
        ("arrow_try_cast('x', 'Int64')", json!(null)),
        ("arrow_typeof(arrow_cast(1, 'Dictionary(Int32, Utf8)'))", json!("Dictionary(Int32, Utf8)")),
        ("to_char(to_timestamp('2026-03-04T05:06:07Z'), '%d.%m.%Y %H:%M')", json!("04.03.2026 05:06")),
        ("date_format(date '2026-03-04', '%Y/%m/%d')", json!("2026/03/04")),
        ("levenshtein('kitten', 'sitting')", json!(3)),
        ("regexp_replace('aXbX', 'X', '-', 'g')", json!("a-b-")),
        ("array_replace([1, 2, 1], 1, 3)", json!([3, 2, 1])),
        ("array_has_all(['a', 'b'], ['a'])", json!(true)),
        ("cast('{1}' as varchar)", json!("{1}")),
    ] {
        assert_eq!(value(&format!("select {expression} as v")).await, expected, "{expression}");
    }
}

/// Guarantees: every example in the document of the tables is one that runs.
#[tokio::test]
async fn the_examples_of_the_document_run() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/tables.md")).unwrap();
    let (_, section) = document.split_once("\n## Functions\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let engine = engine(&Arc::new(InMemory::new()), Some(FakeHot::new(0, vec![rows()])));
    let examples = section.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once('`'));
    let examples: Vec<&str> =
        examples.map(|(_, example)| example).filter(|example| example.contains(['(', '>'])).collect();
    assert!(examples.len() >= 14, "{examples:?}");
    for example in examples {
        let table = if example.contains("events") { "spans" } else { "messages" };
        let found = ask(&engine, &format!("select {example} as v from {table}")).await;
        found.unwrap_or_else(|error| panic!("{example}: {error}"));
    }
    let (_, block) = section.split_once("```sql\n").unwrap();
    let sql = block.split("```").next().unwrap();
    ask(&engine, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    for sentence in ["to_char(timestamp, '%Y-%m-%d %H:%M:%S')", "to_timestamp('04.03.2026 05:06', '%d.%m.%Y %H:%M')"] {
        assert!(section.contains(sentence), "{sentence}");
        ask(&engine, &format!("select {sentence} as v from messages")).await.unwrap();
    }
}

/// Guarantees: what guards a query does not show in its plan.
#[tokio::test]
async fn plans_show_what_was_asked() {
    let engine = engine(&Arc::new(InMemory::new()), Some(FakeHot::new(0, vec![rows()])));
    let sql = "explain select type || logger as t, [pid] as l, json_get(payload, 'a') as j from messages";
    let plan = ask(&engine, sql).await.unwrap().to_string();
    for word in ["json_get(", "make_array(", "||"] {
        assert!(plan.contains(word), "{word}: {plan}");
    }
    for word in ["short", "Guarded", "json_as_text"] {
        assert!(!plan.contains(word), "{word}: {plan}");
    }
}
