//! The heat map: a number in each cell, and why there is none where there is none.
use super::matrix::{Cell, Grade, Matrix, Measure, Measured};
use super::pattern::patterns;
use super::{PAIR, PATH};
use crate::ask::Fault;
use crate::number::short;
use crate::part::block;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};

/// Groups of a map at most: what is beside each other must be readable.
const GROUPS_MAX: usize = 64;

/// Levels that a map can have.
const LEVELS: [(&str, &str, &str); 3] = [
    ("zone", "zones", "case when :side_zone = '' then '(no zone)' else :side_zone end"),
    ("rack", "racks", "case when :side_rack = '' then :side else :side_zone || '/' || :side_rack end"),
    ("node", "nodes", ":side"),
];

fn level(visit: &Visit) -> (&'static str, &'static str, &'static str) {
    let asked = visit.get("by").unwrap_or("rack");
    LEVELS.into_iter().find(|(name, ..)| *name == asked).unwrap_or(LEVELS[1])
}

/// What is drawn, and by what.
pub(super) fn form(visit: &Visit) -> Markup {
    let (by, ..) = level(visit);
    let (shown, ..) = Measure::of(visit.get("show").unwrap_or_default()).named();
    let kind = visit.get("kind").unwrap_or_default();
    html! {
        form.inline method="get" action=(PATH) {
            @for name in ["from", "to", "zone"] { @if let Some(value) = visit.get(name) { input type="hidden" name=(name) value=(value); } }
            label { "By " select name="by" { @for (name, ..) in LEVELS { option value=(name) selected[name == by] { (name) } } } }
            label { "Show " select name="show" { @for (_, key, title, _) in Measure::ALL { option value=(key) selected[key == shown] { (title) } } } }
            label { "Probes " select name="kind" {
                @for (key, title) in [("", "all"), ("udp", "UDP"), ("tcp", "TCP"), ("http", "HTTP"), ("grpc", "gRPC"), ("icmp", "ICMP")] {
                    option value=(key) selected[key == kind] { (title) }
                }
            } }
            button { "Draw" }
        }
    }
}

/// The map, its patterns and its legend.
pub(super) async fn part(visit: &Visit) -> Result<Markup, Fault> {
    let (by, plural, group) = level(visit);
    let measure = Measure::of(visit.get("show").unwrap_or_default());
    let (_, title, unit) = measure.named();
    let rows = visit.ask(&sql(visit, group, measure)).await?;
    if rows.is_empty() {
        return Ok(block::empty(
            "No node has measured anything in this time range.",
            "Start `metlog mesh` on each node, or `metlog up` with a section [mesh].",
        ));
    }
    let number = |cell: &crate::cell::Cell| cell.number();
    let measured: Vec<Measured> = rows
        .iter()
        .map(|row| Measured {
            source: row[0].text(),
            target: row[1].text(),
            value: number(&row[2]),
            last: row[3].time().unwrap_or_default(),
            interval: (number(&row[4]).unwrap_or_default() * 1e6) as i64,
        })
        .collect();
    let matrix = Matrix::of(&measured, visit.range.end);
    let caption = format!("{title} from each to each of the {plural}, {unit}");
    Ok(html! {
        (block::partial(rows.partial.as_deref()))
        @for pattern in patterns(&matrix, measure, by) { p.banner { (visible(&pattern)) } }
        @if matrix.names.len() > GROUPS_MAX { p.banner.warn { "Showing " (GROUPS_MAX) " of " (matrix.names.len()) " " (plural) ". Choose a coarser level." } }
        (table(visit, &matrix, measure, by, &caption))
        (legend(measure))
    })
}

