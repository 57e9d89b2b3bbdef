//! What a reader of one logger can learn of another one's rows: nothing.
use super::*;
use crate::{Kind, Rights};
use metlog_schemas::table::{Owner, map_type};
use metlog_schemas::window::{Metric, MetricData};
use metlog_schemas::wire::Severity;
use serde_json::json;
use std::time::Duration;

/// Of another logger; nowhere in what a reader of `sync` is told.
const SECRET: &str = "hunter2";

fn of_loggers(messages: &[(&str, &str)]) -> RecordBatch {
    let mut rows = Rows::default();
    for (at, (logger, payload)) in messages.iter().enumerate() {
        let message = Message {
            timestamp: HOUR.start() + at as i64 * 1_000_000,
            r#type: "wsgi".into(),
            logger: (*logger).into(),
            payload: (*payload).into(),
            severity: if *logger == "sync" { Severity::default() } else { Severity::new(0).unwrap() },
            ..Message::default()
        };
        rows.push_message(&message, HOUR.start() + 1);
    }
    rows.finish().unwrap()
}

fn series(names: &[(&str, &[(&str, &str)])]) -> RecordBatch {
    let metric = |(name, tags): &(&str, &[(&str, &str)])| Metric {
        name: (*name).into(),
        tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        data: MetricData::Counter { count: 1.0 },
        fresh: true,
    };
    let rows = names.iter().map(metric).collect();
    let (end, length) = (HOUR.start() + 10_000_000, 10_000_000);
    metrics_rows([&Window { end, length, hostname: "h1".into(), values: 6, bad_lines: 0, packets: 1, lines: 6, rows }])
        .unwrap()
}

/// Rows of two loggers, stored, hot and in a segment that is decoded.
async fn two_services() -> Engine {
    let store = Arc::new(InMemory::new());
    let stored = of_loggers(&[("sync", "stored"), ("browserid", SECRET), ("sync", "0"), ("", SECRET)]);
    put(&*store, &key(Table::Messages, HOUR, "a", 1), &stored).await;
    let hot = FakeHot::new(3, vec![of_loggers(&[("browserid", SECRET), ("sync", "hot")])]);
    let cold = FakeCold::of(&[(Table::Messages, of_loggers(&[("sync.b", SECRET), ("sync", "cold")]))]);
    hot.cold.lock().unwrap().push(cold);
    let names: [(&str, &[(&str, &str)]); 6] = [
        ("sync.requests", &[]),
        ("sync", &[]),
        ("syncing.hunter2", &[]),
        ("browserid.hunter2", &[("logger", "browserid")]),
        ("a", &[("host", "x"), ("service", "sync")]),
        ("b.hunter2", &[("other", "sync")]),
    ];
    hot.metrics.lock().unwrap().push(series(&names));
    engine(&store, Some(hot))
}

fn reader() -> Rights {
    Rights::reader("ann", Some(vec!["sync".into()]))
}

async fn ask_as(rights: &Rights, engine: &Engine, sql: &str) -> Result<Value, Error> {
    let rows = engine.query_within(sql, rights, Duration::from_secs(30), true).await?;
    let schema = rows.schema();
    let batches = rows.collect().await?;
    let mut writer = crate::format::Writer::new(crate::format::Format::Json, &schema, Vec::new()).unwrap();
    batches.iter().try_for_each(|batch| writer.write(batch)).unwrap();
    Ok(serde_json::from_slice(&writer.finish().unwrap()).unwrap())
}

