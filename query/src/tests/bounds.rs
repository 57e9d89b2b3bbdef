//! How far a query may go: rows, memory, time, depth, and how many at once.
use super::*;
use crate::{Kind, SQL_BYTES_MAX};
use serde_json::json;
use std::time::Duration;

async fn outcome(config: Config, sql: &str) -> Result<Value, Error> {
    ask(&engine_with(config, &Arc::new(InMemory::new()), None), sql).await
}

fn kind(outcome: Result<Value, Error>) -> Option<Kind> {
    outcome.err().map(|error| error.kind)
}

#[tokio::test]
async fn an_answer_has_at_most_so_many_rows() {
    let config = || Config { rows_max: 100, ..Config::default() };
    assert_eq!(outcome(config(), "select * from range(100)").await.unwrap().as_array().map(Vec::len), Some(100));
    let error = outcome(config(), "select * from range(101)").await.unwrap_err();
    assert_eq!(error.kind, Kind::Limit);
    assert!(error.message.contains("100 rows") && error.message.contains("LIMIT"), "{error}");
    check(outcome(config(), "select count(*) as n from range(1000000)").await, json!([{"n": 1_000_000}]));
}

#[tokio::test]
async fn groups_sorts_and_the_answer_itself_have_bounded_memory() {
    for sql in [
        "select value, count(*) from range(10000000) group by 1 limit 1",
        "select value from range(10000000) order by value desc limit 900000",
        "select * from range(900000)",
        "select a.value from range(1000000) a join range(1000000) b on a.value = b.value limit 1",
        "select max(s) from (select sum(value) over () s, max(value) over () t from range(10000000))",
    ] {
        let config = Config { memory_bytes: 1 << 20, ..Config::default() };
        let error = outcome(config, sql).await.expect_err(sql);
        assert_eq!(error.kind, Kind::Limit, "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn no_function_makes_much_out_of_little() {
    let x = "x".repeat(1_000);
    let longer = ["s"; 10].join(" || ");
    let grown = |n: usize| {
        (0..n).fold("select 'xxxxxxxxxxxxxxxx' as s".to_owned(), |sql, _| format!("select {longer} as s from ({sql})"))
    };
    for sql in [
        format!("select length(replace(replace(replace('{x}','x','{x}'),'x','{x}'),'x','{x}'))"),
        format!("select length(replace(concat('{x}', cast(value as varchar)), 'x', '{x}')) from range(10000)"),
        format!("select length(regexp_replace(regexp_replace('{x}', 'x', '{x}', 'g'), 'x', '{x}{x}', 'g'))"),
        "select length(concat(s, s, s, s)) from (select concat(s, s, s, s, s, s, s, s, s, s) s from (select concat(s, s, s, s, s, s, s, s, s, s) s from (select replace('xxxxxxxxxx', 'x', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy') || cast(value as varchar) s from range(10000))))".to_owned(),
        format!("select length(s) from ({})", grown(8)),
    ] {
        let outcome = outcome(Config::default(), &sql).await;
        let said = format!("{:?}", outcome.as_ref().err());
        assert_eq!(kind(outcome), Some(Kind::Limit), "{said}: {}", &sql[..sql.len().min(100)]);
    }
    check(
        outcome(Config::default(), "select replace('a.b', '.', '-') || upper('c') || null as n").await,
        json!([{"n": null}]),
    );
    let sql = "select replace('a.b', '.', '-') || upper('c') as n, concat('a', 1) as c";
    check(outcome(Config::default(), sql).await, json!([{"n": "a-bC", "c": "a1"}]));
}

#[tokio::test]
async fn a_decoded_segment_counts_as_memory_of_the_query() {
    let hot = FakeHot::new(0, Vec::new());
    let rows = messages(HOUR, &vec!["x"; 10_000]);
    hot.cold.lock().unwrap().push(FakeCold::of(&[(Table::Messages, rows)]));
    let config = Config { memory_bytes: 1 << 16, ..Config::default() };
    let engine = engine_with(config, &Arc::new(InMemory::new()), Some(hot));
    assert_eq!(kind(ask(&engine, "select count(*) from messages").await), Some(Kind::Limit));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_ends_when_its_time_is_up() {
    let config = || Config { time_max: Duration::from_millis(100), ..Config::default() };
    for sql in [
        "select count(*) from range(10000000) a, range(10000000) b where a.value * b.value = 7",
        "select sum(a.value * b.value) from range(10000000) a cross join range(10000000) b",
        "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r",
    ] {
        assert_eq!(kind(outcome(config(), sql).await), Some(Kind::Timeout), "{sql}");
    }
}

/// Scenario: each form of nesting that the grammar has, from harmless to the longest text that is taken.
/// Guarantees: a result or an error, never the end of the process.
#[test]
fn depth_is_bounded() {
    let chain = |unit: &str, n: usize| vec![unit; n].join(" ");
    let count = |unit: fn(usize) -> String, n: usize| (0..n).map(unit).collect::<String>();
    for n in [10, 40, 60, 90, 130, 190, 400, 3_000, 10_000] {
        let forms = [
            format!("select {}1{}", "(".repeat(n), ")".repeat(n)),
            format!("select {}1{}", "abs(".repeat(n), ")".repeat(n)),
            format!("select {} 1", chain("-", n)),
            format!("select 1{}", "::int".repeat(n)),
            format!("select pid{} from messages", " + 1".repeat(n)),
            format!("select (tokens){} from messages", "[1:2]".repeat(n)),
            format!("select count(*) from messages where {} true", chain("pid = 1 or", n)),
            format!("select payload {} from messages", chain("|| payload", n)),
            format!("select case {} end", chain("when true then 1", n)),
            format!("select 1 {}", chain("union all select 1", n)),
            format!("select 1 {}", chain("union select 1", n)),
            format!("select 1 from messages {}", count(|n| format!(", messages m{n}"), n)),
            format!(
                "select 1 from messages {}",
                count(|n| format!(" join messages m{n} on m{n}.pid = messages.pid"), n)
            ),
            format!("{} select 1 {}", "select * from (".repeat(n), ")".repeat(n)),
            format!(
                "with a0 as (select 1){} select * from a{n}",
                count(|n| format!(", a{} as (select * from a{n})", n + 1), n)
            ),
            format!(
                "with a0 as (select 1){} select 1 from a{n}",
                count(|n| format!(", a{} as (select 1 from a{n}, a{n} x)", n + 1), n)
            ),
        ];
        for sql in forms {
            let start: String = sql.chars().take(60).collect();
            let is_too_long = sql.len() > SQL_BYTES_MAX;
            let config = Config { time_max: Duration::from_secs(1), ..Config::default() };
            let found = on_a_workers_stack(async move { outcome(config, &sql).await });
            assert!(!is_too_long || kind(found) == Some(Kind::Limit), "{n}: {start}");
        }
    }
}

#[tokio::test]
async fn what_with_names_counts_wherever_it_is_named() {
    let doubled = (0..30).map(|n| format!(", a{} as (select 1 as x from a{n} union all select 1 from A{n})", n + 1));
    let sql = format!("with a0 as (select 1 as x){} select count(*) from a30", doubled.collect::<String>());
    assert_eq!(kind(outcome(Config::default(), &sql).await), Some(Kind::Limit));
    let chain = (0..30).map(|n| format!(", a{} as (select x + 1 as x from a{n})", n + 1));
    let sql = format!("with a0 as (select 1 as x){} select x from a30", chain.collect::<String>());
    check(outcome(Config::default(), &sql).await, json!([{"x": 31}]));
}

#[tokio::test]
async fn long_lists_are_not_deep() {
    let list = (0..5_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let sql = format!("select count(*) as n from range(10000) where value in ({list})");
    check(outcome(Config::default(), &sql).await, json!([{"n": 5_000}]));
}
