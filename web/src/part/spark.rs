//! A small line in a row or a tile, with what it shows in words.
use maud::{Markup, html};

/// Width and height of the drawing's own units.
const SIZE: (f64, f64) = (120.0, 24.0);

/// A line of values at equal distances; `title` says what it shows.
pub fn spark(values: &[f64], title: &str) -> Markup {
    let most = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let step = SIZE.0 / values.len().saturating_sub(1).max(1) as f64;
    let y = |value: f64| SIZE.1 - 1.5 - if most > 0.0 { value.max(0.0) / most * (SIZE.1 - 3.0) } else { 0.0 };
    let points: Vec<String> = values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
        .map(|(at, value)| format!("{:.1},{:.1}", at as f64 * step, y(*value)))
        .collect();
    let area =
        format!("0,{h} {} {:.1},{h}", points.join(" "), values.len().saturating_sub(1) as f64 * step, h = SIZE.1);
    html! {
        svg.spark viewBox=(format!("0 0 {} {}", SIZE.0, SIZE.1)) preserveAspectRatio="none" role="img" aria-label=(title) {
            @if points.len() > 1 {
                polygon.under points=(area) {}
                polyline.line points=(points.join(" ")) {}
            }
        }
    }
}
