//! `PostSpansRequest` of Jaeger's collectors, in protobuf. Source: jaeger-idl, proto/api_v2/{collector,model}.proto.
use super::batch::{Reference, write_flags, write_link};
use super::format::rows;
use super::tags::{self, Learned};
use crate::format::otlp::proto::{Cursor, Malformed, Value as Field};
use crate::format::{Decoded, Entry};
use crate::span::{Refusal, SpanRow, SpanRows, Value};
use std::borrow::Cow;

const REASON: &str = "jaeger_bad_protobuf";
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Each message of a field, as long as they are readable.
pub(super) fn each(message: &[u8], field: u32) -> impl Iterator<Item = &[u8]> {
    let mut cursor = Cursor::new(message);
    std::iter::from_fn(move || {
        loop {
            match cursor.next().ok()?? {
                (number, Field::Bytes(bytes)) if number == field => return Some(bytes),
                _ => (),
            }
        }
    })
}

/// Spans in a request, of what of it is readable.
pub(super) fn count(request: &[u8]) -> u64 {
    each(request, 1).map(|batch| each(batch, 1).count() as u64).sum()
}

/// Each span becomes a row or is refused by itself; what is no protobuf ends the batch.
pub(super) fn decode(request: &[u8], at: Entry, out: &mut Decoded) {
    let mut cursor = Cursor::new(request);
    loop {
        match cursor.next() {
            Ok(Some((1, Field::Bytes(batch)))) => decode_batch(batch, at, out),
            Ok(Some(_)) => (),
            Ok(None) => return,
            Err(Malformed) => return out.reject(at, REASON, 1, request),
        }
    }
}

fn decode_batch(batch: &[u8], at: Entry, out: &mut Decoded) {
    let process = each(batch, 2).last().unwrap_or_default();
    let mut cursor = Cursor::new(batch);
    let mut is_set = false;
    loop {
        let span = match cursor.next() {
            Ok(Some((1, Field::Bytes(span)))) => span,
            Ok(Some(_)) => continue,
            Ok(None) => return,
            Err(Malformed) => return out.reject(at, REASON, 1, batch),
        };
        // A span may have a process of its own, which counts for it alone.
        let own = each(span, 10).last();
        let is_readable = match own {
            Some(own) => read_process(own, rows(out)),
            None if !is_set => read_process(process, rows(out)),
            None => Ok(()),
        };
        is_set = own.is_none();
        let mut row = rows(out).begin();
        match is_readable.and_then(|()| read_span(span, &mut row)) {
            Ok(true) => match row.commit(at.received_at) {
                Ok(()) => out.counts.fact(),
                Err(refusal) => out.reject(at, refusal.reason(), 1, span),
            },
            Ok(false) => out.reject(at, Refusal::Timestamp.reason(), 1, span),
            Err(Malformed) => out.reject(at, REASON, 1, span),
        }
    }
}

fn text(value: Field<'_>) -> Result<Cow<'_, str>, Malformed> {
    value.bytes().map(String::from_utf8_lossy)
}

fn read_process(process: &[u8], rows: &mut SpanRows) -> Result<(), Malformed> {
    let service = each(process, 1).last().unwrap_or_default();
    let mut resource = rows.resource("jaeger");
    resource.attribute("service.name", Value::Str(&String::from_utf8_lossy(service)));
    for tag in each(process, 2) {
        let (key, value) = read_tag(tag)?;
        resource.attribute(&key, value);
    }
    Ok(())
}

/// Reads a span; false if it starts at no time that a row can have.
fn read_span(span: &[u8], row: &mut SpanRow<'_>) -> Result<bool, Malformed> {
    let (mut trace, mut flags, mut start, mut duration) = ([0; 16], 0, 0, 0);
    let mut learned = Learned::default();
    let mut cursor = Cursor::new(span);
    while let Some((field, value)) = cursor.next()? {
        match field {
            1 => trace = id(value)?,
            2 => {
                row.span_id(id(value)?);
            }
            3 => {
                row.name(&text(value)?);
            }
            5 => flags = value.varint()? as u32,
            6 => start = nanos(value.bytes()?)?,
            7 => duration = nanos(value.bytes()?)?,
            8 => {
                let (key, value) = read_tag(value.bytes()?)?;
                row.attribute(&key, value);
                learned.look(&key, value);
            }
            9 => read_log(value.bytes()?, row)?,
            12 => {
                row.extra("jaeger.warning", &text(value)?);
            }
            _ => (),
        }
    }
    row.trace_id(trace);
    read_references(span, trace, row)?;
    write_flags(flags.cast_signed(), row);
    learned.write(row);
    let Ok(start) = u64::try_from(start) else { return Ok(false) };
    row.start(start).duration(duration.cast_unsigned());
    Ok(true)
}

/// An id of up to `N` bytes; longer ones are none.
fn id<const N: usize>(value: Field<'_>) -> Result<[u8; N], Malformed> {
    let bytes = value.bytes()?;
    let mut id = [0; N];
    let start = N.checked_sub(bytes.len()).ok_or(Malformed)?;
    id[start..].copy_from_slice(bytes);
    Ok(id)
}

/// A `Timestamp` or `Duration` in ns; what is out of range has the least number.
fn nanos(message: &[u8]) -> Result<i64, Malformed> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut cursor = Cursor::new(message);
    while let Some((field, value)) = cursor.next()? {
        match field {
            1 => seconds = value.varint()?.cast_signed(),
            2 => nanos = value.varint()?.cast_signed(),
            _ => (),
        }
    }
    Ok(i64::checked_mul(seconds, NANOS_PER_SECOND).and_then(|all| all.checked_add(nanos)).unwrap_or(i64::MIN))
}

