//! The chart of the chosen names: one for each unit, since milliseconds and counts do not share an axis.
use super::choice::{By, Choice};
use super::statistic::Statistic;
use crate::ask::{Fault, Rows};
use crate::number::{short, span};
use crate::page::Page;
use crate::part::block;
use crate::part::chart::{Chart, Series};
use crate::part::pivot::{Missing, Pivot};
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Names that are drawn where none is chosen.
const FIRST_NAMES: usize = 3;
/// Tags that are offered.
const TAGS_MAX: usize = 50;
/// Rows of one chart that are read: a line for each series and bucket.
const ROWS_MAX: usize = 100_000;

pub(super) fn part(page: &mut Page, visit: &Visit, choice: &Choice) {
    let (asking, choosing) = (visit.clone(), choice.clone());
    page.later("Chart", async move { charts(&asking, choosing).await });
}

async fn charts(visit: &Visit, mut choice: Choice) -> Result<Markup, Fault> {
    let is_first = choice.names.is_empty();
    let kinds = kinds(visit, &choice).await?;
    if is_first {
        choice.names = kinds.values().flatten().take(FIRST_NAMES).cloned().collect();
    }
    if kinds.values().all(Vec::is_empty) {
        return Ok(html! { (choice.form(visit, &[])) (block::empty("Nothing to draw.", "Choose names from the list.")) });
    }
    let tags = tags(visit, &choice).await.unwrap_or_default();
    let mut shown = Vec::new();
    for (kind, names) in &kinds {
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| choice.names.iter().any(|other| other == name)).collect();
        let statistics = if choice.statistics.is_empty() { Statistic::usual(kind) } else { choice.statistics.clone() };
        if !names.is_empty() {
            // Another kind's fault is no reason not to show this one.
            shown.push(drawn(visit, &choice, kind, &names, &statistics).await.unwrap_or_else(|fault| block::fault(&fault)));
        }
    }
    Ok(html! {
        (choice.form(visit, &tags))
        @if is_first { p.note { "The names with most rows. Choose others from the list." } }
        @for chart in shown { (chart) }
    })
}

/// The names by their kind: those that are chosen, or else those with most rows.
async fn kinds(visit: &Visit, choice: &Choice) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    let wanted = match choice.names.as_slice() {
        [] => choice.found(visit),
        names => format!("{} and name in ({})", visit.range.condition("timestamp"), list(names.iter().map(String::as_str))),
    };
    let limit = if choice.names.is_empty() { FIRST_NAMES } else { 4 * choice.names.len() };
    let sql = format!("select kind, name from metrics where {wanted} group by kind, name order by count(*) desc, name limit {limit}");
    let rows = visit.ask(&sql).await?;
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    rows.iter().for_each(|row| kinds.entry(row[0].text()).or_default().push(row[1].text()));
    Ok(kinds)
}

async fn tags(visit: &Visit, choice: &Choice) -> Result<Vec<String>, Fault> {
    let sql = format!(
        "select distinct unnest(map_keys(tags)) as tag from metrics where {} and name in ({}) order by tag limit {TAGS_MAX}",
        visit.range.condition("timestamp"),
        list(choice.names.iter().map(String::as_str))
    );
    Ok(visit.ask(&sql).await?.iter().map(|row| row[0].text()).collect())
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(literal).collect::<Vec<_>>().join(", ")
}

/// What is asked for the names of a kind. A window counts for the bucket that its last moment is in.
fn sql(visit: &Visit, choice: &Choice, kind: &str, names: &[&str], statistics: &[Statistic]) -> String {
    let name = match &choice.by {
        By::Nothing => "name".to_owned(),
        By::Host => "concat(name, ' ', hostname)".to_owned(),
        By::Tag(tag) => format!("concat(name, ' ', coalesce(tags[{}], '(none)'))", literal(tag)),
    };
    let values = statistics.iter().map(|statistic| format!("{} as \"{}\"", statistic.sql(), statistic.name()));
    format!(
        "select time_bucket(interval '{} seconds', timestamp - interval '1 microsecond') as at, {name} as series, {} from metrics \
         where {} and kind = {} and name in ({}) group by 1, 2 order by 1 limit {ROWS_MAX}",
        choice.every,
        values.collect::<Vec<_>>().join(", "),
        choice.found(visit),
        literal(kind),
        list(names.iter().copied())
    )
}

