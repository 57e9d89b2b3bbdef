//! Thrift of v1. Source: openzipkin/zipkin-api, thrift/zipkinCore.thrift.
use super::span::Endpoint;
use super::v1::{self, Binary, V1Span};
use crate::format::thrift::{Error, Kind, Protocol, Result};
use crate::format::{Decoded, Entry};
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Decodes a list of spans: what is readable becomes rows, and what is behind a fault is refused, in spans as claimed.
pub fn decode_list<'a, P: Protocol<'a>>(mut from: P, at: Entry, out: &mut Decoded) {
    let bytes = from.rest();
    let len = match from.list() {
        Ok((Kind::Struct, len)) => len,
        Ok((_, 0)) => 0,
        Ok(_) => return out.reject(at, Error::Malformed.reason(), 1, bytes),
        Err(error) => return out.reject(at, error.reason(), 1, bytes),
    };
    for nth in 0..len {
        let start = from.rest();
        match read_span(&mut from) {
            Ok(span) => v1::write(&span, at, out, start),
            Err(error) => return out.reject(at, error.reason(), (len - nth) as u64, start),
        }
    }
}

/// Decodes a span by itself, as Scribe carries them.
pub(in crate::format) fn decode_one<'a, P: Protocol<'a>>(mut from: P, at: Entry, out: &mut Decoded) {
    let bytes = from.rest();
    match read_span(&mut from) {
        Ok(span) => v1::write(&span, at, out, bytes),
        Err(error) => out.reject(at, error.reason(), 1, bytes),
    }
}

fn text<'a, P: Protocol<'a>>(from: &mut P) -> Result<Cow<'a, str>> {
    from.bytes().map(String::from_utf8_lossy)
}

fn read_span<'a, P: Protocol<'a>>(from: &mut P) -> Result<V1Span<'a>> {
    let mut span = V1Span::default();
    let (mut low, mut high) = (0, 0);
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        match (id, kind) {
            (1, Kind::I64) => low = from.i64()?,
            (3, Kind::Bytes) => span.name = text(from)?,
            (4, Kind::I64) => span.id = from.i64()?.to_be_bytes(),
            (5, Kind::I64) => span.parent_id = from.i64()?.to_be_bytes(),
            (6, Kind::List) => read_annotations(from, &mut span)?,
            (8, Kind::List) => read_binary(from, &mut span)?,
            (9, Kind::Bool) => span.debug = from.bool()?,
            (10, Kind::I64) => span.timestamp = u64::try_from(from.i64()?).unwrap_or(u64::MAX),
            (11, Kind::I64) => span.duration = u64::try_from(from.i64()?).unwrap_or(0),
            (12, Kind::I64) => high = from.i64()?,
            _ => from.skip(kind)?,
        }
    }
    span.trace_id = (u128::from(i64::cast_unsigned(high)) << 64 | u128::from(i64::cast_unsigned(low))).to_be_bytes();
    Ok(span)
}

fn read_annotations<'a, P: Protocol<'a>>(from: &mut P, span: &mut V1Span<'a>) -> Result<()> {
    let (kind, len) = from.list()?;
    for _ in 0..len {
        if kind != Kind::Struct {
            from.skip_element(kind)?;
            continue;
        }
        let (mut timestamp, mut value, mut endpoint) = (0, Cow::Borrowed(""), None);
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match (id, kind) {
                (1, Kind::I64) => timestamp = u64::try_from(from.i64()?).unwrap_or(0),
                (2, Kind::Bytes) => value = text(from)?,
                (3, Kind::Struct) => endpoint = Some(read_endpoint(from)?),
                _ => from.skip(kind)?,
            }
        }
        span.annotations.push((timestamp, value, endpoint));
    }
    Ok(())
}

fn read_binary<'a, P: Protocol<'a>>(from: &mut P, span: &mut V1Span<'a>) -> Result<()> {
    let (kind, len) = from.list()?;
    for _ in 0..len {
        if kind != Kind::Struct {
            from.skip_element(kind)?;
            continue;
        }
        let (mut key, mut value, mut r#type, mut endpoint) = (Cow::Borrowed(""), &b""[..], 6, None);
        let mut last = 0;
        while let Some((id, kind)) = from.field(&mut last)? {
            match (id, kind) {
                (1, Kind::Bytes) => key = text(from)?,
                (2, Kind::Bytes) => value = from.bytes()?,
                (3, Kind::I32) => r#type = from.i32()?,
                (4, Kind::Struct) => endpoint = Some(read_endpoint(from)?),
                _ => from.skip(kind)?,
            }
        }
        span.binary.push(Binary { key, value: value_text(r#type, value), endpoint });
    }
    Ok(())
}

/// A value of a binary annotation as text; numbers are big-endian.
fn value_text(r#type: i32, value: &[u8]) -> Cow<'_, str> {
    let number = match (r#type, value.len()) {
        (0, 1) => Some((value[0] != 0).to_string()),
        (2, _) => value.try_into().ok().map(|bytes| i16::from_be_bytes(bytes).to_string()),
        (3, _) => value.try_into().ok().map(|bytes| i32::from_be_bytes(bytes).to_string()),
        (4, _) => value.try_into().ok().map(|bytes| i64::from_be_bytes(bytes).to_string()),
        (5, _) => value.try_into().ok().map(|bytes| f64::from_be_bytes(bytes).to_string()),
        _ => None,
    };
    match (number, std::str::from_utf8(value)) {
        (Some(number), _) => number.into(),
        (None, Ok(text)) => text.into(),
        (None, Err(_)) => crate::span::base64(value).into(),
    }
}

fn read_endpoint<'a, P: Protocol<'a>>(from: &mut P) -> Result<Endpoint<'a>> {
    let mut endpoint = Endpoint::default();
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        match (id, kind) {
            (1, Kind::I32) => match from.i32()? {
                0 => (),
                address => endpoint.ipv4 = Ipv4Addr::from(address.cast_unsigned()).to_string().into(),
            },
            (2, Kind::I16) => endpoint.port = from.i16()?.cast_unsigned(),
            (3, Kind::Bytes) => endpoint.service = text(from)?,
            (4, Kind::Bytes) => endpoint.ipv6 = ipv6(from.bytes()?),
            _ => from.skip(kind)?,
        }
    }
    Ok(endpoint)
}

/// An address of 16 bytes as text; empty for anything else.
pub(super) fn ipv6(bytes: &[u8]) -> Cow<'static, str> {
    let address = <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
    address.unwrap_or_default().into()
}

/// An address of 4 bytes as text; empty for anything else.
pub(super) fn ipv4(bytes: &[u8]) -> Cow<'static, str> {
    let address = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
    address.unwrap_or_default().into()
}