/// Scenario: each way in which SQL can name, count, join, compute with or ask about rows.
/// Guarantees: the result is that of a warehouse that has the reader's rows only.
#[tokio::test]
async fn a_reader_of_a_logger_sees_its_rows_only() {
    let (engine, reader) = (two_services().await, reader());
    for (sql, expected) in [
        (
            "select payload from messages order by 1",
            json!([{"payload": "0"}, {"payload": "cold"}, {"payload": "hot"}, {"payload": "stored"}]),
        ),
        ("select count(*) as n from messages", json!([{"n": 4}])),
        (
            "select count(*) as n, min(severity) as l, max(payload) as p from messages",
            json!([{"n": 4, "l": 6, "p": "stored"}]),
        ),
        ("select distinct logger from messages", json!([{"logger": "sync"}])),
        (
            "select count(*) as n from messages where logger <> 'sync' or logger = 'browserid' or true",
            json!([{"n": 4}]),
        ),
        ("select count(*) as n from messages a join messages b on a.dt = b.dt", json!([{"n": 16}])),
        (
            "with m as (select * from public.messages) select count(*) as n from (select 1 from m union all select 1 from metlog.public.messages)",
            json!([{"n": 8}]),
        ),
        ("select (select max(payload) from messages where logger = 'browserid') as p", json!([{"p": null}])),
        (
            "select count(*) as e from (select 1) where exists (select 1 from messages where severity = 0)",
            json!([{"e": 0}]),
        ),
        (
            "select payload from messages where timestamp >= '2026-03-04T05:00:01Z' and dt = '2026-03-04' and hour in (5, 6) order by 1",
            json!([{"payload": "0"}, {"payload": "cold"}, {"payload": "hot"}]),
        ),
        ("select payload from messages order by severity, timestamp desc limit 1", json!([{"payload": "0"}])),
        ("select name from metrics order by 1", json!([{"name": "a"}, {"name": "sync"}, {"name": "sync.requests"}])),
        ("select logger from senders", json!([{"logger": "sync"}])),
        (
            "select table_name from information_schema.tables where table_schema = 'public' order by 1",
            json!([{"table_name": "messages"}, {"table_name": "metrics"}, {"table_name": "senders"}, {"table_name": "spans"}]),
        ),
    ] {
        let found = ask_as(&reader, &engine, sql).await;
        assert!(!format!("{found:?}").contains(SECRET), "{sql}: {found:?}");
        assert_eq!(found, Ok(expected), "{sql}");
    }
    let all = ask_as(&Rights::reader("all", None), &engine, "select count(*) as n from messages").await;
    check(all, json!([{"n": 8}]));
    let none = Rights::reader("nobody", Some(Vec::new()));
    check(ask_as(&none, &engine, "select count(*) as n from messages").await, json!([{"n": 0}]));
    check(ask_as(&none, &engine, "select count(*) as n from metrics").await, json!([{"n": 0}]));
}

/// Scenario: conditions and columns that fail, or succeed, by the value of a row that is not seen.
/// Guarantees: they are never computed for such a row, and nothing is told of it.
#[tokio::test]
async fn what_fails_on_others_rows_does_not_fail() {
    let (engine, reader) = (two_services().await, reader());
    for sql in [
        "select 1 / severity as x from messages where 1 / severity >= 0",
        "select count(*) from messages where 10 / severity > 1",
        "select count(*) from messages where cast(severity as int) = 6 and 1 / severity = 0",
        "select sum(1 / severity) from messages group by dt having sum(1 / severity) >= 0",
        "select * from messages a join messages b on 1 / a.severity = 1 / b.severity",
        "select * from messages order by 1 / severity limit 2",
        "select count(*) from messages where payload <> 'stored' and arrow_cast(timestamp, 'Int64') / severity > 0",
    ] {
        let found = ask_as(&reader, &engine, sql).await;
        assert!(found.is_ok(), "{sql}: {found:?}");
        assert!(ask(&engine, sql).await.is_err(), "it does fail on the others': {sql}");
    }
    // What fails on one's own rows may say so, with their values and no others.
    let error = ask_as(&reader, &engine, "select cast(payload as int) from messages").await.unwrap_err();
    assert!(!error.message.contains(SECRET), "{error}");
}

/// Guarantees: how a query ran says nothing of rows that are not seen.
#[tokio::test]
async fn explaining_tells_nothing() {
    let (engine, reader) = (two_services().await, reader());
    let sql = "select count(*) from messages where payload = 'hunter2'";
    for form in ["analyze", "verbose", "analyze verbose", "format tree", "format pgjson"] {
        let error = ask_as(&reader, &engine, &format!("explain {form} {sql}")).await.unwrap_err();
        assert_eq!(error.kind, Kind::Forbidden, "{form}: {error}");
    }
    let plan = ask_as(&reader, &engine, "explain select count(*) from messages").await.unwrap().to_string();
    assert!(plan.contains("TableScan") && !plan.contains("parquet"), "{plan}");
    assert!(ask(&engine, &format!("explain analyze {sql}")).await.is_ok());
    let error = ask_as(&reader, &engine, "set datafusion.explain.logical_plan_only = false").await.unwrap_err();
    assert_eq!(error.kind, Kind::ReadOnly);
}

/// Guarantees: each table says whose its rows are by columns that it has; one that does not is not seen.
#[test]
fn each_table_has_owners_or_is_not_seen() {
    for table in Table::ALL {
        let schema = table.schema();
        match table.definition().owner {
            None => assert!(!reader().sees_table(table), "{}", table.name()),
            Some(Owner::Column(name)) => assert!(schema.field_with_name(name).is_ok(), "{}", table.name()),
            Some(Owner::Series) => assert_eq!(schema.field_with_name("tags").unwrap().data_type(), &map_type()),
        }
        let none = reader().filter(table, &no_rows(table)).unwrap();
        assert_eq!(none.num_rows(), 0);
    }
}
