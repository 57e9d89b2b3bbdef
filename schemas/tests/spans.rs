//! Spans come back as they were sent, whatever they are made of, and what is refused leaves no trace.
#![allow(clippy::unwrap_used)]
mod any_trace;

use any_trace::{flat, traces, write};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use metlog_schemas::span::proto::TracesData;
use metlog_schemas::span::read::{Spans, Stored};
use metlog_schemas::span::{
    Kind, Refusal, SHARED_BYTES_MAX, SPAN_BYTES_MAX, SPAN_PARTS_MAX, SpanRows, Status, Value, otlp,
};
use metlog_schemas::table::Table;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Guarantees: OTLP in and OTLP out are equal, span for span: ids, nanoseconds, types, nested values, repeated keys,
    /// order, states, flags, counts, scopes, resources and schemas.
    #[test]
    fn otlp_comes_back_as_it_was_sent(data in traces(), again in traces()) {
        let mut rows = SpanRows::default();
        for data in [data, again] {
            let refused = write(&data, &mut rows);
            prop_assert!(refused.is_empty(), "{:?}", refused);
            let spans = Spans::new(&rows.finish().unwrap()).unwrap();
            prop_assert_eq!(flat(&otlp::traces(spans.iter())), flat(&data));
        }
    }

    /// Guarantees: keys of a map are not repeated, as engines want it, and columns of views are read too.
    #[test]
    fn keys_of_a_map_are_not_repeated(data in traces()) {
        let mut rows = SpanRows::default();
        write(&data, &mut rows);
        let batch = rows.finish().unwrap();
        for name in ["attributes", "resource_attributes", "scope_attributes"] {
            let map = batch.column_by_name(name).unwrap().as_map().clone();
            for row in 0..map.len() {
                let entries = map.value(row);
                let keys: Vec<_> = entries.column(0).as_string::<i32>().iter().collect();
                let distinct: std::collections::HashSet<_> = keys.iter().collect();
                prop_assert_eq!(keys.len(), distinct.len(), "{:?}", keys);
            }
        }
        let view = arrow::compute::cast(batch.column(6), &DataType::Utf8View).unwrap();
        let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
        fields[6] = std::sync::Arc::new(fields[6].as_ref().clone().with_data_type(DataType::Utf8View));
        let mut columns = batch.columns().to_vec();
        columns[6] = view;
        let viewed = arrow::array::RecordBatch::try_new(
            std::sync::Arc::new(arrow::datatypes::Schema::new(fields)), columns).unwrap();
        let spans = Spans::new(&viewed).unwrap();
        prop_assert_eq!(flat(&otlp::traces(spans.iter())), flat(&data));
    }
}

/// A span that is good, with what a test adds.
fn commit(rows: &mut SpanRows, add: impl FnOnce(&mut metlog_schemas::span::SpanRow<'_>)) -> Result<(), Refusal> {
    let mut row = rows.begin();
    row.trace_id([1; 16]).span_id([2; 8]).name("n").start(1_000_000).duration(5);
    add(&mut row);
    row.commit(7)
}

#[test]
fn columns_are_what_the_table_says() {
    let mut rows = SpanRows::default();
    rows.resource("otlp").attribute("service.name", Value::Str("checkout"));
    rows.scope().name("lib").version("1");
    commit(&mut rows, |row| {
        row.kind(Kind::Server).status(Status::Error, "broken").parent_span_id([0xab; 8]).trace_state("ot=th:8");
        row.attribute("http.route", Value::Str("/")).attribute("http.status", Value::Int(500));
        row.attribute("http.route", Value::Bool(true)).extra("jaeger.flags", "1");
        row.event(5, "e", 1).event_attribute("k", Value::Double(1.5));
    })
    .unwrap();
    rows.resource("zipkin");
    commit(&mut rows, |row| {
        row.service("other").sampling_probability(0.25);
    })
    .unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows.text_bytes() > 100);
    let batch = rows.finish().unwrap();
    assert_eq!((batch.schema(), batch.num_rows(), rows.len()), (Table::Spans.schema(), 2, 0));
    let spans = Spans::new(&batch).unwrap();
    let span = spans.get(0);
    assert_eq!((span.trace_id(), span.span_id()), ("01".repeat(16).as_str(), "02".repeat(8).as_str()));
    assert_eq!((span.parent_span_id(), span.service(), span.kind()), ("abababababababab", "checkout", Kind::Server));
    assert_eq!((span.status(), span.status_message(), span.source()), (Status::Error, "broken", "otlp"));
    assert_eq!((span.timestamp(), span.received_at(), span.duration_nanos()), (1_000, 7, Some(5)));
    assert_eq!((span.scope_name(), span.scope_version(), span.extra("jaeger.flags")), ("lib", "1", Some("1")));
    assert_eq!((span.sampling_probability(), spans.get(1).sampling_probability()), (Some(0.5), Some(0.25)));
    let attributes: Vec<_> = span.attributes().map(|of| (of.key, of.text, of.value)).collect();
    let expected = [
        ("http.route", "/", Stored::Str("/")),
        ("http.status", "500", Stored::Int(500)),
        ("http.route", "true", Stored::Bool(true)),
    ];
    assert_eq!(attributes, expected);
    assert_eq!(span.attributes().text("http.route#2"), Some("true"));
    let event = span.events().next().unwrap();
    assert_eq!((event.unix_nanos, event.name, event.dropped_attributes), (5, "e", 1));
    assert_eq!(event.attributes.text("k"), Some("1.5"));
    let other = spans.get(1);
    assert_eq!((other.service(), other.scope_name(), other.source()), ("other", "", "zipkin"));
    assert_eq!((other.resource_attributes().count(), other.attributes().count()), (0, 0));
    let durations = batch.column_by_name("duration_nanos").unwrap().as_primitive::<Int64Type>();
    assert!(durations.is_valid(0));
}

