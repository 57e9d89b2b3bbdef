//! Traces out of a store, whole and in pieces, and their tree in SQL.
use super::rows::{ask, engine};
use super::*;
use crate::Rights;
use crate::trace::find::{SPANS_A_PAGE, Search, Traces};
use serde_json::json;

/// 2026-03-04T05:00:00Z in nanoseconds.
const T: u64 = 1_772_600_400_000_000_000;

fn at(id: u64, parent: u64, start: u64, end: u64) -> Span {
    span(id, parent, T + start, T + end)
}

#[tokio::test]
async fn a_trace_of_many_pages_is_whole() {
    let count = SPANS_A_PAGE as u64 + 500;
    // Many start together, and each identical span is there twice.
    let spans: Vec<Span> = (0..count).map(|n| at(1 + n / 2, 0, n / 1_000, n)).collect();
    let traces = Traces::new(engine(&spans).await, Rights::everything());
    let found = traces.load(&[TraceId(1)]).await.unwrap();
    assert_eq!((found.len() as u64, found.cut.is_none()), (count, true));
    let trace = &found.traces()[0];
    assert!(trace.spans.windows(2).all(|pair| pair[0].start <= pair[1].start));
    let outline = traces.outline(TraceId(1)).await.unwrap().unwrap();
    assert_eq!((outline.trace.spans.len() as u64, outline.total), (count, count));
    assert!(traces.outline(TraceId(2)).await.unwrap().is_none());
}

#[tokio::test]
async fn spans_are_found_in_order() {
    let spans: Vec<Span> = (1..=50).map(|n| at(n, 0, n * 10, n * 10 + (n * 7) % 50)).collect();
    let traces = Traces::new(engine(&spans).await, Rights::everything());
    let order = crate::trace::find::Order::Longest;
    let search = Search { from: T, until: T + 1_000_000, order, limit: 5, offset: 5, ..Search::default() };
    let found = traces.found_spans(&search).await.unwrap().plain();
    let takes: Vec<u64> = found.iter().map(Span::duration).collect();
    assert_eq!(takes, [44, 43, 42, 41, 40]);
}

#[tokio::test]
async fn the_tree_of_a_trace_is_there_in_sql() {
    let rows = engine(&[at(1, 0, 0, 100), at(2, 1, 10, 40), at(3, 1, 50, 90), at(4, 3, 60, 70)]).await;
    let sql = "select t['span_id'] as id, t['position'] as position, t['depth'] as depth, t['self_nanos'] as own, \
               t['critical_nanos'] as critical from \
               (select unnest(trace_tree(span_id, parent_span_id, start_unix_nanos, duration_nanos)) as t \
               from spans group by trace_id) order by position";
    let row = |id: u64, position: u64, depth: u64, own: u64, critical: u64| json!({"id": format!("{id:016x}"), "position": position, "depth": depth, "own": own, "critical": critical});
    let expected = json!([row(1, 0, 0, 30, 30), row(2, 1, 1, 30, 30), row(3, 2, 1, 30, 30), row(4, 3, 2, 10, 10)]);
    assert_eq!(ask(&rows, sql).await, expected);
}

#[tokio::test]
async fn attributes_of_events_are_found() {
    let event = |name: &str, value: &str| Event {
        time: T,
        name: name.into(),
        attributes: vec![Attribute::text("k", value)],
        ..Event::default()
    };
    let rows =
        engine(&[Span { events: vec![event("a", "1"), event("b", "2")], ..at(1, 0, 0, 1) }, at(2, 0, 0, 1)]).await;
    let sql = "select attribute_values(events, 'k') as v, event_names(events) as n from spans order by span_id";
    assert_eq!(ask(&rows, sql).await, json!([{"v": ["1", "2"], "n": ["a", "b"]}, {"v": [], "n": []}]));
}
