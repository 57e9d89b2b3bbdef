//! Milo's two views: the call table, each span with what it took by itself, and the call graph, services of one trace with
//! the calls between them.
use super::map::{Edge, draw};
use super::waterfall::View;
use super::{colour, format};
use crate::number::grouped;
use crate::part::bars::track;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_query::trace::find::Outline;
use metlog_query::trace::tree;
use std::collections::BTreeMap;

/// Calls that are listed.
const CALLS_MAX: usize = 1_000;

pub(super) fn table(outline: &Outline, view: &View) -> Markup {
    let longest = view.nanos;
    html! {
        p.note { "Each call in the order in which it began, below what called it." }
        div.scroll tabindex="0" role="region" aria-label="Calls" { table.data {
            thead { tr { th scope="col" { "call" } th scope="col" { "service" } th.n scope="col" { "after" } th.n scope="col" { "took" } th.n scope="col" { "self" } th scope="col" { "status" } } }
            tbody { @for node in view.nodes.iter().take(CALLS_MAX) {
                @let span = &outline.trace.spans[node.span];
                tr {
                    th scope="row" class={ "who d" (node.depth.min(24)) } { (visible(&span.name)) }
                    td { span class={ "service " (colour(&span.service)) } { (visible(&span.service)) } }
                    td.n { (format::nanos(span.start.saturating_sub(view.start))) }
                    td.n { (format::nanos(span.duration())) (track(span.duration() as f64 / longest as f64)) }
                    td.n { (format::nanos(node.self_nanos)) (track(node.self_nanos as f64 / longest as f64)) }
                    td { @if span.status.word() == "error" { span.badge.bad { "error" } } @else { (span.status.word()) } }
                }
            } }
        } }
        @if view.nodes.len() > CALLS_MAX { p.note { "The first " (grouped(CALLS_MAX as u64)) " of " (grouped(view.nodes.len() as u64)) " calls." } }
    }
}

pub(super) fn graph(visit: &Visit, outline: &Outline) -> Markup {
    let nodes = tree::of(&outline.trace);
    let mut edges: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    for node in &nodes {
        let Some(parent) = node.parent else { continue };
        let child = &outline.trace.spans[node.span];
        let caller = &outline.trace.spans[nodes[parent].span];
        if child.service != caller.service {
            let (calls, errors) = edges.entry((&caller.service, &child.service)).or_default();
            *calls += 1;
            *errors += u64::from(child.status.word() == "error");
        }
    }
    let edges: Vec<Edge> = edges
        .into_iter()
        .map(|((from, to), (calls, errors))| Edge { from: from.to_owned(), to: to.to_owned(), calls, errors })
        .collect();
    draw(visit, &edges)
}
