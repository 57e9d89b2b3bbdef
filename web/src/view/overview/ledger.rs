//! The ledger as a flow: from what was created to what is stored, each loss where it happens and linked to its rows.
use super::REJECTED;
use crate::live::Status;
use crate::part::flow::{Loss, Stage, flow};
use crate::visit::Visit;
use maud::{Markup, html};

/// Senders with losses, in SQL.
pub(super) const SENDERS_WITH_LOSSES: &str =
    "select hostname, logger, pid, datagrams, lost, dropped, late, duplicates, last_seen\nfrom senders\nwhere lost > 0 or dropped > 0\norder by lost + dropped desc";

/// The flow.
pub(super) fn card(visit: &Visit, status: &Status) -> Markup {
    let ledger = &status.ledger;
    let senders = || visit.link("/explore", &[("sql", SENDERS_WITH_LOSSES)]);
    let loss = |name, count, unit, meaning, link: String| Loss { name, count, unit, meaning, link, is_wait: false };
    let accepted = ledger.received.saturating_sub(ledger.rejected_sum() + ledger.dropped);
    let stages = [
        Stage {
            name: "Created",
            // The messages in a datagram that never came are not known.
            count: (ledger.lost == 0 && ledger.dropped_by_kernel == 0).then_some(ledger.received + ledger.dropped_by_clients),
            meaning: "by applications, as far as their clients say",
            losses: vec![
                loss("dropped by clients", ledger.dropped_by_clients, "messages", "their queue was full", senders()),
                loss("lost on the way", ledger.lost, "datagrams", "missing in the senders' numbers", senders()),
                loss("dropped by the kernel", ledger.dropped_by_kernel, "datagrams", "a receive buffer was full", "#ledger".to_owned()),
            ],
        },
        Stage {
            name: "Received",
            count: Some(ledger.received),
            meaning: "messages; a statsd value is one",
            losses: vec![
                loss("rejected", ledger.rejected_sum(), "messages", "invalid or not allowed", visit.link(REJECTED, &[])),
                loss("dropped", ledger.dropped, "messages", "no space in the journal", "#journal".to_owned()),
            ],
        },
        Stage {
            name: "Journaled",
            count: Some(accepted),
            meaning: "on disk, safe from a kill, visible to SQL",
            losses: vec![
                Loss { is_wait: true, ..loss("on the way", ledger.held, "messages", "not in the store yet, and not lost", "#sinks".to_owned()) },
                loss("set aside", ledger.set_aside, "messages", "corrupt, or refused by the store: see `set_aside` in the data folder", "#sinks".to_owned()),
            ],
        },
        Stage {
            name: "Stored",
            count: Some(ledger.stored),
            meaning: "in the warehouse, acknowledged",
            losses: Vec::new(),
        },
    ];
    html! {
        section.card #ledger {
            div.card-head { h2 { "Where every message is" } span.note { "since the data folder was made" } }
            (flow(&stages))
        }
    }
}
