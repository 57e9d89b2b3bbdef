//! The overview: is all well, what is coming in, and where every message is.
use crate::page::Page;
use crate::site::Site;
use crate::visit::Visit;
use axum::Router;
use axum::routing::get;
use maud::html;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/", get(show))
}

async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Overview");
    let asking = visit.clone();
    page.later("By type and logger", async move {
        let sql = format!(
            "select type, logger, count(*) as messages from messages where {} group by type, logger order by messages desc limit 50",
            asking.range.condition("timestamp")
        );
        let rows = asking.ask(&sql).await?;
        Ok(crate::part::table::Table::new(&rows, "Messages by type and logger").show())
    });
    page.now(html! {});
    page
}
