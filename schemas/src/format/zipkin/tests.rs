//! Lists of Zipkin in each encoding, and what of them is refused.
use super::*;
use crate::format::thrift::write::{Writer, code};
use crate::format::{self, Decoded, Entry, Format};
use crate::span::SpanRows;
use crate::span::read::Spans;
use proptest::prelude::*;

const AT: Entry = Entry { index: 0, received_at: 1_700_000_001_000_000 };

fn decode(list: &[u8]) -> Decoded {
    let mut out = Decoded::default();
    format::decode(CODE, list, AT, &mut format::Scratch::default(), &mut out);
    out
}

fn spans(out: &mut Decoded) -> Spans {
    Spans::new(&out.rows.of::<SpanRows>().finish().unwrap()).unwrap()
}

#[test]
fn v2_in_json() {
    let list = br#"[{"traceId":"5982fe77008310cc80f1da5e10147517","parentId":"90394f6bcffb5d13","id":"67fae42571535f60",
        "kind":"SERVER","name":"/m/n/2.6.1","timestamp":1516781775726000,"duration":26000,
        "localEndpoint":{"serviceName":"apm","ipv4":"10.0.0.1","port":80},
        "remoteEndpoint":{"serviceName":"front","ipv6":"2001:db8::c001"},
        "annotations":[{"timestamp":1516781775727000,"value":"wait"}],
        "tags":{"http.path":"/a","error":"boom","http.path":"/b"},"shared":true,"debug":true}]"#;
    let mut out = decode(list);
    assert_eq!((out.counts.facts, &out.counts.rejected), (1, &vec![]));
    let spans = spans(&mut out);
    let span = spans.get(0);
    assert_eq!((span.trace_id(), span.span_id()), ("5982fe77008310cc80f1da5e10147517", "67fae42571535f60"));
    assert_eq!((span.parent_span_id(), span.service()), ("90394f6bcffb5d13", "apm"));
    assert_eq!((span.kind().word(), span.status().word(), span.status_message()), ("server", "error", "boom"));
    assert_eq!((span.start_unix_nanos(), span.duration_nanos()), (1_516_781_775_726_000_000, Some(26_000_000)));
    let attributes: Vec<_> = span.attributes().map(|of| (of.key, of.text)).collect();
    let tags = [("http.path", "/a"), ("error", "boom"), ("http.path", "/b")];
    assert_eq!(attributes[..3], tags, "in their order, a repeated key too");
    assert_eq!(attributes[3..], [("peer.service", "front"), ("net.peer.ip", "2001:db8::c001")]);
    let extras: Vec<_> = span.extras().collect();
    assert_eq!(
        extras,
        [
            ("zipkin.remote", r#"{"ipv6":"2001:db8::c001","serviceName":"front"}"#),
            ("zipkin.tags", "3"),
            ("zipkin.debug", "true"),
            ("zipkin.shared", "true"),
            ("zipkin.local", r#"{"ipv4":"10.0.0.1","port":80,"serviceName":"apm"}"#),
        ]
    );
    assert_eq!(span.events().map(|event| (event.name, event.unix_nanos)).collect::<Vec<_>>(), [("wait", 1_516_781_775_727_000_000)]);
}

#[test]
fn what_is_left_out_and_what_is_refused() {
    let list = br#"[{"traceId":"1","id":"2"}, {"traceId":"1","id":"3","parentId":null,"tags":null,"duration":0},
        {"traceId":"x","id":"4"}, {"id":"5","traceId":"00000000000000000000000000000000"}, 7, {"traceId":"1","id":"12345678901234567"},
        {"traceId":"1","id":"6","timestamp":-1}]"#;
    let mut out = decode(list);
    assert_eq!(out.counts.facts, 2);
    let mut rejected = out.counts.rejected.clone();
    rejected.sort_unstable();
    let expected =
        [("no_trace_id", 1), ("zipkin_bad_span_id", 1), ("zipkin_bad_trace_id", 1), ("zipkin_not_a_span", 2)];
    assert_eq!(rejected, expected);
    let spans = spans(&mut out);
    let span = spans.get(0);
    assert_eq!((span.start_unix_nanos(), span.duration_nanos()), (1_700_000_001_000_000_000, None));
    assert_eq!(span.extra("zipkin.timestamp"), Some("absent"));
    assert_eq!(decode(b"[{]").counts.rejected, [("zipkin_not_json", 1)]);
    assert_eq!(decode(b"{}").counts.rejected, [("not_metlog", 1)]);
}

