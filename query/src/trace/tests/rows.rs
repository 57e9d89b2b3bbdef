//! Spans as rows of the table, as a listener would have made them, in a store of a test.
use super::*;
use crate::trace::find::Rows;
use crate::{Config, Engine};
use arrow::array::RecordBatch;
use metlog_schemas::object_path::ObjectPath;
use metlog_schemas::span::{SpanRows, Value as Written};
use metlog_schemas::table::{Table, TableRows};
use metlog_schemas::time::{HOUR, Hour};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use std::collections::BTreeMap;

fn with<'a>(value: &'a Value, nested: &'a mut Vec<u8>) -> Written<'a> {
    match value {
        Value::Empty => Written::Empty,
        Value::Text(text) => Written::Str(text),
        Value::Bool(value) => Written::Bool(*value),
        Value::Int(value) => Written::Int(*value),
        Value::Double(value) => Written::Double(*value),
        Value::Bytes(bytes) => Written::Bytes(bytes),
        Value::List(_) | Value::Map(_) => {
            *nested = prost::Message::encode_to_vec(&otlp_value(value));
            Written::Nested(nested)
        }
    }
}

fn otlp_value(value: &Value) -> metlog_schemas::span::proto::AnyValue {
    let span = Span { attributes: vec![Attribute::new("v", value.clone())], ..Span::default() };
    let mut data = crate::trace::otlp::write([&span]);
    let span = data.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0);
    span.attributes.into_iter().next().unwrap().value.unwrap()
}

/// Rows of these spans.
pub(crate) fn batch(spans: &[Span]) -> RecordBatch {
    let mut rows = SpanRows::default();
    for span in spans {
        let source = if span.source == "milo" { "milo" } else { "otlp" };
        let mut nested = Vec::new();
        let mut resource = rows.resource(source);
        let service = value_of(&span.resource.attributes, "service.name").is_none();
        if service && !span.service.is_empty() {
            resource.attribute("service.name", Written::Str(&span.service));
        }
        for attribute in &span.resource.attributes {
            resource.attribute(&attribute.key, with(&attribute.value, &mut nested));
        }
        let mut scope = rows.scope();
        scope.name(&span.scope.name).version(&span.scope.version);
        for attribute in &span.scope.attributes {
            scope.attribute(&attribute.key, with(&attribute.value, &mut nested));
        }
        let mut row = rows.begin();
        row.trace_id(span.trace_id.0.to_be_bytes()).span_id(span.span_id.0.to_be_bytes());
        if !span.is_root() {
            row.parent_span_id(span.parent_id.0.to_be_bytes());
        }
        row.name(&span.name).kind_number(span.kind as i32).start(span.start).end(span.end);
        row.status_number(span.status as i32, &span.status_message).trace_state(&span.trace_state).flags(span.flags);
        for (key, value) in &span.extras {
            row.extra(key, value);
        }
        for attribute in &span.attributes {
            row.attribute(&attribute.key, with(&attribute.value, &mut nested));
        }
        for event in &span.events {
            row.event(event.time, &event.name, event.dropped_attributes);
            for attribute in &event.attributes {
                row.event_attribute(&attribute.key, with(&attribute.value, &mut nested));
            }
        }
        for link in &span.links {
            let (trace, span) = (link.trace_id.0.to_be_bytes(), link.span_id.0.to_be_bytes());
            row.link(&trace, &span, &link.trace_state, link.flags, link.dropped_attributes);
            for attribute in &link.attributes {
                row.link_attribute(&attribute.key, with(&attribute.value, &mut nested));
            }
        }
        row.commit(0).unwrap();
    }
    SpanRows::finish(&mut rows).unwrap()
}

/// An engine over a store that has these spans, each in the hour of its start.
pub(crate) async fn engine(spans: &[Span]) -> Arc<dyn Rows> {
    let store = Arc::new(InMemory::new());
    let mut hours: BTreeMap<i64, Vec<Span>> = BTreeMap::new();
    for span in spans {
        hours.entry((span.start / 1_000) as i64 / HOUR).or_default().push(span.clone());
    }
    for (segment, (hour, spans)) in (1..).zip(hours) {
        let rows = batch(&spans);
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        let path =
            ObjectPath { table: Table::Spans, partition: Hour(hour).into(), listener: "a".into(), segment }.key();
        store.put(&Path::from(path), writer.into_inner().unwrap().into()).await.unwrap();
    }
    assert_eq!(SpanRows::TABLE, Table::Spans);
    Arc::new(Engine::new(Config::default(), store as Arc<dyn ObjectStore>, Path::default(), None).unwrap())
}

/// Rows of SQL as JSON.
pub(crate) async fn ask(rows: &Arc<dyn Rows>, sql: &str) -> serde_json::Value {
    let found = rows.rows(sql.to_owned(), crate::Rights::everything()).await.unwrap();
    let format = crate::format::Format::Json;
    let mut writer = crate::format::Writer::new(format, &found.schema, Vec::new()).unwrap();
    found.batches.iter().try_for_each(|batch| writer.write(batch)).unwrap();
    serde_json::from_slice(&writer.finish().unwrap()).unwrap()
}
