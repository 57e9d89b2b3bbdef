//! Spans of the wire: into rows, as JSON for an operator, and after rules of privacy.
use crate::span::redact::{Change, SpanRules};
use crate::span::{Refusal, SpanRows, Value, hex};
use crate::wire::v1::{Attributes, Encoded, SpanDraft, SpanView};
use serde_json::{Value as Json, json};

const SOURCE: &str = "metlog";

/// Appends a span as a row.
pub(super) fn push(view: &SpanView<'_>, received_at: i64, rows: &mut SpanRows) -> Result<(), Refusal> {
    let start = u64::try_from(view.start_unix_nanos).map_err(|_| Refusal::Timestamp)?;
    let mut resource = rows.resource(SOURCE);
    resource.attribute("service.name", Value::Str(view.service));
    if !view.hostname.is_empty() {
        resource.attribute("host.name", Value::Str(view.hostname));
    }
    resource.attribute("process.pid", Value::Int(view.pid));
    for (key, value) in view.resource {
        resource.attribute(key, value.into());
    }
    let mut row = rows.begin();
    row.trace_id(view.trace_id).span_id(view.span_id).parent_span_id(view.parent_span_id);
    row.name(view.name).kind(view.kind).status(view.status, view.status_message);
    row.trace_state(view.trace_state).flags(view.flags);
    row.start(start).duration(view.duration_nanos.cast_unsigned());
    row.dropped(view.dropped_attributes, view.dropped_events, view.dropped_links);
    if let Some(probability) = view.sampling_probability {
        row.sampling_probability(probability);
    }
    for (key, value) in view.attributes {
        row.attribute(key, value.into());
    }
    for event in view.events {
        row.event(event.unix_nanos.cast_unsigned(), event.name, event.dropped_attributes);
        for (key, value) in event.attributes {
            row.event_attribute(key, value.into());
        }
    }
    for link in view.links {
        row.link(&link.trace_id, &link.span_id, link.trace_state, link.flags, link.dropped_attributes);
        for (key, value) in link.attributes {
            row.link_attribute(key, value.into());
        }
    }
    row.commit(received_at)
}

/// A span for an operator, and as the examples write it: numbers of 64 bits as text, which every language reads exactly.
pub fn describe(view: &SpanView<'_>) -> Json {
    let events = view.events.map(|event| {
        json!({
            "time_unix_nanos": event.unix_nanos.to_string(), "name": event.name, "attributes": pairs(event.attributes),
            "dropped_attributes": event.dropped_attributes,
        })
    });
    let links = view.links.map(|link| {
        json!({
            "trace_id": hex(&link.trace_id), "span_id": hex(&link.span_id), "trace_state": link.trace_state,
            "flags": link.flags, "attributes": pairs(link.attributes), "dropped_attributes": link.dropped_attributes,
        })
    });
    json!({
        "trace_id": hex(&view.trace_id), "span_id": hex(&view.span_id), "parent_span_id": hex(&view.parent_span_id),
        "start_unix_nanos": view.start_unix_nanos.to_string(), "duration_nanos": view.duration_nanos.to_string(), "flags": view.flags,
        "kind": view.kind.word(), "status": view.status.word(), "status_message": view.status_message,
        "name": view.name, "trace_state": view.trace_state, "sampling_probability": view.sampling_probability,
        "service": view.service, "hostname": view.hostname, "pid": view.pid, "resource": pairs(view.resource),
        "attributes": pairs(view.attributes), "events": events.collect::<Json>(), "links": links.collect::<Json>(),
        "dropped": [view.dropped_attributes, view.dropped_events, view.dropped_links],
    })
}

/// Each attribute as its key, its type and its value.
fn pairs(attributes: Attributes<'_>) -> Json {
    use crate::wire::span::Value as Sent;
    let pair = |(key, value)| match value {
        Sent::Str(text) => json!([key, "text", text]),
        Sent::Int(number) => json!([key, "int", number.to_string()]),
        Sent::Double(number) => json!([key, "double", number]),
        Sent::Bool(value) => json!([key, "bool", value]),
        Sent::Bytes(bytes) => json!([key, "bytes", hex(bytes)]),
        Sent::Nested(bytes) => json!([key, "nested", hex(bytes)]),
    };
    attributes.map(pair).collect()
}

/// A span after the rules, and what its draft borrows.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    name: String,
    status_message: String,
    resource: Encoded,
    attributes: Encoded,
    events: Encoded,
    links: Encoded,
}

impl Rewritten {
    /// Applies the rules.
    ///
    /// # Errors
    /// The reason for which the span must be refused.
    pub(super) fn new(view: &SpanView<'_>, rules: &mut SpanRules<'_>) -> Result<Rewritten, &'static str> {
        let mut to = Rewritten {
            name: rules.text(view.name)?,
            status_message: rules.text(view.status_message)?,
            resource: attributes(view.resource, rules)?,
            attributes: attributes(view.attributes, rules)?,
            ..Rewritten::default()
        };
        for event in view.events {
            let pairs = kept(event.attributes, rules)?;
            let after = event.unix_nanos.saturating_sub(view.start_unix_nanos);
            to.events.event(after, &rules.text(event.name)?, pairs.iter().map(Kept::pair));
            to.events.dropped_attributes(event.dropped_attributes);
        }
        for link in view.links {
            let pairs = kept(link.attributes, rules)?;
            let pairs = pairs.iter().map(Kept::pair);
            to.links.link(link.trace_id, link.span_id, link.trace_state, link.flags, pairs);
            to.links.dropped_attributes(link.dropped_attributes);
        }
        Ok(to)
    }

    /// As it is written again.
    pub(super) fn draft<'a>(&'a self, view: &SpanView<'a>) -> SpanDraft<'a> {
        SpanDraft {
            trace_id: view.trace_id,
            span_id: view.span_id,
            parent_span_id: view.parent_span_id,
            start_unix_nanos: view.start_unix_nanos,
            duration_nanos: view.duration_nanos,
            flags: view.flags,
            kind: view.kind,
            status: view.status,
            status_message: &self.status_message,
            name: &self.name,
            trace_state: view.trace_state,
            sampling_probability: view.sampling_probability,
            service: Some(view.service),
            origin: Some((view.hostname, view.pid)),
            resource: Some(&self.resource),
            attributes: Some(&self.attributes),
            events: Some(&self.events),
            links: Some(&self.links),
            dropped: [view.dropped_attributes, view.dropped_events, view.dropped_links],
        }
    }
}

/// An attribute that a rule left, or rewrote.
struct Kept<'a> {
    key: &'a str,
    value: crate::wire::span::Value<'a>,
    put: Option<String>,
}

impl Kept<'_> {
    fn pair(&self) -> (&str, crate::wire::span::Value<'_>) {
        (self.key, self.put.as_deref().map_or(self.value, crate::wire::span::Value::Str))
    }
}

fn kept<'a>(attributes: Attributes<'a>, rules: &mut SpanRules<'_>) -> Result<Vec<Kept<'a>>, &'static str> {
    let mut kept = Vec::new();
    for (key, value) in attributes {
        match rules.value(key, value.into())? {
            Change::Drop => (),
            Change::Keep => kept.push(Kept { key, value, put: None }),
            Change::Replace(text) => kept.push(Kept { key, value, put: Some(text) }),
        }
    }
    Ok(kept)
}

fn attributes(of: Attributes<'_>, rules: &mut SpanRules<'_>) -> Result<Encoded, &'static str> {
    let mut encoded = Encoded::default();
    for kept in kept(of, rules)? {
        let (key, value) = kept.pair();
        encoded.attribute(key, value);
    }
    Ok(encoded)
}
