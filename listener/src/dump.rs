//! A datagram or a journal segment, told as JSON for a human.
use crate::journal::record::{FILE_MAGIC, Kind, Read, Record, read};
use crate::state::Checkpoint;
use metlog_schemas::metlog_json;
use metlog_schemas::rows::Rows;
use metlog_schemas::statsd::{self, Annotation, Lines, Reason, Sample};
use metlog_schemas::wire::Message;
use metlog_schemas::wire::v1::{Datagram, Refusal};
use serde_json::{Value, json};
use std::io;

/// Tells each record of a journal segment, or each message of a datagram, as one JSON value.
///
/// # Errors
/// Where the bytes are neither.
pub fn decode(bytes: &[u8], tell: &mut dyn FnMut(Value)) -> io::Result<()> {
    match bytes.strip_prefix(&FILE_MAGIC) {
        Some(records) => segment(records, tell),
        None => datagram(bytes, tell).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?,
    }
    Ok(())
}

fn segment(mut bytes: &[u8], tell: &mut dyn FnMut(Value)) {
    let mut at = FILE_MAGIC.len();
    while let Some(found) = read(bytes) {
        let length = match found {
            Read::Record(record, length) => {
                tell(self::record(at, &record));
                length
            }
            Read::Corrupt(region) => {
                tell(
                    json!({"at": at, "kind": "corrupt", "bytes": region.len(), "text": String::from_utf8_lossy(region)}),
                );
                region.len()
            }
            Read::Torn(length) => {
                tell(json!({"at": at, "kind": "torn", "bytes": length, "text": String::from_utf8_lossy(bytes)}));
                length
            }
        };
        at += length;
        bytes = &bytes[length..];
    }
}

fn record(at: usize, record: &Record<'_>) -> Value {
    let kind = match record.kind {
        Kind::Checkpoint => {
            let totals = Checkpoint::decode(record.payload).map(|checkpoint| checkpoint.totals);
            return json!({"at": at, "kind": "checkpoint", "received_at": record.received_at, "totals": totals});
        }
        Kind::Tally => "tally",
        Kind::Metlog => "metlog",
        Kind::Statsd => "statsd",
    };
    let datagrams: Vec<Value> = match record.kind {
        Kind::Statsd => record.datagrams().map(|lines| String::from_utf8_lossy(lines).into()).collect(),
        Kind::Metlog => record.datagrams().map(told).collect(),
        _ => Vec::new(),
    };
    json!({"at": at, "kind": kind, "received_at": record.received_at, "datagrams": datagrams})
}

fn told(bytes: &[u8]) -> Value {
    let mut messages = Vec::new();
    match datagram(bytes, &mut |message| messages.push(message)) {
        Ok(()) => messages.into(),
        Err(why) => json!({"refused": why, "bytes": String::from_utf8_lossy(bytes)}),
    }
}

fn datagram(bytes: &[u8], tell: &mut dyn FnMut(Value)) -> Result<(), String> {
    if metlog_json::is_json(bytes) {
        let (mut decoder, mut rows) = (metlog_json::Decoder::default(), Rows::default());
        for object in metlog_json::objects(bytes) {
            tell(match decoder.decode(object, &mut rows) {
                // What has no time of its own gets that of its receipt, which is not in the datagram.
                Ok(row) => as_json(&row.to_message(0), row.timestamp),
                Err(refusal) => json!({"refused": refusal.reason(), "bytes": String::from_utf8_lossy(object)}),
            });
        }
        return Ok(());
    }
    let datagram = match Datagram::decode(bytes) {
        Ok(datagram) => datagram,
        Err(Refusal::NotWire) if is_statsd(bytes) => {
            let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.for_each(|line| tell(json!({"statsd": String::from_utf8_lossy(line)})));
            return Ok(());
        }
        Err(refusal) => {
            let none = "neither a journal segment, wire v1, Metlog JSON nor statsd lines";
            return Err(format!("{none}: {}", refusal.reason()));
        }
    };
    let header = datagram.header;
    tell(json!({
        "sender": format!("{:016x}", header.sender), "sequence": header.sequence, "opened_at": header.opened_at,
        "dropped": header.dropped, "pid": header.pid, "hostname": header.hostname, "logger": header.logger,
        "key_id": header.key_id,
    }));
    for message in datagram.messages() {
        tell(match message.map(|message| message.to_message()) {
            Ok(message) => as_json(&message, Some(message.timestamp)),
            Err(refusal) => json!({"refused": refusal.reason()}),
        });
    }
    Ok(())
}

/// True where any line can be read.
fn is_statsd(bytes: &[u8]) -> bool {
    #[derive(Default)]
    struct Found(bool);
    impl Lines for Found {
        fn sample(&mut self, _: Sample<'_>) {
            self.0 = true;
        }
        fn message(&mut self, _: &Annotation<'_>) {
            self.0 = true;
        }
        fn bad(&mut self, _: &[u8], _: Reason) {}
    }
    let mut found = Found::default();
    statsd::parse(bytes, &mut found);
    found.0
}

fn as_json(message: &Message, timestamp: Option<i64>) -> Value {
    let fields: serde_json::Map<_, _> = message.fields.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    json!({
        "timestamp": timestamp, "type": message.r#type, "logger": message.logger,
        "severity": message.severity.number(), "hostname": message.hostname, "pid": message.pid,
        "tokens": message.tokens, "payload": message.payload, "fields": fields, "env_version": message.env_version,
    })
}
