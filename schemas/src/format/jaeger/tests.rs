//! Batches as Jaeger's own client encodes them, and what they are as rows; losses; what is cut or claims too much.
use super::*;
use crate::format::thrift::write::{Writer, call, code};
use crate::format::{self, Decoded, Entry, Format, InOrder, Verdict};
use crate::span::read::Spans;
use crate::span::{SpanRows, unhex};
use crate::wire::v1::{Header, Heartbeat};
use proptest::prelude::*;

/// Two spans of PyPI's jaeger-client 4.8, compact.
pub(in crate::format) const COMPACT: &str = "82810009656d697442617463681c1c180473686f70192c1808686f73746e616d6515001802683100180b636c69656e742d7575696415001803752d310000192c16031602160616001809474554202f63617274191c1502161216001610001506168280f28183898506168827196c18097370616e2e6b696e64150018067365727665720018056572726f72150431001810687474702e7374617475735f636f6465150646e807001805726174696f150227000000000000e03f00180c73616d706c65722e747970651500180d70726f626162696c697374696300180d73616d706c65722e706172616d150227000000000000d03f00191c16e887f28183898506192c18056576656e741500180572657472790018016e15064604000000160316021608160018056368696c64191c150016031602160600150216c881f2818389850616c801000000";
/// The same in binary.
const BINARY: &str = "8001000400000009656d69744261746368000000000c00010c00010b00010000000473686f700f00020c000000020b000100000008686f73746e616d65080002000000000b0003000000026831000b00010000000b636c69656e742d75756964080002000000000b000300000003752d3100000f00020c000000020a0001fffffffffffffffe0a000200000000000000010a000300000000000000030a000400000000000000000b000500000009474554202f636172740f00060c00000001080001000000010a000200000000000000090a000300000000000000000a0004000000000000000800080007000000030a000800060a24181e40010a000900000000000009c40f000a0c000000060b0001000000097370616e2e6b696e64080002000000000b000300000006736572766572000b0001000000056572726f720800020000000202000501000b000100000010687474702e7374617475735f636f6465080002000000030a000600000000000001f4000b000100000005726174696f080002000000010400043fe0000000000000000b00010000000c73616d706c65722e74797065080002000000000b00030000000d70726f626162696c6973746963000b00010000000d73616d706c65722e706172616d080002000000010400043fd0000000000000000f000b0c000000010a000100060a24181e41f40f00020c000000020b0001000000056576656e74080002000000000b0003000000057265747279000b0001000000016e080002000000030a000600000000000000020000000a0001fffffffffffffffe0a000200000000000000010a000300000000000000040a000400000000000000000b0005000000056368696c640f00060c00000001080001000000000a0002fffffffffffffffe0a000300000000000000010a0004000000000000000300080007000000010a000800060a24181e40640a00090000000000000064000000";

const AT: Entry = Entry { index: 0, received_at: 1_700_000_001_000_000 };

fn decode(datagram: &[u8]) -> Decoded {
    let mut out = Decoded::default();
    format::decode(CODE, datagram, AT, &mut format::Scratch::default(), &mut out);
    out
}

fn spans(out: &mut Decoded) -> Spans {
    Spans::new(&out.rows.of::<SpanRows>().finish().unwrap()).unwrap()
}

