//! The map: services as boxes in the order of calls, from left to right, and the calls between them.
use super::waterfall::number;
use super::{colour, format, tabs, traces};
use crate::ask::Fault;
use crate::number::grouped;
use crate::page::Page;
use crate::part::block;
use crate::text::{visible, visible_plain};
use crate::visit::Visit;
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Services that are drawn; the table has all.
const DRAWN_MAX: usize = 80;

const BOX: (f64, f64) = (150.0, 34.0);
const GAP: (f64, f64) = (90.0, 18.0);
/// Calls of which one in so many is an error are marked.
const FAULTY: u64 = 20;
/// Letters of a name that fit into its box.
const LETTERS: usize = 19;

/// Calls from one service to another.
pub(super) struct Edge {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) calls: u64,
    pub(super) errors: u64,
}

pub(super) async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Service map");
    page.now(tabs(&visit));
    let asking = visit.clone();
    page.later("Calls between services", async move { of_range(&asking).await });
    page
}

async fn of_range(visit: &Visit) -> Result<Markup, Fault> {
    let nanos = |micros: i64| u64::try_from(micros).unwrap_or_default().saturating_mul(1_000);
    let found = traces(visit)?.dependencies(nanos(visit.range.start), nanos(visit.range.end)).await?;
    let edges: Vec<Edge> = found
        .into_iter()
        .map(|of| Edge { from: of.parent, to: of.child, calls: of.calls, errors: of.errors })
        .collect();
    Ok(draw(visit, &edges))
}

/// The drawing and its table.
pub(super) fn draw(visit: &Visit, edges: &[Edge]) -> Markup {
    let between: Vec<&Edge> = edges.iter().filter(|edge| edge.from != edge.to).collect();
    if edges.is_empty() {
        return block::empty("No calls between services.", "Choose a longer time range.");
    }
    let placed = place(&between);
    let most = between.iter().map(|edge| edge.calls).max().unwrap_or(1) as f64;
    let columns = placed.values().map(|(column, _)| column + 1).max().unwrap_or(1) as f64;
    let rows = placed.values().map(|(_, row)| row + 1).max().unwrap_or(1) as f64;
    let (width, height) = (columns * (BOX.0 + GAP.0) - GAP.0 + 20.0, rows * (BOX.1 + GAP.1) + 20.0);
    let corner = |name: &str| {
        placed.get(name).map(|(column, row)| {
            (10.0 + *column as f64 * (BOX.0 + GAP.0), 10.0 + *row as f64 * (BOX.1 + GAP.1))
        })
    };
    let search = |name: &str| visit.link("/traces", &[("service", name)]);
    html! {
        @if !between.is_empty() {
            div.scroll { svg.map width=(number(width)) height=(number(height)) viewBox=(format!("0 0 {width} {height}")) role="group" aria-label="Services and their calls; the table below has the same" {
                @for edge in &between {
                    @if let (Some(from), Some(to)) = (corner(&edge.from), corner(&edge.to)) {
                        path class=(if edge.errors * FAULTY >= edge.calls.max(1) && edge.errors > 0 { "edge error" } else { "edge" }) d=(curve(from, to)) stroke-width=(number(1.0 + 4.0 * edge.calls as f64 / most)) {
                            title { (visible_plain(&edge.from)) " → " (visible_plain(&edge.to)) ": " (grouped(edge.calls)) " calls, " (format::percent(edge.errors, edge.calls)) " errors" }
                        }
                    }
                }
                @for edge in &between {
                    @if let (Some(from), Some(to)) = (corner(&edge.from), corner(&edge.to)) {
                        text.count x=(number((from.0 + BOX.0 + to.0) / 2.0)) y=(number((from.1 + to.1) / 2.0 + BOX.1 / 2.0 - 5.0)) text-anchor="middle" { (crate::number::short(edge.calls as f64)) }
                    }
                }
                @for name in placed.keys() {
                    @if let Some((x, y)) = corner(name) {
                        a href=(search(name)) {
                            rect class={ "node " (colour(name)) } x=(number(x)) y=(number(y)) width=(BOX.0) height=(BOX.1) rx="6" { title { (visible_plain(name)) } }
                            text x=(number(x + BOX.0 / 2.0)) y=(number(y + 21.0)) text-anchor="middle" { (cut(name)) }
                        }
                    }
                }
            } }
        }
        div.scroll tabindex="0" role="region" aria-label="Calls" { table.data {
            thead { tr { th scope="col" { "from" } th scope="col" { "to" } th.n scope="col" { "calls" } th.n scope="col" { "errors" } } }
            tbody { @for edge in edges { tr {
                td { a href=(search(&edge.from)) { (visible(&edge.from)) } }
                td { a href=(search(&edge.to)) { (visible(&edge.to)) } }
                td.n { (grouped(edge.calls)) }
                td.n { @if edge.errors > 0 { span.badge.bad { (format::percent(edge.errors, edge.calls)) } } @else { "0" } }
            } } }
        } }
    }
}

