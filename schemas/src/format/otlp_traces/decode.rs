//! From the fields of a request to columns.
use super::super::otlp::proto::{Cursor, Malformed, Value as Field};
use super::super::otlp::{self, each, value};
use super::super::{Decoded, Entry};
use crate::span::{Set, SpanRow, SpanRows, presence};
use prost::Message as _;
use serde_json::Value as Json;

/// In the column `source`.
const SOURCE: &str = "otlp";
/// The reason of what is no valid protobuf inside.
const MALFORMED: &str = "otlp_malformed";

/// Why a span is refused: the reason that counts it.
type Refused = &'static str;

/// Adds the spans of a request.
pub(super) fn decode(request: &[u8], at: Entry, out: &mut Decoded) {
    let ended = each(request, 1, |resource_spans| {
        if let Err(Malformed) = resource(resource_spans, at, out) {
            // Which of its spans were taken is not known here: it is only malformed where none was.
            let spans = otlp::count_in(otlp::Signal::Traces, resource_spans).unwrap_or(1);
            out.reject(at, MALFORMED, spans, resource_spans);
        }
        Ok(())
    });
    if ended.is_err() {
        out.reject(at, MALFORMED, 1, request);
    }
}

fn resource(resource_spans: &[u8], at: Entry, out: &mut Decoded) -> Result<(), Malformed> {
    let (mut described, mut schema_url) = (None, "");
    let mut cursor = Cursor::new(resource_spans);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => described = Some(field.bytes()?),
            3 => schema_url = field.text()?,
            _ => (),
        }
    }
    // Looked through before the first span is taken, so that either all are or none.
    described.map(look_through).transpose()?;
    let mut set = out.rows.of::<SpanRows>().resource(SOURCE);
    set.schema_url(schema_url);
    match described {
        None => drop(set.absent()),
        Some(resource) => describe_resource(resource, &mut set)?,
    }
    let mut scopes = Cursor::new(resource_spans);
    while let Some((number, field)) = scopes.next()? {
        if let (2, Field::Bytes(scope_spans)) = (number, field)
            && let Err(Malformed) = scope(scope_spans, at, out)
        {
            let mut spans = 0;
            let _ = each(scope_spans, 2, |_| {
                spans += 1;
                Ok(())
            });
            out.reject(at, MALFORMED, spans, scope_spans);
        }
    }
    Ok(())
}

fn look_through(resource: &[u8]) -> Result<(), Malformed> {
    each(resource, 1, |pair| value::attribute(pair).map(drop))
}

fn describe_resource(resource: &[u8], set: &mut Set<'_>) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(resource);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => {
                let (key, value) = value::attribute(field.bytes()?)?;
                set.attribute(key, value);
            }
            2 => drop(set.dropped_attributes(field.varint()? as u32)),
            _ => (),
        }
    }
    Ok(())
}

fn scope(scope_spans: &[u8], at: Entry, out: &mut Decoded) -> Result<(), Malformed> {
    let (mut described, mut schema_url) = (None, "");
    let mut cursor = Cursor::new(scope_spans);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => described = Some(field.bytes()?),
            3 => schema_url = field.text()?,
            _ => (),
        }
    }
    let mut set = out.rows.of::<SpanRows>().scope();
    set.schema_url(schema_url);
    match described {
        None => drop(set.absent()),
        Some(scope) => describe_scope(scope, &mut set)?,
    }
    let mut spans = Cursor::new(scope_spans);
    let mut taken = 0;
    let rows = out.rows.of::<SpanRows>();
    let mut refused = Vec::new();
    while let Some((number, field)) = spans.next()? {
        if let (2, Field::Bytes(bytes)) = (number, field) {
            match span(bytes, at.received_at, rows) {
                Ok(()) => taken += 1,
                Err(reason) => refused.push((reason, bytes)),
            }
        }
    }
    out.counts.received += taken;
    out.counts.facts += taken;
    for (reason, bytes) in refused {
        out.reject(at, reason, 1, bytes);
    }
    Ok(())
}

fn describe_scope(scope: &[u8], set: &mut Set<'_>) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(scope);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => drop(set.name(field.text()?)),
            2 => drop(set.version(field.text()?)),
            3 => {
                let (key, value) = value::attribute(field.bytes()?)?;
                set.attribute(key, value);
            }
            4 => drop(set.dropped_attributes(field.varint()? as u32)),
            _ => (),
        }
    }
    Ok(())
}

