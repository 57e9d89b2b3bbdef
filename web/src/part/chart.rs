//! A chart of series over time. The server draws it as it stands, with its numbers as a table below it; a script puts
//! one in its place that can be measured, and dragged on to choose a time range.
use crate::cell::time;
use crate::number::short;
use crate::text::visible;
use maud::{Markup, html};
use serde_json::json;

/// Series of one chart; more are left out, and said.
pub const SERIES_MAX: usize = 20;

/// Rows of a chart's table; it shows the last ones.
const TABLE_ROWS_MAX: usize = 200;

/// Size of the server's drawing in its own units.
const SIZE: (f64, f64) = (800.0, 200.0);

/// How values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// A line that leaves gaps where there is no value.
    #[default]
    Line,
    /// Bars, series above each other.
    Stack,
}

/// One series: a value or none for each time of its chart.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// For each time.
    pub values: Vec<Option<f64>>,
}

/// A chart.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// What it shows, for those who do not see it.
    pub caption: String,
    /// What the values are: `ms`. May be empty.
    pub unit: String,
    /// How it is drawn.
    pub shape: Shape,
    /// Times in order, µs since 1970 UTC.
    pub times: Vec<i64>,
    /// Its series.
    pub series: Vec<Series>,
    /// The range that it shows, µs; that of its times where there is none.
    pub range: Option<(i64, i64)>,
}

impl Chart {
    /// The chart and its table.
    pub fn show(&self) -> Markup {
        let shown = &self.series[..self.series.len().min(SERIES_MAX)];
        if self.times.is_empty() || shown.is_empty() {
            return crate::part::block::empty("Nothing in this time range.", "");
        }
        let names: Vec<&str> = shown.iter().map(|series| series.name.as_str()).collect();
        let values: Vec<&[Option<f64>]> = shown.iter().map(|series| series.values.as_slice()).collect();
        let seconds = |micros: i64| micros as f64 / 1e6;
        let data = json!({
            "times": self.times.iter().map(|at| seconds(*at)).collect::<Vec<_>>(),
            "names": names,
            "values": values,
            "unit": self.unit,
            "stack": self.shape == Shape::Stack,
            "range": self.range.map(|(start, end)| [seconds(start), seconds(end)]),
        });
        html! {
            figure.chart data-chart=(data.to_string()) {
                figcaption.sr { (visible(&self.caption)) }
                div.plot { (self.drawn(shown)) }
                ul.legend { @for (at, series) in shown.iter().enumerate() {
                    li class=(format!("s{}", at % 8)) { (visible(&series.name)) }
                } }
                @if self.series.len() > SERIES_MAX {
                    p.banner.warn { "Showing " (SERIES_MAX) " of " (self.series.len()) " series." }
                }
                (self.table(shown))
            }
        }
    }

    fn table(&self, shown: &[Series]) -> Markup {
        let first = self.times.len().saturating_sub(TABLE_ROWS_MAX);
        html! {
            details.numbers {
                summary { "Numbers" }
                div.scroll tabindex="0" role="region" aria-label=(self.caption) {
                    table.data {
                        caption.sr { (visible(&self.caption)) }
                        thead { tr {
                            th scope="col" { "time" }
                            @for series in shown { th.n scope="col" { (visible(&series.name)) } }
                        } }
                        tbody { @for (at, micros) in self.times.iter().enumerate().skip(first).rev() { tr {
                            th.t scope="row" { (time(*micros)) }
                            @for series in shown { td.n {
                                @match series.values.get(at).copied().flatten() {
                                    Some(value) => { (value) }
                                    None => { span.null { "–" } }
                                }
                            } }
                        } } }
                    }
                }
                @if first > 0 { p.note { "The last " (TABLE_ROWS_MAX) " times." } }
            }
        }
    }

    /// Without a script: lines in the same place, of the same size.
    fn drawn(&self, shown: &[Series]) -> Markup {
        let (first, last) = (self.times.first().copied().unwrap_or(0), self.times.last().copied().unwrap_or(0));
        let (start, end) = self.range.unwrap_or((first, last));
        let width = (end - start).max(1) as f64;
        let all = shown.iter().flat_map(|series| series.values.iter().flatten().copied());
        let most = all.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let x = |at: i64| (at - start) as f64 / width * SIZE.0;
        let y = |value: f64| if most > 0.0 { SIZE.1 - value / most * (SIZE.1 - 8.0) } else { SIZE.1 };
        let points = |series: &Series| {
            let values = self.times.iter().zip(&series.values).filter_map(|(at, value)| Some((*at, (*value)?)));
            values.map(|(at, value)| format!("{:.1},{:.1}", x(at), y(value))).collect::<Vec<_>>().join(" ")
        };
        html! {
            svg.drawn viewBox=(format!("0 0 {} {}", SIZE.0, SIZE.1)) preserveAspectRatio="none" role="img" aria-label=(format!("{}, at most {} {}", self.caption, short(most), self.unit)) {
                @for (at, series) in shown.iter().enumerate() {
                    polyline class=(format!("line s{}", at % 8)) points=(points(series)) {}
                }
            }
        }
    }
}
