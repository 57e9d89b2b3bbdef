//! What a test's client has sent, decoded: the far end of [`Destination::capture`](crate::Destination).
use crate::trace::hex;
use metlog_wire::Message;
use metlog_wire::span::{Kind, Status, Value};
use metlog_wire::v1::{Attributes, Datagram, Frame, SpanView};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A span that a test's client has sent. Values are texts.
#[derive(Debug, Clone, PartialEq)]
pub struct CapturedSpan {
    /// The trace, 32 hexadecimal digits.
    pub trace_id: String,
    /// Its id, 16 digits.
    pub span_id: String,
    /// The parent's id, 16 digits; zeros for a root.
    pub parent_span_id: String,
    /// Its name.
    pub name: String,
    /// Its service.
    pub service: String,
    /// What part it had in a call.
    pub kind: Kind,
    /// How it ended.
    pub status: Status,
    /// Why.
    pub status_message: String,
    /// Start, ns since 1970 UTC.
    pub start_unix_nanos: i64,
    /// How long it took, ns.
    pub duration_nanos: i64,
    /// W3C flags, and above them whether the parent is remote.
    pub flags: u32,
    /// W3C `tracestate`.
    pub trace_state: String,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// Its events with their attributes.
    pub events: Vec<(String, Vec<(String, String)>)>,
    /// The ids of trace and span of its links.
    pub links: Vec<(String, String)>,
    /// Attributes, events and links that were left out.
    pub dropped: [u32; 3],
}

impl CapturedSpan {
    fn of(view: &SpanView<'_>) -> CapturedSpan {
        CapturedSpan {
            trace_id: hex(&view.trace_id),
            span_id: hex(&view.span_id),
            parent_span_id: hex(&view.parent_span_id),
            name: view.name.to_owned(),
            service: view.service.to_owned(),
            kind: view.kind,
            status: view.status,
            status_message: view.status_message.to_owned(),
            start_unix_nanos: view.start_unix_nanos,
            duration_nanos: view.duration_nanos,
            flags: view.flags,
            trace_state: view.trace_state.to_owned(),
            attributes: texts(view.attributes),
            events: view.events.map(|event| (event.name.to_owned(), texts(event.attributes))).collect(),
            links: view.links.map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
            dropped: [view.dropped_attributes, view.dropped_events, view.dropped_links],
        }
    }
}

fn texts(attributes: Attributes<'_>) -> Vec<(String, String)> {
    let text = |value: Value<'_>| match value {
        Value::Str(text) => text.to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Bytes(bytes) | Value::Nested(bytes) => hex(bytes),
    };
    attributes.map(|(key, value)| (key.to_owned(), text(value))).collect()
}

/// Keeps everything that was sent to it, without bound: for tests only. Clones share what they keep.
///
/// What was sent arrives when the sender thread has run: call [`flush`](crate::flush) first.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    datagrams: Vec<Vec<u8>>,
    lines: Vec<String>,
}

impl Captured {
    /// The messages, in the order in which they were sent.
    pub fn messages(&self) -> Vec<Message> {
        let kept = self.kept();
        let datagrams = kept.datagrams.iter().filter_map(|bytes| Datagram::decode(bytes).ok());
        datagrams.flat_map(|datagram| datagram.messages()).flatten().map(|message| message.to_message()).collect()
    }

    /// The spans, in the order in which they ended.
    pub fn spans(&self) -> Vec<CapturedSpan> {
        let kept = self.kept();
        let datagrams = kept.datagrams.iter().filter_map(|bytes| Datagram::decode(bytes).ok());
        let frames = datagrams.flat_map(|datagram| datagram.frames()).flatten();
        frames
            .filter_map(|frame| if let Frame::Span(view) = frame { Some(CapturedSpan::of(&view)) } else { None })
            .collect()
    }

    /// The datagrams of messages, as they would have gone over the network.
    pub fn datagrams(&self) -> Vec<Vec<u8>> {
        self.kept().datagrams.clone()
    }

    /// The statsd lines, in the order in which they were sent.
    pub fn statsd_lines(&self) -> Vec<String> {
        self.kept().lines.clone()
    }

    /// Forgets what was kept so far.
    pub fn clear(&self) {
        *self.kept() = Kept::default();
    }

    pub(crate) fn keep_datagram(&self, bytes: &[u8]) {
        self.kept().datagrams.push(bytes.to_owned());
    }

    pub(crate) fn keep_lines(&self, bytes: &[u8]) {
        self.kept().lines.extend(String::from_utf8_lossy(bytes).lines().map(str::to_owned));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
