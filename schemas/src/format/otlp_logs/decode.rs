//! From the fields of a request to columns.
use super::super::otlp::proto::{Cursor, Malformed, Value as Field};
use super::super::otlp::{self, each, value};
use super::super::{Decoded, Entry, decoded, describe as described};
use crate::rows::{MessageRows, Row, Text};
use crate::span::{Value, hex};
use metlog_wire::Severity;
use serde_json::Value as Json;

/// The reason of what is no valid protobuf inside.
const MALFORMED: &str = "otlp_malformed";
/// What a record is that does not name its event.
const TYPE: &str = "log";
/// Most bytes that records of one request may have of their resources and scopes, which each has a copy of.
const SHARED_BYTES_MAX: usize = 64 << 20;
const NANOS_PER_MICRO: u64 = 1_000;

/// Adds the records of a request.
pub(super) fn decode(request: &[u8], at: Entry, out: &mut Decoded) {
    let mut shared_bytes = 0;
    let ended = each(request, 1, |resource_logs| {
        if resource(resource_logs, at, out, &mut shared_bytes).is_err() {
            let records = otlp::count_in(otlp::Signal::Logs, resource_logs).unwrap_or(1);
            out.reject(at, MALFORMED, records, resource_logs);
        }
        Ok(())
    });
    if ended.is_err() {
        out.reject(at, MALFORMED, 1, request);
    }
}

/// What all records of a resource and a scope have.
#[derive(Debug, Default, Clone)]
struct Shared {
    logger: String,
    hostname: String,
    pid: i64,
    /// Keys and values of fields.
    fields: Vec<(String, String)>,
}

impl Shared {
    fn bytes(&self) -> usize {
        let fields: usize = self.fields.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.logger.len() + self.hostname.len() + fields
    }

    fn add(&mut self, prefix: &str, message: &[u8], field: u32) -> Result<(), Malformed> {
        each(message, field, |pair| {
            let (key, value) = value::attribute(pair)?;
            match (prefix, key, value) {
                ("resource.", "service.name", Value::Str(name)) if self.logger.is_empty() => self.logger = name.to_owned(),
                ("resource.", "host.name", Value::Str(name)) if self.hostname.is_empty() => self.hostname = name.to_owned(),
                ("resource.", "process.pid", Value::Int(pid)) if self.pid == 0 => self.pid = pid,
                _ => self.fields.push((format!("{prefix}{key}"), text(value)?)),
            }
            Ok(())
        })
    }
}

/// A value as text.
fn text(value: Value<'_>) -> Result<String, Malformed> {
    let mut bytes = Vec::new();
    value.write(&mut bytes).ok_or(Malformed)?;
    String::from_utf8(bytes).map_err(|_| Malformed)
}

fn resource(
    resource_logs: &[u8],
    at: Entry,
    out: &mut Decoded,
    shared_bytes: &mut usize,
) -> Result<(), Malformed> {
    let mut shared = Shared::default();
    each(resource_logs, 1, |resource| shared.add("resource.", resource, 1))?;
    each(resource_logs, 2, |scope_logs| {
        let mut of_scope = shared.clone();
        if scope(scope_logs, &mut of_scope).is_err() {
            let mut records = 0;
            let _ = each(scope_logs, 2, |_| {
                records += 1;
                Ok(())
            });
            out.reject(at, MALFORMED, records, scope_logs);
            return Ok(());
        }
        let bytes_of_scope = of_scope.bytes();
        each(scope_logs, 2, |bytes| {
            *shared_bytes += bytes_of_scope;
            let reason = match *shared_bytes <= SHARED_BYTES_MAX {
                true => record(bytes, &of_scope, at.received_at, out.rows.of::<MessageRows>()),
                false => Err("resource_too_large"),
            };
            match reason {
                Ok(()) => out.counts.fact(),
                Err(reason) => out.reject(at, reason, 1, bytes),
            }
            Ok(())
        })
    })
}

/// Adds what a scope says.
fn scope(scope_logs: &[u8], shared: &mut Shared) -> Result<(), Malformed> {
    each(scope_logs, 1, |scope| {
        let mut cursor = Cursor::new(scope);
        while let Some((number, field)) = cursor.next()? {
            let name = match number {
                1 => "scope.name",
                2 => "scope.version",
                _ => continue,
            };
            let value = field.text()?;
            if !value.is_empty() {
                shared.fields.push((name.to_owned(), value.to_owned()));
            }
        }
        shared.add("scope.", scope, 3)
    })
}