const V1: &[u8] = br#"[{"traceId":"1","id":"2","name":"get","annotations":[
    {"timestamp":100,"value":"cs","endpoint":{"serviceName":"front","ipv4":"10.0.0.1"}},
    {"timestamp":110,"value":"sr","endpoint":{"serviceName":"back","ipv4":"10.0.0.2"}},
    {"timestamp":115,"value":"cache","endpoint":{"serviceName":"back","ipv4":"10.0.0.2"}},
    {"timestamp":120,"value":"ss","endpoint":{"serviceName":"back","ipv4":"10.0.0.2"}},
    {"timestamp":130,"value":"cr","endpoint":{"serviceName":"front","ipv4":"10.0.0.1"}}],
    "binaryAnnotations":[{"key":"http.path","value":"/x","endpoint":{"serviceName":"front","ipv4":"10.0.0.1"}},
    {"key":"sa","value":true,"endpoint":{"serviceName":"back","port":80}}]}]"#;

#[test]
fn both_sides_of_a_v1_span_are_two_spans() {
    let mut out = decode(V1);
    assert_eq!(out.counts.facts, 2);
    let spans = spans(&mut out);
    let rows: Vec<_> = spans.iter().map(|of| (of.service(), of.kind().word(), of.start_unix_nanos(), of.duration_nanos())).collect();
    assert_eq!(rows, [("front", "client", 100_000, Some(30_000)), ("back", "server", 110_000, Some(10_000))]);
    let [client, server] = [0, 1].map(|at| spans.get(at));
    assert_eq!((client.attributes().text("http.path"), client.attributes().text("peer.service")), (Some("/x"), Some("back")));
    assert_eq!((server.extra("zipkin.shared"), client.extra("zipkin.shared")), (Some("true"), None));
    assert_eq!(server.events().map(|event| event.name).collect::<Vec<_>>(), ["cache"]);
}

/// A span with a server's annotations and a number as a tag.
fn thrift_list(spans: usize) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.list(code::STRUCT, spans);
    for nth in 0..spans as i64 {
        let endpoint = |writer: &mut Writer| {
            writer.field(code::I32, 1).i32(0x7f00_0001).field(6, 2).raw(&80u16.to_be_bytes());
            writer.field(code::BYTES, 3).string(b"back").stop();
        };
        writer.field(code::I64, 1).i64(-1).field(code::BYTES, 3).string(b"get").field(code::I64, 4).i64(nth + 1);
        writer.field(code::I64, 5).i64(9).field(code::LIST, 6).list(code::STRUCT, 2);
        for (at, what) in [(1_000, b"sr"), (3_000, b"ss")] {
            writer.field(code::I64, 1).i64(at).field(code::BYTES, 2).string(what).field(code::STRUCT, 3);
            endpoint(&mut writer);
            writer.stop();
        }
        writer.field(code::LIST, 8).list(code::STRUCT, 1).field(code::BYTES, 1).string(b"size");
        writer.field(code::BYTES, 2).string(&(-7i64).to_be_bytes()).field(code::I32, 3).i32(4).stop();
        writer.field(code::BOOL, 9).byte(1).field(code::I64, 12).i64(2).stop();
    }
    writer.bytes
}

