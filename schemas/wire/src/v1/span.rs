//! A span as it stands in the datagram: read in place, without an allocation, and checked whole before it is given out.
use super::{
    Header, MESSAGE_ORIGIN, Refusal, name_bytes, number, optional, refusal, text_bytes, unzigzag, utf8, varint,
};
use crate::span::{Kind, Status, Value};
use nom::{IResult, Parser};

/// This bit of a frame's flags says that it is a span.
pub(super) const FRAME_SPAN: u8 = 0b0100_0000;
pub(super) const KIND_MASK: u8 = 0b0000_0111;
pub(super) const SPAN_SERVICE: u8 = 0b0000_1000;
pub(super) const SPAN_RESOURCE: u8 = 0b0010_0000;
const FLAGS_KNOWN: u8 = FRAME_SPAN | KIND_MASK | SPAN_SERVICE | MESSAGE_ORIGIN | SPAN_RESOURCE;
pub(super) const STATUS_MASK: u8 = 0b0000_0011;
pub(super) const STATUS_PROBABILITY: u8 = 0b0000_0100;
const STATUS_UNKNOWN: u8 = 0b1111_1000;

pub(super) const TEXT: u8 = 0;
pub(super) const INT: u8 = 1;
pub(super) const DOUBLE: u8 = 2;
pub(super) const FALSE: u8 = 3;
pub(super) const TRUE: u8 = 4;
pub(super) const BYTES: u8 = 5;
pub(super) const NESTED: u8 = 6;

/// A span as it stands in the datagram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpanView<'a> {
    /// The trace; zeros are no id.
    pub trace_id: [u8; 16],
    /// Its id; zeros are none.
    pub span_id: [u8; 8],
    /// The parent; zeros for a root.
    pub parent_span_id: [u8; 8],
    /// Start, ns since 1970 UTC.
    pub start_unix_nanos: i64,
    /// How long it took, ns.
    pub duration_nanos: i64,
    /// W3C trace flags.
    pub flags: u32,
    /// What part it had in a call.
    pub kind: Kind,
    /// How it ended.
    pub status: Status,
    /// Why it failed.
    pub status_message: &'a str,
    /// The operation.
    pub name: &'a str,
    /// W3C `tracestate`.
    pub trace_state: &'a str,
    /// The probability with which its trace was sampled, where it tells.
    pub sampling_probability: Option<f64>,
    /// Its own service or the header's logger.
    pub service: &'a str,
    /// Its own hostname or the header's.
    pub hostname: &'a str,
    /// Its own pid or the header's.
    pub pid: i64,
    /// Attributes of its own resource.
    pub resource: Attributes<'a>,
    /// Its attributes.
    pub attributes: Attributes<'a>,
    /// Its events.
    pub events: Events<'a>,
    /// Its links.
    pub links: Links<'a>,
    /// Attributes that were left out.
    pub dropped_attributes: u32,
    /// Events that were left out.
    pub dropped_events: u32,
    /// Links that were left out.
    pub dropped_links: u32,
}

/// Attributes that were checked when the span was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, pair) = attribute(self.rest).ok()?;
        self.rest = rest;
        pair.ok()
    }
}

/// Something that happened during a span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EventView<'a> {
    /// ns since 1970 UTC.
    pub unix_nanos: i64,
    /// What it was.
    pub name: &'a str,
    /// Its attributes.
    pub attributes: Attributes<'a>,
    /// Attributes that were left out.
    pub dropped_attributes: u32,
}

/// Events that were checked when the span was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events<'a> {
    start: i64,
    rest: &'a [u8],
}

impl<'a> Iterator for Events<'a> {
    type Item = EventView<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, event) = event(self.rest, self.start).ok()?;
        self.rest = rest;
        event.ok()
    }
}

/// Another span that a span is related to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkView<'a> {
    /// Its trace.
    pub trace_id: [u8; 16],
    /// Its id.
    pub span_id: [u8; 8],
    /// Its W3C `tracestate`.
    pub trace_state: &'a str,
    /// Its W3C flags.
    pub flags: u32,
    /// Attributes of the link.
    pub attributes: Attributes<'a>,
    /// Attributes that were left out.
    pub dropped_attributes: u32,
}

/// Links that were checked when the span was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Links<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Links<'a> {
    type Item = LinkView<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (rest, link) = link(self.rest).ok()?;
        self.rest = rest;
        link.ok()
    }
}

/// What was read, or why it is refused though its bytes are all there.
type Read<'a, T> = IResult<&'a [u8], Result<T, Refusal>>;

/// Reads a frame that is a span. Bytes behind its last value are left alone: a later version may add values there.
pub(super) fn span<'a>(input: &'a [u8], header: &Header<'a>) -> Result<SpanView<'a>, Refusal> {
    // First of all: behind flags that are not known may be anything.
    let is_known = |flags: &u8| flags & !FLAGS_KNOWN == 0 && Kind::of_number((flags & KIND_MASK).into()).is_some();
    if !input.first().is_some_and(is_known) {
        return Err(Refusal::UnknownVersion);
    }
    parts(input, header).map_err(refusal).and_then(|(_, span)| span)
}

