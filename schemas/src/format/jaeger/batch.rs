//! Thrift's `Batch` straight into columns. Source: jaeger-idl, thrift/jaeger.thrift.
use super::format::rows;
use super::tags::{self, Learned};
use crate::format::thrift::{Error, Kind, Protocol, Result};
use crate::format::{Decoded, Entry};
use crate::span::{Refusal, SpanRow, SpanRows, Value};
use std::borrow::Cow;

const NANOS_PER_MICRO: u64 = 1_000;
/// Bits of a span's flags that W3C's trace flags have alike: whether it is sampled.
const FLAG_SAMPLED: i32 = 1;

/// Where the parts of a batch begin; process and spans may come in any order.
pub(super) struct Parts<P> {
    pub process: Option<P>,
    pub spans: Option<P>,
}

pub(super) fn parts<'a, P: Protocol<'a>>(from: &mut P) -> Result<Parts<P>> {
    let mut parts = Parts { process: None, spans: None };
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        match (id, kind) {
            (1, Kind::Struct) => parts.process = Some(from.clone()),
            (2, Kind::List) => {
                parts.spans = Some(from.clone());
                // What follows the spans is not of interest here, if the process is known.
                if parts.process.is_some() {
                    return Ok(parts);
                }
            }
            _ => (),
        }
        from.skip(kind)?;
    }
    Ok(parts)
}

/// Spans that a batch claims to have.
pub(super) fn count<'a, P: Protocol<'a>>(from: &mut P) -> Result<u64> {
    match parts(from)?.spans {
        Some(mut spans) => Ok(spans.list()?.1 as u64),
        None => Ok(0),
    }
}

/// Decodes a batch: what is readable becomes rows, and what is behind a fault is refused, in spans as claimed.
pub(super) fn decode<'a, P: Protocol<'a>>(mut from: P, at: Entry, out: &mut Decoded) {
    let bytes = from.rest();
    let found = parts(&mut from).and_then(|parts| {
        let resource = rows(out);
        let Some(spans) = parts.spans else { return Ok(None) };
        match parts.process {
            Some(process) => read_process(process, resource)?,
            None => {
                resource.resource("jaeger").attribute("service.name", Value::Str(""));
            }
        }
        Ok(Some(spans))
    });
    let mut spans = match found {
        Ok(Some(spans)) => spans,
        Ok(None) => return,
        Err(error) => return out.reject(at, error.reason(), 1, bytes),
    };
    let len = match spans.list() {
        Ok((Kind::Struct, len)) => len,
        Ok((_, 0)) => 0,
        Ok(_) => return out.reject(at, Error::Malformed.reason(), 1, bytes),
        Err(error) => return out.reject(at, error.reason(), 1, bytes),
    };
    for nth in 0..len {
        let start = spans.rest();
        let mut row = rows(out).begin();
        match read_span(&mut spans, &mut row) {
            Ok(true) => match row.commit(at.received_at) {
                Ok(()) => out.counts.fact(),
                Err(refusal) => out.reject(at, refusal.reason(), 1, start),
            },
            Ok(false) => out.reject(at, Refusal::Timestamp.reason(), 1, start),
            Err(error) => return out.reject(at, error.reason(), (len - nth) as u64, start),
        }
    }
}

fn read_process<'a, P: Protocol<'a>>(mut from: P, rows: &mut SpanRows) -> Result<()> {
    let mut tags = None;
    let mut service = "".into();
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        match (id, kind) {
            (1, Kind::Bytes) => service = String::from_utf8_lossy(from.bytes()?),
            (2, Kind::List) => {
                tags = Some(from.clone());
                from.skip(kind)?;
            }
            _ => from.skip(kind)?,
        }
    }
    let mut resource = rows.resource("jaeger");
    resource.attribute("service.name", Value::Str(&service));
    if let Some(mut tags) = tags {
        each_tag(&mut tags, |key, value| {
            resource.attribute(key, value);
        })?;
    }
    Ok(())
}