/// Adds a span.
fn span(bytes: &[u8], received_at: i64, rows: &mut SpanRows) -> Result<(), Refused> {
    let mut row = rows.begin();
    let mut cursor = Cursor::new(bytes);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => drop(row.trace_id(id(field, "no_trace_id", "bad_trace_id")?)),
            2 => drop(row.span_id(id(field, "no_span_id", "bad_span_id")?)),
            3 => drop(row.trace_state(field.text()?)),
            4 => parent(field, &mut row)?,
            5 => drop(row.name(field.text()?)),
            6 => drop(row.kind_number(field.varint()? as i32)),
            7 => drop(row.start(field.fixed64()?)),
            8 => drop(row.end(field.fixed64()?)),
            9 => {
                let (key, value) = value::attribute(field.bytes()?)?;
                row.attribute(key, value);
            }
            10 => drop(row.dropped_attributes(field.varint()? as u32)),
            11 => event(field.bytes()?, &mut row)?,
            12 => drop(row.dropped_events(field.varint()? as u32)),
            13 => link(field.bytes()?, &mut row)?,
            14 => drop(row.dropped_links(field.varint()? as u32)),
            15 => status(field.bytes()?, &mut row)?,
            16 => drop(row.flags(field.fixed32()?)),
            _ => (),
        }
    }
    row.commit(received_at).map_err(|refusal| refusal.reason())
}

/// An id of its only right length.
fn id<const N: usize>(field: Field<'_>, absent: Refused, wrong: Refused) -> Result<[u8; N], Refused> {
    let bytes = field.bytes()?;
    bytes.try_into().map_err(|_| if bytes.is_empty() { absent } else { wrong })
}

fn parent(field: Field<'_>, row: &mut SpanRow<'_>) -> Result<(), Refused> {
    let bytes = field.bytes()?;
    if bytes.is_empty() {
        return Ok(());
    }
    let id: [u8; 8] = bytes.try_into().map_err(|_| "bad_parent_span_id")?;
    if id == [0; 8] {
        row.present(presence::ZERO_PARENT);
    }
    row.parent_span_id(id);
    Ok(())
}

fn status(bytes: &[u8], row: &mut SpanRow<'_>) -> Result<(), Malformed> {
    let (mut message, mut code) = ("", 0);
    let mut cursor = Cursor::new(bytes);
    while let Some((number, field)) = cursor.next()? {
        match number {
            2 => message = field.text()?,
            3 => code = field.varint()? as i32,
            _ => (),
        }
    }
    row.present(presence::STATUS);
    row.status_number(code, message);
    Ok(())
}

fn event(bytes: &[u8], row: &mut SpanRow<'_>) -> Result<(), Malformed> {
    let (mut time, mut name, mut dropped) = (0, "", 0);
    let mut cursor = Cursor::new(bytes);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => time = field.fixed64()?,
            2 => name = field.text()?,
            4 => dropped = field.varint()? as u32,
            _ => (),
        }
    }
    row.event(time, name, dropped);
    each(bytes, 3, |pair| {
        let (key, value) = value::attribute(pair)?;
        row.event_attribute(key, value);
        Ok(())
    })
}

fn link(bytes: &[u8], row: &mut SpanRow<'_>) -> Result<(), Malformed> {
    let (mut trace_id, mut span_id, mut state, mut flags, mut dropped) = (&b""[..], &b""[..], "", 0, 0);
    let mut cursor = Cursor::new(bytes);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => trace_id = field.bytes()?,
            2 => span_id = field.bytes()?,
            3 => state = field.text()?,
            5 => dropped = field.varint()? as u32,
            6 => flags = field.fixed32()?,
            _ => (),
        }
    }
    row.link(trace_id, span_id, state, flags, dropped);
    each(bytes, 4, |pair| {
        let (key, value) = value::attribute(pair)?;
        row.link_attribute(key, value);
        Ok(())
    })
}

/// Each span as OTLP's JSON, with its resource and scope.
pub(super) fn describe(request: &[u8]) -> Result<Vec<Json>, String> {
    let data = crate::span::proto::TracesData::decode(request).map_err(|error| format!("{MALFORMED}: {error}"))?;
    Ok(vec![crate::span::json::traces(&data)])
}
