//! What the registry of formats promises to those who go by it.
use super::*;
use crate::rows::MessageRows;
use crate::wire::Message;
use crate::wire::v1::{Draft, Encoder, Header};

const METLOG: u8 = 2;
const STATSD: u8 = 3;

/// Remembers what it is given; refuses names that begin with `no`.
#[derive(Default)]
struct Order {
    senders: Vec<u64>,
    heartbeats: Vec<u64>,
    added: Vec<String>,
    packets: u64,
    bad: u64,
}

impl InOrder for Order {
    fn sender(&mut self, header: &Header<'_>, _: i64) -> Verdict {
        let again = self.senders.contains(&header.sequence);
        self.senders.push(header.sequence);
        if again { Verdict::Duplicate } else { Verdict::New }
    }

    fn heartbeat(&mut self, _: &Header<'_>, heartbeat: &crate::wire::v1::Heartbeat, _: i64) {
        self.heartbeats.push(heartbeat.next);
    }
    fn add(&mut self, sample: &Sample<'_>) -> Result<(), &'static str> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        if sample.name.starts_with(b"no") {
            return Err("too_many_series");
        }
        self.added.push(format!("{}#{}", text(sample.name), text(sample.tags)));
        Ok(())
    }

    fn packet(&mut self, lines: u64) {
        self.packets += lines;
    }

    fn bad_line(&mut self) {
        self.bad += 1;
    }
}

fn wire(sequence: u64) -> Vec<u8> {
    let mut encoder = Encoder::new(1_432, 9, 1, "h", "l", None);
    for n in 0..2 {
        let draft = Draft { timestamp: 5 + n, r#type: "t", payload: "p", ..Draft::default() };
        encoder.push(5, &draft, ["token"].into_iter(), [("email", "jo")].into_iter()).unwrap();
    }
    encoder.finish(sequence, 0).to_vec()
}

/// One record through all three parts.
fn run(code: u8, datagrams: &[&[u8]], scratch: &mut Scratch, order: &mut Order, out: &mut Decoded) {
    scratch.begin();
    let at = |index| Entry { index, received_at: 7 };
    for (index, datagram) in datagrams.iter().enumerate() {
        enter(code, datagram, at(index), scratch, order, out);
    }
    for (index, datagram) in datagrams.iter().enumerate() {
        decode(code, datagram, at(index), scratch, out);
    }
    out.settle(order, at(0));
}

#[test]
fn codes_are_those_on_disk_and_each_has_one_name() {
    assert_eq!((name(METLOG), name(STATSD)), (Some("metlog"), Some("statsd")));
    assert_eq!((name(1), name(4)), (None, None), "the journal's own");
    for (format, code) in all() {
        assert!(matches!(code, METLOG | STATSD) || code >= CODE_FIRST_NEW, "{format}");
    }
    for socket in sockets() {
        assert!(name(socket.code).is_some(), "{}", socket.key);
        assert_eq!(sockets().iter().filter(|other| other.key == socket.key).count(), 1, "{}", socket.key);
    }
    let keys: Vec<&str> = sockets().iter().map(|socket| socket.key).filter(|key| *key != "toy").collect();
    assert_eq!(
        keys,
        [
            "metlog",
            "statsd",
            "jaeger_compact",
            "jaeger_binary",
            "metlog_unix",
            "statsd_unix",
            "oslo_metrics_unix",
            "statsd_tcp",
            "statsd_unix_stream"
        ]
    );
}

#[test]
fn formats_share_a_record_and_each_datagram_keeps_its_verdict() {
    let (first, second) = (wire(0), wire(1));
    let json = b"{\"type\":\"a\"}\n{\"type\":\"b\"}\n{bad";
    let datagrams: [&[u8]; 7] = [json, &first, b"neither", &second, &first, b"", &[0xF5, b'M', b'L', 9]];
    let (mut scratch, mut order, mut out) = (Scratch::default(), Order::default(), Decoded::default());
    run(METLOG, &datagrams, &mut scratch, &mut order, &mut out);
    assert_eq!(order.senders, [0, 1, 0]);
    assert_eq!(out.rows.of::<MessageRows>().len(), 2 + 2 + 2);
    assert_eq!((out.counts.received, out.counts.facts, out.counts.datagrams), (12, 6, 7));
    let rejected = [("not_json", 1), ("not_metlog", 1), ("duplicate", 2), ("empty", 1), ("unknown_version", 1)];
    assert_eq!(out.counts.rejected, rejected);
    let indices: Vec<usize> = out.rejects.iter().map(|reject| reject.index).collect();
    assert_eq!(indices, [0, 2, 4, 5, 6]);
    assert_eq!((out.rejects[0].bytes.as_slice(), out.rejects[1].bytes.as_slice()), (&b"{bad"[..], &b"neither"[..]));
    // The next record knows nothing of this one's verdicts.
    scratch.begin();
    decode(METLOG, &first, Entry { index: 4, received_at: 7 }, &mut scratch, &mut out);
    assert_eq!(out.counts.facts, 8);
}

#[test]
fn values_go_into_the_window_and_messages_beside_it() {
    let (mut scratch, mut order, mut out) = (Scratch::default(), Order::default(), Decoded::default());
    let lines = b"a:1:2|c|#x:y\nbad\nno:1|c\n_e{1,1}:t|x\n_e{1,1}:t|x|d:-5";
    run(STATSD, &[lines, b"\n"], &mut scratch, &mut order, &mut out);
    assert_eq!(order.added, ["a#x:y", "a#x:y"]);
    assert_eq!((order.packets, order.bad), (5, 3));
    assert_eq!((out.counts.received, out.counts.facts, out.counts.datagrams), (7, 3, 2));
    let rejected = [("no_value", 1), ("too_many_series", 1), ("bad_event", 1), ("empty", 1)];
    assert_eq!(out.counts.rejected, rejected);
    assert_eq!(out.rows.of::<MessageRows>().len(), 1);
}

#[test]
fn counters_of_metlog_json_wait_for_their_turn() {
    let (mut scratch, mut order, mut out) = (Scratch::default(), Order::default(), Decoded::default());
    let json = br#"{"type":"counter","logger":"l","metlog_hostname":"h","payload":"2",
        "fields":{"name":"n","page":"a,b","other":"x"}}
        {"type":"timer","payload":"1","fields":{"name":"no"}}
        {"type":"timer","payload":"1"}"#;
    decode(METLOG, json, Entry { index: 0, received_at: 7 }, &mut scratch, &mut out);
    assert_eq!((out.samples.len(), out.counts.facts), (2, 0));
    out.settle(&mut order, Entry { index: 0, received_at: 7 });
    assert_eq!((order.added.as_slice(), out.counts.facts), (&["l.n#".to_owned()][..], 1));
    assert_eq!(out.counts.rejected, [("json_no_name", 1), ("too_many_series", 1)]);
    scratch.options.json_tags = vec!["page".into(), "hostname".into(), "absent".into()];
    run(METLOG, &[json], &mut scratch, &mut order, &mut out);
    assert_eq!(order.added[1], "l.n#page:a_b,hostname:h");
}

