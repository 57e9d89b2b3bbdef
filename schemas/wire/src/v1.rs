//! Wire v1: one datagram of messages, written and read. `../../wire.v1.md` is the same in words.
//!
//! The reader borrows from the datagram and allocates nothing. Numbers are little-endian; a *varint* is
//! unsigned LEB128 of at most ten bytes; a *text* is a varint length and that many bytes of UTF-8; a
//! *name* is one length byte and that many bytes of UTF-8.
use crate::limits::MAC_BYTES;
use crate::message::{ENV_VERSION_WIRE, Message, Severity};
mod encoder;
mod heartbeat;
mod ping;
mod span;
mod span_draft;

pub use encoder::{DoesNotFit, Draft, Encoder};
pub use heartbeat::{HEARTBEAT_SENDER, Heartbeat};
pub use ping::{Pair, Ping, Probe};
pub use span::{Attributes, EventView, Events, LinkView, Links, SpanView};
pub use span_draft::{Encoded, SpanDraft};

use hmac::{Hmac, KeyInit, Mac};
use nom::{IResult, Parser, bytes::complete::take, number::complete as number};
use sha2::Sha256;

/// First bytes of every datagram. 0xF5 is in no UTF-8 text, so neither JSON nor statsd begins with it.
pub const MAGIC: [u8; 3] = [0xF5, b'M', b'L'];
/// The version this file writes and reads.
pub const VERSION: u8 = 1;

const FLAG_SIGNED: u8 = 1;
const PREAMBLE_BYTES: usize = MAGIC.len() + 1 + 1 + 2;
const SEVERITY_MASK: u8 = 0b0000_0111;
const MESSAGE_LOGGER: u8 = 0b0000_1000;
const MESSAGE_ORIGIN: u8 = 0b0001_0000;
const MESSAGE_ENV_VERSION: u8 = 0b0010_0000;
const MESSAGE_UNKNOWN: u8 = 0b1100_0000;

/// Why a datagram or a message of it was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It does not begin with [`MAGIC`].
    NotWire,
    /// A version or a flag that this reader does not know.
    UnknownVersion,
    /// It ends inside a header, a frame or a value, or a length points outside of it.
    Truncated,
    /// A text is not UTF-8.
    NotUtf8,
    /// Signed, but not by this key over these bytes.
    BadSignature,
}

impl Refusal {
    /// The word that counts it.
    pub const fn reason(self) -> &'static str {
        match self {
            Refusal::NotWire => "not_wire",
            Refusal::UnknownVersion => "unknown_version",
            Refusal::Truncated => "truncated",
            Refusal::NotUtf8 => "not_utf8",
            Refusal::BadSignature => "bad_signature",
        }
    }
}

/// What the messages of one datagram share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Random identity of the sending process; a fork gets its own.
    pub sender: u64,
    /// Counts this sender's datagrams from 0: a gap is a loss.
    pub sequence: u64,
    /// When its first message was put in: µs since 1970 UTC. Message times are relative to it.
    pub opened_at: i64,
    /// Messages this sender has dropped since it began.
    pub dropped: u64,
    /// The sending process.
    pub pid: u32,
    /// The sending host.
    pub hostname: &'a str,
    /// Logger of the messages that name none.
    pub logger: &'a str,
    /// Which key signed it, where one did.
    pub key_id: Option<&'a str>,
}

/// A message as it stands in the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageView<'a> {
    /// µs since 1970 UTC.
    pub timestamp: i64,
    /// How urgent.
    pub severity: Severity,
    /// What kind.
    pub r#type: &'a str,
    /// Its own logger or the header's.
    pub logger: &'a str,
    /// Its own hostname or the header's.
    pub hostname: &'a str,
    /// Its own pid or the header's.
    pub pid: i64,
    /// Its own or [`ENV_VERSION_WIRE`].
    pub env_version: &'a str,
    /// Its tokens.
    pub tokens: Texts<'a>,
    /// Its text.
    pub payload: &'a str,
    /// Its fields: key, value, key, value.
    pub fields: Texts<'a>,
}

impl MessageView<'_> {
    /// The same message, owning its parts.
    pub fn to_message(&self) -> Message {
        let mut fields = self.fields;
        let pairs = std::iter::from_fn(|| Some((fields.next()?.to_owned(), fields.next()?.to_owned())));
        Message {
            timestamp: self.timestamp,
            r#type: self.r#type.to_owned(),
            logger: self.logger.to_owned(),
            severity: self.severity,
            hostname: self.hostname.to_owned(),
            pid: self.pid,
            tokens: self.tokens.map(str::to_owned).collect(),
            payload: self.payload.to_owned(),
            fields: pairs.collect(),
            env_version: self.env_version.to_owned(),
        }
    }
}

/// Texts that were checked when the message was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, bytes) = text_bytes(self.rest).ok()?;
        self.rest = rest;
        std::str::from_utf8(bytes).ok()
    }
}