/// Reads a span; false if it starts at no time that a row can have.
fn read_span<'a, P: Protocol<'a>>(from: &mut P, row: &mut SpanRow<'_>) -> Result<bool> {
    let (mut low, mut high, mut parent) = (0, 0, 0);
    let (mut start, mut duration, mut flags) = (0, 0, 0);
    let mut references = None;
    let mut learned = Learned::default();
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        match (id, kind) {
            (1, Kind::I64) => low = from.i64()?,
            (2, Kind::I64) => high = from.i64()?,
            (3, Kind::I64) => {
                row.span_id(from.i64()?.to_be_bytes());
            }
            (4, Kind::I64) => parent = from.i64()?,
            (5, Kind::Bytes) => {
                row.name(&String::from_utf8_lossy(from.bytes()?));
            }
            (6, Kind::List) => {
                references = Some(from.clone());
                from.skip(kind)?;
            }
            (7, Kind::I32) => flags = from.i32()?,
            (8, Kind::I64) => start = from.i64()?,
            (9, Kind::I64) => duration = from.i64()?,
            (10, Kind::List) => each_tag(from, |key, value| {
                row.attribute(key, value);
                learned.look(key, value);
            })?,
            (11, Kind::List) => read_logs(from, row)?,
            _ => from.skip(kind)?,
        }
    }
    let trace = trace_id(high, low);
    row.trace_id(trace);
    if let Some(mut references) = references {
        read_references(&mut references, trace, &mut parent, row)?;
    }
    row.parent_span_id(parent.to_be_bytes());
    write_flags(flags, row);
    learned.write(row);
    let Some(start) = nanos(start) else { return Ok(false) };
    row.start(start).duration(duration.cast_unsigned().wrapping_mul(NANOS_PER_MICRO));
    Ok(true)
}

/// The part of the flags that W3C knows, and all of them where there are others, such as debug.
pub(super) fn write_flags(flags: i32, row: &mut SpanRow<'_>) {
    row.flags((flags & FLAG_SAMPLED).cast_unsigned());
    if flags & !FLAG_SAMPLED != 0 {
        row.extra("jaeger.flags", &flags.to_string());
    }
}

fn trace_id(high: i64, low: i64) -> [u8; 16] {
    (u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())).to_be_bytes()
}

/// A moment in µs as ns; `None` before 1970, and after 2554, where ns end.
fn nanos(micros: i64) -> Option<u64> {
    u64::try_from(micros).ok()?.checked_mul(NANOS_PER_MICRO)
}

/// References: the first `CHILD_OF` of the same trace is the parent where the span names none, or else the first
/// `FOLLOWS_FROM`. All but a `CHILD_OF` of the parent become links, which say what they were.
fn read_references<'a, P: Protocol<'a>>(
    from: &mut P,
    trace: [u8; 16],
    parent: &mut i64,
    row: &mut SpanRow<'_>,
) -> Result<()> {
    if *parent == 0 {
        *parent = parent_of(&mut from.clone(), trace)?;
    }
    each_reference(from, |kind, of_trace, span| {
        let is_parent = kind == Reference::ChildOf && of_trace == trace && span == *parent;
        if !is_parent {
            write_link(kind, &of_trace, &span.to_be_bytes(), row);
        }
    })
}

/// A link that says which kind of reference it was.
pub(super) fn write_link(kind: Reference, trace: &[u8], span: &[u8], row: &mut SpanRow<'_>) {
    let word = if kind == Reference::ChildOf { "child_of" } else { "follows_from" };
    row.link(trace, span, "", 0, 0).link_attribute("opentracing.ref_type", Value::Str(word));
}

/// What a span is to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    ChildOf,
    FollowsFrom,
}

fn parent_of<'a, P: Protocol<'a>>(from: &mut P, trace: [u8; 16]) -> Result<i64> {
    let (mut child_of, mut follows_from) = (None, None);
    each_reference(from, |kind, of_trace, span| {
        if of_trace == trace {
            let found = if kind == Reference::ChildOf { &mut child_of } else { &mut follows_from };
            found.get_or_insert(span);
        }
    })?;
    Ok(child_of.or(follows_from).unwrap_or(0))
}

