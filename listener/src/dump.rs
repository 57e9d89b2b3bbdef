//! A datagram or a journal segment, told as JSON for a human.
use crate::journal::record::{FILE_MAGIC, Kind, Read, Record, read};
use crate::state::Checkpoint;
use metlog_schemas::metlog_json;
use metlog_schemas::wire::Message;
use metlog_schemas::wire::v1::Datagram;
use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// Tells each record of a journal segment, or each message of a datagram, as one JSON value.
///
/// # Errors
/// Where the file cannot be read, or is neither.
pub fn decode_file(path: &Path, tell: &mut dyn FnMut(Value)) -> io::Result<()> {
    let bytes = std::fs::read(path)?;
    match bytes.strip_prefix(&FILE_MAGIC) {
        Some(records) => segment(records, tell),
        None => datagram(&bytes, tell).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?,
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
                tell(json!({"at": at, "kind": "corrupt", "bytes": region.len()}));
                region.len()
            }
            Read::Torn(length) => {
                tell(json!({"at": at, "kind": "torn", "bytes": length}));
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
        for object in metlog_json::objects(bytes) {
            tell(serde_json::from_slice(object).map_err(|error| error.to_string())?);
        }
        return Ok(());
    }
    let datagram = Datagram::decode(bytes)
        .map_err(|refusal| format!("neither a journal segment, wire v1 nor Metlog JSON: {}", refusal.reason()))?;
    let header = datagram.header;
    tell(json!({
        "sender": format!("{:016x}", header.sender), "sequence": header.sequence, "opened_at": header.opened_at,
        "dropped": header.dropped, "pid": header.pid, "hostname": header.hostname, "logger": header.logger,
        "key_id": header.key_id,
    }));
    for message in datagram.messages() {
        tell(
            message
                .map_or_else(|refusal| json!({"refused": refusal.reason()}), |message| as_json(&message.to_message())),
        );
    }
    Ok(())
}

fn as_json(message: &Message) -> Value {
    let fields: serde_json::Map<_, _> = message.fields.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    json!({
        "timestamp": message.timestamp, "type": message.r#type, "logger": message.logger,
        "severity": message.severity.number(), "hostname": message.hostname, "pid": message.pid,
        "tokens": message.tokens, "payload": message.payload, "fields": fields, "env_version": message.env_version,
    })
}