fn parts<'a>(input: &'a [u8], header: &Header<'a>) -> Read<'a, SpanView<'a>> {
    let (input, flags) = number::u8(input)?;
    let (input, (trace_id, span_id, parent_span_id)) = (id::<16>, id::<8>, id::<8>).parse(input)?;
    let (input, (start, duration, trace_flags, status)) = (varint, varint, count, number::u8).parse(input)?;
    let (input, (message, name, trace_state)) = (text_bytes, text_bytes, text_bytes).parse(input)?;
    let (input, probability) = optional(status & STATUS_PROBABILITY != 0, number::le_f64, input)?;
    let (input, service) = optional(flags & SPAN_SERVICE != 0, name_bytes, input)?;
    let (input, origin) = optional(flags & MESSAGE_ORIGIN != 0, (name_bytes, varint), input)?;
    let (input, resource) = optional(flags & SPAN_RESOURCE != 0, attributes, input)?;
    let start = header.opened_at.saturating_mul(1_000).saturating_add(unzigzag(start));
    let (input, own) = attributes(input)?;
    let (input, events) = listed(input, |input| event(input, start).map(|(rest, event)| (rest, event.map(drop))))?;
    let (input, links) = listed(input, |input| link(input).map(|(rest, link)| (rest, link.map(drop))))?;
    let (input, (dropped_attributes, dropped_events, dropped_links)) = (count, count, count).parse(input)?;
    let checked = || {
        if status & STATUS_UNKNOWN != 0 {
            return Err(Refusal::UnknownVersion);
        }
        Ok(SpanView {
            trace_id,
            span_id,
            parent_span_id,
            start_unix_nanos: start,
            duration_nanos: unzigzag(duration),
            flags: trace_flags,
            kind: Kind::of_number((flags & KIND_MASK).into()).unwrap_or_default(),
            status: Status::of_number((status & STATUS_MASK).into()).ok_or(Refusal::UnknownVersion)?,
            status_message: utf8(message)?,
            name: utf8(name)?,
            trace_state: utf8(trace_state)?,
            sampling_probability: probability,
            service: service.map_or(Ok(header.logger), utf8)?,
            hostname: origin.map_or(Ok(header.hostname), |(hostname, _)| utf8(hostname))?,
            pid: origin.map_or(i64::from(header.pid), |(_, pid)| unzigzag(pid)),
            resource: resource.unwrap_or_else(|| Ok(Attributes::default()))?,
            attributes: own?,
            events: Events { start, rest: events? },
            links: Links { rest: links? },
            dropped_attributes,
            dropped_events,
            dropped_links,
        })
    };
    Ok((input, checked()))
}

fn id<const N: usize>(input: &[u8]) -> IResult<&[u8], [u8; N]> {
    match input.split_first_chunk::<N>() {
        Some((id, rest)) => Ok((rest, *id)),
        None => Err(nom::Err::Error(nom::error::make_error(input, nom::error::ErrorKind::Eof))),
    }
}

/// A number of 32 bits: a larger one becomes the largest.
fn count(input: &[u8]) -> IResult<&[u8], u32> {
    varint(input).map(|(rest, count)| (rest, u32::try_from(count).unwrap_or(u32::MAX)))
}

/// A count and so many items: the bytes of them all.
fn listed<'a>(input: &'a [u8], item: impl Fn(&'a [u8]) -> Read<'a, ()>) -> Read<'a, &'a [u8]> {
    let (start, count) = varint(input)?;
    let (mut rest, mut fault) = (start, None);
    for _ in 0..count {
        let (after, read) = item(rest)?;
        fault = fault.or(read.err());
        rest = after;
    }
    let items = &start[..start.len() - rest.len()];
    Ok((rest, fault.map_or(Ok(items), Err)))
}

fn attributes(input: &[u8]) -> Read<'_, Attributes<'_>> {
    let (rest, items) = listed(input, |input| attribute(input).map(|(rest, pair)| (rest, pair.map(drop))))?;
    Ok((rest, items.map(|rest| Attributes { rest })))
}

fn attribute(input: &[u8]) -> Read<'_, (&str, Value<'_>)> {
    let (input, (key, letter)) = (text_bytes, number::u8).parse(input)?;
    let (rest, value) = match letter {
        TEXT => text_bytes(input).map(|(rest, text)| (rest, utf8(text).map(Value::Str)))?,
        INT => varint(input).map(|(rest, number)| (rest, Ok(Value::Int(unzigzag(number)))))?,
        DOUBLE => number::le_f64(input).map(|(rest, number)| (rest, Ok(Value::Double(number))))?,
        FALSE | TRUE => (input, Ok(Value::Bool(letter == TRUE))),
        BYTES => text_bytes(input).map(|(rest, bytes)| (rest, Ok(Value::Bytes(bytes))))?,
        NESTED => text_bytes(input).map(|(rest, bytes)| (rest, Ok(Value::Nested(bytes))))?,
        // How long it is, is not known either, so nothing behind it can be read.
        _ => return Err(nom::Err::Failure(nom::error::make_error(input, nom::error::ErrorKind::Switch))),
    };
    Ok((rest, value.and_then(|value| Ok((utf8(key)?, value)))))
}

fn event(input: &[u8], start: i64) -> Read<'_, EventView<'_>> {
    let (input, (time, name)) = (varint, text_bytes).parse(input)?;
    let (input, attributes) = attributes(input)?;
    let (rest, dropped_attributes) = count(input)?;
    let unix_nanos = start.saturating_add(unzigzag(time));
    let checked = || Ok(EventView { unix_nanos, name: utf8(name)?, attributes: attributes?, dropped_attributes });
    Ok((rest, checked()))
}

fn link(input: &[u8]) -> Read<'_, LinkView<'_>> {
    let (input, (trace_id, span_id, trace_state, flags)) = (id::<16>, id::<8>, text_bytes, count).parse(input)?;
    let (input, attributes) = attributes(input)?;
    let (rest, dropped_attributes) = count(input)?;
    let checked = || {
        let trace_state = utf8(trace_state)?;
        Ok(LinkView { trace_id, span_id, trace_state, flags, attributes: attributes?, dropped_attributes })
    };
    Ok((rest, checked()))
}