fn each_reference<'a, P: Protocol<'a>>(from: &mut P, mut then: impl FnMut(Reference, [u8; 16], i64)) -> Result<()> {
    let (kind, len) = from.list()?;
    for _ in 0..len {
        if kind != Kind::Struct {
            from.skip_element(kind)?;
            continue;
        }
        let (mut reference, mut low, mut high, mut span) = (Reference::ChildOf, 0, 0, 0);
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match (id, kind) {
                (1, Kind::I32) if from.i32()? == 1 => reference = Reference::FollowsFrom,
                (1, Kind::I32) => (),
                (2, Kind::I64) => low = from.i64()?,
                (3, Kind::I64) => high = from.i64()?,
                (4, Kind::I64) => span = from.i64()?,
                _ => from.skip(kind)?,
            }
        }
        then(reference, trace_id(high, low), span);
    }
    Ok(())
}

fn read_logs<'a, P: Protocol<'a>>(from: &mut P, row: &mut SpanRow<'_>) -> Result<()> {
    let (kind, len) = from.list()?;
    for _ in 0..len {
        if kind != Kind::Struct {
            from.skip_element(kind)?;
            continue;
        }
        let (mut timestamp, mut fields) = (0, None);
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match (id, kind) {
                (1, Kind::I64) => timestamp = from.i64()?,
                (2, Kind::List) => {
                    fields = Some(from.clone());
                    from.skip(kind)?;
                }
                _ => from.skip(kind)?,
            }
        }
        // The name of an event stands before its attributes, and is one of them.
        let mut name = Cow::Borrowed("");
        if let Some(fields) = &fields {
            each_tag(&mut fields.clone(), |key, value| {
                if let ("event", Value::Str(event), true) = (key, value, name.is_empty()) {
                    name = event.into();
                }
            })?;
        }
        row.event(nanos(timestamp).unwrap_or(0), &name, 0);
        if let Some(mut fields) = fields {
            each_tag(&mut fields, |key, value| {
                row.event_attribute(key, value);
            })?;
        }
    }
    Ok(())
}

/// Each tag of a list, with its value as it was sent; one of a type that is not known has its number as text.
pub(super) fn each_tag<'a, P: Protocol<'a>>(from: &mut P, mut then: impl FnMut(&str, Value<'a>)) -> Result<()> {
    let (kind, len) = from.list()?;
    for _ in 0..len {
        if kind != Kind::Struct {
            from.skip_element(kind)?;
            continue;
        }
        let (mut key, mut r#type) = (&b""[..], 0);
        let mut values = [const { None }; 5];
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match (id, kind) {
                (1, Kind::Bytes) => key = from.bytes()?,
                (2, Kind::I32) => r#type = from.i32()?,
                (3, Kind::Bytes) => values[0] = Some(tags::text(from.bytes()?)),
                (4, Kind::Double) => values[1] = Some(Value::Double(from.double()?)),
                (5, Kind::Bool) => values[2] = Some(Value::Bool(from.bool()?)),
                (6, Kind::I64) => values[3] = Some(Value::Int(from.i64()?)),
                (7, Kind::Bytes) => values[4] = Some(Value::Bytes(from.bytes()?)),
                _ => from.skip(kind)?,
            }
        }
        let value = usize::try_from(r#type).ok().and_then(|at| values.get(at).copied());
        // A value that is left out is that of its type which takes no space.
        let empty = [Value::Str(""), Value::Double(0.0), Value::Bool(false), Value::Int(0), Value::Bytes(&[])];
        let value = match value {
            Some(Some(value)) => value,
            Some(None) => empty[r#type as usize],
            None => Value::Str("<unknown tag type>"),
        };
        match std::str::from_utf8(key) {
            Ok(key) => then(key, value),
            Err(_) => then(&String::from_utf8_lossy(key), value),
        }
    }
    Ok(())
}
