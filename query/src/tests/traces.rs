//! A trace is found by its id alone: through the index, with few requests, while objects of that are merged and deleted.
use super::fake_store::FakeStore;
use super::*;
use metlog_schemas::span::{self, SpanRows};
use metlog_schemas::trace_index::{self, IndexPath};
use serde_json::json;

const TRACE: [u8; 16] = [7; 16];

/// Spans, one of each trace.
fn spans(hour: Hour, traces: &[[u8; 16]]) -> RecordBatch {
    let mut rows = SpanRows::default();
    rows.resource("otlp").attribute("service.name", span::Value::Str("shop"));
    for trace in traces {
        let mut row = rows.begin();
        row.trace_id(*trace).span_id([2; 8]).name("GET /").start(hour.start().unsigned_abs() * 1_000).duration(7);
        row.commit(hour.start()).unwrap();
    }
    rows.finish().unwrap()
}

fn id(trace: [u8; 16]) -> String {
    trace.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The rows of an object of the index.
fn index(entries: &[([u8; 16], u64, Hour)]) -> RecordBatch {
    let mut entries: Vec<(String, i64, i64)> =
        entries.iter().map(|(trace, segment, hour)| (id(*trace), segment.cast_signed(), hour.0)).collect();
    entries.sort();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(entries.iter().map(|(id, ..)| id))),
        Arc::new(Int64Array::from_iter_values(entries.iter().map(|(_, segment, _)| *segment))),
        Arc::new(Int64Array::from_iter_values(entries.iter().map(|(.., hour)| *hour))),
    ];
    RecordBatch::try_new(trace_index::schema().clone(), columns).unwrap()
}

fn index_key(level: u32, first: u64, last: u64) -> String {
    IndexPath { listener: "a".into(), level, first, last }.key()
}

fn other(n: u64) -> [u8; 16] {
    (u128::from(n) + 1_000).to_be_bytes()
}

/// A warehouse of many objects, an hour each; the trace is in the first, the last, and one between.
async fn filled(segments: u64) -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    let mut entries = Vec::new();
    for segment in 0..segments {
        let hour = Hour(HOUR.0 + segment as i64);
        let mut traces = vec![other(segment)];
        if [0, segments / 2, segments - 1].contains(&segment) {
            traces.push(TRACE);
        }
        put(&*store, &key(Table::Spans, hour, "a", segment), &spans(hour, &traces)).await;
        entries.extend(traces.iter().map(|trace| (*trace, segment, hour)));
    }
    put(&*store, &index_key(1, 0, segments - 1), &index(&entries)).await;
    store
}

fn query(of: &str) -> String {
    format!("select count(*) as n, count(distinct hour) as hours from spans where trace_id = '{of}'")
}

/// Guarantees: a trace whose spans came over hours is whole, and looking for it lists no folder of the table and reads
/// only objects that have spans of it.
#[tokio::test]
async fn a_trace_is_found_by_its_id_with_few_requests() {
    let store = FakeStore::new(filled(60).await);
    let engine = store.engine(Config::default(), None);
    store.requests();
    check(ask(&engine, &query(&id(TRACE))).await, json!([{"n": 3, "hours": 3}]));
    let (listed, reads) = store.requests();
    assert_eq!(listed, ["trace_index"]);
    assert!(reads <= 30, "{reads} reads");
    check(ask(&engine, &query(&id(other(7)))).await, json!([{"n": 1, "hours": 1}]));
    check(ask(&engine, &query(&id([9; 16]))).await, json!([{"n": 0, "hours": 0}]));
    let (one, two) = (id(TRACE), id(other(3)));
    let several = format!("select count(*) as n from spans where trace_id in ('{one}', '{two}') and service = 'shop'");
    check(ask(&engine, &several).await, json!([{"n": 4}]));
    let either = format!("select count(*) as n from spans where trace_id = '{one}' or service = 'shop'");
    check(ask(&engine, &either).await, json!([{"n": 63}]));
}

/// Guarantees: rows that are not stored yet are found, without an index too; objects that were deleted are no error.
#[tokio::test]
async fn a_trace_is_whole_whatever_is_stored_of_it() {
    let store = Arc::new(InMemory::new());
    put(&*store, &key(Table::Spans, HOUR, "a", 1), &spans(HOUR, &[TRACE])).await;
    let without = engine(&store, None);
    check(ask(&without, &query(&id(TRACE))).await, json!([{"n": 1, "hours": 1}]));
    put(&*store, &index_key(0, 1, 1), &index(&[(TRACE, 1, HOUR), (TRACE, 2, HOUR)])).await;
    let engine = engine(&store, Some(FakeHot::new(9, Vec::new())));
    check(ask(&engine, &query(&id(TRACE))).await, json!([{"n": 1, "hours": 1}]));
}

/// Scenario: between the listing of the index and its reading, what was listed is merged and deleted.
/// Guarantees: the trace is found all the same.
#[tokio::test]
async fn an_index_that_is_merged_meanwhile_is_read_again() {
    let store = filled(4).await;
    let entries = [(TRACE, 0, HOUR), (TRACE, 2, Hour(HOUR.0 + 2)), (TRACE, 3, Hour(HOUR.0 + 3))];
    let engine = engine(&store, Some(FakeHot::new(9, Vec::new())));
    check(ask(&engine, &query(&id(TRACE))).await, json!([{"n": 3, "hours": 3}]));
    // The listing is kept, as the hot rows begin where they did.
    put(&*store, &index_key(2, 0, 3), &index(&entries)).await;
    store.delete(&Path::from(index_key(1, 0, 3))).await.unwrap();
    check(ask(&engine, &query(&id(TRACE))).await, json!([{"n": 3, "hours": 3}]));
}
