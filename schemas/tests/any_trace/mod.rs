//! Random traces as OTLP, and how they are written into rows.
#![allow(dead_code)]
use metlog_schemas::span::proto::{
    AnyValue, ArrayValue, Event, InstrumentationScope, KeyValue, KeyValueList, Link, Resource, ResourceSpans,
    ScopeSpans, Span, Status, TracesData, any_value::Value as Any,
};
use metlog_schemas::span::{Refusal, Set, SpanRow, SpanRows, Value, presence};
use proptest::prelude::*;
use prost::Message;

/// Writes a value of an attribute by what it is.
fn with_value(value: Option<&AnyValue>, write: &mut dyn FnMut(Value<'_>)) {
    match value.map(|value| value.value.as_ref()) {
        None => write(Value::Missing),
        Some(None) => write(Value::Empty),
        Some(Some(Any::StringValue(text))) => write(Value::Str(text)),
        Some(Some(Any::BoolValue(value))) => write(Value::Bool(*value)),
        Some(Some(Any::IntValue(number))) => write(Value::Int(*number)),
        Some(Some(Any::DoubleValue(number))) => write(Value::Double(*number)),
        Some(Some(Any::BytesValue(bytes))) => write(Value::Bytes(bytes)),
        Some(Some(_)) => write(Value::Nested(&value.unwrap().encode_to_vec())),
    }
}

fn set(mut set: Set<'_>, attributes: &[KeyValue], dropped: u32, schema_url: &str) {
    for pair in attributes {
        with_value(pair.value.as_ref(), &mut |value| {
            set.attribute(&pair.key, value);
        });
    }
    set.dropped_attributes(dropped).schema_url(schema_url);
}

/// Writes traces into rows; what is refused comes back.
pub fn write(data: &TracesData, rows: &mut SpanRows) -> Vec<Refusal> {
    let mut refused = Vec::new();
    for of_resource in &data.resource_spans {
        let mut shared = rows.resource("otlp");
        match &of_resource.resource {
            Some(resource) => {
                set(shared, &resource.attributes, resource.dropped_attributes_count, &of_resource.schema_url);
            }
            None => {
                shared.schema_url(&of_resource.schema_url).absent();
            }
        }
        for of_scope in &of_resource.scope_spans {
            let mut shared = rows.scope();
            match &of_scope.scope {
                Some(scope) => {
                    shared.name(&scope.name).version(&scope.version);
                    set(shared, &scope.attributes, scope.dropped_attributes_count, &of_scope.schema_url);
                }
                None => {
                    shared.schema_url(&of_scope.schema_url).absent();
                }
            }
            for span in &of_scope.spans {
                let mut row = rows.begin();
                fill(span, &mut row);
                refused.extend(row.commit(7).err());
            }
        }
    }
    refused
}

fn fill(span: &Span, row: &mut SpanRow<'_>) {
    row.trace_id(span.trace_id[..].try_into().unwrap_or_default());
    row.span_id(span.span_id[..].try_into().unwrap_or_default());
    if let Ok(parent) = span.parent_span_id[..].try_into() {
        row.parent_span_id(parent).present(if parent == [0; 8] { presence::ZERO_PARENT } else { 0 });
    }
    row.trace_state(&span.trace_state).name(&span.name).kind_number(span.kind).flags(span.flags);
    row.start(span.start_time_unix_nano).end(span.end_time_unix_nano);
    row.dropped(span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count);
    for pair in &span.attributes {
        with_value(pair.value.as_ref(), &mut |value| {
            row.attribute(&pair.key, value);
        });
    }
    for event in &span.events {
        row.event(event.time_unix_nano, &event.name, event.dropped_attributes_count);
        for pair in &event.attributes {
            with_value(pair.value.as_ref(), &mut |value| {
                row.event_attribute(&pair.key, value);
            });
        }
    }
    for link in &span.links {
        row.link(&link.trace_id, &link.span_id, &link.trace_state, link.flags, link.dropped_attributes_count);
        for pair in &link.attributes {
            with_value(pair.value.as_ref(), &mut |value| {
                row.link_attribute(&pair.key, value);
            });
        }
    }
    if let Some(status) = &span.status {
        row.status_number(status.code, &status.message).present(presence::STATUS);
    }
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(None),
        "[a-z]{0,6}|\\PC{0,6}".prop_map(|text| Some(Any::StringValue(text))),
        any::<bool>().prop_map(|value| Some(Any::BoolValue(value))),
        any::<i64>().prop_map(|number| Some(Any::IntValue(number))),
        any::<u64>().prop_map(|bits| Some(Any::DoubleValue(f64::from_bits(bits)))),
        any::<f64>().prop_map(|number| Some(Any::DoubleValue(number))),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| Some(Any::BytesValue(bytes))),
    ];
    let leaf = leaf.prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| AnyValue { value: Some(Any::ArrayValue(ArrayValue { values })) }),
            prop::collection::vec(pair(inner), 0..4)
                .prop_map(|values| AnyValue { value: Some(Any::KvlistValue(KeyValueList { values })) }),
        ]
    })
}

