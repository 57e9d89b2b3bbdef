//! Metrics: find names, draw any statistic of several of them over time, see which are many.
//!
//! `choice` is what the address says, `finder` the tree and the search, `chart` the drawing, `statistic` what can be
//! drawn and its SQL, `cardinality` which names and tags are many and which grew.
mod cardinality;
mod chart;
mod choice;
mod finder;
mod statistic;

use crate::page::Page;
use crate::site::Site;
use crate::visit::Visit;
use axum::Router;
use axum::routing::get;
use choice::Choice;
use maud::html;

const PATH: &str = "/series";
const CARDINALITY: &str = "/series/cardinality";

pub(crate) fn routes() -> Router<Site> {
    Router::new().route(PATH, get(show)).route(CARDINALITY, get(cardinality::show))
}

async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Metrics");
    let choice = Choice::of(&visit);
    page.now(html! {
        (choice.search(&visit))
        p.note { a href=(visit.link(CARDINALITY, &[])) { "Which names and tags are many?" } }
    });
    if choice.error.is_some() {
        return page;
    }
    page.begin("series");
    chart::part(&mut page, &visit, &choice);
    finder::part(&mut page, &visit, &choice);
    page.end();
    page
}
