//! Live: messages as they arrive, filtered by the server, no more of them than a person can read.
//!
//! The page is the frame of it; its script reads `/api/tail` and keeps no more rows than [`ROWS`].
use crate::page::Page;
use crate::part::block;
use crate::part::search::Search;
use crate::site::Site;
use crate::visit::Visit;
use axum::Router;
use axum::routing::get;
use maud::{Markup, html};

const PATH: &str = "/live";
/// Messages a second that are offered; the first is usual.
const RATES: [u32; 4] = [20, 5, 100, 500];
/// Rows that the browser keeps.
const ROWS: u32 = 500;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route(PATH, get(show))
}

async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Live");
    if visit.site.live.is_none() {
        page.now(block::empty(
            "Nothing arrives here.",
            "This server reads a warehouse. Live messages are where they are received: `metlog up`.",
        ));
        return page;
    }
    let search = Search::of(&visit, PATH);
    page.now(search.form(&visit));
    if search.error.is_none() {
        page.script("live.js");
        page.now(stream(&visit, &search));
    }
    page
}

fn stream(visit: &Visit, search: &Search) -> Markup {
    let rate = visit.get("rate").and_then(|rate| rate.parse().ok()).filter(|rate| RATES.contains(rate)).unwrap_or(RATES[0]);
    html! {
        section.card.live #live data-filter=(search.text) data-rate=(rate) data-rows=(ROWS) {
            div.live-head {
                span.connection.off role="status" { "Connecting…" }
                button.pause type="button" aria-pressed="false" { "Pause" }
                span.waiting role="status" {}
                span.counts.note {}
                span.switch { @for other in RATES {
                    a href=(visit.here_with(&[("rate", &other.to_string())])) aria-current=[(other == rate).then_some("true")] title=(format!("At most {other} messages a second")) { "≤ " (other) "/s" }
                } }
            }
            noscript { p.banner.warn { "This view needs a script. In a terminal, " code { "metlog tail" } " shows the same." } }
            div.scroll tabindex="0" role="region" aria-label="Messages as they arrive" {
                table.data.list {
                    caption.sr { "Messages as they arrive, the newest first" }
                    thead { tr { @for head in ["time", "severity", "type", "logger", "payload"] { th scope="col" { (head) } } } }
                    tbody {}
                }
            }
            p.note { "The newest " (ROWS) " rows are kept here; " a href=(visit.link("/messages", &[("filter", &search.text)])) { "Messages" } " has all." }
        }
    }
}
