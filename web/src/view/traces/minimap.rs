//! The whole trace in small: some of its rows as lines, and the window that is looked at.
use super::colour;
use super::waterfall::{ROWS, View, number};
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_query::trace::find::Outline;

/// Lines at most.
const LINES_MAX: usize = 240;
const HEIGHT: f64 = 72.0;

/// Parts that lead to their window.
const PARTS: usize = 20;

pub(super) fn show(visit: &Visit, outline: &Outline, view: &View) -> Markup {
    let count = view.rows.len();
    if count < 4 {
        return html! {};
    }
    let lines = count.min(LINES_MAX);
    let step = HEIGHT / lines as f64;
    let y = |row: usize| row as f64 / count as f64 * HEIGHT;
    let parts = if count > ROWS { PARTS.min(count / ROWS + 1) } else { 0 };
    html! {
        svg.minimap viewBox=(format!("0 0 1000 {HEIGHT}")) preserveAspectRatio="none" role="group" aria-label="The whole trace" data-nanos=(view.nanos) {
            @for line in 0..lines {
                @let row = line * count / lines;
                @let span = &outline.trace.spans[view.nodes[view.rows[row]].span];
                @let from = view.x(span.start);
                rect class={ "span-bar " (colour(&span.service)) } x=(number(from.min(998.0))) y=(number(line as f64 * step)) width=(number((view.x(span.end) - from).max(2.0))) height=(number((step * 0.8).max(0.4))) {}
            }
            @for part in 0..parts {
                @let first = part * count / parts;
                a href=(visit.here_with(&[("at", &first.to_string()), ("span", "")])) {
                    rect.jump x="0" y=(number(y(first))) width="1000" height=(number(HEIGHT / parts as f64)) { title { "From row " (first + 1) } }
                }
            }
            @if view.is_zoomed() {
                @let (from, to) = (view.x(view.start + view.zoom.0), view.x(view.start + view.zoom.1));
                rect.zoomed x=(number(from)) y="0" width=(number((to - from).max(2.0))) height=(HEIGHT) {}
            }
            @if count > ROWS { rect.window x="0" y=(number(y(view.first))) width="1000" height=(number((ROWS as f64 / count as f64 * HEIGHT).max(2.0))) {} }
        }
    }
}
