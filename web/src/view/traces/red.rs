//! Rate, errors and durations: a row for each service, or for each operation of one, and their course.
use super::{colour, format, tabs};
use crate::ask::Fault;
use crate::number::{grouped, short};
use crate::page::Page;
use crate::part::block;
use crate::part::pivot::{Missing, Pivot};
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};

/// Points of the charts.
const BUCKETS: i64 = 60;

/// Rows that are listed.
const ROWS_MAX: usize = 300;

/// Kinds that count as served; all where the address says so.
const SERVED: &str = "kind in ('server', 'consumer')";

pub(super) async fn show(visit: Visit) -> Page {
    let service = visit.get("service").map(str::to_owned);
    let title = service.as_ref().map_or_else(|| "Services".to_owned(), |service| format!("Service {service}"));
    let mut page = visit.page(title);
    page.now(tabs(&visit));
    let asking = visit.clone();
    page.later(if service.is_some() { "Operations" } else { "Services" }, async move { table(&asking).await });
    page.begin("grid three");
    for (title, value, unit) in [
        ("Rate", "count(*) / :seconds", "/s"),
        ("Errors", "sum(case when status = 'error' then 100.0 else 0.0 end) / count(*)", "%"),
        ("95th percentile of durations", "approx_percentile_cont(cast(duration_nanos as double), 0.95) / 1e6", "ms"),
    ] {
        let asking = visit.clone();
        page.later(title, async move { course(&asking, title, value, unit).await });
    }
    page.end();
    page
}

fn condition(visit: &Visit) -> String {
    let mut conditions = vec![visit.range.condition("timestamp")];
    if visit.get("kinds") != Some("all") {
        conditions.push(SERVED.to_owned());
    }
    if let Some(service) = visit.get("service") {
        conditions.push(format!("service = '{}'", service.replace('\'', "''")));
    }
    conditions.join(" and ")
}

async fn table(visit: &Visit) -> Result<Markup, Fault> {
    let column = if visit.get("service").is_some() { "name" } else { "service" };
    let rows = visit
        .ask(&format!(
            "select {column} as what, count(*) as calls, sum(case when status = 'error' then 1 else 0 end) as errors, \
               approx_percentile_cont(cast(duration_nanos as double), 0.5) as p50, \
               approx_percentile_cont(cast(duration_nanos as double), 0.95) as p95, \
               approx_percentile_cont(cast(duration_nanos as double), 0.99) as p99, \
               sum(1.0 / sampling_probability) as scaled, count(sampling_probability) as sampled \
             from spans where {} group by 1 order by calls desc limit {ROWS_MAX}",
            condition(visit)
        ))
        .await?;
    let is_all = visit.get("kinds") == Some("all");
    let switch = html! {
        p.note {
            @if is_all { "All spans count. " a href=(visit.here_with(&[("kinds", "")])) { "Only what was served" } }
            @else { "Spans of servers and consumers count. " a href=(visit.here_with(&[("kinds", "all")])) { "All spans" } }
            @if visit.get("service").is_some() { " · " a href=(visit.link("/traces/services", &[])) { "All services" } }
        }
    };
    if rows.is_empty() {
        return Ok(html! { (switch) (block::empty("No spans in this time range.", "")) });
    }
    let seconds = ((visit.range.end - visit.range.start) as f64 / 1e6).max(1.0);
    let number = |cell: &crate::cell::Cell| cell.number().unwrap_or_default().max(0.0) as u64;
    Ok(html! {
        (block::partial(rows.partial.as_deref()))
        (switch)
        div.scroll tabindex="0" role="region" aria-label="Rate, errors, durations" { table.data {
            thead { tr { th scope="col" { (if column == "name" { "operation" } else { "service" }) } th.n scope="col" { "spans" } th.n scope="col" { "/s" } th.n scope="col" { "errors" } th.n scope="col" { "median" } th.n scope="col" { "95 %" } th.n scope="col" { "99 %" } th.n scope="col" title="Scaled by the probability with which traces were sampled, where spans tell it" { "before sampling" } th scope="col" {} } }
            tbody { @for row in rows.iter() {
                @let name = row[0].text();
                @let (calls, errors) = (number(&row[1]), number(&row[2]));
                tr {
                    th scope="row" {
                        @if column == "service" { a href=(visit.link("/traces/services", &[("service", &name)])) { span class={ "service " (colour(&name)) } { (visible(&name)) } } }
                        @else { (visible(&name)) }
                    }
                    td.n { (grouped(calls)) }
                    td.n { (short(calls as f64 / seconds)) }
                    td.n { @if errors > 0 { span.badge.bad { (format::percent(errors, calls)) } } @else { "0 %" } }
                    td.n { (format::nanos(number(&row[3]))) }
                    td.n { (format::nanos(number(&row[4]))) }
                    td.n { (format::nanos(number(&row[5]))) }
                    td.n { @if number(&row[7]) == calls { (grouped(number(&row[6]))) } @else { span.null { "not told" } } }
                    td { a href=(traces_of(visit, column, &name)) { "traces" } }
                }
            } }
        } }
    })
}

fn traces_of(visit: &Visit, column: &str, name: &str) -> String {
    let service = visit.get("service").unwrap_or_default();
    match column {
        "name" => visit.link("/traces", &[("service", service), ("operation", name), ("sort", "longest")]),
        _ => visit.link("/traces", &[("service", name), ("sort", "longest")]),
    }
}

async fn course(visit: &Visit, title: &str, value: &str, unit: &str) -> Result<Markup, Fault> {
    let bucket = visit.range.bucket_seconds(BUCKETS);
    let column = if visit.get("service").is_some() { "name" } else { "service" };
    let value = value.replace(":seconds", &format!("{bucket}.0"));
    let condition = condition(visit);
    let sql = format!(
        "select time_bucket(interval '{bucket} seconds', timestamp) as at, {column} as what, {value} as value from spans \
         where {condition} and {column} in (select {column} from spans where {condition} group by 1 order by count(*) desc limit 8) \
         group by 1, 2"
    );
    let rows = visit.ask(&sql).await?;
    let missing = if unit == "ms" { Missing::Gap } else { Missing::Zero };
    let pivot = Pivot { time: "at", name: Some("what"), values: vec!["value"], bucket_seconds: bucket, missing };
    let mut chart = pivot.chart(&rows, &visit.range)?;
    chart.caption = format!("{title} by {column}");
    chart.unit = unit.to_owned();
    Ok(chart.show())
}
