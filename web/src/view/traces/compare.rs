//! What sets a selection apart: each attribute and its value, ranked by how much more often the selected spans have it than
//! the rest.
use super::{format, search, tabs};
use crate::ask::Fault;
use crate::number::grouped;
use crate::page::Page;
use crate::part::bars::track;
use crate::part::block;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};

/// Spans of each side that are looked at.
const SPANS_MAX: usize = 20_000;

/// Values that are listed.
const LISTED_MAX: usize = 60;

pub(super) async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Compare");
    page.now(tabs(&visit));
    page.now(form(&visit));
    let asking = visit.clone();
    page.later("What is different", async move { differences(&asking).await });
    page
}

fn form(visit: &Visit) -> Markup {
    let value = |name: &str| visit.get(name).unwrap_or_default().to_owned();
    html! {
        section.card { form.find-traces method="get" action="/traces/compare" {
            @for (key, value) in &visit.parameters {
                @if matches!(key.as_str(), "from" | "to" | "zone") { input type="hidden" name=(key) value=(value); }
            }
            label.wide { "Among these spans (all where nothing is written)" input name="base" value=(value("base")) spellcheck="false" placeholder="service=shop"; }
            label.wide { "compare these with the rest" input name="filter" value=(value("filter")) spellcheck="false" placeholder="status=error or duration_nanos>1000000000"; }
            div.actions { button.primary type="submit" { "Compare" } }
        } }
    }
}

async fn differences(visit: &Visit) -> Result<Markup, Fault> {
    let base = visit.get("base").map(|text| search::filter(text, "among")).transpose()?;
    let Some(selected) = visit.get("filter") else {
        return Ok(block::empty("Choose spans to compare with the rest.", "For example: status=error"));
    };
    let selected = search::filter(selected, "filter")?.to_sql();
    let base = base.map_or_else(|| "true".to_owned(), |base| format!("({})", base.to_sql()));
    let within = visit.range.condition("timestamp");
    let side = |is: &str, condition: &str| {
        format!(
            "select {is} as is_selected, attributes, resource_attributes, service, name from spans \
             where {within} and {base} and {condition} limit {SPANS_MAX}"
        )
    };
    let rows = visit
        .ask(&format!(
            "with s as (select * from ({one}) union all select * from ({two})), \
             sizes as (select sum(is_selected) as selected, sum(1 - is_selected) as rest from s), \
             pairs as (select is_selected, 'service' as key, service as value from s \
               union all select is_selected, 'name', name from s \
               union all select is_selected, e['key'], e['value'] from (select is_selected, unnest(map_entries(attributes)) as e from s) \
               union all select is_selected, e['key'], e['value'] from (select is_selected, unnest(map_entries(resource_attributes)) as e from s)) \
             select key, value, sum(is_selected) as a, sum(1 - is_selected) as b, max(selected) as all_a, max(rest) as all_b \
             from pairs cross join sizes group by key, value \
             order by abs(sum(is_selected) / greatest(cast(max(selected) as double), 1.0) - sum(1 - is_selected) / greatest(cast(max(rest) as double), 1.0)) desc, key, value \
             limit {LISTED_MAX}",
            one = side("1", &format!("({selected})")),
            two = side("0", &format!("not coalesce(({selected}), false)")),
        ))
        .await?;
    if rows.is_empty() {
        return Ok(block::empty("No spans in this time range.", ""));
    }
    let number = |cell: &crate::cell::Cell| cell.number().unwrap_or_default().max(0.0) as u64;
    let sizes = rows.iter().next().map(|row| (number(&row[4]), number(&row[5]))).unwrap_or_default();
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    Ok(html! {
        p.note { (grouped(sizes.0)) " selected spans, " (grouped(sizes.1)) " others; at most " (grouped(SPANS_MAX as u64)) " of each." }
        div.scroll tabindex="0" role="region" aria-label="Differences" { table.data.compare {
            thead { tr { th scope="col" { "attribute" } th scope="col" { "value" } th.n scope="col" { "selected" } th.n scope="col" { "the rest" } th scope="col" {} } }
            tbody { @for row in rows.iter() {
                @let (a, b) = (number(&row[2]), number(&row[3]));
                @let (key, value) = (row[0].text(), row[1].text());
                tr {
                    th scope="row" { (visible(&key)) }
                    td { (crate::text::cell(&value)) }
                    td.n { (format::percent(a, sizes.0)) (track(share(a, sizes.0))) }
                    td.n { (format::percent(b, sizes.1)) (track(share(b, sizes.1))) }
                    td { a href=(visit.link("/traces", &[("results", "spans"), ("filter", &term(&key, &value))])) { "spans" } }
                }
            } }
        } }
    })
}

fn term(key: &str, value: &str) -> String {
    match key {
        "service" | "name" => metlog_query::filter::term(key, "=", value),
        key => {
            let own = metlog_query::filter::term(&format!("attributes.{key}"), "=", value);
            let resource = metlog_query::filter::term(&format!("resource_attributes.{key}"), "=", value);
            format!("{own} or {resource}")
        }
    }
}
