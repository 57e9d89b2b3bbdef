//! Rows of `spans` as OTLP: what came as OTLP is equal to what was sent, span for span.
use super::proto::{
    AnyValue, Event, InstrumentationScope, KeyValue, Link, Resource, ResourceSpans, ScopeSpans, Span, Status,
    TracesData, any_value,
};
use super::read::{self, Attributes, Stored};
use super::{presence, unhex};
use prost::Message;
use std::collections::HashMap;

/// Spans as OTLP, those of the same resource and scope together, in the order in which each is there first.
pub fn traces<'b>(spans: impl IntoIterator<Item = read::Span<'b>>) -> TracesData {
    let mut data = TracesData::default();
    let (mut resources, mut scopes) = (HashMap::new(), HashMap::new());
    for span in spans {
        let resource = ResourceSpans {
            resource: (span.presence() & presence::NO_RESOURCE == 0).then(|| resource(span)),
            scope_spans: Vec::new(),
            schema_url: span.resource_schema_url().to_owned(),
        };
        let scope = ScopeSpans {
            scope: (span.presence() & presence::NO_SCOPE == 0).then(|| scope(span)),
            spans: Vec::new(),
            schema_url: span.scope_schema_url().to_owned(),
        };
        let at = *resources.entry(resource.encode_to_vec()).or_insert(data.resource_spans.len());
        if at == data.resource_spans.len() {
            data.resource_spans.push(resource);
        }
        let of_resource = &mut data.resource_spans[at].scope_spans;
        let within = *scopes.entry((at, scope.encode_to_vec())).or_insert(of_resource.len());
        if within == of_resource.len() {
            of_resource.push(scope);
        }
        of_resource[within].spans.push(self::span(span));
    }
    data
}

fn resource(span: read::Span<'_>) -> Resource {
    Resource {
        attributes: pairs(span.resource_attributes()),
        dropped_attributes_count: span.resource_dropped_attributes(),
    }
}

fn scope(span: read::Span<'_>) -> InstrumentationScope {
    InstrumentationScope {
        name: span.scope_name().to_owned(),
        version: span.scope_version().to_owned(),
        attributes: pairs(span.scope_attributes()),
        dropped_attributes_count: span.scope_dropped_attributes(),
    }
}

/// One span as OTLP.
pub fn span(of: read::Span<'_>) -> Span {
    let kept = |key| of.extra(key).and_then(|number| number.parse().ok());
    let code: i32 = kept("otlp.status").unwrap_or(of.status().number());
    let status = Status { message: of.status_message().to_owned(), code };
    let is_given = status != Status::default() || of.presence() & presence::STATUS != 0;
    let parent_span_id = match of.presence() & presence::ZERO_PARENT {
        0 => id(of.parent_span_id()),
        _ => vec![0; 8],
    };
    Span {
        trace_id: id(of.trace_id()),
        span_id: id(of.span_id()),
        trace_state: of.trace_state().to_owned(),
        parent_span_id,
        name: of.name().to_owned(),
        kind: kept("otlp.kind").unwrap_or(of.kind().number()),
        start_time_unix_nano: of.start_unix_nanos(),
        end_time_unix_nano: of.end_unix_nanos(),
        attributes: pairs(of.attributes()),
        dropped_attributes_count: of.dropped_attributes(),
        events: of.events().map(event).collect(),
        dropped_events_count: of.dropped_events(),
        links: of.links().map(link).collect(),
        dropped_links_count: of.dropped_links(),
        status: is_given.then_some(status),
        flags: of.flags(),
    }
}

fn event(event: read::Event<'_>) -> Event {
    Event {
        time_unix_nano: event.unix_nanos,
        name: event.name.to_owned(),
        attributes: pairs(event.attributes),
        dropped_attributes_count: event.dropped_attributes,
    }
}

fn link(link: read::Link<'_>) -> Link {
    Link {
        trace_id: id(link.trace_id),
        span_id: id(link.span_id),
        trace_state: link.trace_state.to_owned(),
        attributes: pairs(link.attributes),
        dropped_attributes_count: link.dropped_attributes,
        flags: link.flags,
    }
}

fn id(text: &str) -> Vec<u8> {
    unhex(text).unwrap_or_default()
}

fn pairs(attributes: Attributes<'_>) -> Vec<KeyValue> {
    attributes.map(|attribute| KeyValue { key: attribute.key.to_owned(), value: value(&attribute.value) }).collect()
}

/// A value as OTLP has it; `None` where it had none at all.
pub fn value(stored: &Stored<'_>) -> Option<AnyValue> {
    use any_value::Value;
    let value = match stored {
        Stored::Str(text) => Value::StringValue((*text).to_owned()),
        Stored::Int(number) => Value::IntValue(*number),
        Stored::Double(number) => Value::DoubleValue(*number),
        Stored::Bool(value) => Value::BoolValue(*value),
        Stored::Bytes(bytes) => Value::BytesValue(bytes.clone()),
        // It was read when it came in; what somebody else put into a file may be anything.
        Stored::Nested(bytes) => return Some(AnyValue::decode(*bytes).unwrap_or_default()),
        Stored::Empty => return Some(AnyValue::default()),
        Stored::Missing => return None,
    };
    Some(AnyValue { value: Some(value) })
}
