//! Scribe as it is taken in.
use super::milo;
use crate::format::thrift::write::{Writer, code};
use crate::format::thrift::{Binary, Error, Kind, Protocol, Result as ThriftResult};
use crate::format::{Decoded, Entry, Format, InOrder, Redacted, Redactor, Socket, zipkin};
use crate::rows::{MessageRows, Text};
use crate::span::unbase64;
use crate::wire::v1::SigningKey;
use serde_json::Value;

/// See the parent module.
#[derive(Debug)]
pub struct Scribe;

/// The code of its records.
pub const CODE: u8 = 42;

const CATEGORY_ZIPKIN: &[u8] = b"zipkin";

/// Entries as they are journaled: a list in the binary protocol.
pub fn entries<'a>(entries: impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.list(code::STRUCT, entries.len());
    for (category, message) in entries {
        writer.field(code::BYTES, 1).string(category).field(code::BYTES, 2).string(message).stop();
    }
    writer.bytes
}

/// Category and message of the next entry.
fn read<'a>(from: &mut Binary<'a>) -> ThriftResult<(&'a [u8], &'a [u8])> {
    let (mut category, mut message) = (&b""[..], &b""[..]);
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        match (id, kind) {
            (1, Kind::Bytes) => category = from.bytes()?,
            (2, Kind::Bytes) => message = from.bytes()?,
            _ => from.skip(kind)?,
        }
    }
    Ok((category, message))
}

/// Each entry of a list, as long as they are readable.
fn each(list: &[u8]) -> impl Iterator<Item = ThriftResult<(&[u8], &[u8])>> {
    let mut from = Binary::new(list);
    let (mut left, mut error) = match from.list() {
        Ok((Kind::Struct, len)) => (len, None),
        Ok((_, 0)) => (0, None),
        Ok(_) => (1, Some(Error::Malformed)),
        Err(error) => (1, Some(error)),
    };
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let entry = error.take().map_or_else(|| read(&mut from), Err);
        if entry.is_err() {
            left = 0;
        }
        Some(entry)
    })
}

/// True for a list of which each entry is readable.
pub fn is_list(list: &[u8]) -> bool {
    each(list).all(|entry| entry.is_ok())
}

impl Format for Scribe {
    const NAME: &'static str = "scribe";
    const CODE: u8 = CODE;
    const CODE_NAME: &'static str = "scribe";
    const IS_WHOLE: bool = true;
    const SOCKETS: &'static [Socket] = &[];

    /// A list of structs; an empty one may have any kind.
    fn recognises(datagram: &[u8]) -> bool {
        matches!(datagram.first(), Some(&(0 | code::STRUCT)))
    }

    fn count(datagram: &[u8]) -> u64 {
        let of = |entry| match entry {
            Ok((milo::CATEGORY, message)) => milo::frames(message).count().max(1) as u64,
            _ => 1,
        };
        each(datagram).map(of).sum::<u64>().max(1)
    }

    /// Nothing in it is signed, and nobody asks for it.
    fn verify(_: &[u8], _: &[SigningKey]) -> Result<(), &'static str> {
        Ok(())
    }

    fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
        crate::format::spans::redact::<Scribe>(datagram, rules)
    }

    fn enter(_: &[u8], _: Entry, _: &mut crate::format::Scratch, _: &mut impl InOrder, _: &mut Decoded) {}

    fn decode(datagram: &[u8], at: Entry, _: &mut crate::format::Scratch, out: &mut Decoded) {
        for entry in each(datagram) {
            match entry {
                Err(error) => out.reject(at, error.reason(), 1, datagram),
                Ok((milo::CATEGORY, message)) => milo::decode(message, at, out),
                Ok((CATEGORY_ZIPKIN, message)) => decode_zipkin(message, at, out),
                Ok((category, message)) => write_message(category, message, at, out),
            }
        }
    }

    fn describe(datagram: &[u8]) -> Result<Vec<Value>, String> {
        crate::format::spans::describe::<Scribe>(datagram)
    }
}

fn decode_zipkin(message: &[u8], at: Entry, out: &mut Decoded) {
    let span = std::str::from_utf8(message.trim_ascii()).ok().and_then(unbase64);
    match span {
        Some(span) => zipkin::thrift::decode_one(Binary::new(&span), at, out),
        None => out.reject(at, "scribe_not_base64", 1, message),
    }
}

/// What is no span is a message: its text without the end of line that writers of logs add.
fn write_message(category: &[u8], message: &[u8], at: Entry, out: &mut Decoded) {
    let text = String::from_utf8_lossy(message.strip_suffix(b"\n").unwrap_or(message));
    let mut row = out.rows.of::<MessageRows>().begin();
    row.text(Text::Type, "scribe");
    row.text(Text::Logger, &String::from_utf8_lossy(category));
    row.text(Text::Payload, &text);
    row.text(Text::EnvVersion, "scribe");
    row.commit(at.received_at);
    out.counts.fact();
}
