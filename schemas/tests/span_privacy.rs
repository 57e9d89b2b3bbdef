//! Rules of privacy reach every part of a span in which there may be something personal, on the wire and in OTLP.
#![allow(clippy::unwrap_used)]
mod any_trace;

use any_trace::{flat, traces};
use metlog_schemas::format::{self, DROPPED, Decoded, Entry, Redactor, Scratch};
use metlog_schemas::span::proto::{AnyValue, KeyValue, TracesData, any_value::Value as Any};
use metlog_schemas::span::read::Spans;
use metlog_schemas::span::{SpanRows, otlp, redact};
use metlog_schemas::wire::Message;
use metlog_schemas::wire::span::Value;
use metlog_schemas::wire::v1::{Encoded, Encoder, SpanDraft};
use proptest::prelude::*;
use prost::Message as _;

const METLOG: u8 = 2;
const SECRET: &str = "4111111111111111";

/// Masks fields that are called `email`, drops those called `cookie`, masks the number in payloads, and drops messages of
/// the logger `secret`.
struct Rules;

impl Redactor for Rules {
    fn message(&self, message: &mut Message) -> Result<(), &'static str> {
        assert_eq!(message.r#type, redact::TYPE);
        message.fields.retain(|(key, _)| key != "cookie");
        message.fields.iter_mut().filter(|(key, _)| key == "email").for_each(|(_, value)| *value = "(masked)".into());
        message.payload = message.payload.replace(SECRET, "(number)");
        if message.logger == "secret" { Err(DROPPED) } else { Ok(()) }
    }

    fn covers_tag(&self, _: &str) -> bool {
        false
    }

    fn tags(&self, _: &mut Vec<(String, String)>) {}
}

fn personal() -> Encoded {
    let mut encoded = Encoded::default();
    encoded.attribute("email", Value::Str(SECRET));
    encoded.attribute("cookie", Value::Str(SECRET));
    encoded.attribute("email", Value::Int(4111111111111111));
    encoded.attribute("kept", Value::Int(7));
    encoded
}

fn datagram(service: &str) -> Vec<u8> {
    let (mut events, mut links) = (Encoded::default(), Encoded::default());
    let pairs = [("email", Value::Str(SECRET)), ("kept", Value::Bool(true))];
    events.event(1, SECRET, pairs.into_iter());
    links.link([3; 16], [4; 8], "", 0, pairs.into_iter());
    let (resource, attributes) = (personal(), personal());
    let span = SpanDraft {
        trace_id: [1; 16],
        span_id: [2; 8],
        start_unix_nanos: 5_000,
        name: SECRET,
        status_message: SECRET,
        service: Some(service),
        resource: Some(&resource),
        attributes: Some(&attributes),
        events: Some(&events),
        links: Some(&links),
        ..SpanDraft::default()
    };
    let mut encoder = Encoder::new(1_432, 9, 1, "h", "l", None);
    encoder.push_span(5, &span).unwrap();
    encoder.finish(3, 0).to_vec()
}

fn rows(datagram: &[u8]) -> Spans {
    let (mut scratch, mut out) = (Scratch::default(), Decoded::default());
    format::decode(METLOG, datagram, Entry { index: 0, received_at: 7 }, &mut scratch, &mut out);
    assert_eq!(out.counts.rejected, []);
    Spans::new(&out.rows.of::<SpanRows>().finish().unwrap()).unwrap()
}

#[test]
fn nothing_personal_of_a_span_is_journaled() {
    assert_eq!(format::count(METLOG, &datagram("shop")), 1);
    let redacted = format::redact(METLOG, &datagram("shop"), &Rules);
    let (kept, expected) = (redacted.datagram.unwrap(), []);
    assert_eq!(redacted.rejected, expected);
    assert!(!String::from_utf8_lossy(&kept).contains(SECRET));
    let spans = rows(&kept);
    let span = spans.get(0);
    assert_eq!((span.name(), span.status_message(), span.service()), ("(number)", "(number)", "shop"));
    let texts = |of: metlog_schemas::span::read::Attributes<'_>| of.map(|of| of.text.to_owned()).collect::<Vec<_>>();
    assert_eq!(texts(span.attributes()), ["(masked)", "(masked)", "7"]);
    assert_eq!(texts(span.resource_attributes()), ["shop", "h", "1", "(masked)", "(masked)", "7"]);
    let event = span.events().next().unwrap();
    assert_eq!((event.name, texts(event.attributes)), ("(number)", vec!["(masked)".to_owned(), "true".to_owned()]));
    assert_eq!(texts(span.links().next().unwrap().attributes), ["(masked)", "true"]);
    // A span that a rule drops leaves its number in the sequence.
    let dropped = format::redact(METLOG, &datagram("secret"), &Rules);
    assert_eq!(dropped.rejected, [(DROPPED, 1)]);
    assert_eq!(rows(&dropped.datagram.unwrap()).len(), 0);
    assert_eq!(format::describe(METLOG, &datagram("shop")).unwrap()[1]["attributes"][3][2], "7");
}

fn personal_pairs(data: &TracesData) -> Vec<KeyValue> {
    let of_spans = |span: &metlog_schemas::span::proto::Span| {
        let parts = span.events.iter().flat_map(|event| &event.attributes);
        let parts = parts.chain(span.links.iter().flat_map(|link| &link.attributes)).chain(&span.attributes);
        parts.cloned().collect::<Vec<_>>()
    };
    let spans = data.resource_spans.iter().flat_map(|of| &of.scope_spans).flat_map(|of| &of.spans);
    spans.flat_map(of_spans).filter(|pair| pair.key == "email" || pair.key == "cookie").collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Guarantees: whatever a trace is made of, what a rule is about is rewritten and all else stays as it was.
    #[test]
    fn rules_change_what_they_are_about_and_nothing_else(data in traces()) {
        let mut same = data.clone();
        prop_assert_eq!(redact::traces(&Rules, &mut same), []);
        prop_assert_eq!(flat(&same), flat(&data));
        let mut personal = data;
        let value = Some(AnyValue { value: Some(Any::StringValue(SECRET.into())) });
        for of_resource in &mut personal.resource_spans {
            for span in of_resource.scope_spans.iter_mut().flat_map(|of| &mut of.spans) {
                span.attributes.push(KeyValue { key: "email".into(), value: value.clone() });
                span.attributes.push(KeyValue { key: "cookie".into(), value: value.clone() });
                span.name = SECRET.into();
            }
        }
        prop_assert_eq!(redact::traces(&Rules, &mut personal), []);
        let bytes = personal.encode_to_vec();
        prop_assert!(!String::from_utf8_lossy(&bytes).contains(SECRET));
        let masked = Some(AnyValue { value: Some(Any::StringValue("(masked)".into())) });
        prop_assert!(personal_pairs(&personal).iter().all(|pair| pair.key == "email" && pair.value == masked));
    }
}

#[test]
fn otlp_of_nothing_is_nothing() {
    assert_eq!(otlp::traces([]), TracesData::default());
}
