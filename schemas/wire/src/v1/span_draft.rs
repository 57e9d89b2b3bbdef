//! Writing a span: its attributes, events and links are encoded as they come, and its frame is put together at its end.
use super::span::{
    BYTES, DOUBLE, FALSE, FRAME_SPAN, INT, NESTED, SPAN_RESOURCE, SPAN_SERVICE, STATUS_PROBABILITY, TEXT, TRUE,
};
use super::{MESSAGE_ORIGIN, encoder::Room, zigzag};
use crate::span::{Kind, Status, Value};

/// Items that are encoded already: attributes, events, or links.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    bytes: Vec<u8>,
    count: u32,
}

impl Encoded {
    /// Items.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets them; the memory stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, key: &str, value: Value<'_>) {
        put_attribute(&mut self.bytes, key, value);
        self.count += 1;
    }

    /// Adds an event at a time (ns) after the start of its span.
    pub fn event<'t>(
        &mut self,
        after_nanos: i64,
        name: &str,
        attributes: impl ExactSizeIterator<Item = (&'t str, Value<'t>)>,
    ) {
        put_varint(&mut self.bytes, zigzag(after_nanos));
        put_bytes(&mut self.bytes, name.as_bytes());
        self.attributes(attributes);
    }

    /// Adds a link.
    pub fn link<'t>(
        &mut self,
        trace_id: [u8; 16],
        span_id: [u8; 8],
        trace_state: &str,
        flags: u32,
        attributes: impl ExactSizeIterator<Item = (&'t str, Value<'t>)>,
    ) {
        self.bytes.extend_from_slice(&trace_id);
        self.bytes.extend_from_slice(&span_id);
        put_bytes(&mut self.bytes, trace_state.as_bytes());
        put_varint(&mut self.bytes, flags.into());
        self.attributes(attributes);
    }

    /// The attributes of an event or a link, none of which was left out, and its end.
    fn attributes<'t>(&mut self, attributes: impl ExactSizeIterator<Item = (&'t str, Value<'t>)>) {
        self.attributes_without(attributes, 0);
    }

    fn attributes_without<'t>(
        &mut self,
        attributes: impl ExactSizeIterator<Item = (&'t str, Value<'t>)>,
        dropped: u32,
    ) {
        put_varint(&mut self.bytes, attributes.len() as u64);
        for (key, value) in attributes {
            put_attribute(&mut self.bytes, key, value);
        }
        put_varint(&mut self.bytes, dropped.into());
        self.count += 1;
    }

    /// Says how many attributes the last event or link lacks, which was added just before.
    pub fn dropped_attributes(&mut self, count: u32) {
        if count > 0 && self.bytes.last() == Some(&0) {
            self.bytes.pop();
            put_varint(&mut self.bytes, count.into());
        }
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn put_bytes(bytes: &mut Vec<u8>, text: &[u8]) {
    put_varint(bytes, text.len() as u64);
    bytes.extend_from_slice(text);
}

fn put_attribute(bytes: &mut Vec<u8>, key: &str, value: Value<'_>) {
    put_bytes(bytes, key.as_bytes());
    match value {
        Value::Str(text) => {
            bytes.push(TEXT);
            put_bytes(bytes, text.as_bytes());
        }
        Value::Int(number) => {
            bytes.push(INT);
            put_varint(bytes, zigzag(number));
        }
        Value::Double(number) => {
            bytes.push(DOUBLE);
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        Value::Bool(value) => bytes.push(if value { TRUE } else { FALSE }),
        Value::Bytes(value) => {
            bytes.push(BYTES);
            put_bytes(bytes, value);
        }
        Value::Nested(value) => {
            bytes.push(NESTED);
            put_bytes(bytes, value);
        }
    }
}

/// What a span is made of when it is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanDraft<'a> {
    /// The trace.
    pub trace_id: [u8; 16],
    /// Its id.
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
    /// The probability with which its trace was sampled, if it is known.
    pub sampling_probability: Option<f64>,
    /// Where it is not the header's logger; at most [`NAME_BYTES_MAX`](crate::limits::NAME_BYTES_MAX) bytes.
    pub service: Option<&'a str>,
    /// Hostname and pid where they are not the header's.
    pub origin: Option<(&'a str, i64)>,
    /// Attributes of its own resource.
    pub resource: Option<&'a Encoded>,
    /// Its attributes; `None`: none.
    pub attributes: Option<&'a Encoded>,
    /// Its events; `None`: none.
    pub events: Option<&'a Encoded>,
    /// Its links; `None`: none.
    pub links: Option<&'a Encoded>,
    /// Attributes, events and links that were left out.
    pub dropped: [u32; 3],
}

impl SpanDraft<'_> {
    /// Writes it without its frame's length. `None`: it does not fit.
    pub(super) fn put(&self, opened_at: i64, room: &mut Room<'_>) -> Option<()> {
        let flag = |present: bool, flag: u8| if present { flag } else { 0 };
        room.byte(
            FRAME_SPAN
                | self.kind.number() as u8
                | flag(self.service.is_some(), SPAN_SERVICE)
                | flag(self.origin.is_some(), MESSAGE_ORIGIN)
                | flag(self.resource.is_some(), SPAN_RESOURCE),
        )?;
        room.bytes(&self.trace_id)?;
        room.bytes(&self.span_id)?;
        room.bytes(&self.parent_span_id)?;
        room.varint(zigzag(self.start_unix_nanos.saturating_sub(opened_at.saturating_mul(1_000))))?;
        room.varint(zigzag(self.duration_nanos))?;
        room.varint(self.flags.into())?;
        room.byte(self.status.number() as u8 | flag(self.sampling_probability.is_some(), STATUS_PROBABILITY))?;
        room.text(self.status_message)?;
        room.text(self.name)?;
        room.text(self.trace_state)?;
        if let Some(probability) = self.sampling_probability {
            room.bytes(&probability.to_le_bytes())?;
        }
        if let Some(service) = self.service {
            room.name(service)?;
        }
        if let Some((hostname, pid)) = self.origin {
            room.name(hostname)?;
            room.varint(zigzag(pid))?;
        }
        if let Some(resource) = self.resource {
            items(Some(resource), room)?;
        }
        items(self.attributes, room)?;
        items(self.events, room)?;
        items(self.links, room)?;
        self.dropped.into_iter().try_for_each(|count| room.varint(count.into()))
    }
}

fn items(encoded: Option<&Encoded>, room: &mut Room<'_>) -> Option<()> {
    let Some(encoded) = encoded else { return room.varint(0) };
    room.varint(encoded.count.into())?;
    room.bytes(&encoded.bytes)
}
