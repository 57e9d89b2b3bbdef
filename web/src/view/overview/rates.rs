//! What comes in: by table, by type, by logger.
use crate::ask::Fault;
use crate::cell::time;
use crate::number::{grouped, short};
use crate::page::Page;
use crate::part::bars::track;
use crate::part::block;
use crate::part::chart::Shape;
use crate::part::pivot::{Missing, Pivot};
use crate::part::spark::spark;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_query::filter::term;
use metlog_schemas::table::Table;
use std::collections::BTreeMap;

/// Buckets of the large chart, and of the small lines.
const BUCKETS: i64 = 90;
const SPARK_BUCKETS: i64 = 30;

/// Types, and loggers, that are listed.
const LISTED_MAX: usize = 12;

/// The cards of this part.
pub(super) fn cards(page: &mut Page, visit: &Visit) {
    let asking = visit.clone();
    page.later("Messages over time", async move { over_time(&asking).await });
    page.begin("grid");
    for (title, column) in [("By type", "type"), ("By logger", "logger")] {
        let asking = visit.clone();
        page.later(title, async move { by(&asking, column).await });
    }
    page.end();
}

/// The card of tables.
pub(super) fn tables(page: &mut Page, visit: &Visit) {
    let asking = visit.clone();
    page.later("By table", async move { by_table(&asking).await });
}

async fn over_time(visit: &Visit) -> Result<Markup, Fault> {
    let bucket = visit.range.bucket_seconds(BUCKETS);
    let sql = format!(
        "select time_bucket(interval '{bucket} seconds', timestamp) as at, type, count(*) as messages from messages where {} group by 1, 2",
        visit.range.condition("timestamp")
    );
    let rows = visit.ask(&sql).await?;
    let pivot = Pivot {
        time: "at",
        name: Some("type"),
        values: vec!["messages"],
        bucket_seconds: bucket,
        missing: Missing::Zero,
    };
    let mut chart = pivot.chart(&rows, &visit.range)?;
    chart.caption = format!("Messages by type in each {}", crate::number::span(bucket as f64));
    chart.shape = Shape::Stack;
    Ok(html! { (block::partial(rows.partial.as_deref())) (chart.show()) })
}

/// Counts of one column's values, each with its course.
async fn by(visit: &Visit, column: &'static str) -> Result<Markup, Fault> {
    let bucket = visit.range.bucket_seconds(SPARK_BUCKETS);
    let sql = format!(
        "select {column} as what, time_bucket(interval '{bucket} seconds', timestamp) as at, count(*) as messages from messages where {} group by 1, 2",
        visit.range.condition("timestamp")
    );
    let rows = visit.ask(&sql).await?;
    let mut found: BTreeMap<String, (f64, BTreeMap<i64, f64>)> = BTreeMap::new();
    for row in rows.iter() {
        let (Some(at), Some(count)) = (row[1].time(), row[2].number()) else { continue };
        let (sum, course) = found.entry(row[0].text()).or_default();
        *sum += count;
        course.insert(at, count);
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by(|(_, (a, _)), (_, (b, _))| b.total_cmp(a));
    let total = found.len();
    let most = found.first().map_or(1.0, |(_, (sum, _))| *sum);
    let seconds = ((visit.range.end - visit.range.start) as f64 / 1e6).max(1.0);
    if found.is_empty() {
        return Ok(block::empty("No messages in this time range.", ""));
    }
    Ok(html! {
        table.bars {
            thead { tr { th scope="col" { (column) } th.n scope="col" { "messages" } th.n scope="col" { "/s" } th.course scope="col" { "course" } } }
            tbody { @for (name, (sum, course)) in found.into_iter().take(LISTED_MAX) { tr {
                th scope="row" { a href=(visit.link("/messages", &[("filter", &term(column, "=", &name))])) { (visible(if name.is_empty() { "(empty)" } else { &name })) } (track(sum / most)) }
                td.n { (grouped(sum as u64)) }
                td.n { (short(sum / seconds)) }
                td.course { (spark(&every_bucket(&course, visit, bucket), &format!("{name} over time"))) }
            } } }
        }
        @if total > LISTED_MAX { p.note { (total - LISTED_MAX) " more" } }
    })
}

fn every_bucket(course: &BTreeMap<i64, f64>, visit: &Visit, bucket_seconds: i64) -> Vec<f64> {
    let bucket = bucket_seconds * 1_000_000;
    let Some(first) = course.keys().next() else { return Vec::new() };
    let start = first - (first - visit.range.start).div_euclid(bucket) * bucket;
    (0..)
        .map(|at| start + at * bucket)
        .take_while(|at| *at < visit.range.end)
        .map(|at| course.get(&at).copied().unwrap_or(0.0))
        .collect()
}

async fn by_table(visit: &Visit) -> Result<Markup, Fault> {
    let counted = |table: &Table| {
        let definition = table.definition();
        format!(
            "select '{name}' as what, count(*) as n, max({time}) as newest from {name} where {range}",
            name = table.name(),
            time = definition.time,
            range = visit.range.condition(definition.time)
        )
    };
    let tables = Table::ALL.into_iter().filter(|table| visit.rights.sees_table(*table));
    let sql = tables.map(|table| counted(&table)).collect::<Vec<_>>().join(" union all ");
    let rows = visit.ask(&format!("select * from ({sql}) order by n desc")).await?;
    let seconds = ((visit.range.end - visit.range.start) as f64 / 1e6).max(1.0);
    Ok(html! {
        table.bars {
            thead { tr { th scope="col" { "table" } th.n scope="col" { "rows" } th.n scope="col" { "/s" } th scope="col" { "newest" } } }
            tbody { @for row in rows.iter() { tr {
                @let name = row[0].text();
                th scope="row" { a href=(visit.link("/explore", &[("sql", &format!("select * from {name} order by {} desc limit 100", time_of(&name)))])) { (name) } }
                td.n { (grouped(row[1].number().unwrap_or_default() as u64)) }
                td.n { (short(row[1].number().unwrap_or_default() / seconds)) }
                // To the second: it is a matter of whether anything comes.
                td.t { @match row[2].time() { Some(at) => { (time(at - at.rem_euclid(1_000_000))) } None => { span.null { "none" } } } }
            } } }
        }
    })
}

fn time_of(table: &str) -> &'static str {
    Table::from_name(table).map_or("timestamp", |table| table.definition().time)
}
