//! Which names and tags are many, and which grew: what fills a metrics store, seen before it is full.
use super::PATH;
use crate::ask::Fault;
use crate::number::{grouped, span};
use crate::page::Page;
use crate::part::bars::track;
use crate::part::block;
use crate::range::timestamp;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_query::filter::term;

/// Rows of a table.
const ROWS_MAX: usize = 50;
/// What tells series of a name from each other.
const TAGS: &str = "concat(array_to_string(map_keys(tags), ','), '=', array_to_string(map_values(tags), ','))";

pub(super) async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Many names, many tags");
    let length = span((visit.range.end - visit.range.start) as f64 / 1e6);
    page.now(html! {
        p { a href=(visit.link(PATH, &[])) { "← Metrics" } }
        p.note { "A series is a name with its kind and tags. Each costs memory in the listener and rows in the store. Compared with the " (length) " before." }
    });
    page.begin("grid");
    let asking = visit.clone();
    page.later("Names with most series", async move { names(&asking).await });
    page.later("Tags with most values", async move { tags(&visit).await });
    page.end();
    page
}

/// The range, and as much before it.
fn both(visit: &Visit) -> (String, String) {
    let (start, end) = (visit.range.start, visit.range.end);
    let all = format!("timestamp >= {} and timestamp < {}", timestamp(start - (end - start)), timestamp(end));
    (all, timestamp(start))
}

async fn names(visit: &Visit) -> Result<Markup, Fault> {
    let (all, start) = both(visit);
    let sql = format!(
        "select name, kind, count(distinct id) filter (where timestamp >= {start}) as now, \
         count(distinct id) filter (where timestamp < {start}) as before \
         from (select name, kind, timestamp, {TAGS} as id from metrics where {all}) group by name, kind order by now desc, name limit {ROWS_MAX}"
    );
    let rows = visit.ask(&sql).await?;
    let found = rows.iter().map(|row| {
        let name = row[0].text();
        let link = visit.link(PATH, &[("name", &name)]);
        (html! { a href=(link) { (visible(&name)) } " " span.note { (visible(&row[1].text())) } }, numbers(&row[2..]))
    });
    Ok(html! { (block::partial(rows.partial.as_deref())) (table("name", "series", found.collect())) })
}

async fn tags(visit: &Visit) -> Result<Markup, Fault> {
    let (all, start) = both(visit);
    let sql = format!(
        "select entry['key'] as tag, count(distinct entry['value']) filter (where timestamp >= {start}) as now, \
         count(distinct entry['value']) filter (where timestamp < {start}) as before, \
         count(distinct name) filter (where timestamp >= {start}) as names \
         from (select name, timestamp, unnest(map_entries(tags)) as entry from metrics where {all}) group by 1 order by now desc, tag limit {ROWS_MAX}"
    );
    let rows = visit.ask(&sql).await?;
    let found = rows.iter().map(|row| {
        let tag = row[0].text();
        let link = visit.link(PATH, &[("find", &term(&format!("tags.{tag}"), "~", ""))]);
        let names = row[3].number().unwrap_or_default() as u64;
        (html! { a href=(link) { (visible(&tag)) } " " span.note { "in " (grouped(names)) " names" } }, numbers(&row[1..]))
    });
    Ok(html! { (block::partial(rows.partial.as_deref())) (table("tag", "values", found.collect())) })
}

fn numbers(cells: &[crate::cell::Cell]) -> [u64; 2] {
    [0, 1].map(|at| cells.get(at).and_then(crate::cell::Cell::number).unwrap_or_default() as u64)
}

/// How much more there is than before, in words.
fn growth(now: u64, before: u64) -> (String, bool) {
    match (now, before) {
        (now, before) if now == before => ("same".to_owned(), false),
        (_, 0) => ("new".to_owned(), false),
        (now, before) if now > before => (format!("+{}", grouped(now - before)), now >= before.saturating_mul(2)),
        (now, before) => (format!("−{}", grouped(before - now)), false),
    }
}

fn table(head: &str, unit: &str, found: Vec<(Markup, [u64; 2])>) -> Markup {
    let most = found.iter().map(|(_, [now, _])| *now).max().unwrap_or(1).max(1) as f64;
    if found.is_empty() {
        return block::empty("Nothing in this time range.", "");
    }
    html! {
        table.bars {
            thead { tr { th scope="col" { (head) } th.n scope="col" { (unit) } th.n scope="col" { "before" } th.n scope="col" { "change" } } }
            tbody { @for (what, [now, before]) in &found { tr {
                @let (words, is_much) = growth(*now, *before);
                th scope="row" { (what) (track(*now as f64 / most)) }
                td.n { (grouped(*now)) }
                td.n { (grouped(*before)) }
                td.n { @if is_much { strong { "! " (words) } } @else { (words) } }
            } } }
        }
        @if found.len() == ROWS_MAX { p.note { "The first " (ROWS_MAX) "." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_said_in_words() {
        assert_eq!(growth(5, 5), ("same".to_owned(), false));
        assert_eq!(growth(5, 0), ("new".to_owned(), false));
        assert_eq!(growth(2_000, 900), ("+1,100".to_owned(), true));
        assert_eq!(growth(6, 5), ("+1".to_owned(), false));
        assert_eq!(growth(1, 5), ("−4".to_owned(), false));
    }
}
