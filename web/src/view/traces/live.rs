//! Spans as they arrive: the newest, loaded again and again.
use super::{colour, format, tabs};
use crate::ask::Fault;
use crate::cell::time;
use crate::page::Page;
use crate::part::block;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};

/// Seconds until it is loaded again.
const SECONDS: u32 = 2;

const SPANS: usize = 100;

/// How far back is looked, by the time of receipt; spans may have begun long before.
const BACK_MICROS: i64 = 600_000_000;
const BEGUN_MICROS: i64 = 86_400_000_000;

pub(super) async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Live spans");
    page.refresh(SECONDS);
    page.now(tabs(&visit));
    page.now(html! {
        section.card { form.inline method="get" action="/traces/live" {
            label { "Filter" input name="filter" value=(visit.get("filter").unwrap_or_default()) spellcheck="false" placeholder="status=error"; }
            button type="submit" { "Show" }
        } }
    });
    let asking = visit.clone();
    page.later("As they arrive", async move { rows(&asking).await });
    page
}

async fn rows(visit: &Visit) -> Result<Markup, Fault> {
    let filter = visit.get("filter").map(|text| super::search::filter(text, "filter")).transpose()?;
    let filter = filter.map_or_else(|| "true".to_owned(), |filter| format!("({})", filter.to_sql()));
    let at = |back: i64| crate::range::timestamp(visit.now - back);
    let rows = visit
        .ask(&format!(
            "select received_at, service, name, kind, duration_nanos, status, trace_id, span_id from spans \
             where received_at >= {} and timestamp >= {} and {filter} order by received_at desc, start_unix_nanos desc limit {SPANS}",
            at(BACK_MICROS),
            at(BEGUN_MICROS)
        ))
        .await?;
    if rows.is_empty() {
        return Ok(block::empty("No spans in the last ten minutes.", "They are shown here as they arrive."));
    }
    Ok(html! { div.scroll tabindex="0" role="region" aria-label="Spans" { table.data {
        thead { tr { th scope="col" { "received" } th scope="col" { "service" } th scope="col" { "operation" } th scope="col" { "kind" } th.n scope="col" { "duration" } th scope="col" { "status" } } }
        tbody { @for row in rows.iter() {
            @let link = visit.link(&format!("/traces/{}", row[6].text()), &[("span", &row[7].text())]);
            tr {
                td.t { @match row[0].time() { Some(at) => (time(at)), None => {} } }
                td { span class={ "service " (colour(&row[1].text())) } { (visible(&row[1].text())) } }
                td { a href=(link) { (visible(&row[2].text())) } }
                td { (row[3].text()) }
                td.n { (format::nanos(row[4].number().unwrap_or_default().max(0.0) as u64)) }
                td { @if row[5].text() == "error" { span.badge.bad { "error" } } @else { (row[5].text()) } }
            }
        } }
    } } })
}
