//! Horizontal bars by category, as a table: the number stands beside each bar.
use maud::{Markup, html};

/// One category.
#[derive(Debug, Clone)]
pub struct Bar {
    /// What it is.
    pub label: Markup,
    /// Its size.
    pub value: f64,
    /// Its size in words.
    pub shown: String,
}

/// A table of bars. `heads` are the titles of its columns.
pub fn bars(heads: [&str; 2], bars: &[Bar]) -> Markup {
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    html! {
        table.bars {
            thead { tr { th scope="col" { (heads[0]) } th.n scope="col" { (heads[1]) } th aria-hidden="true" {} } }
            tbody {
                @for bar in bars {
                    tr {
                        th scope="row" { (bar.label) }
                        td.n { (bar.shown) }
                        td.track aria-hidden="true" { (track(share(bar.value, most))) }
                    }
                }
            }
        }
    }
}

fn share(value: f64, most: f64) -> f64 {
    if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 }
}

/// A bar of a share of its width.
pub fn track(share: f64) -> Markup {
    html! {
        svg.track viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.fill x="0" y="0" width=(format!("{:.2}", share * 100.0)) height="8" {}
        }
    }
}