#[test]
fn the_sample_of_refused_input_is_bounded() {
    let mut out = Decoded::default();
    let long = [b'x'; 10 * REJECT_BYTES_MAX];
    for _ in 0..10 * REJECTS_MAX {
        decode(METLOG, &long, Entry { index: 0, received_at: 7 }, &mut Scratch::default(), &mut out);
    }
    assert_eq!(out.counts.rejected, [("not_metlog", 10 * REJECTS_MAX as u64)]);
    assert_eq!(out.rejects.len(), REJECTS_MAX);
    assert!(out.rejects.iter().all(|reject| reject.bytes.len() == REJECT_BYTES_MAX));
}

#[test]
fn messages_are_counted_without_being_decoded() {
    for (code, datagram, expected) in [
        (METLOG, &wire(0)[..], 2),
        (METLOG, b"{\"type\":\"a\"}\n{}\n", 2),
        (METLOG, b"a\nb", 1),
        (METLOG, b"", 1),
        (STATSD, b"a:1:2|c\n\nbad", 3),
        (STATSD, b"", 1),
    ] {
        assert_eq!(count(code, datagram), expected, "{datagram:?}");
    }
}

#[test]
fn only_the_wire_can_be_signed() {
    let key = SigningKey { id: "k".into(), secret: b"s".to_vec() };
    let signed = |key| Encoder::new(512, 1, 1, "h", "l", Some(key)).finish(0, 0).to_vec();
    let other = SigningKey { id: "other".into(), ..key.clone() };
    let wrong = SigningKey { secret: b"wrong".to_vec(), ..key.clone() };
    for (code, datagram, expected) in [
        (METLOG, signed(key.clone()), Ok(())),
        (METLOG, signed(other), Err("unknown_key")),
        (METLOG, signed(wrong), Err("bad_signature")),
        (METLOG, wire(0), Err("unsigned")),
        (METLOG, b"{}".to_vec(), Err("unsigned")),
        (METLOG, b"hello".to_vec(), Err("not_metlog")),
        (STATSD, b"a:1|c".to_vec(), Ok(())),
    ] {
        assert_eq!(verify(code, &datagram, std::slice::from_ref(&key)), expected, "{datagram:?}");
    }
}

/// Hides fields and tags called `email`, and drops messages of the type `secret`.
struct Hide;

