//! SQL by hand: an editor, what there is to ask about, and results as they come.
//!
//! `result` streams a result as HTML, in the page and by itself for the script; `schema` lists tables and functions;
//! `export` writes files; `suggest` draws a chart of what looks like one. Without a script the editor is a text area,
//! and running is loading the page.
mod export;
mod result;
mod schema;

use crate::page::Page;
use crate::site::Site;
use crate::visit::Visit;
use axum::Router;
use axum::routing::get;
use maud::{Markup, html};

/// What is asked where the address has nothing.
const EXAMPLE: &str = "select time_bucket(:bucket, timestamp) as time, type, count(*) as messages
from messages
where timestamp >= :from and timestamp < :to
group by 1, 2
order by 1";

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/explore", get(show))
        .route("/explore/result", get(result::alone))
        .route("/explore/schema", get(schema::as_json))
        .route("/explore/export", get(export::download))
}

async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Explore");
    page.script("explore.js");
    let sql = visit.get("sql").map(str::to_owned);
    page.begin("explore");
    page.now(editor(&visit, sql.as_deref().unwrap_or(EXAMPLE)));
    page.begin("side");
    page.now(schema::tables(&visit));
    let asking = visit.clone();
    page.later("Functions", async move { schema::functions(&asking).await });
    page.now(html! { section.card #history hidden { div.card-head { h2 { "History" } button type="button" data-clear { "Clear" } } ol {} } });
    page.end();
    match sql {
        Some(sql) => page.stream("result", result::stream(visit, sql)),
        None => page.now(html! { section #result { p.empty { "Run a query to see its rows here." } } }),
    }
    page.end();
    page
}

fn editor(visit: &Visit, sql: &str) -> Markup {
    html! {
        form.query method="get" action="/explore" {
            @for (key, value) in &visit.parameters {
                @if matches!(key.as_str(), "from" | "to" | "zone") { input type="hidden" name=(key) value=(value); }
            }
            textarea name="sql" rows="9" spellcheck="false" autocapitalize="off" autocomplete="off" aria-label="SQL" { (sql) }
            div.actions {
                button.primary type="submit" title="Run all, or the selection (Ctrl+Enter)" { "Run" }
                button type="button" data-cancel hidden { "Cancel" }
                span.note.elapsed role="status" {}
                span.note.hint { ":from, :to and :bucket are the time range above." }
            }
        }
    }
}
