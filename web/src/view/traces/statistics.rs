//! Times by any attribute: how many spans, in sum, on their own, on average, at least and at most.
use super::format;
use crate::ask::Fault;
use crate::number::grouped;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_query::trace::find::Outline;
use metlog_query::trace::{SpanId, tree};
use std::collections::HashMap;

/// Groups that are listed.
const GROUPS_MAX: usize = 500;

#[derive(Default)]
struct Group {
    count: u64,
    errors: u64,
    sum: u64,
    own: u64,
    least: Option<u64>,
    most: u64,
}

pub(super) async fn show(visit: &Visit, outline: &Outline) -> Result<Markup, Fault> {
    let by = visit.get("by").unwrap_or("service");
    let values = match by {
        "service" | "name" | "kind" | "status" => HashMap::new(),
        key => attribute(visit, outline, key).await?,
    };
    let mut groups: HashMap<String, Group> = HashMap::new();
    for node in tree::of(&outline.trace) {
        let span = &outline.trace.spans[node.span];
        let key = match by {
            "service" => span.service.clone(),
            "name" => format!("{}: {}", span.service, span.name),
            "kind" => span.kind.word().to_owned(),
            "status" => span.status.word().to_owned(),
            _ => values.get(&outline.ids[node.span]).cloned().unwrap_or_default(),
        };
        let group = groups.entry(key).or_default();
        let took = span.duration();
        group.count += 1;
        group.errors += u64::from(span.status.word() == "error");
        group.sum += took;
        group.own += node.self_nanos;
        group.least = Some(group.least.map_or(took, |least| least.min(took)));
        group.most = group.most.max(took);
    }
    let mut groups: Vec<(String, Group)> = groups.into_iter().collect();
    groups.sort_by(|(a, x), (b, y)| y.own.cmp(&x.own).then_with(|| a.cmp(b)));
    let total: u64 = groups.iter().map(|(_, group)| group.own).sum();
    Ok(html! {
        form.inline method="get" action=(visit.path) {
            @for (key, value) in &visit.parameters { @if key != "by" { input type="hidden" name=(key) value=(value); } }
            label { "Group by" input name="by" value=(by) list="groups" spellcheck="false"; }
            datalist #groups { @for name in ["service", "name", "kind", "status", "http.route", "http.method", "db.system", "host.name"] { option value=(name) {} } }
            button type="submit" { "Show" }
        }
        div.scroll tabindex="0" role="region" aria-label="Statistics" { table.data {
            thead { tr { th scope="col" { (visible(by)) } th.n scope="col" { "spans" } th.n scope="col" { "errors" } th.n scope="col" { "total" } th.n scope="col" { "self" } th.n scope="col" { "self, share" } th.n scope="col" { "average" } th.n scope="col" { "least" } th.n scope="col" { "most" } } }
            tbody { @for (name, group) in groups.iter().take(GROUPS_MAX) { tr {
                th scope="row" { @if name.is_empty() { span.null { "not given" } } @else { (visible(name)) } }
                td.n { (grouped(group.count)) }
                td.n { (grouped(group.errors)) }
                td.n { (format::nanos(group.sum)) }
                td.n { (format::nanos(group.own)) }
                td class={ "n h" (heat(group.own, total)) } { (format::percent(group.own, total)) }
                td.n { (format::nanos(group.sum / group.count.max(1))) }
                td.n { (format::nanos(group.least.unwrap_or_default())) }
                td.n { (format::nanos(group.most)) }
            } } }
        } }
    })
}

fn heat(part: u64, of: u64) -> u64 {
    (u128::from(part) * 9 / u128::from(of.max(1))) as u64
}

/// The value of an attribute of each span, or of its resource.
async fn attribute(visit: &Visit, outline: &Outline, key: &str) -> Result<HashMap<SpanId, String>, Fault> {
    let key = key.replace('\'', "''");
    let rows = visit
        .ask(&format!(
            "select span_id, coalesce(attributes['{key}'], resource_attributes['{key}']) as value from spans \
             where trace_id = '{}' and coalesce(attributes['{key}'], resource_attributes['{key}']) is not null",
            outline.trace.id
        ))
        .await?;
    let mut values = HashMap::new();
    for row in rows.iter() {
        if let Some(id) = SpanId::parse(&row[0].text()) {
            values.insert(id, row[1].text());
        }
    }
    Ok(values)
}
