//! The timeline of verdicts: the shipped report, each thing from its first to its last window.
use crate::alert::Rule;
use crate::ask::Fault;
use crate::cell::time;
use crate::number::rounded;
use crate::parameter::{Value, fill, of_range};
use crate::part::bars::track;
use crate::part::block;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// The report, which is the rule of alerts as well: there is one definition of a verdict.
const REPORT: &str = include_str!("../../../reports/mesh-verdicts.toml");

/// Windows for each length of the time range, in seconds.
const WINDOWS: [(i64, i64); 3] = [(2 * 3_600, 60), (24 * 3_600, 600), (i64::MAX, 3_600)];

/// What is to blame, over all windows that say so.
#[derive(Debug, Default)]
struct Blamed {
    first: i64,
    last: i64,
    windows: usize,
    confidence: f64,
    lost: f64,
    sent: f64,
    evidence: String,
}

/// All verdicts of the time range; of those about pairs and nodes only those about these two, if there are any.
pub(super) async fn part(visit: &Visit, pair: Option<(&str, &str)>) -> Result<Markup, Fault> {
    let seconds = (visit.range.end - visit.range.start) / 1_000_000;
    let window = WINDOWS.into_iter().find(|(most, _)| seconds <= *most).map_or(60, |(_, window)| window);
    let rows = visit.ask(&sql(visit, window)?).await?;
    let mut blamed: BTreeMap<(String, String, String), Blamed> = BTreeMap::new();
    for row in rows.iter() {
        let [at, verdict, level, subject, confidence, sent, lost, _, evidence] = row.as_slice() else { continue };
        let (subject, level) = (subject.text(), level.text());
        if pair.is_some_and(|(source, target)| !concerns(&level, &subject, source, target)) {
            continue;
        }
        let at = at.time().unwrap_or_default();
        let known = blamed.entry((verdict.text(), level, subject)).or_default();
        known.first = if known.windows == 0 { at } else { known.first.min(at) };
        if known.windows == 0 || at >= known.last {
            known.last = at;
            known.evidence = evidence.text().trim_matches(['[', ']']).to_owned();
        }
        known.windows += 1;
        known.confidence = known.confidence.max(confidence.number().unwrap_or_default());
        known.lost += lost.number().unwrap_or_default();
        known.sent += sent.number().unwrap_or_default();
    }
    let report = visit.link_with_range("/reports/mesh-verdicts", &[]);
    if blamed.is_empty() {
        return Ok(html! {
            (block::empty("Nothing is to blame in the closed windows of this time range.", "A window is closed 30 seconds after its end."))
            p.note { "By the SQL of the report " a href=(report) { "Verdicts of the mesh" } "." }
        });
    }
    let mut blamed: Vec<_> = blamed.into_iter().collect();
    blamed.sort_by(|(_, a), (_, b)| b.last.cmp(&a.last).then(b.confidence.total_cmp(&a.confidence)));
    Ok(html! {
        (block::partial(rows.partial.as_deref()))
        div.scroll tabindex="0" role="region" aria-label="Verdicts" { table.data {
            caption.sr { "What was to blame, from its first to its last window" }
            thead { tr {
                th scope="col" { "from" } th scope="col" { "to" } th scope="col" { "verdict" } th scope="col" { "subject" }
                th.n scope="col" { "confidence" } th.n scope="col" { "lost, %" } th scope="col" { "evidence" }
            } }
            tbody { @for ((verdict, level, subject), found) in &blamed { tr {
                td.t { (time(found.first)) (course(visit, found, window)) }
                td.t { (time(found.last + window * 1_000_000)) }
                td { span.badge.bad[verdict != "host"].warn[verdict == "host"] { (visible(&verdict.replace('_', " "))) } }
                td { (visible(level)) " " strong { (visible(subject)) } }
                td.n { (rounded(found.confidence)) }
                td.n { (rounded(100.0 * found.lost / found.sent.max(1.0))) }
                td { (visible(&found.evidence)) }
            } } }
        } }
        p.note { "By the SQL of the report " a href=(report) { "Verdicts of the mesh" } ", in windows of " (window) " seconds." }
    })
}

/// How much of the time range it lasted.
fn course(visit: &Visit, found: &Blamed, window: i64) -> Markup {
    track(found.windows as f64 * (window * 1_000_000) as f64 / ((visit.range.end - visit.range.start) as f64).max(1.0))
}

fn concerns(level: &str, subject: &str, source: &str, target: &str) -> bool {
    match level {
        "node" => subject == source || subject == target,
        "pair" => {
            let ends: Vec<&str> = subject.split(" -> ").flat_map(|part| part.split(" - ")).collect();
            ends.contains(&source) && ends.contains(&target)
        }
        _ => true,
    }
}

fn sql(visit: &Visit, window: i64) -> Result<String, Fault> {
    let broken = || Fault::new("the shipped report of verdicts is no rule");
    let rule = Rule::read("mesh-verdicts", REPORT).map_err(|error| Fault::new(error.message))?.ok_or_else(broken)?;
    let mut values = of_range(&visit.range);
    values.push(("window".to_owned(), Value::Seconds(window)));
    values.extend(rule.parameters.into_iter().filter(|(name, _)| name != "window"));
    Ok(fill(&rule.sql, &values).sql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_the_verdicts_about_it_and_about_what_it_is_part_of() {
        assert!(concerns("pair", "b -> a", "a", "b") && concerns("pair", "a - b", "a", "b") && concerns("rack", "x", "a", "b"));
        assert!(!concerns("pair", "a - c", "a", "b") && !concerns("node", "c", "a", "b") && concerns("node", "b", "a", "b"));
    }
}
