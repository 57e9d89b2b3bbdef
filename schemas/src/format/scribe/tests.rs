//! Log entries: Milo's spans of both sides, Zipkin's in base64, and messages.
use super::*;
use crate::format::thrift::write::{Writer, code};
use crate::format::{self, Decoded, Entry, Format};
use crate::rows::MessageRows;
use crate::span::read::Spans;
use crate::span::{SpanRows, base64};
use proptest::prelude::*;

const AT: Entry = Entry { index: 0, received_at: 1_700_000_001_000_000 };

fn decode(entry: &[u8]) -> Decoded {
    let mut out = Decoded::default();
    format::decode(CODE, entry, AT, &mut format::Scratch::default(), &mut out);
    out
}

fn entry(category: &[u8], message: &[u8]) -> Vec<u8> {
    entries([(category, message)].into_iter())
}

/// A frame of one side of a call: events by type and time, an annotation, a counter.
fn frame(events: &[(i32, i64, &str)]) -> Vec<u8> {
    let mut span = Writer::default();
    span.field(code::I64, 1).i64(-5).field(code::BYTES, 2).string(b"Echo.ping").field(code::I64, 3).i64(7);
    span.field(code::I64, 4).i64(3).field(code::BYTES, 5).string(b"c1").field(code::BYTES, 6).string(b"s1");
    span.field(code::LIST, 7).list(code::STRUCT, events.len());
    for (of, at, text) in events {
        span.field(code::I64, 1).i64(*at).field(code::I32, 2).i32(*of);
        span.field(code::BYTES, 3).string(text.as_bytes()).stop();
    }
    span.field(code::MAP, 8).map(code::BYTES, code::BYTES, 1).string(b"user").string(b"u7");
    span.field(code::MAP, 9).map(code::BYTES, code::I64, 1).string(b"rows").i64(42).stop();
    [&[0x8b, 0xad, 0xf0, 0x0d], &(span.bytes.len() as u32).to_be_bytes()[..], &span.bytes].concat()
}

#[test]
fn both_sides_of_a_call_of_milo() {
    // The client's events are the wrong way round, as Milo's Python client has them.
    let client = frame(&[(2, 1_000, ""), (5, 1_500, "cache miss"), (1, 2_000, "")]);
    let server = frame(&[(4, 1_200, "ping"), (3, 1_700, "")]);
    let message = [client, server].concat();
    let entry = entry(milo::CATEGORY, &message);
    assert_eq!(Scribe::count(&entry), 2);
    let mut out = decode(&entry);
    assert_eq!((out.counts.facts, &out.counts.rejected), (2, &vec![]));
    let spans = Spans::new(&out.rows.of::<SpanRows>().finish().unwrap()).unwrap();
    let rows: Vec<_> = spans
        .iter()
        .map(|of| (of.kind().word(), of.start_unix_nanos(), of.duration_nanos(), of.resource_attributes().text("host.name")))
        .collect();
    assert_eq!(
        rows,
        [("client", 1_000_000, Some(1_000_000), Some("c1")), ("server", 1_200_000, Some(500_000), Some("s1"))]
    );
    for span in spans.iter() {
        assert_eq!((span.trace_id(), span.span_id()), ("0000000000000000fffffffffffffffb", "0000000000000007"));
        assert_eq!((span.parent_span_id(), span.service(), span.name()), ("0000000000000003", "Echo", "Echo.ping"));
        let attributes: Vec<_> = span.attributes().map(|of| (of.key, of.text)).collect();
        assert_eq!(attributes, [("user", "u7"), ("rows", "42")]);
        assert_eq!((span.source(), span.extra("milo.client_host")), ("milo", Some("c1")));
    }
    let events: Vec<_> = spans.get(0).events().map(|event| event.name).collect();
    assert_eq!(events, ["CLIENT_RECV", "cache miss", "CLIENT_SEND"]);
    assert_eq!(spans.get(1).events().next().unwrap().attributes.text("value"), Some("ping"));
}

#[test]
fn what_is_no_frame_is_refused_and_the_rest_is_not() {
    let good = frame(&[(1, 1, "")]);
    for (message, facts, rejected) in [
        ([&good[..], b"junk"].concat(), 1, vec![("milo_bad_frame", 1)]),
        (good[..good.len() - 1].to_vec(), 0, vec![("milo_bad_frame", 1)]),
        (Vec::new(), 0, vec![("empty", 1)]),
        (b"\x8b\xad\xf0\x0d\xff\xff\xff\xffx".to_vec(), 0, vec![("milo_bad_frame", 1)]),
        ([&b"\x8b\xad\xf0\x0d\x00\x00\x00\x01\x0a"[..], &good].concat(), 1, vec![("thrift_truncated", 1)]),
    ] {
        let out = decode(&entry(milo::CATEGORY, &message));
        assert_eq!((out.counts.facts, out.counts.rejected), (facts, rejected), "{message:?}");
    }
}

#[test]
fn zipkin_in_base64_and_messages() {
    let mut span = Writer::default();
    span.field(code::I64, 1).i64(1).field(code::I64, 4).i64(2).field(code::I64, 10).i64(5).stop();
    let mut out = decode(&entry(b"zipkin", format!("{}\n", base64(&span.bytes)).as_bytes()));
    assert_eq!((out.counts.facts, out.rows.of::<SpanRows>().len()), (1, 1));
    assert_eq!(decode(&entry(b"zipkin", b"!")).counts.rejected, [("scribe_not_base64", 1)]);
    let mut out = decode(&entry(b"web.access", b"GET /\n"));
    let rows = out.rows.of::<MessageRows>();
    assert_eq!(rows.len(), 1);
    let text = format!("{:?}", rows.finish().unwrap());
    assert!(text.contains("web.access") && text.contains("GET /\"") && text.contains("scribe"), "{text}");
}

proptest! {
    /// Any bytes as an entry and as a message of each category: counted, and no panic.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..120), at in 0usize..1_000, to in any::<u8>()) {
        let mut changed = frame(&[(1, 1, "x")]);
        let place = at % changed.len();
        changed[place] = to;
        for item in [bytes.clone(), entry(milo::CATEGORY, &bytes), entry(milo::CATEGORY, &changed), entry(b"zipkin", &bytes)] {
            let mut out = decode(&item);
            prop_assert_eq!(out.counts.received, out.counts.facts + out.counts.rejected.iter().map(|of| of.1).sum::<u64>());
            prop_assert!(out.rows.of::<SpanRows>().finish().is_ok());
            let _ = (Scribe::count(&item), Scribe::describe(&item));
        }
    }
}
