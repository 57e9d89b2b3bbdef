//! Zipkin's clients let a server take over the id of its client's span. Readers need an id for each: the server's span
//! gets a new one, below its client's.
use crate::trace::{Kind, Span, SpanId, Trace};
use std::collections::{HashMap, HashSet};

/// Gives each server's span that shares its id with a client's the smallest id that is free.
pub(super) fn separate(trace: &mut Trace) {
    let clients: HashMap<SpanId, String> =
        of_kind(trace, Kind::Client).map(|span| (span.span_id, span.service.clone())).collect();
    if clients.is_empty() {
        return;
    }
    let mut used: HashSet<SpanId> = trace.spans.iter().map(|span| span.span_id).collect();
    let mut candidate = 1;
    // From the id that is shared to the server's new one, and the server's service.
    let mut servers: HashMap<SpanId, (SpanId, String)> = HashMap::new();
    let mut renamed = HashSet::new();
    for (at, span) in trace.spans.iter_mut().enumerate() {
        if span.kind != Kind::Server || !clients.contains_key(&span.span_id) {
            continue;
        }
        while used.contains(&SpanId(candidate)) {
            candidate += 1;
        }
        let (shared, new) = (span.span_id, SpanId(candidate));
        used.insert(new);
        servers.entry(shared).or_insert_with(|| (new, span.service.clone()));
        span.parent_id = shared;
        span.span_id = new;
        span.warnings.push(format!("This span shared the ID {shared} with its client's span; it is shown as {new}"));
        renamed.insert(at);
    }
    for (_, span) in trace.spans.iter_mut().enumerate().filter(|(at, _)| !renamed.contains(at)) {
        let Some((server, service)) = servers.get(&span.parent_id) else { continue };
        // A child that the client's own service made stays with the client.
        let is_of_client = clients.get(&span.parent_id) == Some(&span.service) && *service != span.service;
        if !is_of_client {
            span.parent_id = *server;
        }
    }
}

fn of_kind(trace: &Trace, kind: Kind) -> impl Iterator<Item = &Span> {
    trace.spans.iter().filter(move |span| span.kind == kind)
}
