//! The examples of wire v1 that hold results of the mesh, as they are made: a writer in any language must make the same bytes.
//! `METLOG_WRITE_EXAMPLES=1 cargo test -p metlog-schemas --test ping_examples` writes the files.
#![allow(clippy::unwrap_used)]
mod wire_example;

use metlog_schemas::format::wire::{describe_ping, describe_probe};
use metlog_schemas::wire::v1::{Datagram, Draft, Encoder, Frame, Pair, Ping, Probe, Refusal};
use serde_json::json;

const OPENED_AT: i64 = 1_700_000_000_000_000;

fn encoder() -> Encoder {
    Encoder::new(1_432, 0x0102_0304_0506_0708, 4_242, "web1", "mesh", None)
}

fn pair(kind: &str) -> Pair<'_> {
    Pair {
        source: "web1",
        source_zone: "a",
        source_rack: "a1",
        target: "wéb2",
        target_zone: "b",
        target_rack: "",
        kind,
    }
}

/// What ten probes came to, one of each kind of loss among them.
fn ping() -> Ping<'static> {
    Ping {
        timestamp: OPENED_AT - 12_000_000,
        interval: 10_000_000,
        pair: pair("udp"),
        payload_bytes: 64,
        source_port: 50_123,
        sequence: 300,
        sent: 10,
        received: 7,
        lost_forward: 1,
        lost_reverse: 1,
        lost_unknown: 1,
        timeouts: 3,
        refused: 0,
        syn_retransmits: 0,
        host_late: 1,
        rtt_count: 6,
        rtt_min: 48,
        rtt_max: 300,
        rtt_sum: 700,
        sketch: &[1, 2, 255],
    }
}

fn probe() -> Probe<'static> {
    Probe {
        timestamp: OPENED_AT - 11_000_001,
        pair: pair("tcp"),
        payload_bytes: 0,
        source_port: 40_001,
        sequence: 300,
        number: 2,
        outcome: "received",
        rtt: Some(1_024_000),
        syn_retransmits: 2,
        host_late: true,
        source_late: 20_000,
        target_late: 7,
    }
}

fn datagram(of: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut encoder = encoder();
    of(&mut encoder);
    encoder.finish(3, 0).to_vec()
}

fn all() -> Vec<u8> {
    let message = Draft { timestamp: OPENED_AT, r#type: "login", payload: "p", ..Draft::default() };
    datagram(|encoder| {
        encoder.push(OPENED_AT, &message, std::iter::empty(), std::iter::empty()).unwrap();
        encoder.push_ping(OPENED_AT, &ping()).unwrap();
        encoder.push_probe(OPENED_AT, &probe()).unwrap();
        encoder
            .push_probe(OPENED_AT, &Probe { rtt: None, outcome: "lost_forward", host_late: false, ..probe() })
            .unwrap();
        encoder.push(OPENED_AT, &message, std::iter::empty(), std::iter::empty()).unwrap();
    })
}

/// The datagram of one result whose frame is another.
fn changed(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let at = 7 + usize::from(u16::from_le_bytes([bytes[5], bytes[6]])) + 2;
    let mut frame = bytes[at..].to_vec();
    change(&mut frame);
    let length = u16::try_from(frame.len()).unwrap().to_le_bytes();
    [&bytes[..at - 2], &length, &frame].concat()
}

fn files() -> Vec<(String, Vec<u8>)> {
    let one = datagram(|encoder| encoder.push_ping(OPENED_AT, &ping()).unwrap());
    let single = datagram(|encoder| encoder.push_probe(OPENED_AT, &probe()).unwrap());
    let name_at = |frame: &[u8]| frame.windows(4).position(|four| four == b"web1").unwrap();
    vec![
        ("pings.pass".into(), all()),
        ("ping_later_values.pass".into(), changed(&one, |frame| frame.extend_from_slice(b"later"))),
        ("unknown_version-ping_flag.fail".into(), changed(&one, |frame| frame[0] |= 2)),
        ("unknown_version-ping_and_span.fail".into(), changed(&one, |frame| frame[0] |= 0x40)),
        (
            "unknown_version-probe_flag.fail".into(),
            changed(&single, |frame| {
                let at = frame.windows(8).position(|eight| eight == b"received").unwrap() + 8;
                frame[at] |= 4;
            }),
        ),
        ("truncated-ping_sketch.fail".into(), changed(&one, |frame| frame.truncate(frame.len() - 1))),
        ("truncated-ping_names.fail".into(), changed(&one, |frame| frame.truncate(12))),
        ("truncated-probe.fail".into(), changed(&single, |frame| frame.truncate(frame.len() - 1))),
        (
            "not_utf8-ping_source.fail".into(),
            changed(&one, |frame| {
                let at = name_at(frame);
                frame[at] = 0xff;
            }),
        ),
    ]
}

/// What an example's file says that it holds.
fn described(bytes: &[u8]) -> String {
    wire_example::described(bytes, |frame| match frame {
        Frame::Ping(ping) => json!({"ping": describe_ping(&ping)}),
        Frame::Probe(probe) => json!({"probe": describe_probe(&probe)}),
        _ => panic!("no span was written"),
    })
}

#[test]
fn the_examples_are_what_the_writer_writes() {
    let mut texts = Vec::new();
    for (case, bytes) in files() {
        texts.push((format!("wire.v1.{case}.hex"), wire_example::hex(&bytes)));
        if case.ends_with(".pass") {
            texts.push((format!("wire.v1.{case}.json"), described(&bytes)));
        }
    }
    for (name, content) in texts {
        wire_example::is_written(&name, &content);
    }
}

/// Guarantees: what is read is what was written.
#[test]
fn results_come_back_as_they_were() {
    let bytes = all();
    let frames: Vec<_> = Datagram::decode(&bytes).unwrap().frames().map(Result::unwrap).collect();
    assert_eq!(frames[1], Frame::Ping(ping()));
    assert_eq!(frames[2], Frame::Probe(probe()));
}

/// Guarantees: to a listener that does not know the mesh each result is a message of an unknown version, which it counts, and
/// the messages beside it are read.
#[test]
fn readers_that_know_no_mesh_refuse_results_and_nothing_else() {
    let bytes = all();
    let found: Vec<_> =
        Datagram::decode(&bytes).unwrap().messages().map(|message| message.map(|of| of.payload)).collect();
    let unknown = Err(Refusal::UnknownVersion);
    assert_eq!(found, [Ok("p"), unknown, unknown, unknown, Ok("p")]);
}
