//! OTLP as JSON: ids in hexadecimal, 64-bit numbers as texts, kinds as numbers, and nothing that is empty.
use super::proto::{AnyValue, Event, KeyValue, Link, Span, TracesData, any_value};
use super::{base64, hex};
use serde_json::{Map, Value, json};

/// An object that leaves out what is empty, as protobuf's JSON does.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn text(mut self, key: &str, text: &str) -> Object {
        if !text.is_empty() {
            self.0.insert(key.to_owned(), text.into());
        }
        self
    }

    fn number(mut self, key: &str, number: i64) -> Object {
        if number != 0 {
            self.0.insert(key.to_owned(), number.into());
        }
        self
    }

    fn nanos(self, key: &str, nanos: u64) -> Object {
        let text = if nanos == 0 { String::new() } else { nanos.to_string() };
        self.text(key, &text)
    }

    fn list<T>(mut self, key: &str, items: &[T], item: impl Fn(&T) -> Value) -> Object {
        if !items.is_empty() {
            self.0.insert(key.to_owned(), items.iter().map(item).collect());
        }
        self
    }

    fn some(mut self, key: &str, value: Option<Object>) -> Object {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value.done());
        }
        self
    }

    fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// Traces as OTLP's JSON.
pub fn traces(data: &TracesData) -> Value {
    let scope_spans = |spans: &super::proto::ScopeSpans| {
        let scope = spans.scope.as_ref().map(|scope| {
            Object::default()
                .text("name", &scope.name)
                .text("version", &scope.version)
                .list("attributes", &scope.attributes, pair)
                .number("droppedAttributesCount", scope.dropped_attributes_count.into())
        });
        let object = Object::default().some("scope", scope).list("spans", &spans.spans, span);
        object.text("schemaUrl", &spans.schema_url).done()
    };
    let resource_spans = |spans: &super::proto::ResourceSpans| {
        let resource = spans.resource.as_ref().map(|resource| {
            Object::default()
                .list("attributes", &resource.attributes, pair)
                .number("droppedAttributesCount", resource.dropped_attributes_count.into())
        });
        let object = Object::default().some("resource", resource).list("scopeSpans", &spans.scope_spans, scope_spans);
        object.text("schemaUrl", &spans.schema_url).done()
    };
    Object::default().list("resourceSpans", &data.resource_spans, resource_spans).done()
}

/// A span as OTLP's JSON.
pub fn span(span: &Span) -> Value {
    let status = span.status.as_ref();
    let status = status.map(|of| Object::default().text("message", &of.message).number("code", of.code.into()));
    Object::default()
        .text("traceId", &hex(&span.trace_id))
        .text("spanId", &hex(&span.span_id))
        .text("traceState", &span.trace_state)
        .text("parentSpanId", &hex(&span.parent_span_id))
        .number("flags", span.flags.into())
        .text("name", &span.name)
        .number("kind", span.kind.into())
        .nanos("startTimeUnixNano", span.start_time_unix_nano)
        .nanos("endTimeUnixNano", span.end_time_unix_nano)
        .list("attributes", &span.attributes, pair)
        .number("droppedAttributesCount", span.dropped_attributes_count.into())
        .list("events", &span.events, event)
        .number("droppedEventsCount", span.dropped_events_count.into())
        .list("links", &span.links, link)
        .number("droppedLinksCount", span.dropped_links_count.into())
        .some("status", status)
        .done()
}

fn event(event: &Event) -> Value {
    Object::default()
        .nanos("timeUnixNano", event.time_unix_nano)
        .text("name", &event.name)
        .list("attributes", &event.attributes, pair)
        .number("droppedAttributesCount", event.dropped_attributes_count.into())
        .done()
}

fn link(link: &Link) -> Value {
    Object::default()
        .text("traceId", &hex(&link.trace_id))
        .text("spanId", &hex(&link.span_id))
        .text("traceState", &link.trace_state)
        .number("flags", link.flags.into())
        .list("attributes", &link.attributes, pair)
        .number("droppedAttributesCount", link.dropped_attributes_count.into())
        .done()
}

fn pair(pair: &KeyValue) -> Value {
    match &pair.value {
        Some(of) => json!({"key": pair.key, "value": value(of)}),
        None => json!({"key": pair.key}),
    }
}

/// A value as OTLP's JSON.
pub fn value(of: &AnyValue) -> Value {
    use any_value::Value as Any;
    match &of.value {
        None => json!({}),
        Some(Any::StringValue(text)) => json!({"stringValue": text}),
        Some(Any::BoolValue(value)) => json!({"boolValue": value}),
        Some(Any::IntValue(number)) => json!({"intValue": number.to_string()}),
        Some(Any::DoubleValue(number)) if number.is_nan() => json!({"doubleValue": "NaN"}),
        Some(Any::DoubleValue(f64::INFINITY)) => json!({"doubleValue": "Infinity"}),
        Some(Any::DoubleValue(f64::NEG_INFINITY)) => json!({"doubleValue": "-Infinity"}),
        Some(Any::DoubleValue(number)) => json!({"doubleValue": number}),
        Some(Any::BytesValue(bytes)) => json!({"bytesValue": base64(bytes)}),
        Some(Any::ArrayValue(list)) => {
            json!({"arrayValue": {"values": list.values.iter().map(value).collect::<Value>()}})
        }
        Some(Any::KvlistValue(list)) => {
            json!({"kvlistValue": {"values": list.values.iter().map(pair).collect::<Value>()}})
        }
    }
}
