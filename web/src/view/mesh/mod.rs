//! The mesh: what the agents measured between the nodes, as a heat map, what is to blame, and what the agents cost.
//!
//! `matrix` is the heat map's cells and what their states mean, `pattern` names what a whole map looks like, `heat` draws it,
//! `verdicts` is the timeline, `pair` the drill to two nodes, `cost` what the agents take.
mod cost;
mod heat;
mod matrix;
mod pair;
mod pattern;
mod verdicts;

use crate::page::Page;
use crate::site::Site;
use crate::visit::Visit;
use axum::Router;
use axum::routing::get;
use maud::html;

const PATH: &str = "/mesh";
const PAIR: &str = "/mesh/pair";

pub(crate) fn routes() -> Router<Site> {
    Router::new().route(PATH, get(show)).route(PAIR, get(pair::show))
}

async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Mesh");
    page.now(heat::form(&visit));
    let asking = visit.clone();
    page.later("From and to", async move { heat::part(&asking).await });
    let asking = visit.clone();
    page.later("Verdicts", async move { verdicts::part(&asking, None).await });
    page.later("What the agents cost", async move { cost::part(&visit).await });
    page.now(html! { p.note { "Rows of " code { "pings" } ": see them in " a href=(visit_explore()) { "Explore" } "." } });
    page
}

fn visit_explore() -> String {
    crate::visit::address("/explore", [("sql", "select * from pings where timestamp >= :from order by timestamp desc limit 100")].into_iter())
}

/// Text as a literal of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
