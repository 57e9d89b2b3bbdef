//! The waterfall: a window of a trace's rows, each with its bar; what is on the critical path is marked; details open in
//! place. What is collapsed, and where the window is, stands in the address.
use super::{colour, detail, format, traces};
use crate::ask::Fault;
use crate::number::grouped;
use crate::text::{visible, visible_plain};
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_query::trace::critical_path::{self, Section};
use metlog_query::trace::find::Outline;
use metlog_query::trace::tree::{self, Node};
use metlog_query::trace::{Span, SpanId, Status};
use std::collections::{HashMap, HashSet};

/// Rows of one window.
pub(super) const ROWS: usize = 200;

/// Deeper rows are not indented further.
const INDENTED_MAX: usize = 24;

/// Width of the bars' own units.
const WIDTH: f64 = 1_000.0;

/// A trace as it is looked at.
pub(super) struct View {
    /// All rows, whatever is collapsed.
    pub(super) nodes: Vec<Node>,
    /// Places in `nodes` of the rows that are not below something collapsed.
    pub(super) rows: Vec<usize>,
    pub(super) path: Vec<Section>,
    /// Spans whose descendants are hidden.
    closed: HashSet<SpanId>,
    /// First row of the window.
    pub(super) first: usize,
    pub(super) start: u64,
    pub(super) nanos: u64,
}

impl View {
    pub(super) fn of(visit: &Visit, outline: &Outline) -> View {
        let trace = &outline.trace;
        let nodes = tree::of(trace);
        let closed: HashSet<SpanId> =
            visit.get("closed").unwrap_or_default().split(',').filter_map(SpanId::parse).filter(|id| !id.is_none()).collect();
        let depth_max = visit.get("depth").and_then(|depth| depth.parse::<usize>().ok());
        let mut rows = Vec::with_capacity(nodes.len());
        let mut at = 0;
        while at < nodes.len() {
            rows.push(at);
            let is_closed = closed.contains(&trace.spans[nodes[at].span].span_id)
                || depth_max.is_some_and(|depth_max| nodes[at].depth >= depth_max);
            at += 1 + if is_closed { nodes[at].descendants } else { 0 };
        }
        let start = trace.start();
        let nanos = trace.end().saturating_sub(start).max(1);
        let mut view = View { nodes, rows, path: critical_path::of(trace), closed, first: 0, start, nanos };
        let asked = visit.get("at").and_then(|at| at.parse::<usize>().ok());
        let of_span = visit.get("span").and_then(SpanId::parse).and_then(|id| view.row_of(outline, id));
        let first = asked.unwrap_or_else(|| of_span.map_or(0, |row| row.saturating_sub(ROWS / 4)));
        view.first = first.min(view.rows.len().saturating_sub(1));
        view
    }

    fn row_of(&self, outline: &Outline, id: SpanId) -> Option<usize> {
        self.rows.iter().position(|node| outline.ids[self.nodes[*node].span] == id)
    }

    /// The rows of the window.
    fn window(&self) -> &[usize] {
        &self.rows[self.first..(self.first + ROWS).min(self.rows.len())]
    }

    /// Where a moment lies in the bars' units.
    pub(super) fn x(&self, at: u64) -> f64 {
        at.saturating_sub(self.start) as f64 / self.nanos as f64 * WIDTH
    }
}

/// The window's rows.
///
/// # Errors
/// Where the spans cannot be read.
pub(super) async fn show(visit: &Visit, outline: &Outline, view: &View) -> Result<Markup, Fault> {
    let places: Vec<usize> = view.window().iter().map(|node| view.nodes[*node].span).collect();
    let ids: Vec<SpanId> = places.iter().map(|place| outline.ids[*place]).collect();
    let details = outline.details(&traces(visit)?, &ids).await?;
    let mut whole: HashMap<(SpanId, &str), &Span> = HashMap::new();
    for span in &details {
        whole.insert((span.span_id, span.service.as_str()), span);
    }
    let mut sections: HashMap<usize, Vec<Section>> = HashMap::new();
    for section in &view.path {
        sections.entry(section.span).or_default().push(*section);
    }
    let chosen = visit.get("span").and_then(SpanId::parse);
    Ok(html! {
        (pages(visit, view))
        div.ruler aria-hidden="true" {
            span {}
            span.marks { @for part in 0..=4_u64 { span { (format::nanos(view.nanos * part / 4)) } } }
        }
        ol.waterfall {
            @for node in view.window() {
                @let place = view.nodes[*node].span;
                @let span = &outline.trace.spans[place];
                @let own = sections.get(&place).map(Vec::as_slice).unwrap_or_default();
                @let full = whole.get(&(outline.ids[place], span.service.as_str())).copied();
                (row(visit, outline, view, *node, own, full, chosen == Some(outline.ids[place])))
            }
        }
        (pages(visit, view))
        p.note { "Keys: j and k go from span to span, Enter opens, h and l collapse and expand. Marked in a bar: the critical path, on which the end of the trace waited." }
    })
}

