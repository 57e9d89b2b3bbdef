//! The flame graph: each span a box below its parent, as wide as it took; what is chosen fills the width.
use super::waterfall::{View, number};
use super::{colour, format};
use crate::number::grouped;
use crate::text::visible_plain;
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_query::trace::SpanId;
use metlog_query::trace::find::Outline;

/// Boxes narrower than this, in thousandths of the width, are left out.
const NARROW: f64 = 0.4;
const BOXES_MAX: usize = 4_000;
const HEIGHT: f64 = 20.0;
/// Deeper boxes are left out.
const DEPTH_MAX: usize = 60;
/// Width of a letter, about.
const LETTER: f64 = 7.0;

pub(super) fn show(visit: &Visit, outline: &Outline, view: &View) -> Markup {
    let spans = &outline.trace.spans;
    let focus = visit.get("focus").and_then(SpanId::parse);
    let focused = focus.and_then(|id| view.nodes.iter().position(|node| outline.ids[node.span] == id));
    let (start, end, above, nodes) = match focused {
        Some(at) => {
            let (span, node) = (&spans[view.nodes[at].span], &view.nodes[at]);
            (span.start, span.end.max(span.start + 1), node.depth, &view.nodes[at..=at + node.descendants])
        }
        None => (view.start, view.start + view.nanos, 0, &view.nodes[..]),
    };
    let x = |at: u64| at.clamp(start, end).saturating_sub(start) as f64 / (end - start).max(1) as f64 * 1_000.0;
    let boxes = nodes.iter().filter_map(|node| {
        let span = &spans[node.span];
        let (from, to) = (x(span.start), x(span.end.max(span.start)));
        let depth = node.depth.saturating_sub(above);
        (to - from >= NARROW && depth < DEPTH_MAX).then_some((node, span, from, to - from, depth))
    });
    let boxes: Vec<_> = boxes.take(BOXES_MAX).collect();
    let depth = boxes.iter().map(|(.., depth)| depth + 1).max().unwrap_or(1);
    html! {
        p.note {
            @if focused.is_some() { a.button href=(visit.here_with(&[("focus", "")])) { "Show the whole trace" } " " }
            "Choose a box to fill the width with it. " (grouped(boxes.len() as u64)) " of " (grouped(nodes.len() as u64)) " spans are wide enough to be drawn."
        }
        svg.flame viewBox=(format!("0 0 1000 {}", depth as f64 * HEIGHT)) role="group" aria-label="Flame graph" {
            @for (node, span, from, width, depth) in &boxes {
                @let y = *depth as f64 * HEIGHT;
                a href=(visit.here_with(&[("focus", &outline.ids[node.span].to_string())])) {
                    rect class={ "box " (colour(&span.service)) } x=(number(*from)) y=(number(y)) width=(number((width - 0.6).max(0.3))) height=(HEIGHT - 1.0) {
                        title { (visible_plain(&span.service)) ": " (visible_plain(&span.name)) ", " (format::nanos(span.duration())) ", self " (format::nanos(node.self_nanos)) }
                    }
                    @if *width > 4.0 * LETTER {
                        text x=(number(from + 4.0)) y=(number(y + 14.0)) { (cut(&span.name, (width / LETTER) as usize)) }
                    }
                }
            }
        }
    }
}

fn cut(text: &str, letters: usize) -> String {
    let text = visible_plain(text);
    if text.chars().count() <= letters {
        return text;
    }
    text.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}