async fn drawn(visit: &Visit, choice: &Choice, kind: &str, names: &[&str], statistics: &[Statistic]) -> Result<Markup, Fault> {
    let sql = sql(visit, choice, kind, names, statistics);
    let rows = visit.ask(&sql).await?;
    let mut chart = chart(visit, choice, &rows, statistics)?;
    chart.unit = unit(kind, statistics).to_owned();
    chart.caption = format!("{} of {kind} {}, each {}", titles(statistics), names.join(", "), span(choice.every as f64));
    Ok(html! {
        section.drawn-series {
            h3 { (visible(&titles(statistics))) " of " (kind) "s, in each " (span(choice.every as f64)) }
            (block::partial(rows.partial.as_deref()))
            @if rows.len() == ROWS_MAX { (block::truncated(ROWS_MAX, None)) }
            (chart.show())
            (ends(&chart))
            details.sql { summary { "SQL" } pre tabindex="0" { code { (visible(&sql)) } } p { a href=(visit.link("/explore", &[("sql", &sql)])) { "Open in Explore" } } }
        }
    })
}

fn titles(statistics: &[Statistic]) -> String {
    statistics.iter().map(Statistic::name).collect::<Vec<_>>().join(", ")
}

fn unit(kind: &str, statistics: &[Statistic]) -> &'static str {
    let is_rate = |statistic: &Statistic| *statistic == Statistic::Rate;
    match kind {
        _ if statistics.iter().all(is_rate) => "/s",
        "timer" if !statistics.iter().any(|statistic| is_rate(statistic) || *statistic == Statistic::Count) => "ms",
        _ => "",
    }
}

fn chart(visit: &Visit, choice: &Choice, rows: &Rows, statistics: &[Statistic]) -> Result<Chart, Fault> {
    let values: Vec<String> = statistics.iter().map(Statistic::name).collect();
    let missing = if choice.is_filled { Missing::Zero } else { Missing::Gap };
    let pivot = Pivot {
        time: "at",
        name: Some("series"),
        values: values.iter().map(String::as_str).collect(),
        bucket_seconds: choice.every,
        missing,
    };
    let mut chart = pivot.chart(rows, &visit.range)?;
    let every = choice.every * 1_000_000;
    // The first bucket may begin long before the range.
    let first = chart.times.first().copied().unwrap_or(visit.range.start);
    chart.range = Some((visit.range.start.min(first), visit.range.end));
    // The last bucket is not over: what it counts is less than it will be.
    let open = chart.times.partition_point(|at| at + every <= visit.range.end.min(visit.now));
    for series in &mut chart.series {
        let is_rate = match statistics {
            [one] => *one == Statistic::Rate,
            _ => series.name.ends_with(" rate"),
        };
        let is_count = is_rate || series.name.ends_with(" count") || matches!(statistics, [Statistic::Count]);
        for (at, value) in series.values.iter_mut().enumerate() {
            if is_count && at >= open {
                *value = None;
            } else if is_rate {
                *value = value.map(|count| count / seconds_of(chart.times[at], every, visit));
            }
        }
    }
    Ok(chart)
}

/// The part of a bucket that lies in the range, in seconds: the first one begins before it.
fn seconds_of(start: i64, every: i64, visit: &Visit) -> f64 {
    let (from, to) = (start.max(visit.range.start), (start + every).min(visit.range.end));
    (to - from).max(1) as f64 / 1e6
}

/// Last, smallest and largest of each series, as numbers.
fn ends(chart: &Chart) -> Markup {
    let of = |series: &Series| {
        let values: Vec<f64> = series.values.iter().flatten().copied().filter(|value| value.is_finite()).collect();
        let last = values.last().copied()?;
        let fold = |with: fn(f64, f64) -> f64| values.iter().copied().reduce(with);
        Some([last, fold(f64::min)?, fold(f64::max)?, values.iter().sum::<f64>() / values.len() as f64])
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Series" {
            table.data.ends {
                thead { tr { th scope="col" { "series" } @for head in ["last", "min", "max", "mean"] { th.n scope="col" { (head) } } } }
                tbody { @for (at, series) in chart.series.iter().take(crate::part::chart::SERIES_MAX).enumerate() { tr {
                    th scope="row" class=(format!("s{}", at % 8)) { i.swatch {} (visible(&series.name)) }
                    @match of(series) {
                        Some(numbers) => { @for number in numbers { td.n { (short(number)) " " (chart.unit) } } }
                        None => { td.n colspan="4" { span.null { "no value" } } }
                    }
                } } }
            }
        }
    }
}
