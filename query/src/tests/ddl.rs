//! The statements of `metlog ddl --dialect datafusion`, in a DataFusion that knows nothing of us.
use super::*;
use datafusion::prelude::SessionContext;
use metlog_schemas::ddl::{Dialect, statements};
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
    ] {
        assert_eq!(number(&context, sql).await, expected, "{sql}");
    }
}
