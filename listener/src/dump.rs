//! A datagram or a journal segment, described as JSON for an operator.
use crate::journal::begin::Begin;
use crate::journal::record::{Framing, Read, Record, code, read};
use crate::journal::v01;
use crate::ledger::Totals;
use metlog_schemas::format;
use serde_json::{Value, json};
use std::io;

/// Describes each record of a journal segment, or each message of a datagram, as one JSON value.
///
/// # Errors
/// If the bytes are neither.
pub fn decode(bytes: &[u8], tell: &mut dyn FnMut(Value)) -> io::Result<()> {
    match Framing::of(bytes) {
        Some((framing, start)) => segment(framing, bytes, start, tell),
        None => {
            let described = format::describe_any(bytes).map_err(|reason| {
                let none = "neither a journal segment nor a datagram of a known format";
                io::Error::new(io::ErrorKind::InvalidData, format!("{none}: {reason}"))
            })?;
            described.into_iter().for_each(tell);
        }
    }
    Ok(())
}

fn segment(framing: Framing, bytes: &[u8], mut at: usize, tell: &mut dyn FnMut(Value)) {
    while let Some(found) = read(framing, &bytes[at..]) {
        let lost = |kind: &str, region: &[u8]| {
            let text = String::from_utf8_lossy(region);
            json!({"at": at, "kind": kind, "bytes": region.len(), "text": text})
        };
        let length = match found {
            Read::Record(record, length) => {
                tell(describe(at, &record));
                length
            }
            Read::Corrupt(region) => {
                tell(lost("corrupt", region));
                region.len()
            }
            Read::Torn(length) => {
                tell(lost("torn", &bytes[at..]));
                length
            }
        };
        at += length;
    }
}

fn describe(at: usize, record: &Record<'_>) -> Value {
    let Record { code, received_at, payload } = *record;
    let with =
        |kind: &str, key: &str, value: Value| json!({"at": at, "kind": kind, "received_at": received_at, key: value});
    let counts = |totals: Option<Totals>| json!({"at": at, "kind": "tally", "received_at": received_at, "datagrams": [], "totals": totals});
    match code {
        code::CHECKPOINT => {
            let totals = v01::checkpoint(payload).map(|(begin, _)| begin.totals);
            with("checkpoint", "totals", json!(totals))
        }
        code::BEGIN => with("begin", "begin", json!(Begin::decode(payload))),
        code::TALLY => counts(v01::tally(payload)),
        code::COUNTS => counts(serde_json::from_slice(payload).ok()),
        code::WINDOW => with("window", "end", json!(payload.first_chunk().map(|end| i64::from_le_bytes(*end)))),
        code => match format::name(code) {
            Some(name) => {
                with(name, "datagrams", record.datagrams().map(|datagram| datagrams(code, datagram)).collect())
            }
            None => {
                json!({"at": at, "kind": "unknown", "code": code, "received_at": received_at, "bytes": payload.len()})
            }
        },
    }
}

fn datagrams(code: u8, bytes: &[u8]) -> Value {
    match format::describe(code, bytes) {
        Ok(messages) => messages.into(),
        Err(why) => json!({"refused": why, "bytes": String::from_utf8_lossy(bytes)}),
    }
}

#[cfg(test)]
mod tests;
