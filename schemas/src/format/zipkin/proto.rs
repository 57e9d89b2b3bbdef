//! Protobuf of v2. Source: openzipkin/zipkin-api, zipkin.proto.
use super::span::{Endpoint, Span, id_of_bytes};
use super::thrift::{ipv4, ipv6};
use crate::format::otlp::proto::{Cursor, Malformed, Value};
use crate::format::{Decoded, Entry};
use crate::span::Kind;
use std::borrow::Cow;

const REASON: &str = "zipkin_bad_protobuf";

/// Spans in a list, of what of it is readable.
pub(super) fn count(list: &[u8]) -> usize {
    let mut cursor = Cursor::new(list);
    std::iter::from_fn(|| cursor.next().ok().flatten()).filter(|(field, _)| *field == 1).count()
}

/// Each span becomes a row or is refused by itself; what is no protobuf ends the list.
pub(super) fn decode(list: &[u8], at: Entry, out: &mut Decoded) {
    let mut cursor = Cursor::new(list);
    loop {
        match cursor.next() {
            Ok(Some((1, Value::Bytes(bytes)))) => match read_span(bytes) {
                Ok(span) => span.write(at, out, bytes),
                Err(Malformed) => out.reject(at, REASON, 1, bytes),
            },
            Ok(Some(_)) => (),
            Ok(None) => return,
            Err(Malformed) => return out.reject(at, REASON, 1, list),
        }
    }
}

fn text(value: Value<'_>) -> Result<Cow<'_, str>, Malformed> {
    value.bytes().map(String::from_utf8_lossy)
}

fn read_span(bytes: &[u8]) -> Result<Span<'_>, Malformed> {
    let mut span = Span::default();
    let mut cursor = Cursor::new(bytes);
    while let Some((field, value)) = cursor.next()? {
        match field {
            1 => span.trace_id = id_of_bytes(value.bytes()?).ok_or(Malformed)?,
            2 => span.parent_id = id_of_bytes(value.bytes()?).ok_or(Malformed)?,
            3 => span.id = id_of_bytes(value.bytes()?).ok_or(Malformed)?,
            4 => span.kind = kind(value.varint()?),
            5 => span.name = text(value)?,
            6 => span.timestamp = value.fixed64()?,
            7 => span.duration = value.varint()?,
            8 => span.local = read_endpoint(value.bytes()?)?,
            9 => span.remote = read_endpoint(value.bytes()?)?,
            10 => span.annotations.push(read_annotation(value.bytes()?)?),
            11 => span.tags.push(read_tag(value.bytes()?)?),
            12 => span.debug = value.varint()? != 0,
            13 => span.shared = value.varint()? != 0,
            _ => (),
        }
    }
    Ok(span)
}

fn kind(number: u64) -> Kind {
    match number {
        1 => Kind::Client,
        2 => Kind::Server,
        3 => Kind::Producer,
        4 => Kind::Consumer,
        _ => Kind::Unspecified,
    }
}

fn read_endpoint(bytes: &[u8]) -> Result<Endpoint<'_>, Malformed> {
    let mut endpoint = Endpoint::default();
    let mut cursor = Cursor::new(bytes);
    while let Some((field, value)) = cursor.next()? {
        match field {
            1 => endpoint.service = text(value)?,
            2 => endpoint.ipv4 = ipv4(value.bytes()?),
            3 => endpoint.ipv6 = ipv6(value.bytes()?),
            4 => endpoint.port = u16::try_from(value.varint()?).unwrap_or(0),
            _ => (),
        }
    }
    Ok(endpoint)
}

fn read_annotation(bytes: &[u8]) -> Result<(u64, Cow<'_, str>), Malformed> {
    let (mut timestamp, mut what) = (0, Cow::Borrowed(""));
    let mut cursor = Cursor::new(bytes);
    while let Some((field, value)) = cursor.next()? {
        match field {
            1 => timestamp = value.fixed64()?,
            2 => what = text(value)?,
            _ => (),
        }
    }
    Ok((timestamp, what))
}

fn read_tag(bytes: &[u8]) -> Result<(Cow<'_, str>, Cow<'_, str>), Malformed> {
    let mut tag = (Cow::Borrowed(""), Cow::Borrowed(""));
    let mut cursor = Cursor::new(bytes);
    while let Some((field, value)) = cursor.next()? {
        match field {
            1 => tag.0 = text(value)?,
            2 => tag.1 = text(value)?,
            _ => (),
        }
    }
    Ok(tag)
}
