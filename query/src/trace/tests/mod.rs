//! Traces of our own making: trees, critical paths, adjustments, OTLP and back.
mod adjusted;
mod otlp;
pub(crate) mod rows;
mod shapes;
mod stored;

use super::*;
use std::sync::Arc;

/// A span of a service: id, parent, start and end.
pub(crate) fn span(id: u64, parent: u64, start: u64, end: u64) -> Span {
    Span {
        trace_id: TraceId(1),
        span_id: SpanId(id),
        parent_id: SpanId(parent),
        service: "shop".into(),
        name: format!("work {id}"),
        start,
        end,
        ..Span::default()
    }
}

pub(crate) fn trace(spans: Vec<Span>) -> Trace {
    Trace { id: TraceId(1), spans }
}

fn on_host(host: &str, span: Span) -> Span {
    let attributes = vec![Attribute::text("host.name", host)];
    Span { resource: Arc::new(Resource { attributes, ..Resource::default() }), ..span }
}

#[test]
fn ids_are_hexadecimal_or_base64() {
    let id = TraceId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    for text in [
        "0102030405060708090a0b0c0d0e0f10",
        "102030405060708090A0B0C0D0E0F10",
        "AQIDBAUGBwgJCgsMDQ4PEA==",
        "AQIDBAUGBwgJCgsMDQ4PEA",
    ] {
        assert_eq!(TraceId::parse(text), Some(id), "{text}");
    }
    assert_eq!(TraceId::parse("-_-_-_-_-_8"), TraceId::parse("fbffbffbffbffbff"), "the alphabet of URLs");
    assert_eq!(TraceId(255).short(), "00000000000000ff");
    assert_eq!(id.short(), id.to_string());
    for text in ["", "x", "0102030405060708090a0b0c0d0e0f100", "AQID", "é"] {
        assert_eq!(TraceId::parse(text), None, "{text}");
    }
    assert_eq!(
        (SpanId::parse(""), SpanId::parse("ff"), SpanId::parse("12345678901234567")),
        (Some(SpanId(0)), Some(SpanId(255)), None)
    );
}

#[test]
fn values_have_a_text() {
    let map = Value::Map(vec![
        Attribute::new("a \"b\"", Value::List(vec![Value::Int(1), Value::Double(1.5), Value::Empty])),
        Attribute::new("c", Value::Bytes(vec![1, 2])),
    ]);
    assert_eq!(map.to_text(), r#"{"a \"b\"":[1,1.5,null],"c":"AQI="}"#);
    let texts = [Value::Double(72.5), Value::Double(f64::NAN), Value::Bool(true), Value::Int(i64::MIN), Value::Empty];
    assert_eq!(texts.map(|value| value.to_text()), ["72.5", "NaN", "true", "-9223372036854775808", ""]);
}
