//! The folder `examples`, read as its file names say. Clients in other languages read the same files.
//!
//! `<format>.<case>.pass.<ext>` must be read, and be what the `.json` file beside it says (for Metlog JSON, which
//! ends in `.json` itself: the `.message.json` file). `<format>.<reason>[-<detail>].fail.<ext>` must be refused
//! for that reason: every line of it, the whole datagram, or every message in it. A gauge with a sign has a `delta`, and
//! `dogstatsd` where its line has sections that only DogStatsD has: then the gauge is set, unless configured otherwise.
#![allow(clippy::unwrap_used)]
use metlog_schemas::format::wire::{describe_ping, describe_probe, describe_span};
use metlog_schemas::format::{self, Decoded, Entry, Scratch, oslo_metrics};
use metlog_schemas::metlog_json::{Decoder, objects};
use metlog_schemas::rows::{Row, Rows};
use metlog_schemas::statsd::{self, Annotation, Kind, Lines, Reason, Sample, Value};
use metlog_schemas::wire::v1::{Datagram, Frame};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from("examples")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn read_json(name: &str) -> Json {
    serde_json::from_slice(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Cases whose files begin and end so, and their file names.
fn cases(prefix: &str, suffix: &str) -> BTreeMap<String, String> {
    let names = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let case = |name: &str| Some(name.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned());
    let cases: BTreeMap<_, _> = names.filter_map(|name| Some((case(&name)?, name))).collect();
    assert!(cases.len() > 2, "{prefix}*{suffix}: only {}", cases.len());
    cases
}

fn reason_of(case: &str) -> &str {
    case.split('-').next().unwrap()
}

fn unhex(text: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// A row as the examples write a message; the time is null where it is that of receipt.
fn message(row: &Row<'_>) -> Json {
    let message = row.to_message(0);
    json!({
        "timestamp": row.timestamp, "type": message.r#type, "logger": message.logger,
        "severity": message.severity.number(), "hostname": message.hostname, "pid": message.pid,
        "tokens": message.tokens, "payload": message.payload, "fields": message.fields,
        "env_version": message.env_version,
    })
}

#[test]
fn every_file_is_one_that_a_test_reads() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Those of clients are read by the clients' tests.
        if name.starts_with("client.") || name.starts_with("propagation.") {
            continue;
        }
        let known =
            ["wire.v1.", "metlog_json.", "statsd.", "oslo_metrics."].iter().any(|format| name.starts_with(format));
        let outcome = [".pass.", ".fail.", ".message.json"].iter().any(|outcome| name.contains(outcome));
        assert!(known && outcome, "{name}");
    }
}

/// Those that pass are in the format's own tests.
#[test]
fn oslo_metrics_that_must_fail() {
    for (case, name) in cases("oslo_metrics.", ".fail.json") {
        let (mut scratch, mut out) = (Scratch::default(), Decoded::default());
        format::decode(oslo_metrics::CODE, &read(&name), Entry { index: 0, received_at: 0 }, &mut scratch, &mut out);
        assert!(out.samples.is_empty());
        assert_eq!(out.counts.rejected, [(reason_of(&case), 1)], "{name}");
    }
}

#[test]
fn wire_that_must_pass() {
    for (case, name) in cases("wire.v1.", ".pass.hex") {
        let expected = read_json(&format!("wire.v1.{case}.pass.json"));
        let bytes = unhex(&read(&name));
        let datagram = Datagram::decode(&bytes).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        let header = datagram.header;
        let found_header = json!({
            "sender": header.sender, "sequence": header.sequence, "opened_at": header.opened_at,
            "dropped": header.dropped, "pid": header.pid, "hostname": header.hostname, "logger": header.logger,
            "key_id": header.key_id,
        });
        let found: Vec<Json> = datagram
            .frames()
            .map(|frame| match frame {
                Ok(Frame::Message(view)) => {
                    let m = view.to_message();
                    json!({
                        "timestamp": m.timestamp, "type": m.r#type, "logger": m.logger,
                        "severity": m.severity.number(), "hostname": m.hostname, "pid": m.pid, "tokens": m.tokens,
                        "payload": m.payload, "fields": m.fields, "env_version": m.env_version,
                    })
                }
                Ok(Frame::Span(view)) => json!({"span": describe_span(&view)}),
                Ok(Frame::Ping(ping)) => json!({"ping": describe_ping(&ping)}),
                Ok(Frame::Probe(probe)) => json!({"probe": describe_probe(&probe)}),
                Err(refusal) => json!({"refused": refusal.reason()}),
            })
            .collect();
        let found_heartbeat = datagram
            .heartbeat
            .map(|heartbeat| json!({"sender": heartbeat.sender, "next": heartbeat.next, "dropped": heartbeat.dropped}));
        assert_eq!(found_header, expected["header"], "{name}");
        assert_eq!(found_heartbeat.unwrap_or_default(), expected["heartbeat"], "{name}");
        assert_eq!(Json::Array(found), expected["messages"], "{name}");
        if let Some(secret) = expected["secret"].as_str() {
            assert_eq!(datagram.verify(secret.as_bytes()), Ok(()), "{name}");
        }
    }
}

/// A signature is checked with `secret`.
#[test]
fn wire_that_must_fail() {
    for (case, name) in cases("wire.v1.", ".fail.hex") {
        let bytes = unhex(&read(&name));
        let reasons: Vec<&str> = match Datagram::decode(&bytes) {
            Err(refusal) => vec![refusal.reason()],
            Ok(datagram) if datagram.header.key_id.is_some() => {
                datagram.verify(b"secret").err().map(|refusal| refusal.reason()).into_iter().collect()
            }
            Ok(datagram) => {
                let outcome = |message: Result<_, metlog_schemas::wire::v1::Refusal>| match message {
                    Ok(_) => "nothing",
                    Err(refusal) => refusal.reason(),
                };
                datagram.frames().map(outcome).collect()
            }
        };
        assert!(!reasons.is_empty(), "{name} passes");
        assert!(reasons.iter().all(|reason| *reason == reason_of(&case)), "{name}: {reasons:?}");
    }
}

#[test]
fn metlog_json_that_must_pass() {
    let mut decoder = Decoder::default();
    for (case, name) in cases("metlog_json.", ".pass.json") {
        let text = read(&name);
        let found: Vec<&[u8]> = objects(&text).collect();
        assert_eq!(found.len(), 1, "{name}");
        let mut rows = Rows::default();
        let row = decoder.decode(found[0], &mut rows).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert_eq!(message(&row), read_json(&format!("metlog_json.{case}.message.json")), "{name}");
    }
}

#[test]
fn metlog_json_that_must_fail() {
    let mut decoder = Decoder::default();
    for (case, name) in cases("metlog_json.", ".fail.json") {
        let mut rows = Rows::default();
        let refusal = decoder.decode(&read(&name), &mut rows).map(|_| ()).expect_err(&name);
        assert_eq!(refusal.reason(), reason_of(&case), "{name}");
    }
}

#[derive(Default)]
struct Told {
    samples: Vec<Json>,
    messages: Vec<Json>,
    reasons: Vec<&'static str>,
}

impl Lines for Told {
    fn sample(&mut self, sample: Sample<'_>) {
        let (name, tags) = match statsd::canonical(sample.name, sample.tags) {
            Ok(identity) => identity,
            Err(reason) => return self.reasons.push(reason.reason()),
        };
        let kind = match sample.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Timer => "timer",
            Kind::Set => "set",
        };
        let mut found = json!({"kind": kind, "name": name, "tags": tags, "rate": sample.rate});
        match sample.value {
            Value::Number(number) => found["number"] = json!(number),
            Value::Delta(number) => {
                found["delta"] = json!(number);
                if sample.is_dogstatsd {
                    found["dogstatsd"] = json!(true);
                }
            }
            Value::Member(member) => found["member"] = json!(std::str::from_utf8(member).unwrap()),
        }
        self.samples.push(found);
    }
    fn message(&mut self, annotation: &Annotation<'_>) {
        let mut rows = Rows::default();
        let mut row = rows.begin();
        annotation.write(&mut row);
        self.messages.push(message(&row));
    }
    fn bad(&mut self, _: &[u8], reason: Reason) {
        self.reasons.push(reason.reason());
    }
}