/// A datagram whose header was read.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// What its messages share.
    pub header: Header<'a>,
    /// `Some`: it holds no messages and no sequence number, but says how many datagrams its sender has sent.
    pub heartbeat: Option<Heartbeat>,
    signed: &'a [u8],
    mac: &'a [u8],
    frames: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads the header; the messages are read by [`Datagram::messages`].
    ///
    /// # Errors
    /// Bytes that are no wire v1 datagram, by [`Refusal`].
    pub fn decode(bytes: &'a [u8]) -> Result<Datagram<'a>, Refusal> {
        if !bytes.starts_with(&MAGIC) {
            return Err(Refusal::NotWire);
        }
        // Another version may be shorter.
        if bytes.get(MAGIC.len()).is_some_and(|version| *version != VERSION) {
            return Err(Refusal::UnknownVersion);
        }
        let fixed = bytes.get(..PREAMBLE_BYTES).ok_or(Refusal::Truncated)?;
        let flags = fixed[4];
        if flags & !FLAG_SIGNED != 0 {
            return Err(Refusal::UnknownVersion);
        }
        let signed = flags & FLAG_SIGNED != 0;
        let header_bytes = usize::from(u16::from_le_bytes([fixed[5], fixed[6]]));
        let body_end = bytes.len().checked_sub(if signed { MAC_BYTES } else { 0 }).ok_or(Refusal::Truncated)?;
        let header_end = PREAMBLE_BYTES + header_bytes;
        let header = bytes[..body_end].get(PREAMBLE_BYTES..header_end).ok_or(Refusal::Truncated)?;
        let (later, header) = header_fields(header, signed).map_err(refusal)?;
        let (header, frames) = (header?, &bytes[header_end..body_end]);
        Ok(Datagram {
            header,
            heartbeat: Heartbeat::read(&header, later, frames),
            signed: &bytes[..body_end],
            mac: &bytes[body_end..],
            frames,
        })
    }

    /// Checks the signature in constant time.
    ///
    /// # Errors
    /// [`Refusal::BadSignature`] where it is unsigned or signed otherwise.
    pub fn verify(&self, key: &[u8]) -> Result<(), Refusal> {
        let mut mac = mac_of(key);
        mac.update(self.signed);
        mac.verify_slice(self.mac).map_err(|_| Refusal::BadSignature)
    }

    /// What it holds, one by one; after a frame that ends outside the datagram there is no more.
    pub fn frames(&self) -> Frames<'a> {
        Frames { header: self.header, rest: self.frames }
    }

    /// The messages, one by one, as readers see them that know nothing else: to those any other frame is of an unknown version.
    pub fn messages(&self) -> Messages<'a> {
        Messages { header: self.header, rest: self.frames }
    }
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Frame<'a> {
    /// A message.
    Message(MessageView<'a>),
    /// A span.
    Span(SpanView<'a>),
    /// What a pair of the mesh came to in an interval.
    Ping(Ping<'a>),
    /// A single probe of the mesh.
    Probe(Probe<'a>),
}

/// Reads the frames of a datagram.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    header: Header<'a>,
    rest: &'a [u8],
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Refusal>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let body = match next_frame(&mut self.rest)? {
            Ok(body) => body,
            Err(refusal) => return Some(Err(refusal)),
        };
        match body.first().map_or(0, |flags| flags & MESSAGE_UNKNOWN) {
            0 => {}
            ping::FRAME_PING => {
                return Some(ping::read(body, &self.header).map(|read| match read {
                    ping::Read::Ping(ping) => Frame::Ping(ping),
                    ping::Read::Probe(probe) => Frame::Probe(probe),
                }));
            }
            // With both bits it is a span of a later version, which is refused as such.
            _ => return Some(span::span(body, &self.header).map(Frame::Span)),
        }
        Some(message(body, &self.header).map_err(refusal).and_then(|(_, message)| message).map(Frame::Message))
    }
}

/// Reads the messages among the frames of a datagram.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    header: Header<'a>,
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<MessageView<'a>, Refusal>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let body = match next_frame(&mut self.rest)? {
            Ok(body) => body,
            Err(refusal) => return Some(Err(refusal)),
        };
        Some(message(body, &self.header).map_err(refusal).and_then(|(_, message)| message))
    }
}

/// The next frame; after one that ends outside the datagram there is no more.
#[inline]
fn next_frame<'a>(left: &mut &'a [u8]) -> Option<Result<&'a [u8], Refusal>> {
    if left.is_empty() {
        return None;
    }
    let Ok((rest, body)) = frame(left) else {
        *left = &[];
        return Some(Err(Refusal::Truncated));
    };
    *left = rest;
    Some(Ok(body))
}

/// What cannot be read to its end is truncated, but for a value of a type that is not known.
fn refusal(error: nom::Err<nom::error::Error<&[u8]>>) -> Refusal {
    match error {
        nom::Err::Failure(_) => Refusal::UnknownVersion,
        _ => Refusal::Truncated,
    }
}

fn frame(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let (input, length) = number::le_u16(input)?;
    take(length)(input)
}

