//! The examples of wire v1 that hold spans, as they are made: a writer in any language must make the same bytes.
//! `METLOG_WRITE_EXAMPLES=1 cargo test -p metlog-schemas --test span_examples` writes the files.
#![allow(clippy::unwrap_used)]
mod wire_example;

use metlog_schemas::format::wire::describe_span;
use metlog_schemas::span::{Kind, Status};
use metlog_schemas::wire::span::Value;
use metlog_schemas::wire::v1::{Datagram, Draft, Encoded, Encoder, Frame, Refusal, SpanDraft};
use serde_json::json;

const OPENED_AT: i64 = 1_700_000_000_000_000;
const START: i64 = OPENED_AT * 1_000 - 1_234_567;

fn encoder() -> Encoder {
    Encoder::new(1_432, 0x0102_0304_0506_0708, 4_242, "web1", "checkout", None)
}

/// A span with nothing that can be left out.
fn smallest() -> SpanDraft<'static> {
    SpanDraft {
        trace_id: [0x5b; 16],
        span_id: [0xee; 8],
        start_unix_nanos: START,
        name: "work",
        ..SpanDraft::default()
    }
}

fn datagram(of: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut encoder = encoder();
    of(&mut encoder);
    encoder.finish(3, 0).to_vec()
}

/// A span with all that there is, between two messages.
fn full() -> Vec<u8> {
    let mut resource = Encoded::default();
    resource.attribute("service.version", Value::Str("1.2"));
    let mut attributes = Encoded::default();
    attributes.attribute("http.route", Value::Str("/cart/ü"));
    attributes.attribute("http.status", Value::Int(-500));
    attributes.attribute("ratio", Value::Double(0.5));
    attributes.attribute("cached", Value::Bool(false));
    attributes.attribute("retried", Value::Bool(true));
    attributes.attribute("digest", Value::Bytes(&[0, 255]));
    // An `AnyValue` with the list [1].
    attributes.attribute("list", Value::Nested(&[0x2a, 4, 0x0a, 2, 0x18, 1]));
    attributes.attribute("http.route", Value::Str("again"));
    let mut events = Encoded::default();
    events.event(1_000, "retry", [("n", Value::Int(1))].into_iter());
    events.dropped_attributes(300);
    events.event(-5, "", std::iter::empty());
    let mut links = Encoded::default();
    links.link([0xab; 16], [0xcd; 8], "v=1", 1, [("follows", Value::Bool(true))].into_iter());
    let span = SpanDraft {
        parent_span_id: [0xc3; 8],
        duration_nanos: 2_000_000_001,
        flags: 0x301,
        kind: Kind::Server,
        status: Status::Error,
        status_message: "out of stock",
        trace_state: "ot=th:8,vendor=x",
        sampling_probability: Some(0.5),
        service: Some("cart"),
        origin: Some(("web2", 7)),
        resource: Some(&resource),
        attributes: Some(&attributes),
        events: Some(&events),
        links: Some(&links),
        dropped: [1, 200, 3],
        ..smallest()
    };
    let message = Draft { timestamp: OPENED_AT, r#type: "login", payload: "p", ..Draft::default() };
    datagram(|encoder| {
        encoder.push(OPENED_AT, &message, std::iter::empty(), std::iter::empty()).unwrap();
        encoder.push_span(OPENED_AT, &span).unwrap();
        encoder.push(OPENED_AT, &message, std::iter::empty(), std::iter::empty()).unwrap();
    })
}

fn one_span() -> Vec<u8> {
    datagram(|encoder| encoder.push_span(OPENED_AT, &smallest()).unwrap())
}

/// Where the frame of [`one_span`] has its flags.
fn flags_at(bytes: &[u8]) -> usize {
    7 + usize::from(u16::from_le_bytes([bytes[5], bytes[6]])) + 2
}

/// The datagram of a span whose frame is another.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let bytes = one_span();
    let at = flags_at(&bytes);
    let mut frame = bytes[at..].to_vec();
    change(&mut frame);
    let length = u16::try_from(frame.len()).unwrap().to_le_bytes();
    [&bytes[..at - 2], &length, &frame].concat()
}

/// The last six bytes of a frame: no attributes, events and links, and none left out.
const COUNTS: usize = 6;

fn passing() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("span", one_span()),
        ("span_with_everything", full()),
        ("span_later_values", changed(|frame| frame.extend_from_slice(b"later"))),
    ]
}

fn failing() -> Vec<(&'static str, Vec<u8>)> {
    let name_at = |frame: &[u8]| frame.windows(4).position(|four| four == b"work").unwrap();
    let with_value = |r#type: u8| {
        changed(move |frame| {
            let at = frame.len() - COUNTS;
            frame.splice(at..=at, [1, 1, b'k', r#type, 0]);
        })
    };
    vec![
        ("truncated-span_ids", changed(|frame| frame.truncate(30))),
        ("truncated-span_counts", changed(|frame| frame.truncate(frame.len() - 1))),
        (
            "truncated-span_count_of_events",
            changed(|frame| {
                let at = frame.len() - COUNTS + 1;
                frame[at] = 0x7f;
            }),
        ),
        (
            "not_utf8-span_name",
            changed(|frame| {
                let at = name_at(frame);
                frame[at] = 0xff;
            }),
        ),
        ("unknown_version-span_flag", changed(|frame| frame[0] |= 0x80)),
        ("unknown_version-span_kind", changed(|frame| frame[0] |= 7)),
        (
            "unknown_version-span_status",
            changed(|frame| {
                let at = name_at(frame) - 3;
                frame[at] = 3;
            }),
        ),
        ("unknown_version-span_value", with_value(7)),
    ]
}

/// What an example's file says that it holds.
fn described(bytes: &[u8]) -> String {
    wire_example::described(bytes, |frame| match frame {
        Frame::Span(view) => json!({"span": describe_span(&view)}),
        _ => json!(null),
    })
}

#[test]
fn the_examples_are_what_the_writer_writes() {
    let mut files = Vec::new();
    for (case, bytes) in passing() {
        files.push((format!("wire.v1.{case}.pass.hex"), wire_example::hex(&bytes)));
        files.push((format!("wire.v1.{case}.pass.json"), described(&bytes)));
    }
    files.extend(
        failing().into_iter().map(|(case, bytes)| (format!("wire.v1.{case}.fail.hex"), wire_example::hex(&bytes))),
    );
    for (name, content) in files {
        wire_example::is_written(&name, &content);
    }
}

/// Guarantees: to a listener that knows no spans each one is a message of an unknown version, which it counts, and the
/// messages beside it are read.
#[test]
fn readers_that_know_no_spans_refuse_them_and_nothing_else() {
    let bytes = full();
    let found: Vec<_> =
        Datagram::decode(&bytes).unwrap().messages().map(|message| message.map(|of| of.payload)).collect();
    assert_eq!(found, [Ok("p"), Err(Refusal::UnknownVersion), Ok("p")]);
}
