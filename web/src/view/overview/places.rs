//! Sinks with their lag, how full the journal is, and senders with those that lost something first.
use crate::cell::time;
use crate::live::{Sender, Status};
use crate::number::{bytes, grouped, short, span};
use crate::part::bars::track;
use crate::part::block;
use crate::part::spark::spark;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};

/// Senders that are listed.
const SENDERS_MAX: usize = 50;

/// A sink that is this far behind is said to be late.
const LATE_SECONDS: f64 = 300.0;

/// Sinks.
pub(super) fn sinks(status: &Status) -> Markup {
    html! {
        section.card #sinks {
            div.card-head { h2 { "Sinks" } span.note { "where batches go" } }
            table.bars {
                thead { tr { th scope="col" { "sink" } th scope="col" { "state" } th.n scope="col" { "lag" } th.n scope="col" { "waiting" } th.n scope="col" { "written" } th.n scope="col" { "failures" } } }
                tbody { @for sink in &status.sinks { tr {
                    th scope="row" { (sink.name) }
                    td {
                        @match &sink.failing {
                            Some(why) => { span.badge.bad { "failing" } " " span.note { (visible(why)) } }
                            None if sink.lag_seconds > LATE_SECONDS => { span.badge.warn { "late" } }
                            None => { span.badge.good { "good" } }
                        }
                    }
                    td.n { (if sink.segments_waiting == 0 { "none".to_owned() } else { span(sink.lag_seconds) }) }
                    td.n { (grouped(sink.segments_waiting)) }
                    td.n { (grouped(sink.written)) }
                    td.n { (grouped(sink.failures)) }
                } } }
            }
            p.note { "Lag is how long the oldest journal segment has waited for the sink. While a sink is away, the journal keeps what it has not had." }
        }
    }
}

/// The journal and the last hour's rate.
pub(super) fn journal(visit: &Visit, status: &Status) -> Markup {
    let journal = &status.journal;
    let share = if journal.budget_bytes > 0 { journal.bytes as f64 / journal.budget_bytes as f64 } else { 0.0 };
    let rates = visit.site.watch.rates(|sample| sample.received);
    let fill: Vec<f64> = visit.site.watch.samples().iter().map(|sample| sample.journal_bytes as f64).collect();
    html! {
        section.card #journal {
            div.card-head { h2 { "Journal and intake" } span.note { "the last hour of this process" } }
            div.tiles {
                div { span.note { "received now" } strong { (short(rates.last().copied().unwrap_or_default())) " /s" } (spark(&rates, "received each second")) }
                div { span.note { "journal" } strong { (bytes(journal.bytes)) } (spark(&fill, "bytes of the journal")) }
                div { span.note { "metric series" } strong { (grouped(status.series)) } }
            }
            p.note { (format!("{:.1} %", share * 100.0)) " of its budget of " (bytes(journal.budget_bytes)) ", in " (journal.segments) " files" }
            (track(share))
        }
    }
}

/// Senders, losses first.
pub(super) fn senders(visit: &Visit, mut senders: Vec<Sender>) -> Markup {
    senders.retain(|sender| visit.rights.sees_logger(&sender.logger));
    senders.sort_by_key(|sender| std::cmp::Reverse((sender.lost + sender.dropped, sender.last_seen)));
    let total = senders.len();
    let losing = senders.iter().filter(|sender| sender.lost + sender.dropped > 0).count();
    senders.truncate(SENDERS_MAX);
    html! {
        section.card #senders {
            div.card-head { h2 { "Senders" } span.note { (grouped(total as u64)) " known, " (losing) " with losses" } }
            @if senders.is_empty() {
                (block::empty("No sender of numbered datagrams so far.", "The client library and `metlog send` number theirs. statsd and JSON have no numbers, so their losses cannot be counted."))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Senders" { table.data {
                    thead { tr { th scope="col" { "logger" } th scope="col" { "host" } th.n scope="col" { "pid" } th.n scope="col" { "lost" } th.n scope="col" { "dropped" } th.n scope="col" { "out of order" } th.n scope="col" { "duplicates" } th.n scope="col" { "datagrams" } th scope="col" { "last seen" } } }
                    tbody { @for sender in &senders { tr {
                        td { (visible(&sender.logger)) }
                        td { (visible(&sender.hostname)) }
                        td.n { (sender.pid) }
                        (count(sender.lost, true)) (count(sender.dropped, true)) (count(sender.late, false)) (count(sender.duplicates, false))
                        td.n { (grouped(sender.datagrams)) }
                        td.t { (time(sender.last_seen / 1_000_000 * 1_000_000)) }
                    } } }
                } }
                @if total > SENDERS_MAX { (block::truncated(SENDERS_MAX, Some(total as u64))) }
            }
        }
    }
}

fn count(count: u64, is_loss: bool) -> Markup {
    html! { td class=(if count > 0 && is_loss { "n loss some" } else { "n" }) { (grouped(count)) } }
}