/// Key and text of each attribute.
fn texts(attributes: crate::span::read::Attributes<'_>) -> Vec<(String, String)> {
    attributes.map(|of| (of.key.to_owned(), of.text.to_owned())).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_batch_in_both_protocols() {
    for hex in [COMPACT, BINARY] {
        let datagram = unhex(hex).unwrap();
        assert!(Jaeger::recognises(&datagram));
        assert_eq!(Jaeger::count(&datagram), 2);
        let mut out = decode(&datagram);
        assert_eq!((out.counts.facts, &out.counts.rejected), (2, &vec![]));
        let spans = spans(&mut out);
        let [span, child] = [0, 1].map(|at| spans.get(at));
        assert_eq!((span.trace_id(), span.span_id()), ("0000000000000001fffffffffffffffe", "0000000000000003"));
        assert_eq!((span.parent_span_id(), span.service(), span.name()), ("", "shop", "GET /cart"));
        assert_eq!((span.kind().word(), span.status().word(), span.source()), ("server", "error", "jaeger"));
        assert_eq!((span.start_unix_nanos(), span.duration_nanos()), (1_700_000_000_000_001_000, Some(2_500_000)));
        assert_eq!((span.flags(), span.extra("jaeger.flags")), (1, Some("3")));
        assert_eq!(span.sampling_probability(), Some(0.25));
        let tags = [
            ("span.kind", "server"),
            ("error", "true"),
            ("http.status_code", "500"),
            ("ratio", "0.5"),
            ("sampler.type", "probabilistic"),
            ("sampler.param", "0.25"),
        ];
        assert_eq!(texts(span.attributes()), pairs(&tags), "in their order");
        let process = [("service.name", "shop"), ("hostname", "h1"), ("client-uuid", "u-1")];
        assert_eq!(texts(span.resource_attributes()), pairs(&process));
        let event = span.events().next().unwrap();
        assert_eq!((event.name, event.unix_nanos), ("retry", 1_700_000_000_000_500_000));
        assert_eq!(texts(event.attributes), pairs(&[("event", "retry"), ("n", "2")]));
        let link = span.links().next().unwrap();
        assert_eq!((link.trace_id, link.span_id), ("00000000000000000000000000000009", "0000000000000008"));
        assert_eq!(link.attributes.text("opentracing.ref_type"), Some("follows_from"));
        assert_eq!((child.parent_span_id(), child.links().len()), ("0000000000000003", 0), "by its reference");
    }
}

/// A batch with a number and statistics behind its spans, which have only an id each.
pub(in crate::format) fn numbered(number: i64, spans: usize) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.call(b"emitBatch", call::ONE_WAY, 0, true).field(code::STRUCT, 1).field(code::STRUCT, 1);
    writer.field(code::BYTES, 1).string(b"shop").field(code::LIST, 2).list(code::STRUCT, 1);
    writer.field(code::BYTES, 1).string(b"client-uuid").field(code::I32, 2).i32(0);
    writer.field(code::BYTES, 3).string(b"u-1").stop().stop();
    writer.field(code::LIST, 2).list(code::STRUCT, spans);
    for nth in 0..spans as i64 {
        writer.field(code::I64, 1).i64(1).field(code::I64, 3).i64(nth + 1).field(code::I64, 8).i64(1_000_000).stop();
    }
    writer.field(code::I64, 3).i64(number).field(code::STRUCT, 4);
    writer.field(code::I64, 1).i64(5).field(code::I64, 2).i64(6).stop().stop().stop();
    writer.bytes
}

#[derive(Default)]
struct Noted(Vec<(u64, u64, u64, String)>);

