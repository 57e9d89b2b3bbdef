//! What the agents cost: packets, bytes and rows of each, and how often a host was too busy to measure.
use crate::ask::Fault;
use crate::part::block;
use crate::part::table::Table;
use crate::visit::Visit;
use maud::{Markup, html};

/// Agents that are listed; the busiest come first.
const AGENTS_MAX: usize = 50;

pub(super) async fn part(visit: &Visit) -> Result<Markup, Fault> {
    let sql = format!(
        "select source as agent, count(distinct target) as peers, \
           1.0 * sum(sent) / greatest(1, (cast(max(timestamp) as bigint) - cast(min(timestamp) as bigint)) / 1000000 + max(interval_seconds)) as probes_a_second, \
           8.0 * sum(sent * (payload_bytes + 42)) / 1000 / greatest(1, (cast(max(timestamp) as bigint) - cast(min(timestamp) as bigint)) / 1000000 + max(interval_seconds)) as kbit_a_second, \
           count(*) as rows, 1.0 * count(*) / nullif(sum(sent), 0) as rows_a_probe, 100.0 * sum(host_late) / nullif(sum(sent), 0) as host_late_percent \
         from pings where {} group by 1 order by sum(sent) desc, 1 limit {AGENTS_MAX}",
        visit.range.condition("timestamp")
    );
    let rows = visit.ask(&sql).await?;
    if rows.is_empty() {
        return Ok(block::empty("No agent has reported in this time range.", ""));
    }
    Ok(html! {
        p.note { "Packets with their headers, as each agent sends them; the busiest " (AGENTS_MAX) "." }
        (Table::new(&rows, "What the agents cost").show())
    })
}