fn varint(input: &[u8]) -> IResult<&[u8], u64> {
    let mut value = 0u64;
    for (i, &byte) in input.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((&input[i + 1..], value));
        }
    }
    Err(nom::Err::Error(nom::error::make_error(input, nom::error::ErrorKind::LengthValue)))
}

fn text_bytes(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let (input, length) = varint(input)?;
    take(usize::try_from(length).unwrap_or(usize::MAX))(input)
}

fn name_bytes(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let (input, length) = number::u8(input)?;
    take(length)(input)
}

fn utf8(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)
}

fn header_fields(input: &[u8], signed: bool) -> IResult<&[u8], Result<Header<'_>, Refusal>> {
    let (input, (sender, sequence, opened_at, dropped, pid)) =
        (number::le_u64, number::le_u64, number::le_i64, number::le_u64, number::le_u32).parse(input)?;
    let (input, (hostname, logger)) = (name_bytes, name_bytes).parse(input)?;
    let (input, key_id) = if signed { name_bytes(input).map(|(rest, id)| (rest, Some(id)))? } else { (input, None) };
    let texts = || Ok((utf8(hostname)?, utf8(logger)?, key_id.map(utf8).transpose()?));
    let header = texts().map(|(hostname, logger, key_id)| Header {
        sender,
        sequence,
        opened_at,
        dropped,
        pid,
        hostname,
        logger,
        key_id,
    });
    Ok((input, header))
}

/// Bytes that follow the last value of a frame are left alone: a later version may add values there.
fn message<'a>(input: &'a [u8], header: &Header<'a>) -> IResult<&'a [u8], Result<MessageView<'a>, Refusal>> {
    let (input, flags) = number::u8(input)?;
    if flags & MESSAGE_UNKNOWN != 0 {
        return Ok((input, Err(Refusal::UnknownVersion)));
    }
    let (input, (delta, r#type)) = (varint, name_bytes).parse(input)?;
    let (input, logger) = optional(flags & MESSAGE_LOGGER != 0, name_bytes, input)?;
    let (input, origin) = optional(flags & MESSAGE_ORIGIN != 0, (name_bytes, varint), input)?;
    let (input, env_version) = optional(flags & MESSAGE_ENV_VERSION != 0, name_bytes, input)?;
    let (input, (tokens, tokens_utf8)) = texts(input, 1)?;
    let (input, payload) = text_bytes(input)?;
    let (input, (fields, fields_utf8)) = texts(input, 2)?;
    let checked = || {
        if !(tokens_utf8 && fields_utf8) {
            return Err(Refusal::NotUtf8);
        }
        Ok(MessageView {
            timestamp: header.opened_at.saturating_add(unzigzag(delta)),
            severity: Severity::new(flags & SEVERITY_MASK).unwrap_or_default(),
            r#type: utf8(r#type)?,
            logger: logger.map_or(Ok(header.logger), utf8)?,
            hostname: origin.map_or(Ok(header.hostname), |(hostname, _)| utf8(hostname))?,
            pid: origin.map_or(i64::from(header.pid), |(_, pid)| unzigzag(pid)),
            env_version: env_version.map_or(Ok(ENV_VERSION_WIRE), utf8)?,
            tokens,
            payload: utf8(payload)?,
            fields,
        })
    };
    Ok((input, checked()))
}

fn optional<'a, O>(
    present: bool,
    mut parser: impl Parser<&'a [u8], Output = O, Error = nom::error::Error<&'a [u8]>>,
    input: &'a [u8],
) -> IResult<&'a [u8], Option<O>> {
    if present { parser.parse(input).map(|(rest, value)| (rest, Some(value))) } else { Ok((input, None)) }
}

/// A count, then `count * each` texts; whether all of them are UTF-8.
fn texts(input: &[u8], each: u64) -> IResult<&[u8], (Texts<'_>, bool)> {
    let (start, count) = varint(input)?;
    let mut rest = start;
    let mut valid = true;
    for _ in 0..count.saturating_mul(each) {
        let (after, bytes) = text_bytes(rest)?;
        valid &= std::str::from_utf8(bytes).is_ok();
        rest = after;
    }
    Ok((rest, (Texts { rest: &start[..start.len() - rest.len()] }, valid)))
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn mac_of(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"))
}

/// A key and the name a listener knows it by.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// At most [`NAME_BYTES_MAX`](crate::limits::NAME_BYTES_MAX) bytes.
    pub id: String,
    /// The shared secret.
    pub secret: Vec<u8>,
}

/// A shared secret as it is written in configurations: `hex:` and hexadecimal digits, or any other text itself.
///
/// # Errors
/// What is wrong with it, in words.
pub fn secret(text: &str) -> Result<Vec<u8>, &'static str> {
    let Some(digits) = text.strip_prefix("hex:") else {
        return if text.is_empty() { Err("must not be empty") } else { Ok(text.as_bytes().to_vec()) };
    };
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = digits.len() % 2 == 0 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    bytes.filter(|_| is_hex).ok_or("after `hex:` must come pairs of hexadecimal digits")
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