/// Adds a record.
fn record(bytes: &[u8], shared: &Shared, received_at: i64, rows: &mut MessageRows) -> Result<(), &'static str> {
    let mut row = rows.begin();
    row.text(Text::Logger, &shared.logger);
    row.text(Text::Hostname, &shared.hostname);
    row.pid = shared.pid;
    fill(bytes, &mut row).map_err(|Malformed| MALFORMED)?;
    if !row.timestamp.is_none_or(decoded::in_range) {
        return Err("timestamp_out_of_range");
    }
    shared.fields.iter().for_each(|(key, value)| row.field(key, value));
    row.commit(received_at);
    Ok(())
}

fn fill(bytes: &[u8], row: &mut Row<'_>) -> Result<(), Malformed> {
    let (mut time, mut observed, mut number, mut word, mut event, mut named) = (0, 0, 0, "", "", None);
    let mut cursor = Cursor::new(bytes);
    while let Some((at, field)) = cursor.next()? {
        match at {
            1 => time = field.fixed64()?,
            2 => number = field.varint()? as i32,
            3 => word = field.text()?,
            5 => row.text(Text::Payload, &text(value::value(field.bytes()?)?)?),
            6 => {
                let (key, value) = value::attribute(field.bytes()?)?;
                match value {
                    Value::Str(text) if key == "event.name" && named.is_none() => named = Some(text),
                    Value::Str(text) => row.field(key, text),
                    value => row.field(key, &text(value)?),
                }
            }
            7 => number_field(row, "dropped_attributes", field.varint()?),
            8 => number_field(row, "trace_flags", u64::from(field.fixed32()?)),
            9 => id_field(row, "trace_id", field)?,
            10 => id_field(row, "span_id", field)?,
            11 => observed = field.fixed64()?,
            12 => event = field.text()?,
            _ => (),
        }
    }
    let nanos = if time == 0 { observed } else { time };
    row.timestamp = (nanos != 0).then_some((nanos / NANOS_PER_MICRO).cast_signed());
    let of_word = || Severity::find(word).filter(|_| !word.is_empty());
    row.severity = severity(number).or_else(of_word).unwrap_or_default();
    if !word.is_empty() {
        row.field("severity_text", word);
    }
    // A name of both forms is kept in both.
    match (event, named) {
        ("", named) => row.text(Text::Type, named.filter(|name| !name.is_empty()).unwrap_or(TYPE)),
        (event, named) => {
            row.text(Text::Type, event);
            named.iter().for_each(|name| row.field("event.name", name));
        }
    }
    Ok(())
}

fn number_field(row: &mut Row<'_>, key: &str, value: u64) {
    if value != 0 {
        row.field(key, &value.to_string());
    }
}

fn id_field(row: &mut Row<'_>, key: &str, field: Field<'_>) -> Result<(), Malformed> {
    let id = field.bytes()?;
    if id.iter().any(|byte| *byte != 0) {
        row.field(key, &hex(id));
    }
    Ok(())
}

/// Syslog's severity of OpenTelemetry's, as the appendix of its data model for logs relates them; `None` if it has none.
fn severity(number: i32) -> Option<Severity> {
    Some(match number {
        1..=8 => Severity::DEBUG,
        9 => Severity::INFORMATIONAL,
        10..=12 => Severity::NOTICE,
        13..=16 => Severity::WARNING,
        17 => Severity::ERROR,
        18 => Severity::CRITICAL,
        19..=20 => Severity::ALERT,
        21..=24 => Severity::EMERGENCY,
        _ => return None,
    })
}

/// Each record as a message.
pub(super) fn describe(request: &[u8]) -> Result<Vec<Json>, String> {
    let mut values = Vec::new();
    let mut rows = MessageRows::default();
    each(request, 1, |resource_logs| {
        let mut shared = Shared::default();
        each(resource_logs, 1, |resource| shared.add("resource.", resource, 1))?;
        each(resource_logs, 2, |scope_logs| {
            let mut of_scope = shared.clone();
            scope(scope_logs, &mut of_scope)?;
            each(scope_logs, 2, |bytes| {
                let mut row = rows.begin();
                row.text(Text::Logger, &of_scope.logger);
                row.text(Text::Hostname, &of_scope.hostname);
                row.pid = of_scope.pid;
                values.push(match fill(bytes, &mut row) {
                    Ok(()) => {
                        of_scope.fields.iter().for_each(|(key, value)| row.field(key, value));
                        described::message(&row.to_message(0), row.timestamp)
                    }
                    Err(Malformed) => described::refused(MALFORMED, bytes),
                });
                Ok(())
            })
        })
    })
    .map_err(|Malformed| MALFORMED.to_owned())?;
    Ok(values)
}
