//! A span of two halves: Milo's and Zipkin's clients and servers each report what they saw of one span, under one id.
//! To whoever asks it is one span.
use super::{Attribute, Kind, Span, SpanId, Trace, value_of};
use std::collections::HashMap;

/// Joins halves for which `is_half` holds: spans of one id, one of them a client's and one a server's, or of no kind.
/// The whole has the client's times where there are some, since they contain the server's, the server's service, whose
/// work it is, and everything that either reported.
pub fn join(trace: &mut Trace, is_half: impl Fn(&Span) -> bool) {
    let mut places: HashMap<SpanId, usize> = HashMap::new();
    let mut whole: Vec<Span> = Vec::with_capacity(trace.spans.len());
    for span in std::mem::take(&mut trace.spans) {
        if !is_half(&span) {
            whole.push(span);
            continue;
        }
        match places.get(&span.span_id) {
            Some(place) if fits(&whole[*place], &span) => add(&mut whole[*place], span),
            _ => {
                places.insert(span.span_id, whole.len());
                whole.push(span);
            }
        }
    }
    trace.spans = whole;
}

fn fits(one: &Span, other: &Span) -> bool {
    let is_open = |span: &Span| !matches!(span.kind, Kind::Client | Kind::Server);
    one.parent_id == other.parent_id && (one.kind != other.kind || is_open(one))
}

fn add(whole: &mut Span, half: Span) {
    let half_is_server = half.kind == Kind::Server;
    let (server, client) = if half_is_server { (half, whole.clone()) } else { (whole.clone(), half) };
    let mut joined = server;
    joined.start = if client.start == 0 { joined.start } else { client.start.min(or_max(joined.start)) };
    joined.end = joined.end.max(client.end);
    if joined.name.is_empty() {
        joined.name = client.name;
    }
    if joined.service.is_empty() {
        joined.service.clone_from(&client.service);
        joined.resource = client.resource;
    } else if !client.service.is_empty()
        && client.service != joined.service
        && value_of(&joined.attributes, CLIENT).is_none()
    {
        joined.attributes.push(Attribute::text(CLIENT, client.service));
    }
    for attribute in client.attributes {
        if !joined.attributes.contains(&attribute) {
            joined.attributes.push(attribute);
        }
    }
    joined.events.extend(client.events);
    // Both are in order already; of the same moment, the server's come first.
    joined.events.sort_by_key(|event| event.time);
    joined.links.extend(client.links);
    joined.warnings.extend(client.warnings);
    *whole = joined;
}

/// The attribute of a joined span that names who made the request.
pub const CLIENT: &str = "client.service";

/// A time that nobody gave is no earliest one.
fn or_max(time: u64) -> u64 {
    if time == 0 { u64::MAX } else { time }
}
