//! Messages: search, a histogram to drag on, fields with their most frequent values, rows with their context.
//!
//! `histogram`, `fields` and `rows` are parts with queries of their own, `row` is one message with those around it, and `message` is a message as all of them read it.
mod fields;
mod histogram;
mod message;
mod row;
mod rows;

use crate::page::Page;
use crate::site::Site;
use crate::visit::Visit;
use axum::Router;
use axum::routing::get;
use crate::part::search::Search;

const PATH: &str = "/messages";
const ROW: &str = "/messages/row";

pub(crate) fn routes() -> Router<Site> {
    Router::new().route(PATH, get(show)).route(ROW, get(row::show)).route("/messages/row/fields", get(row::alone))
}

async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Messages");
    page.script("messages.js");
    let search = Search::of(&visit, PATH);
    page.now(search.form(&visit));
    if search.error.is_some() {
        return page;
    }
    // In the order in which they are sent: rows do not wait for the histogram, which the style sheet puts above them.
    page.begin("messages");
    rows::part(&mut page, &visit, &search);
    histogram::part(&mut page, &visit, &search);
    fields::part(&mut page, &visit, &search);
    page.end();
    page
}
