//! Redacted spans as they are read back.
use super::{Item, Span};
use crate::format::{Decoded, Entry, Format, InOrder, Redacted, Redactor, Socket};
use crate::span::proto::{self, AnyValue, KeyValue, any_value};
use crate::span::{SpanRow, SpanRows, Value};
use crate::wire::v1::SigningKey;
use prost::Message as _;
use serde_json::Value as Json;

/// See the parent module.
#[derive(Debug)]
pub struct Spans;

/// The code of its records.
pub(super) const CODE: u8 = 43;

/// The formats whose spans come this way, as the column `source` names them.
const SOURCES: [&str; 3] = ["jaeger", "zipkin", "milo"];

impl Format for Spans {
    const NAME: &'static str = "spans";
    const CODE: u8 = CODE;
    const CODE_NAME: &'static str = "spans";
    const IS_WHOLE: bool = true;
    const SOCKETS: &'static [Socket] = &[];

    fn recognises(datagram: &[u8]) -> bool {
        datagram.first() == Some(&0x0a)
    }

    fn count(datagram: &[u8]) -> u64 {
        Item::decode(datagram).map_or(1, |item| item.spans.len().max(1) as u64)
    }

    fn verify(_: &[u8], _: &[SigningKey]) -> Result<(), &'static str> {
        Ok(())
    }

    /// Its spans are what rules left.
    fn redact(datagram: &[u8], _: &dyn Redactor) -> Redacted {
        Redacted { datagram: Some(datagram.to_vec()), ..Redacted::default() }
    }

    fn enter(_: &[u8], _: Entry, _: &mut crate::format::Scratch, _: &mut impl InOrder, _: &mut Decoded) {}

    fn decode(datagram: &[u8], at: Entry, _: &mut crate::format::Scratch, out: &mut Decoded) {
        let Ok(item) = Item::decode(datagram) else { return out.reject(at, "spans_bad_protobuf", 1, datagram) };
        for span in &item.spans {
            match write(span, at, out.rows.of::<SpanRows>()) {
                Ok(()) => out.counts.fact(),
                Err(reason) => out.reject(at, reason, 1, b""),
            }
        }
    }

    fn describe(datagram: &[u8]) -> Result<Vec<Json>, String> {
        super::describe::<Spans>(datagram)
    }
}

fn write(of: &Span, at: Entry, rows: &mut SpanRows) -> Result<(), &'static str> {
    let resource_spans = of.traces.iter().flat_map(|data| &data.resource_spans).next().ok_or("spans_bad_protobuf")?;
    let scope_spans = resource_spans.scope_spans.first().ok_or("spans_bad_protobuf")?;
    let span = scope_spans.spans.first().ok_or("spans_bad_protobuf")?;
    let source = SOURCES.into_iter().find(|source| *source == of.source).unwrap_or_default();
    let mut resource = rows.resource(source);
    for pair in resource_spans.resource.iter().flat_map(|resource| &resource.attributes) {
        with_value(pair, |key, value| {
            resource.attribute(key, value);
        });
    }
    let mut row = rows.begin();
    write_span(span, &mut row);
    let is_absent = |extra: &super::Extra| matches!(extra.key.as_str(), "zipkin.timestamp" | "milo.timestamp");
    if of.extras.iter().any(is_absent) {
        // It began when it was received, which nobody knew yet.
        row.start(at.received_at.cast_unsigned().saturating_mul(1_000));
    }
    for extra in &of.extras {
        row.extra(&extra.key, &extra.value);
    }
    if let Some(probability) = of.sampling_probability {
        row.sampling_probability(probability);
    }
    row.commit(at.received_at).map_err(|refusal| refusal.reason())
}

fn write_span(span: &proto::Span, row: &mut SpanRow<'_>) {
    row.trace_id(span.trace_id.as_slice().try_into().unwrap_or_default());
    row.span_id(span.span_id.as_slice().try_into().unwrap_or_default());
    row.parent_span_id(span.parent_span_id.as_slice().try_into().unwrap_or_default());
    row.name(&span.name).kind_number(span.kind).trace_state(&span.trace_state).flags(span.flags);
    row.start(span.start_time_unix_nano);
    if span.end_time_unix_nano != 0 {
        row.end(span.end_time_unix_nano);
    }
    if let Some(status) = &span.status {
        row.status_number(status.code, &status.message);
    }
    for pair in &span.attributes {
        with_value(pair, |key, value| {
            row.attribute(key, value);
        });
    }
    for event in &span.events {
        row.event(event.time_unix_nano, &event.name, event.dropped_attributes_count);
        for pair in &event.attributes {
            with_value(pair, |key, value| {
                row.event_attribute(key, value);
            });
        }
    }
    for link in &span.links {
        row.link(&link.trace_id, &link.span_id, &link.trace_state, link.flags, link.dropped_attributes_count);
        for pair in &link.attributes {
            with_value(pair, |key, value| {
                row.link_attribute(key, value);
            });
        }
    }
}

/// Hands over an attribute as columns take it.
fn with_value(pair: &KeyValue, then: impl FnOnce(&str, Value<'_>)) {
    use any_value::Value as Any;
    let nested = |value: &AnyValue| value.encode_to_vec();
    match &pair.value {
        None => then(&pair.key, Value::Missing),
        Some(value) => match &value.value {
            None => then(&pair.key, Value::Empty),
            Some(Any::StringValue(text)) => then(&pair.key, Value::Str(text)),
            Some(Any::BoolValue(is)) => then(&pair.key, Value::Bool(*is)),
            Some(Any::IntValue(number)) => then(&pair.key, Value::Int(*number)),
            Some(Any::DoubleValue(number)) => then(&pair.key, Value::Double(*number)),
            Some(Any::BytesValue(bytes)) => then(&pair.key, Value::Bytes(bytes)),
            Some(Any::ArrayValue(_) | Any::KvlistValue(_)) => then(&pair.key, Value::Nested(&nested(value))),
        },
    }
}