impl InOrder for Noted {
    fn sender(&mut self, header: &Header<'_>, _: i64) -> Verdict {
        self.0.push((header.sender, header.sequence, header.dropped, header.logger.to_owned()));
        Verdict::Duplicate
    }
    fn heartbeat(&mut self, _: &Header<'_>, _: &Heartbeat, _: i64) {}
    fn add(&mut self, _: &format::statsd::Sample<'_>) -> Result<(), &'static str> {
        Ok(())
    }
    fn packet(&mut self, _: u64) {}
    fn bad_line(&mut self) {}
}

/// What is noted of a datagram's sender.
pub(in crate::format) fn noted(datagram: &[u8]) -> Vec<(u64, u64, u64, String)> {
    let mut noted = Noted::default();
    format::enter(CODE, datagram, AT, &mut format::Scratch::default(), &mut noted, &mut Decoded::default());
    noted.0
}

#[test]
fn losses_of_a_client_are_noted_and_its_spans_stored() {
    let mut noted = Noted::default();
    let mut scratch = format::Scratch::default();
    for number in [1, 3, 3, 0, -1] {
        let datagram = numbered(number, 2);
        let mut out = Decoded::default();
        format::enter(CODE, &datagram, AT, &mut scratch, &mut noted, &mut out);
        format::decode(CODE, &datagram, AT, &mut scratch, &mut out);
        assert_eq!(out.counts.facts, 2, "whatever its number");
    }
    let sender = noted.0[0].0;
    assert_eq!(noted.0, [0, 2, 2].map(|sequence| (sender, sequence, 11, "shop".to_owned())));
    // What has no identity of its own cannot be told from another process that sends the same.
    format::enter(CODE, &unhex(COMPACT).unwrap(), AT, &mut scratch, &mut noted, &mut Decoded::default());
    assert_eq!(noted.0.len(), 3, "a client that numbers nothing");
}

#[test]
fn a_request_is_whole_or_refused() {
    let datagram = numbered(1, 5_000);
    // The envelope: version, name, sequence, field.
    let batch = &datagram[4 + 4 + 9 + 4 + 3..datagram.len() - 1];
    let whole = request::batch(batch).unwrap();
    assert_eq!((decode(&whole).counts.facts, Jaeger::count(&whole)), (5_000, 5_000));
    assert!(request::batch(&batch[..batch.len() - 9]).is_err() && request::batch(&[0, 0]).is_err());
    assert_eq!(decode(&request::batch(&[0]).unwrap()).counts.received, 0, "a batch without spans");
}

#[test]
fn post_spans_in_protobuf() {
    // batch { spans { trace_id, span_id, operation_name, references { CHILD_OF 7 }, flags 2, start 1 s, duration 2 s,
    // tags { "span.kind": "client" } } process { "shop", tags { "n": 3 } } }
    let field = |number: u8, bytes: &[u8]| {
        let mut field = vec![number << 3 | 2];
        format::otlp::proto::put_varint(bytes.len() as u64, &mut field);
        [&field, bytes].concat()
    };
    let number = |number: u8, value: u8| vec![number << 3, value];
    let tag = |key: &str, rest: Vec<u8>| [field(1, key.as_bytes()), rest].concat();
    let trace = [[0; 15].as_slice(), &[9]].concat();
    let id = |id: u8| [[0; 7].as_slice(), &[id]].concat();
    let span = [
        field(1, &trace),
        field(2, &id(8)),
        field(3, b"pay"),
        field(4, &[field(1, &trace), field(2, &id(7))].concat()),
        number(5, 2),
        field(6, &number(1, 1)),
        field(7, &number(1, 2)),
        field(8, &tag("span.kind", field(3, b"client"))),
        field(9, &[field(1, &number(1, 1)), field(2, &tag("event", field(3, b"sent")))].concat()),
        field(12, b"late"),
    ]
    .concat();
    let process = [field(1, b"shop"), field(2, &tag("n", [number(2, 2), number(5, 3)].concat()))].concat();
    let request = field(1, &[field(1, &span), field(2, &process)].concat());
    assert!(request::is_post_spans(&request));
    let mut out = decode(&request);
    assert_eq!((out.counts.facts, &out.counts.rejected), (1, &vec![]));
    let spans = spans(&mut out);
    let span = spans.get(0);
    assert_eq!((span.service(), span.name(), span.kind().word()), ("shop", "pay", "client"));
    assert_eq!((span.parent_span_id(), span.links().len()), ("0000000000000007", 0));
    assert_eq!((span.start_unix_nanos(), span.duration_nanos()), (1_000_000_000, Some(2_000_000_000)));
    assert_eq!((span.flags(), span.extra("jaeger.flags")), (0, Some("2")));
    assert_eq!(span.extra("jaeger.warning"), Some("late"));
    assert_eq!(span.resource_attributes().text("n"), Some("3"));
    assert_eq!(span.events().next().unwrap().name, "sent");
    assert!(request::is_post_spans(b"") && !request::is_post_spans(b"\x0a\x05"));
}

#[test]
fn a_small_datagram_cannot_claim_much() {
    // 60 bytes that claim two billion spans, tags, or bytes of a name.
    let mut claims = Vec::new();
    for at in [0, 1, 2] {
        let mut writer = Writer::default();
        writer.call(b"emitBatch", call::ONE_WAY, 0, true).field(code::STRUCT, 1);
        match at {
            0 => writer.field(code::LIST, 2).byte(code::STRUCT).i32(i32::MAX),
            1 => writer.field(code::STRUCT, 1).field(code::LIST, 2).byte(code::STRUCT).i32(i32::MAX),
            _ => writer.field(code::STRUCT, 1).field(code::BYTES, 1).i32(i32::MAX),
        };
        writer.bytes.resize(60, 0);
        claims.push(writer.bytes);
    }
    for claim in claims {
        let out = decode(&claim);
        assert_eq!(out.counts.facts, 0);
        assert!((1..=60).contains(&out.counts.received), "{:?}", out.counts);
        assert!(Jaeger::count(&claim) <= 60);
    }
}

#[test]
fn clocks_of_all_ages_and_long_names() {
    let of = |start: i64, name: &[u8]| {
        let mut writer = Writer::default();
        writer.call(b"emitBatch", call::ONE_WAY, 0, true).field(code::STRUCT, 1);
        writer.field(code::LIST, 2).list(code::STRUCT, 1);
        writer.field(code::I64, 1).i64(1).field(code::I64, 3).i64(2).field(code::BYTES, 5).string(name);
        writer.field(code::I64, 8).i64(start).field(code::I64, 9).i64(i64::MAX).stop().stop().stop();
        decode(&writer.bytes).counts
    };
    assert_eq!(of(0, b"1970").facts, 1);
    assert_eq!(of(18_429_000_000_000_000, b"2553").facts, 1);
    assert_eq!(of(1, &[b'n'; 65_000]).facts, 1);
    assert_eq!(of(1, b"\xff\xfe").facts, 1);
    for bad in [-1, i64::MIN, i64::MAX] {
        assert_eq!(of(bad, b"x").rejected, [("timestamp_out_of_range", 1)], "{bad}");
    }
}

#[test]
fn what_is_cut_is_counted_as_claimed() {
    let datagram = numbered(1, 10);
    for len in 0..datagram.len() {
        let out = decode(&datagram[..len]);
        // From the process on, what the list claims is counted: rows, and what is behind the cut.
        assert!((1..=10).contains(&out.counts.received), "{len}: {:?}", out.counts);
    }
}

proptest! {
    /// Any bytes behind the head of a call, and any change of a batch: counted, and no panic.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..120), at in 0usize..1_000, to in any::<u8>()) {
        for head in [&b"\x82\x81\x00\x09emitBatch\x1c"[..], b"\x82\x21\x00\x0femitZipkinBatch\x19", b"\x80\x01\x00\x04\0\0\0\x09emitBatch\0\0\0\0\x0c\0\x01", b"\x0a"] {
            let datagram = [head, &bytes].concat();
            let out = decode(&datagram);
            prop_assert_eq!(out.counts.received, out.counts.facts + out.counts.rejected.iter().map(|of| of.1).sum::<u64>());
            let _ = (Jaeger::count(&datagram), Jaeger::describe(&datagram));
            format::enter(CODE, &datagram, AT, &mut format::Scratch::default(), &mut Noted::default(), &mut Decoded::default());
        }
        for hex in [COMPACT, BINARY] {
            let mut datagram = unhex(hex).unwrap();
            let at = at % datagram.len();
            datagram[at] = to;
            let mut out = decode(&datagram);
            prop_assert!(out.rows.of::<SpanRows>().finish().is_ok());
        }
    }
}
