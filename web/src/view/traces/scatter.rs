//! Durations over time: a dot for each result, on a logarithmic scale, each of them a link.
use super::format;
use crate::number::readable;
use crate::text::visible_plain;
use crate::visit::Visit;
use maud::{Markup, html};

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 160.0;
/// Room for the labels at the left, and at the edges.
const LEFT: f64 = 64.0;
const EDGE: f64 = 8.0;

/// One result.
pub(super) struct Dot {
    /// Nanoseconds since 1970.
    pub(super) at: u64,
    pub(super) nanos: u64,
    pub(super) is_error: bool,
    pub(super) title: String,
    pub(super) link: String,
}

/// The plot; nothing for fewer than two.
pub(super) fn of(visit: &Visit, dots: Vec<Dot>) -> Markup {
    if dots.len() < 2 {
        return html! {};
    }
    let times = dots.iter().map(|dot| dot.at);
    let (first, last) = (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default());
    let width = last.saturating_sub(first).max(1) as f64;
    let log = |nanos: u64| (nanos.max(1) as f64).log10();
    let sizes = dots.iter().map(|dot| log(dot.nanos));
    let low = sizes.clone().fold(f64::MAX, f64::min).floor();
    let high = sizes.fold(0.0_f64, f64::max).ceil().max(low + 1.0);
    let x = |at: u64| LEFT + at.saturating_sub(first) as f64 / width * (WIDTH - LEFT - EDGE);
    let y = |size: f64| HEIGHT - EDGE - (size - low) / (high - low) * (HEIGHT - 2.0 * EDGE);
    let lines = (low as i32..=high as i32).map(|power| (10_u64.saturating_pow(power.unsigned_abs()), y(f64::from(power))));
    let _ = visit;
    html! {
        figure.scatter {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="group" aria-label="Duration of each result over time" {
                @for (nanos, at) in lines {
                    line.grid-line x1=(LEFT) x2=(WIDTH - EDGE) y1=(number(at)) y2=(number(at)) {}
                    text x=(LEFT - 8.0) y=(number(at + 4.0)) text-anchor="end" { (format::nanos(nanos)) }
                }
                @for dot in &dots {
                    a href=(dot.link) {
                        circle class=(if dot.is_error { "dot error" } else { "dot" }) cx=(number(x(dot.at))) cy=(number(y(log(dot.nanos)))) r="4.5" {
                            title { (visible_plain(&dot.title)) ", " (format::nanos(dot.nanos)) ", " (readable((dot.at / 1_000).cast_signed())) }
                        }
                    }
                }
            }
            figcaption.note { span { (readable((first / 1_000).cast_signed())) } span { "Duration over time; errors are filled" } span { (readable((last / 1_000).cast_signed())) } }
        }
    }
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}
