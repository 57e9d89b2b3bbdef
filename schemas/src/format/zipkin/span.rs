//! A span of Zipkin's v2 model, borrowed from what came, and how it is written into columns.
use crate::format::{Decoded, Entry};
use crate::span::{Kind, Refusal, SpanRow, SpanRows, Status, Value};
use serde_json::json;
use std::borrow::Cow;

const NANOS_PER_MICRO: u64 = 1_000;

/// Where a span was, or what it spoke to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    pub service: Cow<'a, str>,
    pub ipv4: Cow<'a, str>,
    pub ipv6: Cow<'a, str>,
    pub port: u16,
}

impl Endpoint<'_> {
    /// True if nothing is known of it.
    pub fn is_empty(&self) -> bool {
        self.service.is_empty() && !self.has_address()
    }

    fn has_address(&self) -> bool {
        !self.ipv4.is_empty() || !self.ipv6.is_empty() || self.port != 0
    }

    fn ip(&self) -> &str {
        if self.ipv4.is_empty() { &self.ipv6 } else { &self.ipv4 }
    }

    /// As Zipkin writes it, without what is empty.
    fn json(&self) -> String {
        let mut endpoint = serde_json::Map::new();
        for (key, text) in [("serviceName", &self.service), ("ipv4", &self.ipv4), ("ipv6", &self.ipv6)] {
            if !text.is_empty() {
                endpoint.insert(key.to_owned(), json!(text));
            }
        }
        if self.port != 0 {
            endpoint.insert("port".to_owned(), json!(self.port));
        }
        serde_json::Value::from(endpoint).to_string()
    }
}

/// See the module. One value serves one span after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Span<'a> {
    pub trace_id: [u8; 16],
    pub id: [u8; 8],
    pub parent_id: [u8; 8],
    pub name: Cow<'a, str>,
    pub kind: Kind,
    /// µs since 1970 UTC; 0 if there is none.
    pub timestamp: u64,
    /// µs; 0 if there is none.
    pub duration: u64,
    pub local: Endpoint<'a>,
    pub remote: Endpoint<'a>,
    /// µs since 1970 UTC, and what happened.
    pub annotations: Vec<(u64, Cow<'a, str>)>,
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub debug: bool,
    pub shared: bool,
}

impl Span<'_> {
    /// Makes it a row, or counts why it is none. `bytes` are what it came as.
    pub fn write(&self, at: Entry, out: &mut Decoded, bytes: &[u8]) {
        let rows = out.rows.of::<SpanRows>();
        // ns end in 2554.
        let Some(start) = self.timestamp.checked_mul(NANOS_PER_MICRO) else {
            return out.reject(at, Refusal::Timestamp.reason(), 1, bytes);
        };
        self.write_resource(rows);
        let mut row = rows.begin();
        row.start(start);
        self.write_row(&mut row, at);
        match row.commit(at.received_at) {
            Ok(()) => out.counts.fact(),
            Err(refusal) => out.reject(at, refusal.reason(), 1, bytes),
        }
    }

    fn write_resource(&self, rows: &mut SpanRows) {
        let mut resource = rows.resource("zipkin");
        resource.attribute("service.name", Value::Str(&self.local.service));
        if !self.local.ip().is_empty() {
            resource.attribute("host.ip", Value::Str(self.local.ip()));
        }
    }

    fn write_row(&self, row: &mut SpanRow<'_>, at: Entry) {
        row.trace_id(self.trace_id).span_id(self.id).name(&self.name).kind(self.kind);
        // A span that names itself as its parent is a root, as for Zipkin.
        if self.parent_id != self.id {
            row.parent_span_id(self.parent_id);
        }
        if self.timestamp == 0 {
            row.start(at.received_at.cast_unsigned().saturating_mul(NANOS_PER_MICRO));
            row.extra("zipkin.timestamp", "absent");
        }
        if self.duration != 0 {
            row.duration(self.duration.wrapping_mul(NANOS_PER_MICRO));
        }
        self.write_tags(row);
        for (timestamp, value) in &self.annotations {
            row.event(timestamp.checked_mul(NANOS_PER_MICRO).unwrap_or(0), value, 0);
        }
        for (key, is) in [("zipkin.debug", self.debug), ("zipkin.shared", self.shared)] {
            if is {
                row.extra(key, "true");
            }
        }
        if self.local.has_address() {
            row.extra("zipkin.local", &self.local.json());
        }
    }

    /// Tags, then what the remote endpoint says in the words that other tracers use.
    fn write_tags(&self, row: &mut SpanRow<'_>) {
        let mut status = Status::Unset;
        let mut message = "";
        for (key, value) in &self.tags {
            row.attribute(key, Value::Str(value));
            match (&**key, &**value) {
                // For Zipkin any value of `error` is an error, and may be its message.
                ("error", "false") => (),
                ("error", text) => {
                    status = Status::Error;
                    message = if matches!(text, "true" | "") { message } else { text };
                }
                ("otel.status_code", word) if status == Status::Unset => {
                    status = Status::of_word(&word.to_ascii_lowercase()).unwrap_or_default();
                }
                ("otel.status_description", text) => message = text,
                _ => (),
            }
        }
        if status != Status::Unset {
            row.status(status, message);
        }
        if self.remote.is_empty() {
            return;
        }
        row.extra("zipkin.remote", &self.remote.json());
        row.extra("zipkin.tags", &self.tags.len().to_string());
        for (key, text) in [("peer.service", &*self.remote.service), ("net.peer.ip", self.remote.ip())] {
            if !text.is_empty() && self.tags.iter().all(|(tag, _)| tag != key) {
                row.attribute(key, Value::Str(text));
            }
        }
        if self.remote.port != 0 && self.tags.iter().all(|(tag, _)| tag != "net.peer.port") {
            row.attribute("net.peer.port", Value::Int(i64::from(self.remote.port)));
        }
    }
}

/// An id of up to `N` bytes in hexadecimal digits, which may be fewer; longer ones are none.
pub(super) fn id<const N: usize>(digits: &str) -> Option<[u8; N]> {
    if digits.is_empty() || digits.len() > 2 * N {
        return None;
    }
    let mut id = [0; N];
    for (at, digit) in digits.bytes().rev().enumerate() {
        let value = char::from(digit).to_digit(16)? as u8;
        id[N - 1 - at / 2] |= value << (4 * (at % 2));
    }
    Some(id)
}

/// An id of bytes, which may be fewer; longer ones are none.
pub(super) fn id_of_bytes<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut id = [0; N];
    id.get_mut(N.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(id)
}
