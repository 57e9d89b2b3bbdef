//! Columns and fields with their most frequent values: click one to filter by it, or it out.
//!
//! Three queries beside each other: columns are counted exactly, tokens too, fields of a sample of the newest messages, since
//! a field may have as many values as there are messages.
use crate::part::search::Search;
use super::rows::toggled;
use crate::ask::{Fault, Rows};
use crate::number::grouped;
use crate::page::Page;
use crate::part::bars::track;
use crate::part::block;
use crate::text::{visible, visible_plain};
use crate::visit::Visit;
use futures::join;
use maud::{Markup, html};
use metlog_schemas::wire::Severity;
use std::collections::HashMap;

/// Values of a column that are listed.
const VALUES_MAX: usize = 8;
/// Fields that are listed.
const FIELDS_MAX: usize = 30;
/// The newest messages, whose fields are counted.
const SAMPLE: u64 = 10_000;
/// Combinations of columns, and values of fields, that a query gives.
const GROUPS_MAX: usize = 5_000;
/// Characters of a value that are shown.
const VALUE_CHARACTERS_MAX: usize = 60;
const COLUMNS: [&str; 4] = ["type", "logger", "severity", "hostname"];

pub(super) fn part(page: &mut Page, visit: &Visit, search: &Search) {
    let (asking, searching) = (visit.clone(), search.clone());
    page.later("Fields", async move {
        let (columns, tokens, fields) = join!(columns(&asking, &searching), tokens(&asking, &searching), fields(&asking, &searching));
        Ok(html! { @for part in [columns, tokens, fields] { (part.unwrap_or_else(|fault| block::fault(&fault))) } })
    });
}

async fn columns(visit: &Visit, search: &Search) -> Result<Markup, Fault> {
    let list = COLUMNS.join(", ");
    let sql = format!(
        "select {list}, count(*) as n from messages where {} group by {list} order by n desc limit {GROUPS_MAX}",
        search.condition(visit)
    );
    let rows = visit.ask(&sql).await?;
    let is_cut = rows.len() == GROUPS_MAX;
    let each = COLUMNS.iter().enumerate().map(|(at, column)| (*column, counted(&rows, at, COLUMNS.len())));
    let each: Vec<_> = each.collect();
    Ok(html! {
        @if is_cut { p.note { "There are very many combinations: counts are of the most frequent " (grouped(GROUPS_MAX as u64)) "." } }
        @for (column, values) in &each { (list_of(visit, search, column, values, values.len())) }
    })
}

/// The values of one column with their counts, the most frequent first.
fn counted(rows: &Rows, column: usize, count: usize) -> Vec<(String, u64)> {
    let mut sums: HashMap<String, u64> = HashMap::new();
    for row in rows.iter() {
        *sums.entry(row[column].text()).or_default() += row[count].number().unwrap_or_default() as u64;
    }
    let mut values: Vec<_> = sums.into_iter().collect();
    values.sort_by(|(one, n), (two, m)| m.cmp(n).then_with(|| one.cmp(two)));
    values
}

async fn tokens(visit: &Visit, search: &Search) -> Result<Markup, Fault> {
    let sql = format!(
        "select token, count(*) as n from (select unnest(tokens) as token from messages where {}) \
         group by token order by n desc, token limit {GROUPS_MAX}",
        search.condition(visit)
    );
    let rows = visit.ask(&sql).await?;
    let values = counted(&rows, 0, 1);
    Ok(if values.is_empty() { html! {} } else { list_of(visit, search, "token", &values, values.len()) })
}

async fn fields(visit: &Visit, search: &Search) -> Result<Markup, Fault> {
    let sql = format!(
        "select entry['key'] as k, entry['value'] as v, count(*) as n from (select unnest(map_entries(fields)) as entry from \
         (select fields from messages where {} order by timestamp desc limit {SAMPLE})) group by 1, 2 order by n desc limit {GROUPS_MAX}",
        search.condition(visit)
    );
    let rows = visit.ask(&sql).await?;
    let mut of_key: HashMap<String, Vec<(String, u64)>> = HashMap::new();
    for row in rows.iter() {
        let count = row[2].number().unwrap_or_default() as u64;
        of_key.entry(row[0].text()).or_default().push((row[1].text(), count));
    }
    let mut keys: Vec<_> = of_key.into_iter().collect();
    let sum = |values: &[(String, u64)]| values.iter().map(|(_, n)| n).sum::<u64>();
    keys.sort_by(|(one, values), (two, others)| sum(others).cmp(&sum(values)).then_with(|| one.cmp(two)));
    let count = keys.len();
    Ok(html! {
        @if count > 0 { p.note.apart { "Fields of the newest " (grouped(SAMPLE)) " messages:" } }
        @for (key, values) in keys.iter().take(FIELDS_MAX) {
            (list_of(visit, search, &format!("fields.{key}"), values, values.len()))
        }
        @if count > FIELDS_MAX { p.note { (count - FIELDS_MAX) " more fields" } }
    })
}

/// One column: open where it has few values, closed where it has many.
fn list_of(visit: &Visit, search: &Search, column: &str, values: &[(String, u64)], distinct: usize) -> Markup {
    let most = values.first().map_or(1, |(_, n)| *n).max(1) as f64;
    let shown = column.strip_prefix("fields.").unwrap_or(column);
    let listed = if column == "token" { "tokens" } else { column };
    html! {
        details.facet open[!column.starts_with("fields.")] {
            summary { span.name { (visible(shown)) } span.note { (grouped(distinct as u64)) } }
            a.column href=(visit.here_with(&[("columns", &toggled(visit, listed)), ("skip", "")])) { "column" }
            ul { @for (value, count) in values.iter().take(VALUES_MAX) { li {
                a.in href=(search.with(visit, column, "=", value)) title=(format!("Only {}", visible_plain(&label(column, value)))) {
                    span.value { (value_of(column, value)) } span.count { (grouped(*count)) } (track(*count as f64 / most))
                }
                a.out href=(search.with(visit, column, "!=", value)) title=(format!("Without {}", visible_plain(&label(column, value)))) { "−" span.sr { " Without " (visible_plain(&label(column, value))) } }
            } } }
            @if values.len() > VALUES_MAX { p.note { (grouped((values.len() - VALUES_MAX) as u64)) " more values" } }
        }
    }
}

fn label(column: &str, value: &str) -> String {
    match Severity::find(value).filter(|_| column == "severity") {
        Some(severity) => format!("{} {}", severity.number(), severity.name()),
        None => value.to_owned(),
    }
}

fn value_of(column: &str, value: &str) -> Markup {
    let label = label(column, value);
    if label.is_empty() {
        return html! { span.null { "(empty)" } };
    }
    let cut: String = label.chars().take(VALUE_CHARACTERS_MAX).collect();
    html! { (visible(&cut)) @if cut.len() < label.len() { "…" } }
}
