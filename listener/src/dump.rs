//! A datagram or a journal segment, told as JSON for a human.
use crate::journal::record::{FILE_MAGIC, Kind, Read, Record, read};
use crate::ledger::Totals;
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
    let received_at = record.received_at;
    let (kind, datagrams): (_, Vec<Value>) = match record.kind {
        Kind::Checkpoint => {
            let totals = Checkpoint::decode(record.payload).map(|checkpoint| checkpoint.totals);
            return json!({"at": at, "kind": "checkpoint", "received_at": received_at, "totals": totals});
        }
        Kind::Tally => {
            let totals = postcard::from_bytes::<Totals>(record.payload).ok();
            return json!({"at": at, "kind": "tally", "received_at": received_at, "datagrams": [], "totals": totals});
        }
        Kind::Metlog => ("metlog", record.datagrams().map(told).collect()),
        Kind::Statsd => ("statsd", record.datagrams().map(|lines| ToldLines::of(lines).values.into()).collect()),
    };
    json!({"at": at, "kind": kind, "received_at": received_at, "datagrams": datagrams})
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
        Err(refusal) => {
            let lines = ToldLines::of(bytes);
            if matches!(refusal, Refusal::NotWire) && lines.readable {
                lines.values.into_iter().for_each(tell);
                return Ok(());
            }
            let none = "neither a journal segment, wire v1, Metlog JSON nor statsd lines";
            return Err(format!("{none}: {}", refusal.reason()));
        }
    };
    let header = datagram.header;
    if let Some(heartbeat) = datagram.heartbeat {
        tell(json!({
            "heartbeat_of": format!("{:016x}", heartbeat.sender), "next": heartbeat.next, "opened_at": header.opened_at,
            "dropped": heartbeat.dropped, "pid": header.pid, "hostname": header.hostname, "logger": header.logger,
            "key_id": header.key_id,
        }));
        return Ok(());
    }
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

/// What statsd lines hold: each value, event and refusal as an object of its own, with the line that it is of.
#[derive(Default)]
struct ToldLines<'l> {
    line: &'l [u8],
    values: Vec<Value>,
    /// True where any line can be read.
    readable: bool,
}

impl<'l> ToldLines<'l> {
    fn of(datagram: &'l [u8]) -> ToldLines<'l> {
        let mut told = ToldLines::default();
        // One by one: a value does not say which line it is of.
        for line in datagram.split(|byte| *byte == b'\n') {
            told.line = line.strip_suffix(b"\r").unwrap_or(line);
            statsd::parse(line, &mut told);
        }
        told
    }

    fn push(&mut self, mut value: Value) {
        value["statsd"] = String::from_utf8_lossy(self.line).into();
        self.values.push(value);
    }

    fn refused(&mut self, reason: Reason) {
        self.push(json!({"refused": reason.reason(), "bytes": String::from_utf8_lossy(self.line)}));
    }
}

impl Lines for ToldLines<'_> {
    fn sample(&mut self, sample: Sample<'_>) {
        self.readable = true;
        let (name, tags) = match statsd::canonical(sample.name, sample.tags) {
            Ok(clean) => clean,
            Err(reason) => return self.refused(reason),
        };
        let value: Value = match sample.value {
            statsd::Value::Number(number) | statsd::Value::Delta(number) => number.into(),
            statsd::Value::Member(member) => String::from_utf8_lossy(member).into(),
        };
        let tags: serde_json::Map<_, _> = tags.into_iter().map(|(key, value)| (key, value.into())).collect();
        let mut told =
            json!({"name": name, "kind": sample.kind.name(), "value": value, "rate": sample.rate, "tags": tags});
        if matches!(sample.value, statsd::Value::Delta(_)) {
            // Added to the gauge; a plain number is what the gauge becomes.
            told["delta"] = true.into();
        }
        self.push(told);
    }

    fn message(&mut self, annotation: &Annotation<'_>) {
        self.readable = true;
        let mut rows = Rows::default();
        let mut row = rows.begin();
        annotation.write(&mut row);
        self.push(as_json(&row.to_message(0), row.timestamp));
    }

    fn bad(&mut self, _: &[u8], reason: Reason) {
        self.refused(reason);
    }
}

fn as_json(message: &Message, timestamp: Option<i64>) -> Value {
    let fields: serde_json::Map<_, _> = message.fields.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    json!({
        "timestamp": timestamp, "type": message.r#type, "logger": message.logger,
        "severity": message.severity.number(), "hostname": message.hostname, "pid": message.pid,
        "tokens": message.tokens, "payload": message.payload, "fields": fields, "env_version": message.env_version,
    })
}

#[cfg(test)]
mod tests;