/// All numbers as floating point, since 1 and 1.0 are the same sample.
fn floats(json: &Json) -> Json {
    match json {
        Json::Number(number) => json!(number.as_f64()),
        Json::Array(items) => items.iter().map(floats).collect(),
        Json::Object(members) => members.iter().map(|(key, value)| (key.clone(), floats(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn statsd_that_must_pass() {
    for (case, name) in cases("statsd.", ".pass.txt") {
        let expected = read_json(&format!("statsd.{case}.pass.json"));
        let mut told = Told::default();
        statsd::parse(&read(&name), &mut told);
        assert_eq!(told.reasons, [""; 0], "{name}");
        assert_eq!(floats(&Json::Array(told.samples)), floats(&expected["samples"]), "{name}");
        assert_eq!(Json::Array(told.messages), expected["messages"], "{name}");
    }
}

#[test]
fn statsd_that_must_fail() {
    for (case, name) in cases("statsd.", ".fail.txt") {
        let text = read(&name);
        let mut told = Told::default();
        statsd::parse(&text, &mut told);
        assert!(told.samples.is_empty() && told.messages.is_empty(), "{name}: {:?}", told.samples);
        assert!(told.reasons.len() >= text.split(|byte| *byte == b'\n').count(), "{name}: {:?}", told.reasons);
        assert!(told.reasons.iter().all(|reason| *reason == reason_of(&case)), "{name}: {:?}", told.reasons);
    }
}