#[test]
fn v1_in_thrift() {
    let mut out = decode(&thrift_list(1));
    assert_eq!((out.counts.facts, &out.counts.rejected), (1, &vec![]));
    let all = spans(&mut out);
    let span = all.get(0);
    assert_eq!((span.trace_id(), span.parent_span_id()), ("0000000000000002ffffffffffffffff", "0000000000000009"));
    assert_eq!((span.service(), span.kind().word(), span.start_unix_nanos()), ("back", "server", 1_000_000));
    assert_eq!((span.duration_nanos(), span.attributes().text("size")), (Some(2_000_000), Some("-7")));
    assert_eq!(span.extra("zipkin.local"), Some(r#"{"ipv4":"127.0.0.1","port":80,"serviceName":"back"}"#));
    let list = thrift_list(1_000);
    assert!(request::is_thrift(&list) && request::is_thrift(&[0x0c, 0, 0, 0, 0]));
    assert_eq!(decode(&list).counts.facts, 1_000);
    assert!(!request::is_thrift(&list[..list.len() - 1]) && !request::is_thrift(&[11, 0, 0, 0, 1, 0, 0, 0, 0]));
}

#[test]
fn v2_in_protobuf() {
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
    let span = [
        field(1, &[0, 0, 0, 0, 0, 0, 0, 5]),
        field(3, &[0, 0, 0, 0, 0, 0, 0, 6]),
        vec![4 << 3, 1],
        field(5, b"get"),
        [&[6 << 3 | 1], &1_000u64.to_le_bytes()[..]].concat(),
        vec![7 << 3, 20],
        field(8, &[field(1, b"front"), field(2, &[10, 0, 0, 1])].concat()),
        field(10, &[[&[1 << 3 | 1], &1_001u64.to_le_bytes()[..]].concat(), field(2, b"retry")].concat()),
        field(11, &[field(1, b"k"), field(2, b"v")].concat()),
        vec![13 << 3, 1],
    ]
    .concat();
    let list = field(1, &span).repeat(1_000);
    assert!(request::is_proto(&list) && !request::is_proto(b"\x0a\x05"));
    let mut out = decode(&list);
    assert_eq!(out.counts.facts, 1_000);
    let spans = spans(&mut out);
    let span = spans.get(0);
    assert_eq!((span.trace_id(), span.service(), span.kind().word()), ("00000000000000000000000000000005", "front", "client"));
    assert_eq!((span.start_unix_nanos(), span.duration_nanos()), (1_000_000, Some(20_000)));
    assert_eq!((span.attributes().text("k"), span.extra("zipkin.shared")), (Some("v"), Some("true")));
    assert_eq!(decode(&field(1, &field(1, &[0; 17]))).counts.rejected, [("zipkin_bad_protobuf", 1)]);
}

#[test]
fn what_is_a_json_list() {
    for (body, is) in [(&b" [] "[..], true), (b"[{\"a\":1}]", true), (b"{}", false), (b"[{]", false), (b"[1", false)] {
        assert_eq!(request::check_json(body).is_ok(), is, "{body:?}");
    }
}

proptest! {
    /// Any bytes: counted, and no panic.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..120), at in 0usize..1_000, to in any::<u8>()) {
        let mut changed = thrift_list(2);
        let place = at % changed.len();
        changed[place] = to;
        let mut json = V1.to_vec();
        let place = at % json.len();
        json[place] = to;
        for list in [[b"\x0c", &bytes[..]].concat(), [b"\x0a", &bytes[..]].concat(), [b"[", &bytes[..]].concat(), changed, json] {
            let mut out = decode(&list);
            prop_assert_eq!(out.counts.received, out.counts.facts + out.counts.rejected.iter().map(|of| of.1).sum::<u64>());
            prop_assert!(out.rows.of::<SpanRows>().finish().is_ok());
            let _ = (Zipkin::count(&list), Zipkin::describe(&list), request::is_thrift(&list), request::is_proto(&list), request::check_json(&list));
        }
    }
}