fn cut(name: &str) -> String {
    let name = visible_plain(name);
    if name.chars().count() <= LETTERS { name } else { name.chars().take(LETTERS - 1).chain(['…']).collect() }
}

fn curve(from: (f64, f64), to: (f64, f64)) -> String {
    let (x1, y1) = (from.0 + BOX.0, from.1 + BOX.1 / 2.0);
    let (x2, y2) = (to.0, to.1 + BOX.1 / 2.0);
    let bend = ((x2 - x1).abs() / 2.0).max(40.0);
    format!("M{x1:.1} {y1:.1} C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}", x1 + bend, x2 - bend)
}

/// A column and a row for each service: who is called stands right of its callers, as far as calls are not circular.
fn place(edges: &[&Edge]) -> BTreeMap<String, (usize, usize)> {
    let mut sums: HashMap<&str, u64> = HashMap::new();
    for edge in edges {
        *sums.entry(&edge.from).or_default() += edge.calls;
        *sums.entry(&edge.to).or_default() += edge.calls;
    }
    let mut names: Vec<&str> = sums.keys().copied().collect();
    names.sort_by_key(|name| (std::cmp::Reverse(sums[name]), *name));
    names.truncate(DRAWN_MAX);
    let known: BTreeSet<&str> = names.iter().copied().collect();
    let mut columns: BTreeMap<&str, usize> = known.iter().map(|name| (*name, 0)).collect();
    // Longest ways from the left; a circle ends when it has been gone round as often as there are services.
    for _ in 0..known.len() {
        let mut is_changed = false;
        for edge in edges.iter().filter(|edge| known.contains(edge.from.as_str()) && known.contains(edge.to.as_str())) {
            let is_back = edges.iter().any(|other| other.from == edge.to && other.to == edge.from && other.calls > edge.calls);
            let column = columns[edge.from.as_str()] + 1;
            if !is_back && columns[edge.to.as_str()] < column && column < known.len().min(12) {
                columns.insert(&edge.to, column);
                is_changed = true;
            }
        }
        if !is_changed {
            break;
        }
    }
    let mut rows: HashMap<usize, usize> = HashMap::new();
    let mut placed = BTreeMap::new();
    for name in names {
        let column = columns[name];
        let row = rows.entry(column).or_default();
        placed.insert(name.to_owned(), (column, *row));
        *row += 1;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str, calls: u64) -> Edge {
        Edge { from: from.into(), to: to.into(), calls, errors: 0 }
    }

    #[test]
    fn who_is_called_stands_to_the_right() {
        let edges = [edge("front", "shop", 9), edge("shop", "bank", 5), edge("front", "bank", 1), edge("bank", "front", 1)];
        let placed = place(&edges.iter().collect::<Vec<_>>());
        let columns: Vec<usize> = ["front", "shop", "bank"].iter().map(|name| placed[*name].0).collect();
        assert!(columns[0] < columns[1] && columns[1] < columns[2], "{placed:?}");
        let circle = [edge("a", "b", 1), edge("b", "c", 1), edge("c", "a", 1)];
        assert_eq!(place(&circle.iter().collect::<Vec<_>>()).len(), 3);
    }
}