fn row(
    visit: &Visit,
    outline: &Outline,
    view: &View,
    node: usize,
    path: &[Section],
    full: Option<&Span>,
    is_open: bool,
) -> Markup {
    let at = &view.nodes[node];
    let span = &outline.trace.spans[at.span];
    let is_closed = view.closed.contains(&span.span_id);
    let id = outline.ids[at.span].to_string();
    let title = format!("{}: {}, {}", span.service, span.name, format::nanos(span.duration()));
    let is_error = span.status == Status::Error;
    html! {
        li id={ "span-" (id) } class=(if is_error { "row error" } else { "row" }) {
            @if at.children > 0 {
                a class={ "fold d" (at.depth.min(INDENTED_MAX)) } href=(folded(visit, view, span.span_id)) data-fold=(if is_closed { "closed" } else { "open" }) {
                    span aria-hidden="true" { (if is_closed { "▸" } else { "▾" }) }
                    span.sr { (if is_closed { "Show" } else { "Hide" }) " what is below " (visible_plain(&span.name)) }
                }
            }
            details open[is_open] {
                summary {
                    span class={ "who d" (at.depth.min(INDENTED_MAX)) } {
                        span class={ "service " (colour(&span.service)) } { (visible(&span.service)) }
                        " " (visible(&span.name))
                        @if is_error { " " span.badge.bad { "error" } }
                        @if !span.warnings.is_empty() { " " span.badge.warn title=(visible_plain(&span.warnings.join("; "))) { "⚠" } }
                        @if at.is_orphan { " " span.badge.warn { "parent missing" } }
                        @if is_closed { " " span.note { "+" (grouped(at.descendants as u64)) } }
                    }
                    span.bar-cell {
                        (bar(view, span, path))
                        span.took { (format::nanos(span.duration())) }
                    }
                    span.sr { (visible_plain(&title)) }
                }
                @match full {
                    Some(full) => (detail::show(visit, span, full, at, view.start)),
                    None => p.note { "The details of this span are not there any more." },
                }
            }
        }
    }
}

fn bar(view: &View, span: &Span, path: &[Section]) -> Markup {
    let from = view.x(span.start);
    let width = (view.x(span.end.max(span.start)) - from).max(2.0);
    html! {
        svg class={ "bar-track " (colour(&span.service)) } viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true" {
            rect.span-bar x=(number(from.min(WIDTH - 2.0))) y="3" width=(number(width)) height="10" {}
            @for section in path {
                @let from = view.x(section.start);
                rect.critical x=(number(from)) y="11" width=(number((view.x(section.end) - from).max(1.0))) height="3" {}
            }
        }
    }
}

/// The address with a span collapsed, or expanded where it is collapsed.
fn folded(visit: &Visit, view: &View, id: SpanId) -> String {
    let mut closed: Vec<String> =
        view.closed.iter().filter(|other| **other != id).map(ToString::to_string).collect();
    if !view.closed.contains(&id) {
        closed.push(id.to_string());
    }
    closed.sort();
    visit.here_with(&[("closed", &closed.join(",")), ("at", &view.first.to_string())])
}

fn pages(visit: &Visit, view: &View) -> Markup {
    let count = view.rows.len();
    if count <= ROWS {
        return html! {};
    }
    let at = |first: usize| visit.here_with(&[("at", &first.to_string()), ("span", "")]);
    html! {
        p.pages {
            @if view.first > 0 { a.button rel="prev" href=(at(view.first.saturating_sub(ROWS))) { "Previous" } }
            span.note { "Rows " (grouped(view.first as u64 + 1)) " to " (grouped((view.first + ROWS).min(count) as u64)) " of " (grouped(count as u64)) }
            @if view.first + ROWS < count { a.button rel="next" href=(at(view.first + ROWS)) { "Next" } }
        }
    }
}

pub(super) fn number(value: f64) -> String {
    format!("{value:.2}")
}
