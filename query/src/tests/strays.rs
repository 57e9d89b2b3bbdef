//! Rows of many hours that lie in one object are found like all others.
use super::*;
use metlog_schemas::object_path::Partition;
use serde_json::json;

/// Two objects of hours, and one with a row of each of these two hours and of 1999.
async fn filled() -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    let next = Hour(HOUR.0 + 1);
    put(store.as_ref(), &key(Table::Messages, HOUR, "a", 1), &messages(HOUR, &["x", "y"])).await;
    put(store.as_ref(), &key(Table::Messages, next, "a", 1), &messages(next, &["z"])).await;
    let old = Hour(29 * 365 * 24);
    let parts = [messages(old, &["old"]), messages(HOUR, &["stray"]), messages(next, &["late"])];
    let schema = parts[0].schema();
    let strays = arrow::compute::concat_batches(&schema, &parts).unwrap();
    let path = ObjectPath { table: Table::Messages, partition: Partition::Unknown, listener: "a".into(), segment: 2 };
    put(store.as_ref(), &path.key(), &strays).await;
    store
}

#[tokio::test]
async fn every_query_counts_them_once() {
    let engine = engine(&filled().await, None);
    for (sql, expected) in [
        ("select count(*) as n from messages", 6),
        ("select count(*) as n from messages where dt = '2026-03-04'", 5),
        ("select count(*) as n from messages where dt = '2026-03-04' and hour = 5", 3),
        ("select count(*) as n from messages where hour = 6", 2),
        ("select count(*) as n from messages where dt < '2000-01-01'", 1),
        ("select count(*) as n from messages where timestamp < '2000-01-01T00:00:00Z'", 1),
        ("select count(*) as n from messages where timestamp >= '2026-03-04T06:00:00Z'", 2),
        ("select count(*) as n from messages where dt is null or hour is null", 0),
        ("select count(*) as n from messages where fields['headers.path'] = '/stray'", 1),
    ] {
        assert_eq!(ask(&engine, sql).await, Ok(json!([{"n": expected}])), "{sql}");
    }
}

#[tokio::test]
async fn their_day_and_hour_are_those_of_their_time() {
    let engine = engine(&filled().await, None);
    let sql = "select hour, payload, dt from messages where payload in ('old', 'stray', 'late') order by timestamp";
    let expected = json!([
        {"hour": 0, "payload": "old", "dt": "1998-12-25"},
        {"hour": 5, "payload": "stray", "dt": "2026-03-04"},
        {"hour": 6, "payload": "late", "dt": "2026-03-04"},
    ]);
    check(ask(&engine, sql).await, expected);
    let grouped = "select dt, count(*) as n from messages group by dt order by dt";
    check(ask(&engine, grouped).await, json!([{"dt": "1998-12-25", "n": 1}, {"dt": "2026-03-04", "n": 5}]));
    check(ask(&engine, "select max(hour) as h from messages limit 1").await, json!([{"h": 6}]));
}

/// Guarantees: the segment of a stray object is hidden while its rows are hot, as for every object.
#[tokio::test]
async fn they_are_hidden_while_their_segment_is_hot() {
    let hot = FakeHot::new(2, vec![messages(HOUR, &["hot"])]);
    let engine = engine(&filled().await, Some(hot));
    check(ask(&engine, "select count(*) as n from messages").await, json!([{"n": 4}]));
}

/// Guarantees: the filter on time reaches the reader of the files, which leaves out what cannot match.
#[tokio::test]
async fn a_filter_on_time_is_pushed_to_their_files() {
    let engine = engine(&filled().await, None);
    let plan = ask(&engine, "explain select payload from messages where timestamp > '2026-03-04T06:00:00Z'").await;
    let plan = plan.unwrap().to_string();
    let of_strays = plan.split("DataSourceExec").find(|part| part.contains("__HIVE_DEFAULT_PARTITION__")).unwrap();
    assert!(of_strays.contains("pruning_predicate=timestamp_null_count"), "{plan}");
}

/// Guarantees: objects that were stored before a column was added are read, with null in it.
#[tokio::test]
async fn a_column_that_an_old_file_lacks_is_null() {
    let store = Arc::new(InMemory::new());
    let rows = no_rows(Table::Metrics);
    let columns: Vec<usize> = (0..rows.num_columns() - 6).collect();
    let names: Vec<String> = rows.schema().fields()[columns.len()..].iter().map(|field| field.name().clone()).collect();
    let added = ["samples", "window_start", "sum_squares", "std", "median", "percentiles"];
    assert_eq!(names, added, "those that 0.1 had not");
    let window = Window {
        end: HOUR.start() + 10_000_000,
        length: 10_000_000,
        hostname: "h".into(),
        values: 1,
        bad_lines: 0,
        packets: 1,
        lines: 1,
        rows: vec![metlog_schemas::window::Metric {
            name: "n".into(),
            tags: Arc::new([]),
            fresh: true,
            data: metlog_schemas::window::MetricData::Counter { count: 1.0 },
        }],
    };
    let new = metrics_rows([&window]).unwrap();
    put(store.as_ref(), &key(Table::Metrics, HOUR, "a", 1), &new.project(&columns).unwrap()).await;
    put(store.as_ref(), &key(Table::Metrics, HOUR, "a", 2), &new).await;
    let engine = engine(&store, None);
    let sql = "select count(*) as n, count(window_start) as known, count(samples) as timers from metrics";
    check(ask(&engine, sql).await, json!([{"n": 2, "known": 1, "timers": 0}]));
    let sql = "select window_start from metrics where samples is null and window_start < timestamp";
    check(ask(&engine, sql).await, json!([{"window_start": "2026-03-04T05:00:00Z"}]));
}
