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

/// Parts of the ruler.
const QUARTERS: u128 = 4;

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
    /// The time that bars show, from and to in nanoseconds since the start; all of it where it is not zoomed in.
    pub(super) zoom: (u64, u64),
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
        let zoom = visit.get("zoom").and_then(|zoom| zoomed(zoom, nanos)).unwrap_or((0, nanos));
        let mut view = View { nodes, rows, path: critical_path::of(trace), closed, first: 0, start, nanos, zoom };
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

    /// Where a moment lies in the whole trace, in the bars' units.
    pub(super) fn x(&self, at: u64) -> f64 {
        at.saturating_sub(self.start) as f64 / self.nanos as f64 * WIDTH
    }

    /// Likewise in the time that is zoomed into: outside of it below zero or beyond the width.
    fn x_zoomed(&self, at: u64) -> f64 {
        let (from, to) = self.zoom;
        (at.saturating_sub(self.start) as f64 - from as f64) / (to - from) as f64 * WIDTH
    }

    pub(super) fn is_zoomed(&self) -> bool {
        self.zoom != (0, self.nanos)
    }
}

/// `FROM-TO` in nanoseconds since the trace's start, where it is a time within it.
fn zoomed(text: &str, nanos: u64) -> Option<(u64, u64)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (from.parse().ok()?, to.parse::<u64>().ok()?.min(nanos));
    (from < to).then_some((from, to))
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
        (ruler(visit, view))
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
        p.note { "Keys: j and k go from span to span, Enter opens, h and l collapse and expand. To zoom in, drag along the small picture of the trace, or follow a time above the bars. Marked in a bar: the critical path, on which the end of the trace waited." }
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

/// Times along the bars; each leads into the quarter behind it.
fn ruler(visit: &Visit, view: &View) -> Markup {
    let (from, to) = view.zoom;
    let at = |part: u64| from + (u128::from(to - from) * u128::from(part) / QUARTERS).min(u128::from(u64::MAX)) as u64;
    let into = |part: u64| visit.here_with(&[("zoom", &format!("{}-{}", at(part), at(part + 1)))]);
    html! {
        div.ruler {
            span { @if view.is_zoomed() { a.button href=(visit.here_with(&[("zoom", "")])) { "Show the whole time" } } }
            span.marks {
                @for part in 0..QUARTERS as u64 {
                    @if at(part) < at(part + 1) {
                        a href=(into(part)) title="Zoom in from here" { (format::nanos(at(part))) span.sr { " to " (format::nanos(at(part + 1))) ": zoom in" } }
                    } @else { span { (format::nanos(at(part))) } }
                }
                span { (format::nanos(to)) }
            }
        }
    }
}

/// A bar as far as it lies in the time that is shown: first and last place in the bars' units.
fn clipped(view: &View, start: u64, end: u64, least: f64) -> Option<(f64, f64)> {
    let (from, to) = (view.x_zoomed(start), view.x_zoomed(end.max(start)));
    if to < 0.0 || from > WIDTH {
        return None;
    }
    let from = from.clamp(0.0, WIDTH - least);
    Some((from, (to.min(WIDTH) - from).max(least)))
}

fn bar(view: &View, span: &Span, path: &[Section]) -> Markup {
    html! {
        svg class={ "bar-track " (colour(&span.service)) } viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true" {
            @if let Some((from, width)) = clipped(view, span.start, span.end, 2.0) {
                rect.span-bar x=(number(from)) y="3" width=(number(width)) height="10" {}
            }
            @for (from, width) in path.iter().filter_map(|section| clipped(view, section.start, section.end, 1.0)) {
                rect.critical x=(number(from)) y="11" width=(number(width)) height="3" {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zoom_is_a_time_within_the_trace() {
        assert_eq!(zoomed("10-20", 100), Some((10, 20)));
        assert_eq!(zoomed("10-200", 100), Some((10, 100)));
        for wrong in ["", "10", "20-10", "10-10", "a-b", "-5-10", "100-200", "10-20-30"] {
            assert_eq!(zoomed(wrong, 100), None, "{wrong}");
        }
    }

    #[test]
    fn bars_end_where_the_zoom_does() {
        let view = View {
            nodes: Vec::new(),
            rows: Vec::new(),
            path: Vec::new(),
            closed: HashSet::new(),
            first: 0,
            start: 1_000,
            nanos: 100,
            zoom: (20, 40),
        };
        assert!(view.is_zoomed());
        assert_eq!(clipped(&view, 1_000, 1_100, 2.0), Some((0.0, WIDTH)));
        assert_eq!(clipped(&view, 1_030, 1_035, 2.0), Some((500.0, 250.0)));
        assert_eq!(clipped(&view, 1_040, 1_040, 2.0), Some((WIDTH - 2.0, 2.0)));
        assert_eq!(clipped(&view, 1_000, 1_019, 2.0), None);
        assert_eq!(clipped(&view, 1_041, 1_100, 2.0), None);
    }
}