#[test]
fn what_is_refused_is_named_and_forgotten() {
    let mut rows = SpanRows::default();
    rows.resource("otlp");
    let long = "x".repeat(SPAN_BYTES_MAX + 1);
    assert_eq!(
        commit(&mut rows, |row| {
            row.trace_id([0; 16]);
        }),
        Err(Refusal::NoTraceId)
    );
    assert_eq!(
        commit(&mut rows, |row| {
            row.span_id([0; 8]);
        }),
        Err(Refusal::NoSpanId)
    );
    assert_eq!(
        commit(&mut rows, |row| {
            row.name(&long);
        }),
        Err(Refusal::TooLarge)
    );
    assert_eq!(
        commit(&mut rows, |row| {
            row.attribute("k", Value::Str(&long));
        }),
        Err(Refusal::TooLarge)
    );
    assert_eq!(
        commit(&mut rows, |row| {
            row.attribute("k", Value::Nested(b"\xff"));
        }),
        Err(Refusal::Nested)
    );
    let many = |row: &mut metlog_schemas::span::SpanRow<'_>| {
        (0..=SPAN_PARTS_MAX).for_each(|_| {
            row.attribute("same", Value::Empty);
        });
    };
    assert_eq!(commit(&mut rows, many), Err(Refusal::TooLarge));
    // The years 2554 and 1970 are times; only what began is no row.
    assert_eq!(
        commit(&mut rows, |row| {
            row.start(u64::MAX).end(1);
        }),
        Ok(())
    );
    assert_eq!(
        commit(&mut rows, |row| {
            row.start(0).end(0);
        }),
        Ok(())
    );
    rows.begin().trace_id([1; 16]).attribute("k", Value::Int(1));
    rows.resource("otlp").attribute("k", Value::Str(&"x".repeat(SHARED_BYTES_MAX + 1)));
    assert_eq!(commit(&mut rows, |_| ()), Err(Refusal::ResourceTooLarge));
    rows.resource("otlp").attribute("k", Value::Nested(b"\xff"));
    assert_eq!(commit(&mut rows, |_| ()), Err(Refusal::Nested));
    rows.resource("otlp");
    assert_eq!(commit(&mut rows, |_| ()), Ok(()));
    let spans = Spans::new(&rows.finish().unwrap()).unwrap();
    assert_eq!(spans.len(), 3);
    assert_eq!((spans.get(0).start_unix_nanos(), spans.get(0).end_unix_nanos()), (u64::MAX, 1));
    assert_eq!((spans.get(1).duration_nanos(), spans.get(1).end_unix_nanos()), (None, 0));
    assert!(spans.iter().all(|span| span.attributes().count() == 0 && span.name() == "n"));
}

/// A small request must not become gigabytes because each of its spans has a copy of a large resource.
#[test]
fn copies_of_a_large_resource_are_bounded() {
    let mut rows = SpanRows::default();
    rows.resource("otlp").attribute("k", Value::Str(&"x".repeat(SHARED_BYTES_MAX - 16)));
    let committed = (0..10_000).filter(|_| commit(&mut rows, |_| ()).is_ok()).count();
    assert!((4_000..4_200).contains(&committed), "{committed}");
    assert_eq!(commit(&mut rows, |_| ()), Err(Refusal::ResourceTooLarge));
    rows.resource("otlp");
    let _ = commit(&mut rows, |_| ());
    rows.finish().unwrap();
    assert_eq!(commit(&mut rows, |_| ()), Ok(()));
}

#[test]
fn empty_traces_are_no_rows() {
    let mut rows = SpanRows::default();
    assert!(write(&TracesData::default(), &mut rows).is_empty());
    let batch = rows.finish().unwrap();
    assert_eq!(otlp::traces(Spans::new(&batch).unwrap().iter()), TracesData::default());
}
