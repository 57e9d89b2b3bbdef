//! The names of series, as a tree along their dots, or as a list where they are few or searched for.
use super::choice::{Choice, NAMES_MAX};
use crate::ask::Fault;
use crate::number::grouped;
use crate::page::Page;
use crate::part::block;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Names that are read.
const NAMES_READ_MAX: usize = 20_000;
/// As many names are a list, more are a tree.
const LIST_MAX: usize = 40;
/// Entries that are shown.
const SHOWN_MAX: usize = 300;

pub(super) fn part(page: &mut Page, visit: &Visit, choice: &Choice) {
    let (asking, choosing) = (visit.clone(), choice.clone());
    page.later("Names", async move { names(&asking, &choosing).await });
}

/// What lies below a place of the tree: branches with the number of names in them, and names with their kind.
#[derive(Debug, Default, PartialEq, Eq)]
struct Level {
    branches: BTreeMap<String, usize>,
    leaves: Vec<(String, String)>,
}

fn level(names: &[(String, String)], under: &str, is_list: bool) -> Level {
    let mut level = Level::default();
    for (name, kind) in names {
        let Some(rest) = name.strip_prefix(under) else { continue };
        match rest.split_once('.').filter(|_| !is_list) {
            Some((branch, _)) => *level.branches.entry(branch.to_owned()).or_default() += 1,
            None => level.leaves.push((name.clone(), kind.clone())),
        }
    }
    level
}

async fn names(visit: &Visit, choice: &Choice) -> Result<Markup, Fault> {
    let sql = format!(
        "select distinct name, kind from metrics where {} order by name, kind limit {NAMES_READ_MAX}",
        choice.found(visit)
    );
    let rows = visit.ask(&sql).await?;
    let names: Vec<_> = rows.iter().map(|row| (row[0].text(), row[1].text())).collect();
    let is_list = names.len() <= LIST_MAX;
    let under = if is_list { "" } else { choice.under.as_str() };
    let level = level(&names, under, is_list);
    if names.is_empty() {
        return Ok(match choice.filter.is_all() {
            true => block::empty("No metrics in this time range.", "Send one: echo 'api.time:12|ms' | nc -u -w0 127.0.0.1 8125"),
            false => block::empty("No name matches.", "Search for less, or choose a longer range."),
        });
    }
    Ok(html! {
        (block::partial(rows.partial.as_deref()))
        @if !under.is_empty() { (crumbs(visit, under)) }
        ul.tree {
            @for (branch, count) in level.branches.iter().take(SHOWN_MAX) {
                li { a.branch href=(visit.here_with(&[("under", &format!("{under}{branch}."))])) { (visible(branch)) "." } span.note { (grouped(*count as u64)) } }
            }
            @for (name, kind) in level.leaves.iter().take(SHOWN_MAX) { (leaf(visit, choice, name, kind, under)) }
        }
        @if level.branches.len().max(level.leaves.len()) > SHOWN_MAX { p.note { "More than " (SHOWN_MAX) ": search for a part of the name." } }
        @if names.len() == NAMES_READ_MAX { (block::truncated(NAMES_READ_MAX, None)) }
    })
}

fn crumbs(visit: &Visit, under: &str) -> Markup {
    let parts: Vec<&str> = under.trim_end_matches('.').split('.').collect();
    html! {
        p.crumbs {
            a href=(visit.here_with(&[("under", "")])) { "all" }
            @for at in 0..parts.len() {
                " / " a href=(visit.here_with(&[("under", &format!("{}.", parts[..=at].join(".")))])) { (visible(parts[at])) }
            }
        }
    }
}

fn leaf(visit: &Visit, choice: &Choice, name: &str, kind: &str, under: &str) -> Markup {
    let is_chosen = choice.names.iter().any(|other| other == name);
    let shown = name.strip_prefix(under).unwrap_or(name);
    html! {
        li {
            @if is_chosen || choice.names.len() < NAMES_MAX {
                a href=(choice.toggled(visit, name)) aria-current=[is_chosen.then_some("true")] { @if is_chosen { "✓ " } (visible(shown)) }
            } @else {
                span title="The chart has as many names as it can show" { (visible(shown)) }
            }
            span.note { (visible(kind)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_follows_the_dots() {
        let names = ["a.b.c", "a.b.d", "a.x", "ab", "b"].map(|name| (name.to_owned(), "timer".to_owned()));
        let top = level(&names, "", false);
        assert_eq!(top.branches, BTreeMap::from([("a".to_owned(), 3)]));
        assert_eq!(top.leaves.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["ab", "b"]);
        let below = level(&names, "a.", false);
        assert_eq!((below.branches.len(), below.leaves.len()), (1, 1));
        assert_eq!(level(&names, "", true).leaves.len(), 5);
    }
}
