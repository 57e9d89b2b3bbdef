//! The overview: is all well, what is coming in, and where every message is.
//!
//! `state` is the one word and its reasons, `ledger` the flow, `rates` what comes in, `places` sinks, journal and
//! senders, `first` what an empty installation shows.
mod alerts;
mod first;
mod ledger;
mod places;
mod rates;
mod state;

use crate::cell::time;
use crate::page::Page;
use crate::part::block;
use crate::site::Site;
use crate::text::visible;
use crate::visit::Visit;
use axum::Router;
use axum::routing::get;
use maud::html;

/// Where the sample of rejected input is.
const REJECTED: &str = "/overview/rejected";

/// The view stays as fresh as this.
const REFRESH_SECONDS: u32 = 5;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/", get(show)).route(REJECTED, get(rejected))
}

async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Overview");
    page.refresh(REFRESH_SECONDS);
    // Counts of all loggers are for those who may see all loggers.
    let live = visit.site.live.clone().filter(|_| !visit.rights.is_restricted());
    if let Some(live) = &live {
        let status = live.status();
        page.now(state::banner(&visit, &status));
        if let Some(alerts) = &visit.site.alerts {
            page.now(alerts::card(alerts));
        }
        if status.ledger.received == 0 {
            page.now(first::commands(&status));
        }
        page.now(ledger::card(&visit, &status));
    } else if visit.site.live.is_none() {
        page.now(html! { p.note { "This server reads " code { (visit.site.warehouse) } " and receives nothing itself." } });
    }
    if visit.site.pool.is_some() {
        rates::cards(&mut page, &visit);
    }
    page.begin("grid three");
    if visit.site.pool.is_some() {
        rates::tables(&mut page, &visit);
    }
    if let Some(live) = &live {
        let status = live.status();
        page.now(places::sinks(&status));
        page.now(places::journal(&visit, &status));
    }
    page.end();
    if let Some(live) = &visit.site.live {
        page.now(places::senders(&visit, live.senders()));
    }
    page
}

/// The sample of what was refused, so that a sender's mistake can be found.
async fn rejected(visit: Visit) -> Page {
    let mut page = visit.page("Rejected input");
    let Some(live) = visit.site.live.as_ref().filter(|_| !visit.rights.is_restricted()) else {
        page.now(block::empty("Nothing to show here.", "Only a server that receives has rejected input, and only those who may see all loggers see it."));
        return page;
    };
    let reasons = live.status().ledger.rejected;
    let sample = live.rejected();
    page.now(html! {
        p.note { "Invalid input is refused and counted by reason. The newest of it is kept here as a sample, at most 256 bytes of each." }
        section.card {
            div.card-head { h2 { "By reason, since the beginning" } }
            @if reasons.is_empty() { (block::empty("Nothing was rejected.", "")) } @else {
                table.data { thead { tr { th scope="col" { "reason" } th.n scope="col" { "messages" } } }
                    tbody { @for (reason, count) in &reasons { tr { td { code { (visible(reason)) } } td.n { (crate::number::grouped(*count)) } } } } }
            }
        }
        section.card {
            div.card-head { h2 { "Sample, newest first" } }
            @if sample.is_empty() { (block::empty("No sample is kept.", "It begins anew when the server starts.")) } @else {
                div.scroll tabindex="0" role="region" aria-label="Sample of rejected input" { table.data {
                    thead { tr { th scope="col" { "received" } th scope="col" { "reason" } th scope="col" { "from" } th scope="col" { "first bytes" } } }
                    tbody { @for row in &sample { tr {
                        td.t { (time(row.received_at)) }
                        td { code { (visible(&row.reason)) } }
                        td { (visible(&row.source)) }
                        td.mono { (crate::text::cell(&row.text)) }
                    } } }
                } }
            }
        }
    });
    page
}