fn pair(value: impl Strategy<Value = AnyValue>) -> impl Strategy<Value = KeyValue> {
    ("[ab#2]{0,3}|service.name", prop::option::weighted(0.9, value)).prop_map(|(key, value)| KeyValue { key, value })
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    prop_oneof![9 => prop::collection::vec(pair(any_value()), 0..6), 1 => prop::collection::vec(pair(any_value()), 0..50)]
}

/// Mostly 0.
fn count() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), any::<u32>()]
}

fn nanos() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), any::<u64>(), 1_700_000_000_000_000_000..1_700_000_001_000_000_000_u64]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (nanos(), "\\PC{0,6}", attributes(), count());
    let event = event.prop_map(|(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
        time_unix_nano,
        name,
        attributes,
        dropped_attributes_count,
    });
    prop::collection::vec(event, 0..4)
}

fn links() -> impl Strategy<Value = Vec<Link>> {
    let bytes = |most: usize| prop::collection::vec(any::<u8>(), 0..most);
    let link = (bytes(17), bytes(9), "[a-z=]{0,4}", attributes(), count(), count());
    let link = link.prop_map(|(trace_id, span_id, trace_state, attributes, dropped, flags)| Link {
        trace_id,
        span_id,
        trace_state,
        attributes,
        dropped_attributes_count: dropped,
        flags,
    });
    prop::collection::vec(link, 0..3)
}

prop_compose! {
    fn span()(
        trace_id in any::<[u8; 16]>(), span_id in any::<[u8; 8]>(), trace_state in "(ot=th:[0-9a-f]{1,3})?",
        parent in prop_oneof![Just(vec![]), Just(vec![0; 8]), any::<[u8; 8]>().prop_map(Vec::from)],
        name in "\\PC{0,8}", kind in -1..9_i32, start in nanos(), end in nanos(), attributes in attributes(),
        events in events(), links in links(), dropped in (count(), count(), count()), flags in count(),
        status in prop::option::of(("\\PC{0,4}", -1..5_i32)),
    ) -> Span {
        Span {
            trace_id: trace_id.map(|byte| byte | 1).to_vec(),
            span_id: span_id.map(|byte| byte | 1).to_vec(),
            trace_state,
            parent_span_id: parent,
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            attributes,
            dropped_attributes_count: dropped.0,
            events,
            dropped_events_count: dropped.1,
            links,
            dropped_links_count: dropped.2,
            status: status.map(|(message, code)| Status { message, code }),
            flags,
        }
    }
}

fn scope_spans() -> impl Strategy<Value = ScopeSpans> {
    let scope = ("[a-z]{0,3}", "[0-9.]{0,3}", attributes(), count());
    let scope = scope.prop_map(|(name, version, attributes, dropped_attributes_count)| InstrumentationScope {
        name,
        version,
        attributes,
        dropped_attributes_count,
    });
    let parts = (prop::option::of(scope), prop::collection::vec(span(), 0..4), "[a-z:]{0,4}");
    parts.prop_map(|(scope, spans, schema_url)| ScopeSpans { scope, spans, schema_url })
}

/// Traces of any shape that OTLP has.
pub fn traces() -> impl Strategy<Value = TracesData> {
    let resource = (attributes(), count());
    let resource =
        resource.prop_map(|(attributes, dropped_attributes_count)| Resource { attributes, dropped_attributes_count });
    let parts = (prop::option::of(resource), prop::collection::vec(scope_spans(), 0..3), "[a-z:]{0,4}");
    let of_resource =
        parts.prop_map(|(resource, scope_spans, schema_url)| ResourceSpans { resource, scope_spans, schema_url });
    prop::collection::vec(of_resource, 0..4).prop_map(|resource_spans| TracesData { resource_spans })
}

/// Each span with its resource and scope, as bytes, in an order of its own: traces are equal if these are.
pub fn flat(data: &TracesData) -> Vec<Vec<u8>> {
    let mut spans = Vec::new();
    for of_resource in &data.resource_spans {
        for of_scope in &of_resource.scope_spans {
            for span in &of_scope.spans {
                let scope = ScopeSpans { spans: vec![span.clone()], ..of_scope.clone() };
                spans.push(ResourceSpans { scope_spans: vec![scope], ..of_resource.clone() }.encode_to_vec());
            }
        }
    }
    spans.sort();
    spans
}