fn table(visit: &Visit, matrix: &Matrix, measure: Measure, by: &str, caption: &str) -> Markup {
    let names = &matrix.names[..matrix.names.len().min(GROUPS_MAX)];
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table.heat.mesh {
                caption.sr { (caption) }
                thead { tr { th scope="col" { "from \\ to" } @for name in names { th scope="col" { (visible(name)) } } } }
                tbody { @for (source, row) in names.iter().zip(&matrix.cells) { tr {
                    th scope="row" { (visible(source)) }
                    @for (target, cell) in names.iter().zip(row) { (drawn(visit, (source, target), *cell, measure, by)) }
                } } }
            }
        }
    }
}

fn drawn(visit: &Visit, (source, target): (&String, &String), cell: Cell, measure: Measure, by: &str) -> Markup {
    let (_, title, unit) = measure.named();
    let link = match by {
        "node" => visit.link(PAIR, &[("source", source), ("target", target)]),
        "zone" => visit.link(PATH, &[("by", "rack"), ("show", measure.named().0)]),
        _ => visit.link(PATH, &[("by", "node"), ("show", measure.named().0)]),
    };
    let (class, words) = match cell {
        Cell::Value(value) => {
            let class = match measure.grade(value) {
                Grade::Good => "n good",
                Grade::Warn => "n warn",
                Grade::Bad => "n bad",
            };
            let tip = format!("{title} from {source} to {target}: {value:.3} {unit}");
            return html! { td class=(class) title=(tip) { a href=(link) { (short(value)) } } };
        }
        Cell::NoData => ("nodata", "no data"),
        Cell::NotProbed => ("unprobed", "not probed"),
        Cell::Leaving => ("leaving", "leaving: nobody probes it any more"),
    };
    let tip = format!("from {source} to {target}: {words}");
    html! { td class=(class) title=(tip) { span.sr { (words) } } }
}

fn legend(measure: Measure) -> Markup {
    let ((_, _, unit), (warn, bad)) = (measure.named(), measure.thresholds());
    html! {
        ul.legend.mesh {
            li { span.key.good {} "below " (warn) " " (unit) }
            li { span.key.warn {} "from " (warn) " " (unit) }
            li { span.key.bad {} "from " (bad) " " (unit) }
            li { span.key.nodata {} "no data: the source does not report" }
            li { span.key.unprobed {} "not probed, by the plan" }
            li { span.key.leaving {} "leaving: nobody probes it any more" }
        }
    }
}

/// Losses have a direction: what was lost from one to the other is known from the probes of both, there and back. Only what a node
/// measured itself says that it reports.
fn sql(visit: &Visit, group: &str, measure: Measure) -> String {
    let of = |side: &str| group.replace(":side", side);
    let kind = visit.get("kind").map_or_else(String::new, |kind| format!(" and kind = {}", super::quoted(kind)));
    let condition = format!("{}{kind}", visit.range.condition("timestamp"));
    let (value, from) = match measure {
        Measure::Median => ("sketch_quantile(sketch_merge(sketch), 0.5) / 1000", "pings"),
        Measure::P99 => ("sketch_quantile(sketch_merge(sketch), 0.99) / 1000", "pings"),
        Measure::Loss => ("100.0 * sum(lost) / nullif(sum(sent), 0)", "there union all select * from back"),
    };
    let from = if from == "pings" { from.to_owned() } else { format!("(select * from {from})") };
    let condition_outside = if measure == Measure::Loss { "true" } else { condition.as_str() };
    format!(
        "with there as (select source, target, source_zone, target_zone, source_rack, target_rack, timestamp, interval_seconds, sent, \
           lost_forward + lost_unknown + refused as lost from pings where {condition}), \
         back as (select target as source, source as target, target_zone, source_zone, target_rack, source_rack, cast(null as timestamp), \
           interval_seconds, sent - lost_forward - lost_unknown - refused, lost_reverse from pings where {condition}) \
         select {} as source, {} as target, {value} as value, max(timestamp) as last, max(interval_seconds) as interval \
         from {from} where {condition_outside} group by 1, 2 order by 1, 2",
        of("source"),
        of("target"),
    )
}
