//! Rules of privacy reach every part of a span of every format, and what no rule is about is equal afterwards.
use crate::format::{self, Decoded, Entry, Redactor};
use crate::format::{jaeger, scribe, zipkin};
use crate::span::SpanRows;
use crate::span::read::Spans;
use crate::wire::Message;
use arrow::array::RecordBatch;

const AT: Entry = Entry { index: 0, received_at: 1_700_000_001_000_000 };

/// Masks the fields of these names, and `secret` in texts; drops what is of a service.
struct Rules(&'static [&'static str], Option<&'static str>);

impl Redactor for Rules {
    fn message(&self, message: &mut Message) -> Result<(), &'static str> {
        if Some(message.logger.as_str()) == self.1 {
            return Err(format::DROPPED);
        }
        for (key, value) in &mut message.fields {
            if self.0.contains(&key.as_str()) {
                "XXX".clone_into(value);
            }
        }
        message.payload = message.payload.replace("secret", "XXX");
        Ok(())
    }
    fn tags(&self, _: &mut Vec<(String, String)>) {}
    fn covers_tag(&self, _: &str) -> bool {
        false
    }
}

fn decode(code: u8, datagram: &[u8]) -> Decoded {
    let mut out = Decoded::default();
    format::decode(code, datagram, AT, &mut format::Scratch::default(), &mut out);
    out
}

fn rows(out: &mut Decoded) -> RecordBatch {
    out.rows.of::<SpanRows>().finish().unwrap()
}

/// The rows of what is left of a datagram.
fn left(code: u8, datagram: &[u8], rules: &Rules) -> RecordBatch {
    let redacted = format::redact(code, datagram, rules);
    let (code, item) = redacted.moved.first().expect("something is left");
    rows(&mut decode(*code, item))
}

const ZIPKIN: &[u8] = br#"[{"traceId":"5982fe77008310cc80f1da5e10147517","parentId":"90394f6bcffb5d13","id":"67fae42571535f60",
    "kind":"SERVER","name":"get secret","timestamp":1516781775726000,"duration":26000,
    "localEndpoint":{"serviceName":"apm","ipv4":"10.0.0.1","port":80},"remoteEndpoint":{"serviceName":"front","ipv4":"10.0.0.2"},
    "annotations":[{"timestamp":1516781775727000,"value":"secret wait"}],"tags":{"user":"u7","http.path":"/a"},"shared":true},
    {"traceId":"1","id":"2","localEndpoint":{"serviceName":"other"}}]"#;

#[test]
fn what_no_rule_is_about_is_equal() {
    let rules = Rules(&["nothing"], None);
    let harmless = String::from_utf8(ZIPKIN.to_vec()).unwrap().replace("secret", "cart");
    let jaeger = crate::span::unhex(jaeger::COMPACT).unwrap();
    for (code, datagram) in [(zipkin::CODE, harmless.as_bytes()), (jaeger::CODE, &jaeger)] {
        let (left, right) = (left(code, datagram, &rules), rows(&mut decode(code, datagram)));
        for (at, field) in left.schema().fields().iter().enumerate() {
            assert_eq!(left.column(at), right.column(at), "{} of {code}", field.name());
        }
    }
}

#[test]
fn rules_reach_names_attributes_events_and_what_repeats_them() {
    let rules = Rules(&["user", "net.peer.ip", "host.ip"], None);
    let batch = left(zipkin::CODE, ZIPKIN, &rules);
    let text = format!("{batch:?}");
    for gone in ["secret", "u7", "10.0.0.1", "10.0.0.2"] {
        assert!(!text.contains(gone), "{gone} is left: {text}");
    }
    let spans = Spans::new(&batch).unwrap();
    let span = spans.get(0);
    assert_eq!((span.name(), span.attributes().text("user"), span.source()), ("get XXX", Some("XXX"), "zipkin"));
    assert_eq!((span.extra("zipkin.shared"), span.extra("zipkin.remote")), (Some("true"), None));
}

#[test]
fn spans_and_messages_that_a_rule_drops_are_counted() {
    let rules = Rules(&[], Some("apm"));
    let redacted = format::redact(zipkin::CODE, ZIPKIN, &rules);
    assert_eq!((redacted.rejected.as_slice(), redacted.moved.len()), (&[(format::DROPPED, 1)][..], 1));
    let entries = scribe::entries([(&b"web"[..], &b"the secret"[..]), (b"apm", b"x"), (b"Milo-Trace", b"junk")].into_iter());
    let redacted = format::redact(scribe::CODE, &entries, &rules);
    let mut rejected = redacted.rejected.clone();
    rejected.sort_unstable();
    assert_eq!(rejected, [("milo_bad_frame", 1), (format::DROPPED, 1)]);
    let (code, message) = &redacted.moved[0];
    assert!(redacted.moved.len() == 1 && *code == format::metlog_json::RECORD_CODE);
    assert!(String::from_utf8_lossy(message).contains("the XXX"));
}

#[test]
fn losses_of_a_client_are_noted_also_where_there_are_rules() {
    let datagram = jaeger::numbered_batch(3, 2);
    let redacted = format::redact(jaeger::CODE, &datagram, &Rules(&[], None));
    let stub = redacted.datagram.expect("its number is left");
    let mut out = decode(jaeger::CODE, &stub);
    assert_eq!((out.counts.received, rows(&mut out).num_rows()), (0, 0), "and no span");
    assert_eq!(decode(redacted.moved[0].0, &redacted.moved[0].1).counts.facts, 2);
    assert_eq!(jaeger::noted(&stub), jaeger::noted(&datagram));
    assert!(format::redact(jaeger::CODE, &crate::span::unhex(jaeger::COMPACT).unwrap(), &Rules(&[], None)).datagram.is_none());
}
