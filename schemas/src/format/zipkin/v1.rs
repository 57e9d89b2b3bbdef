//! Spans of v1: annotations with endpoints, where `cs`, `sr` and their like say what v2 has fields for. Such a span may
//! hold both sides of a call, and is two spans of v2 then: that of the client, and that of the server, which is `shared`.
//! Source: openzipkin/zipkin, zipkin2.v1.V1SpanConverter.
use super::span::{Endpoint, Span};
use crate::format::{Decoded, Entry};
use crate::span::Kind;
use std::borrow::Cow;

/// A span as it came.
#[derive(Debug, Default)]
pub(super) struct V1Span<'a> {
    pub trace_id: [u8; 16],
    pub id: [u8; 8],
    pub parent_id: [u8; 8],
    pub name: Cow<'a, str>,
    /// µs since 1970 UTC; 0 if there is none.
    pub timestamp: u64,
    /// µs; 0 if there is none.
    pub duration: u64,
    pub debug: bool,
    /// µs since 1970 UTC, what happened, and where.
    pub annotations: Vec<(u64, Cow<'a, str>, Option<Endpoint<'a>>)>,
    pub binary: Vec<Binary<'a>>,
}

/// A binary annotation: a tag, or an address.
#[derive(Debug)]
pub(super) struct Binary<'a> {
    pub key: Cow<'a, str>,
    pub value: Cow<'a, str>,
    pub endpoint: Option<Endpoint<'a>>,
}

/// Where a kind of span begins and ends, and the address of its other side.
const SIDES: [(Kind, &str, &str, &str); 4] = [
    (Kind::Client, "cs", "cr", "sa"),
    (Kind::Server, "sr", "ss", "ca"),
    (Kind::Producer, "ms", "ws", "ma"),
    (Kind::Consumer, "mr", "wr", "ma"),
];

impl<'a> V1Span<'a> {
    fn first(&self, value: &str) -> Option<&(u64, Cow<'a, str>, Option<Endpoint<'a>>)> {
        self.annotations.iter().find(|(_, of, _)| of == value)
    }

    fn address(&self, key: &str) -> Option<&Endpoint<'a>> {
        self.binary.iter().find(|of| of.key == key && is_address(of)).and_then(|of| of.endpoint.as_ref())
    }

    /// The span of one side: times of its annotations, where the span has none of its own.
    fn side(&self, (kind, begin, end, address): (Kind, &str, &str, &str), is_only: bool) -> Option<Span<'a>> {
        let (begins, ends) = (self.first(begin), self.first(end));
        let endpoint = begins.or(ends)?.2.clone().unwrap_or_default();
        let mut span = self.bare(kind, endpoint);
        if let Some((at, ..)) = begins {
            span.timestamp = *at;
            if let Some((end, ..)) = ends {
                span.duration = end.saturating_sub(*at).max(1);
            }
        }
        if is_only || kind != Kind::Server {
            span.timestamp = if self.timestamp != 0 { self.timestamp } else { span.timestamp };
            span.duration = if self.duration != 0 { self.duration } else { span.duration };
        }
        // Without a start of its own a server goes on with a span that its client began.
        span.shared = kind == Kind::Server && (!is_only || self.timestamp == 0);
        span.remote = self.address(address).cloned().unwrap_or_default();
        Some(span)
    }

    fn bare(&self, kind: Kind, local: Endpoint<'a>) -> Span<'a> {
        Span {
            trace_id: self.trace_id,
            id: self.id,
            parent_id: self.parent_id,
            name: self.name.clone(),
            kind,
            local,
            debug: self.debug,
            ..Span::default()
        }
    }

    /// A span without any of the known annotations: what it knows of where it was, and by an address its kind.
    fn only(&self) -> Span<'a> {
        let tagged = self.binary.iter().filter(|of| !is_address(of)).find_map(|of| of.endpoint.clone());
        let local = self.annotations.iter().find_map(|(.., endpoint)| endpoint.clone()).or(tagged);
        let (kind, remote) = match (self.address("sa"), self.address("ca")) {
            (Some(server), None) => (Kind::Client, server.clone()),
            (None, Some(client)) => (Kind::Server, client.clone()),
            (Some(server), Some(_)) => (Kind::Unspecified, server.clone()),
            (None, None) => (Kind::Unspecified, Endpoint::default()),
        };
        let mut span = self.bare(kind, local.unwrap_or_default());
        (span.timestamp, span.duration, span.remote) = (self.timestamp, self.duration, remote);
        span
    }
}

/// `sa`, `ca` and `ma` are addresses where their value is `true`, whatever a program writes for it.
fn is_address(of: &Binary<'_>) -> bool {
    matches!(&*of.key, "sa" | "ca" | "ma") && of.endpoint.is_some() && of.value == "true"
}

/// Writes what a span of v1 is in v2.
pub(super) fn write(old: &V1Span<'_>, at: Entry, out: &mut Decoded, bytes: &[u8]) {
    let there = SIDES.iter().filter(|(_, begin, end, _)| old.first(begin).or(old.first(end)).is_some()).count();
    let mut spans: Vec<Span<'_>> = SIDES.iter().filter_map(|side| old.side(*side, there == 1)).collect();
    if spans.is_empty() {
        spans.push(old.only());
    }
    let is_known = |value: &str| SIDES.iter().any(|(_, begin, end, _)| value == *begin || value == *end);
    for (timestamp, value, endpoint) in old.annotations.iter().filter(|(_, value, _)| !is_known(value)) {
        let side = side_of(&mut spans, endpoint.as_ref());
        side.annotations.push((*timestamp, value.clone()));
    }
    for Binary { key, value, endpoint } in old.binary.iter().filter(|of| !is_address(of)) {
        // `lc` names a local component; without a value it only says where the span was.
        if key == "lc" && value.is_empty() {
            continue;
        }
        let side = side_of(&mut spans, endpoint.as_ref());
        side.tags.push((key.clone(), value.clone()));
    }
    // Both sides count: what was one span on the wire is two rows.
    spans.iter().for_each(|span| span.write(at, out, bytes));
}

/// The span that is at an endpoint, or else the first.
fn side_of<'s, 'a>(spans: &'s mut [Span<'a>], endpoint: Option<&Endpoint<'a>>) -> &'s mut Span<'a> {
    let at = spans.iter().position(|span| endpoint.is_some_and(|endpoint| span.local == *endpoint)).unwrap_or(0);
    &mut spans[at]
}
