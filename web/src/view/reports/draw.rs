//! A report's result as the chart that its file asks for.
use super::file::{Chart, ChartKind, Report};
use crate::ask::{Fault, Rows};
use crate::number::short;
use crate::part::bars::{Bar, bars};
use crate::part::chart::Shape;
use crate::part::heat::heat;
use crate::part::pivot::{Missing, Pivot};
use crate::part::suggest::suggest;
use crate::text::visible;
use crate::visit::Visit;
use maud::Markup;
use std::collections::BTreeMap;

/// Bars, and rows and columns of a heat map, that are drawn.
const BARS_MAX: usize = 25;
const HEAT_MAX: usize = 50;

/// The chart, if there is one.
///
/// # Errors
/// Where the file names a column that the result has not.
pub(super) fn chart(report: &Report, rows: &Rows, visit: &Visit) -> Result<Option<Markup>, Fault> {
    let Some(chart) = &report.chart else { return Ok(suggest(rows, &visit.range)) };
    match chart.kind {
        ChartKind::None => Ok(None),
        ChartKind::Line | ChartKind::Columns => over_time(report, chart, rows, visit).map(Some),
        ChartKind::Bars => barred(chart, rows).map(Some),
        ChartKind::Heat => grid(report, chart, rows).map(Some),
    }
}

fn over_time(report: &Report, chart: &Chart, rows: &Rows, visit: &Visit) -> Result<Markup, Fault> {
    let is_stack = chart.kind == ChartKind::Columns;
    let pivot = Pivot {
        time: &chart.time,
        name: chart.name.as_deref(),
        values: chart.values.iter().map(String::as_str).collect(),
        bucket_seconds: 0,
        missing: if is_stack { Missing::Zero } else { Missing::Gap },
    };
    let mut drawn = pivot.chart(rows, &visit.range)?;
    drawn.caption = report.title.clone();
    drawn.unit = chart.unit.clone();
    drawn.shape = if is_stack { Shape::Stack } else { Shape::Line };
    // A bucket may begin before the range does.
    let first = drawn.times.first().copied().unwrap_or(visit.range.start);
    drawn.range = Some((visit.range.start.min(first), visit.range.end));
    Ok(drawn.show())
}

fn column(rows: &Rows, name: &str) -> Result<usize, Fault> {
    rows.column(name).ok_or_else(|| Fault::new(format!("[chart] names the column `{name}`, which the result has not")))
}

fn barred(chart: &Chart, rows: &Rows) -> Result<Markup, Fault> {
    let name = chart.name.as_deref().unwrap_or_default();
    let value = chart.values.first().map(String::as_str).unwrap_or_default();
    let (name_at, value_at) = (column(rows, name)?, column(rows, value)?);
    let unit = if chart.unit.is_empty() { String::new() } else { format!(" {}", chart.unit) };
    let drawn: Vec<Bar> = rows
        .iter()
        .take(BARS_MAX)
        .filter_map(|row| {
            let number = row[value_at].number()?;
            let name = row[name_at].text();
            let label = visible(if name.is_empty() { "(empty)" } else { &name });
            Some(Bar { label, value: number.max(0.0), shown: format!("{}{unit}", short(number)) })
        })
        .collect();
    Ok(bars([name, value], &drawn))
}

fn grid(report: &Report, chart: &Chart, rows: &Rows) -> Result<Markup, Fault> {
    let value = chart.values.first().map(String::as_str).unwrap_or_default();
    let (row_at, column_at, value_at) = (column(rows, &chart.rows)?, column(rows, &chart.columns)?, column(rows, value)?);
    let mut found: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    let mut columns: Vec<String> = Vec::new();
    for row in rows.iter() {
        let name = row[column_at].text();
        if !columns.contains(&name) && columns.len() < HEAT_MAX {
            columns.push(name.clone());
        }
        if let Some(number) = row[value_at].number() {
            found.entry(row[row_at].text()).or_default().insert(name, number);
        }
    }
    // Numbers in their order, and names in theirs.
    columns.sort_by(|a, b| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    });
    let cells = |values: &BTreeMap<String, f64>| columns.iter().map(|column| values.get(column).copied()).collect();
    let rows: Vec<(Markup, Vec<Option<f64>>)> =
        found.iter().take(HEAT_MAX).map(|(name, values)| (visible(name), cells(values))).collect();
    Ok(heat(&report.title, &columns, &rows))
}