/// The first reference that is a `CHILD_OF` of the same trace is the parent, or else the first `FOLLOWS_FROM`. All but a
/// `CHILD_OF` of the parent become links.
fn read_references(span: &[u8], trace: [u8; 16], row: &mut SpanRow<'_>) -> Result<(), Malformed> {
    let (mut child_of, mut follows_from) = (None, None);
    for reference in each(span, 4) {
        let (kind, of_trace, span) = read_reference(reference)?;
        if of_trace == trace {
            let found = if kind == Reference::ChildOf { &mut child_of } else { &mut follows_from };
            found.get_or_insert(span);
        }
    }
    let parent = child_of.or(follows_from);
    row.parent_span_id(parent.unwrap_or_default());
    for reference in each(span, 4) {
        let (kind, of_trace, span) = read_reference(reference)?;
        if !(kind == Reference::ChildOf && of_trace == trace && Some(span) == parent) {
            write_link(kind, &of_trace, &span, row);
        }
    }
    Ok(())
}

fn read_reference(message: &[u8]) -> Result<(Reference, [u8; 16], [u8; 8]), Malformed> {
    let mut reference = (Reference::ChildOf, [0; 16], [0; 8]);
    let mut cursor = Cursor::new(message);
    while let Some((field, value)) = cursor.next()? {
        match field {
            1 => reference.1 = id(value)?,
            2 => reference.2 = id(value)?,
            3 if value.varint()? == 1 => reference.0 = Reference::FollowsFrom,
            _ => (),
        }
    }
    Ok(reference)
}

fn read_log(log: &[u8], row: &mut SpanRow<'_>) -> Result<(), Malformed> {
    let at = each(log, 1).last().map_or(Ok(0), nanos)?;
    // The name of an event stands before its attributes, and is one of them.
    let mut name = "";
    for field in each(log, 2) {
        if let (key, Value::Str(event)) = read_tag(field)?
            && key == "event"
        {
            name = event;
            break;
        }
    }
    row.event(u64::try_from(at).unwrap_or(0), name, 0);
    for field in each(log, 2) {
        let (key, value) = read_tag(field)?;
        row.event_attribute(&key, value);
    }
    Ok(())
}

fn read_tag(tag: &[u8]) -> Result<(Cow<'_, str>, Value<'_>), Malformed> {
    let (mut key, mut r#type) = (Cow::Borrowed(""), 0);
    // What is left out has the value that takes no space.
    let mut values =
        [Value::Str(""), Value::Bool(false), Value::Int(0), Value::Double(0.0), Value::Bytes(&[])];
    let mut cursor = Cursor::new(tag);
    while let Some((field, value)) = cursor.next()? {
        match field {
            1 => key = text(value)?,
            2 => r#type = value.varint()?,
            3 => values[0] = tags::text(value.bytes()?),
            4 => values[1] = Value::Bool(value.varint()? != 0),
            5 => values[2] = Value::Int(value.varint()?.cast_signed()),
            6 => values[3] = Value::Double(value.double()?),
            7 => values[4] = Value::Bytes(value.bytes()?),
            _ => (),
        }
    }
    let value = usize::try_from(r#type).ok().and_then(|at| values.get(at).copied());
    Ok((key, value.unwrap_or(Value::Str("<unknown tag type>"))))
}
