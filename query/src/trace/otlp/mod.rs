//! Spans as OTLP writes them: both directions. JSON that people upload is read by [`read`]; spans of the table as they were
//! sent are written by `metlog_schemas::span::otlp`, adjusted ones here.
mod read;

pub use read::read;

use super::{Attribute, Event, Link, Resource, Scope, Span, Status, Value};
use metlog_schemas::span::proto;
use proto::any_value::Value as OneOf;
use proto::{AnyValue, ArrayValue, KeyValue, KeyValueList, ResourceSpans, ScopeSpans, TracesData};
use std::collections::HashMap;
use std::sync::Arc;

/// The attribute in which a span's warnings go to readers of OTLP, as from Jaeger.
pub const WARNINGS: &str = "@jaeger@warnings";

/// Spans by resource and scope, each of which comes once, in the order of their first spans.
pub fn write<'a>(spans: impl IntoIterator<Item = &'a Span>) -> TracesData {
    let mut data = TracesData::default();
    let mut resources: HashMap<*const Resource, usize> = HashMap::new();
    let mut known: Vec<&Arc<Resource>> = Vec::new();
    let mut scopes: HashMap<(usize, *const Scope), usize> = HashMap::new();
    let mut known_scopes: Vec<Vec<&Arc<Scope>>> = Vec::new();
    for span in spans {
        let resource = *resources.entry(Arc::as_ptr(&span.resource)).or_insert_with(|| {
            known.iter().position(|resource| **resource == span.resource).unwrap_or_else(|| {
                known.push(&span.resource);
                known_scopes.push(Vec::new());
                data.resource_spans.push(resource_spans(&span.resource));
                known.len() - 1
            })
        });
        let of_resource = &mut known_scopes[resource];
        let spans_of = &mut data.resource_spans[resource].scope_spans;
        let scope = *scopes.entry((resource, Arc::as_ptr(&span.scope))).or_insert_with(|| {
            of_resource.iter().position(|scope| **scope == span.scope).unwrap_or_else(|| {
                of_resource.push(&span.scope);
                spans_of.push(scope_spans(&span.scope));
                of_resource.len() - 1
            })
        });
        spans_of[scope].spans.push(write_span(span));
    }
    data
}

fn resource_spans(resource: &Resource) -> ResourceSpans {
    let of = proto::Resource {
        attributes: attributes(&resource.attributes),
        dropped_attributes_count: resource.dropped_attributes,
    };
    ResourceSpans { resource: Some(of), scope_spans: Vec::new(), schema_url: resource.schema_url.clone() }
}

fn scope_spans(scope: &Scope) -> ScopeSpans {
    let of = proto::InstrumentationScope {
        name: scope.name.clone(),
        version: scope.version.clone(),
        attributes: attributes(&scope.attributes),
        dropped_attributes_count: scope.dropped_attributes,
    };
    ScopeSpans { scope: Some(of), spans: Vec::new(), schema_url: scope.schema_url.clone() }
}

fn write_span(span: &Span) -> proto::Span {
    let mut attributes = attributes(&span.attributes);
    if !span.warnings.is_empty() {
        let warnings = span.warnings.iter().cloned().map(Value::Text).collect();
        attributes.push(KeyValue { key: WARNINGS.to_owned(), value: Some(any_value(&Value::List(warnings))) });
    }
    let parent = if span.is_root() { Vec::new() } else { span.parent_id.0.to_be_bytes().to_vec() };
    proto::Span {
        trace_id: span.trace_id.0.to_be_bytes().to_vec(),
        span_id: span.span_id.0.to_be_bytes().to_vec(),
        trace_state: span.trace_state.clone(),
        parent_span_id: parent,
        name: span.name.clone(),
        kind: span.kind as i32,
        start_time_unix_nano: span.start,
        end_time_unix_nano: span.end,
        attributes,
        dropped_attributes_count: span.dropped_attributes,
        events: span.events.iter().map(event).collect(),
        dropped_events_count: span.dropped_events,
        links: span.links.iter().map(link).collect(),
        dropped_links_count: span.dropped_links,
        status: (span.status != Status::Unset || !span.status_message.is_empty())
            .then(|| proto::Status { message: span.status_message.clone(), code: span.status as i32 }),
        flags: span.flags,
    }
}

fn event(event: &Event) -> proto::Event {
    proto::Event {
        time_unix_nano: event.time,
        name: event.name.clone(),
        attributes: attributes(&event.attributes),
        dropped_attributes_count: event.dropped_attributes,
    }
}

fn link(link: &Link) -> proto::Link {
    proto::Link {
        trace_id: link.trace_id.0.to_be_bytes().to_vec(),
        span_id: link.span_id.0.to_be_bytes().to_vec(),
        trace_state: link.trace_state.clone(),
        attributes: attributes(&link.attributes),
        dropped_attributes_count: link.dropped_attributes,
        flags: link.flags,
    }
}

fn attributes(attributes: &[Attribute]) -> Vec<KeyValue> {
    attributes.iter().map(entry).collect()
}

fn entry(attribute: &Attribute) -> KeyValue {
    KeyValue { key: attribute.key.clone(), value: Some(any_value(&attribute.value)) }
}

fn any_value(value: &Value) -> AnyValue {
    let value = match value {
        Value::Empty => None,
        Value::Text(text) => Some(OneOf::StringValue(text.clone())),
        Value::Bool(value) => Some(OneOf::BoolValue(*value)),
        Value::Int(value) => Some(OneOf::IntValue(*value)),
        Value::Double(value) => Some(OneOf::DoubleValue(*value)),
        Value::Bytes(bytes) => Some(OneOf::BytesValue(bytes.clone())),
        Value::List(values) => Some(OneOf::ArrayValue(ArrayValue { values: values.iter().map(any_value).collect() })),
        Value::Map(entries) => Some(OneOf::KvlistValue(KeyValueList { values: entries.iter().map(entry).collect() })),
    };
    AnyValue { value }
}

/// A value of OTLP; none is an empty one.
pub fn read_value(value: Option<&AnyValue>) -> Value {
    let entries = |list: &KeyValueList| list.values.iter().map(read_pair).collect();
    match value.and_then(|value| value.value.as_ref()) {
        None => Value::Empty,
        Some(OneOf::StringValue(text)) => Value::Text(text.clone()),
        Some(OneOf::BoolValue(value)) => Value::Bool(*value),
        Some(OneOf::IntValue(value)) => Value::Int(*value),
        Some(OneOf::DoubleValue(value)) => Value::Double(*value),
        Some(OneOf::BytesValue(bytes)) => Value::Bytes(bytes.clone()),
        Some(OneOf::ArrayValue(list)) => Value::List(list.values.iter().map(|value| read_value(Some(value))).collect()),
        Some(OneOf::KvlistValue(list)) => Value::Map(entries(list)),
    }
}

fn read_pair(pair: &KeyValue) -> Attribute {
    Attribute { key: pair.key.clone(), value: read_value(pair.value.as_ref()) }
}
