//! Two nodes: their probes over time in both directions, single probes, and what both hosts said and did in that time.
use super::{PATH, quoted, verdicts};
use crate::ask::Fault;
use crate::page::Page;
use crate::part::block;
use crate::part::pivot::{Missing, Pivot};
use crate::part::table::Table;
use crate::text::visible;
use crate::visit::Visit;
use axum::http::StatusCode;
use maud::{Markup, html};
use metlog_query::filter::term;

/// Points of the charts.
const BUCKETS: i64 = 100;
/// Rows of a table.
const ROWS_MAX: usize = 50;

pub(super) async fn show(visit: Visit) -> Page {
    let named = |name: &str| visit.get(name).map(str::to_owned);
    let (Some(source), Some(target)) = (named("source"), named("target")) else {
        let mut page = visit.page("Pair of nodes");
        page.status(StatusCode::BAD_REQUEST);
        page.now(block::empty("Which pair?", "Choose a cell of the heat map by node."));
        return page;
    };
    let mut page = visit.page(format!("{source} and {target}"));
    page.now(links(&visit, &source, &target));
    page.begin("grid");
    for (title, value, unit) in [
        ("Lost", "100.0 * sum(lost_forward + lost_reverse + lost_unknown + refused) / nullif(sum(sent), 0)", "%"),
        ("99th percentile of round trips", "sketch_quantile(sketch_merge(sketch), 0.99) / 1000", "ms"),
    ] {
        let (asking, pair) = (visit.clone(), both(&source, &target));
        page.later(title, async move { course(&asking, &pair, title, value, unit).await });
    }
    page.end();
    let (asking, pair) = (visit.clone(), (source.clone(), target.clone()));
    page.later("Verdicts", async move { verdicts::part(&asking, Some((&pair.0, &pair.1))).await });
    let (asking, pair) = (visit.clone(), both(&source, &target));
    page.later("In each direction", async move { directions(&asking, &pair).await });
    let (asking, pair) = (visit.clone(), both(&source, &target));
    page.later("Probes", async move { probes(&asking, &pair).await });
    let hosts = format!("hostname in ({}, {})", quoted(&source), quoted(&target));
    page.begin("grid");
    let (asking, of) = (visit.clone(), hosts.clone());
    page.later("Messages of both hosts", async move {
        let sql = "select timestamp, hostname, severity, type, logger, payload from messages";
        list(&asking, sql, &of, "Messages of both hosts").await
    });
    let of = format!("coalesce(resource_attributes['host.name'], '') in ({}, {})", quoted(&source), quoted(&target));
    page.later("Spans of both hosts", async move {
        let sql = "select timestamp, service, name, duration_nanos / 1000000.0 as ms, status, trace_id from spans";
        list(&visit, sql, &of, "Spans of both hosts").await
    });
    page.end();
    page
}

fn both(source: &str, target: &str) -> String {
    let (source, target) = (quoted(source), quoted(target));
    format!("((source = {source} and target = {target}) or (source = {target} and target = {source}))")
}

fn links(visit: &Visit, source: &str, target: &str) -> Markup {
    let messages = |host: &str| visit.link("/messages", &[("filter", &term("hostname", "=", host))]);
    html! {
        p { a href=(visit.link(PATH, &[("by", "node")])) { "← Mesh" } }
        p.actions {
            a.button href=(visit.here_with(&[("source", target), ("target", source)])) { "The other way round" }
            a.button href=(messages(source)) { "Messages of " (visible(source)) }
            a.button href=(messages(target)) { "Messages of " (visible(target)) }
        }
    }
}

async fn course(visit: &Visit, pair: &str, title: &str, value: &str, unit: &str) -> Result<Markup, Fault> {
    let condition = format!("{} and {pair}", visit.range.condition("timestamp"));
    let interval = visit.ask(&format!("select max(interval_seconds) from pings where {condition}")).await?;
    let interval = interval.iter().next().and_then(|row| row.first()?.number()).unwrap_or_default();
    // A bucket without a row is a gap: none is shorter than the time between two rows.
    let bucket = visit.range.bucket_seconds(BUCKETS).max(interval.ceil() as i64);
    let sql = format!(
        "select time_bucket(interval '{bucket} seconds', timestamp) as at, source || ' → ' || target || ' ' || kind as what, {value} as value \
         from pings where {condition} group by 1, 2"
    );
    let rows = visit.ask(&sql).await?;
    // Nothing is drawn where nothing was measured: an outage is no straight line.
    let pivot = Pivot { time: "at", name: Some("what"), values: vec!["value"], bucket_seconds: bucket, missing: Missing::Gap };
    let mut chart = pivot.chart(&rows, &visit.range)?;
    (chart.caption, chart.unit) = (title.to_owned(), unit.to_owned());
    Ok(html! { (block::partial(rows.partial.as_deref())) (chart.show()) })
}

async fn directions(visit: &Visit, pair: &str) -> Result<Markup, Fault> {
    let sql = format!(
        "select source, target, kind, sum(sent) as sent, sum(received) as received, sum(lost_forward) as lost_forward, \
           sum(lost_reverse) as lost_reverse, sum(lost_unknown) as lost_unknown, sum(refused) as refused, sum(host_late) as host_late, \
           sum(syn_retransmits) as syn_retransmits, min(rtt_min) as rtt_min_us, \
           sketch_quantile(sketch_merge(sketch), 0.5) as rtt_p50_us, sketch_quantile(sketch_merge(sketch), 0.99) as rtt_p99_us, max(rtt_max) as rtt_max_us \
         from pings where {} and {pair} group by 1, 2, 3 order by 1, 2, 3",
        visit.range.condition("timestamp")
    );
    Ok(Table::new(&visit.ask(&sql).await?, "What the pair came to in each direction").show())
}

async fn probes(visit: &Visit, pair: &str) -> Result<Markup, Fault> {
    let sql = format!(
        "select timestamp, source, target, kind, source_port, outcome, rtt as rtt_us, syn_retransmits, host_late, source_late, target_late \
         from probes where {} and {pair} order by timestamp desc limit {ROWS_MAX}",
        visit.range.condition("timestamp")
    );
    let rows = visit.ask(&sql).await?;
    Ok(html! {
        p.note { "Each probe that something was wrong with, and a share of the others; the newest " (ROWS_MAX) "." }
        (Table::new(&rows, "Single probes").show())
    })
}

async fn list(visit: &Visit, sql: &str, of: &str, caption: &str) -> Result<Markup, Fault> {
    let sql = format!("{sql} where {} and {of} order by timestamp desc limit {ROWS_MAX}", visit.range.condition("timestamp"));
    Ok(Table::new(&visit.ask(&sql).await?, caption).show())
}
