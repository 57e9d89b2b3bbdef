//! The statements of `metlog ddl --dialect datafusion`, in a DataFusion that knows nothing of us.
use super::*;
use datafusion::prelude::SessionContext;
use metlog_schemas::ddl::{Dialect, statements};
use metlog_schemas::span::{SpanRows, Value};
use metlog_schemas::window::{Metric, MetricData};
use object_store::local::LocalFileSystem;

/// A window of one counter.
fn counted(hour: Hour, count: f64) -> RecordBatch {
    let tags: Vec<(String, String)> = Vec::new();
    let data = MetricData::Counter { count };
    let row = Metric { name: "hits".into(), tags: tags.into(), fresh: true, data };
    let window = Window {
        end: hour.start(),
        length: 10_000_000,
        hostname: "h1".into(),
        values: 1,
        bad_lines: 0,
        packets: 1,
        lines: 1,
        rows: vec![row],
    };
    metrics_rows([&window]).unwrap()
}

/// A span with an attribute, an event and a link.
fn span(hour: Hour) -> RecordBatch {
    let mut rows = SpanRows::default();
    rows.resource("otlp").attribute("service.name", Value::Str("shop"));
    let mut row = rows.begin();
    row.trace_id([1; 16]).span_id([2; 8]).name("GET /").start(hour.start().unsigned_abs() * 1_000).duration(7);
    row.attribute("http.route", Value::Str("/cart")).attribute("http.status", Value::Int(200));
    row.event(5, "retry", 0).event_attribute("n", Value::Int(1));
    row.link(&[3; 16], &[4; 8], "", 1, 0);
    row.commit(hour.start()).unwrap();
    rows.finish().unwrap()
}

/// The one number that a question is answered with.
async fn number(context: &SessionContext, sql: &str) -> i64 {
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let column = batches[0].column(0);
    column.as_any().downcast_ref::<Int64Array>().unwrap_or_else(|| panic!("{sql}: {column:?}")).value(0)
}

/// Scenario: a folder with two hours of each table; the statements as they are printed, one after the other.
/// Guarantees: they run, and the tables that they make have every row, by event, partition, field and time.
#[tokio::test]
async fn datafusion_runs_the_statements_and_counts_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let next = Hour(HOUR.0 + 1);
    put(&store, &key(Table::Messages, HOUR, "a", 1), &messages(HOUR, &["x", "y"])).await;
    put(&store, &key(Table::Messages, next, "a", 1), &messages(next, &["z"])).await;
    put(&store, &key(Table::Metrics, HOUR, "a", 1), &counted(HOUR, 3.0)).await;
    put(&store, &key(Table::Metrics, next, "a", 1), &counted(next, 4.0)).await;
    put(&store, &key(Table::Spans, HOUR, "a", 1), &span(HOUR)).await;
    put(&store, &key(Table::Spans, next, "a", 1), &span(next)).await;
    for table in [Table::Pings, Table::Probes] {
        put(&store, &key(table, HOUR, "a", 1), &no_rows(table)).await;
    }
    let sql = statements(Dialect::Datafusion, &format!("file://{}", folder.path().display())).unwrap();
    let lines: Vec<&str> = sql.lines().filter(|line| !line.starts_with("--")).collect();
    let context = SessionContext::new();
    for statement in lines.join("\n").split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        let made = context.sql(statement).await;
        made.unwrap_or_else(|error| panic!("{statement}: {error}")).collect().await.unwrap();
    }
    for (sql, expected) in [
        ("select count(*) from messages", 3),
        ("select count(*) from messages where dt = '2026-03-04' and hour = 5", 2),
        ("select count(*) from messages where hour > 5", 1),
        ("select count(*) from messages where fields['headers.path'] = '/y'", 1),
        ("select count(*) from messages where array_has(tokens, 'login')", 3),
        ("select count(*) from messages where timestamp >= '2026-03-04T05:00:01Z'", 2),
        ("select count(*) from metrics", 2),
        ("select cast(sum(count) as bigint) from metrics where name = 'hits'", 7),
        ("select cast(sum(duration_nanos) as bigint) from spans where attributes['http.route'] = '/cart'", 14),
        ("select count(*) from spans where hour > 5 and resource_attributes['service.name'] = service", 1),
        ("select count(*) from spans where events[1]['attributes']['n'] = '1' and events[1]['name'] = 'retry'", 2),
        ("select count(*) from spans where links[1]['span_id'] = '0404040404040404'", 2),
    ] {
        assert_eq!(number(&context, sql).await, expected, "{sql}");
    }
}