impl Redactor for Hide {
    fn message(&self, message: &mut Message) -> Result<(), &'static str> {
        self.tags(&mut message.fields);
        if message.r#type == "secret" { Err(DROPPED) } else { Ok(()) }
    }

    fn covers_tag(&self, key: &str) -> bool {
        key == "email"
    }

    fn tags(&self, tags: &mut Vec<(String, String)>) {
        tags.iter_mut().filter(|(key, _)| key == "email").for_each(|(_, value)| *value = "hidden".into());
    }
}

#[test]
fn every_format_hands_its_fields_to_the_rules() {
    let json = br#"{"type":"a","timestamp":"2012-07-18T22:01:01Z","fields":{"email":"jo"}}
        {"type":"secret"}"#;
    let lines = b"a:-1.5|g|@0.5|#email:jo,z:1\nbad\n_e{1,2}:t|xy|d:10";
    for (code, datagram) in [(METLOG, &wire(3)[..]), (METLOG, json), (STATSD, lines)] {
        let Redacted { datagram: kept, moved, rejected } = redact(code, datagram, &Hide);
        let kept = kept.unwrap();
        let text = String::from_utf8_lossy(&kept).into_owned();
        assert!(text.contains("hidden") && !text.contains("jo"), "{text}");
        let (mut order, mut out) = (Order::default(), Decoded::default());
        run(code, &[&kept], &mut Scratch::default(), &mut order, &mut out);
        assert!(out.counts.rejected.is_empty());
        assert_eq!(rejected.len(), usize::from(code == STATSD || kept.starts_with(b"{")), "{rejected:?}");
        for (code, message) in &moved {
            run(*code, &[message], &mut Scratch::default(), &mut order, &mut out);
        }
        assert_eq!(out.counts.received + rejected.len() as u64, count_of(&out, &moved) + rejected.len() as u64);
    }
    let refused =
        [(METLOG, &b"\xF5MLxxxx"[..]), (METLOG, b""), (METLOG, b"hello"), (METLOG, b"{\"type\":"), (STATSD, b"")];
    for (code, bytes) in refused {
        let redacted = redact(code, bytes, &Hide);
        assert!(redacted.datagram.is_none() && redacted.rejected.len() == 1, "{bytes:?}");
    }
}

/// One a message that is left.
fn count_of(out: &Decoded, moved: &[(u8, Vec<u8>)]) -> u64 {
    assert!(out.counts.facts > moved.len() as u64, "values and messages");
    out.counts.facts
}

#[test]
fn a_datagram_of_an_unknown_code_is_described_by_whoever_can() {
    let described = |bytes: &[u8]| describe_any(bytes).map(|values| values.len());
    assert_eq!(described(&wire(0)), Ok(3));
    assert_eq!(described(b"{\"type\":\"a\"}\n{bad"), Ok(2));
    assert_eq!(described(b"a:1:2|c\nbad"), Ok(3));
    for bytes in [&b"neither"[..], b"", b"\n\n"] {
        assert!(described(bytes).is_err(), "{bytes:?}");
    }
    let lines = describe(STATSD, b"a b:1|c|@0.5|#y:2,x\r\nwho:7a|s\ndepth:-3|g").unwrap();
    assert_eq!((&lines[0]["statsd"], &lines[0]["name"]), (&"a b:1|c|@0.5|#y:2,x".into(), &"a_b".into()));
    assert_eq!(lines[0]["tags"], serde_json::json!({"x": "true", "y": "2"}));
    assert_eq!((&lines[1]["value"], &lines[2]["delta"]), (&"7a".into(), &true.into()));
}

#[cfg(feature = "toy")]
#[test]
fn a_format_of_its_own_code_makes_rows_of_its_own_table() {
    let (code, mut out) = (CODE_FIRST_NEW, Decoded::default());
    run(code, &[b"a=1;x;\nb=\nbad", b"none"], &mut Scratch::default(), &mut Order::default(), &mut out);
    assert_eq!((out.counts.facts, out.counts.datagrams), (2, 2));
    assert_eq!(out.counts.rejected, [("toy_bad_line", 1), ("not_metlog", 1)]);
    let batch = out.rows.batches().unwrap()[crate::table::Table::Toy].take().unwrap();
    assert_eq!(batch.num_rows(), 2);
    assert_eq!(describe_any(b"a=1").map(|values| values.len()), Ok(1));
}

#[test]
fn a_heartbeat_is_noted_and_is_no_message() {
    let heartbeat = Encoder::new(1_432, 9, 1, "h", "l", None).heartbeat(5, 300, 2);
    let (mut scratch, mut order, mut out) = Default::default();
    run(METLOG, &[&heartbeat, &wire(0)], &mut scratch, &mut order, &mut out);
    assert_eq!((order.heartbeats, order.senders), (vec![300], vec![0]));
    assert_eq!((out.counts.received, out.counts.facts, out.counts.rejected), (2, 2, vec![]));
}
