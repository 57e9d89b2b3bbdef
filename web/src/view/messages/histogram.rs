//! How many messages over time, by type or severity. Dragging on it chooses a range.
use crate::part::search::Search;
use crate::ask::{Fault, Rows};
use crate::number::grouped;
use crate::page::Page;
use crate::part::block;
use crate::part::chart::{Chart, Series, Shape};
use crate::part::pivot::{Missing, Pivot};
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_schemas::wire::Severity;

const BUCKETS: i64 = 90;
/// Series that are shown by themselves; all others are one.
const SERIES_MAX: usize = 7;

pub(super) fn part(page: &mut Page, visit: &Visit, search: &Search) {
    let by = if visit.get("by") == Some("severity") { "severity" } else { "type" };
    let choice = html! {
        span.switch { @for other in ["type", "severity"] {
            a href=(visit.here_with(&[("by", other)])) aria-current=[(other == by).then_some("true")] { "by " (other) }
        } }
    };
    let (asking, condition) = (visit.clone(), search.condition(visit));
    page.card("Over time", choice, async move { over_time(&asking, &condition, by).await });
}

async fn over_time(visit: &Visit, condition: &str, by: &'static str) -> Result<Markup, Fault> {
    let bucket = visit.range.bucket_seconds(BUCKETS);
    let sql = format!(
        "select time_bucket(interval '{bucket} seconds', timestamp) as at, {by}, count(*) as messages from messages \
         where {condition} group by 1, 2"
    );
    let rows = visit.ask(&sql).await?;
    let total: f64 = rows.iter().filter_map(|row| row[2].number()).sum();
    let chart = chart(visit, &rows, bucket, by)?;
    Ok(html! {
        (block::partial(rows.partial.as_deref()))
        @if total > 0.0 {
            p.note { strong { (grouped(total as u64)) } " messages, in each " (crate::number::span(bucket as f64)) ". Drag to choose a range." }
        }
        (chart.show())
    })
}

fn chart(visit: &Visit, rows: &Rows, bucket: i64, by: &'static str) -> Result<Chart, Fault> {
    let pivot =
        Pivot { time: "at", name: Some(by), values: vec!["messages"], bucket_seconds: bucket, missing: Missing::Zero };
    let mut chart = pivot.chart(rows, &visit.range)?;
    match by {
        "severity" => {
            // The worst first.
            chart.series.sort_by(|one, two| one.name.cmp(&two.name));
            for series in &mut chart.series {
                let severity = Severity::find(&series.name);
                series.name = severity.map_or_else(|| series.name.clone(), |found| format!("{} {}", found.number(), found.name()));
            }
        }
        _ => chart.series = summed_up(std::mem::take(&mut chart.series)),
    }
    chart.caption = format!("Messages by {by} in each {}", crate::number::span(bucket as f64));
    chart.shape = Shape::Stack;
    Ok(chart)
}

/// The largest by themselves, and all others as one.
fn summed_up(mut series: Vec<Series>) -> Vec<Series> {
    if series.len() <= SERIES_MAX + 1 {
        return series;
    }
    let others = series.split_off(SERIES_MAX);
    let times = others.first().map_or(0, |series| series.values.len());
    let sum = |at: usize| others.iter().filter_map(|series| series.values.get(at).copied().flatten()).sum();
    series.push(Series { name: format!("{} others", others.len()), values: (0..times).map(|at| Some(sum(at))).collect() });
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rare_is_one_series() {
        let series = (0..20).map(|n| Series { name: n.to_string(), values: vec![Some(1.0), Some(f64::from(n))] });
        let shown = summed_up(series.collect());
        assert_eq!((shown.len(), shown[7].name.as_str()), (8, "13 others"));
        assert_eq!(shown[7].values, [Some(13.0), Some((7..20).map(f64::from).sum())]);
    }
}
