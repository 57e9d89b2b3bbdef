//! One message: all that it holds, each value to filter by, its trace, and the messages around it.
use crate::part::search::Search;
use super::message::{self, Message, SELECTED};
use super::{PATH, rows};
use crate::ask::Fault;
use crate::cell::time;
use crate::page::Page;
use crate::part::block;
use crate::range::timestamp;
use crate::text::visible;
use crate::visit::Visit;
use axum::response::{Html, IntoResponse, Response};
use maud::{Markup, html};
use metlog_query::filter::Filter;
use metlog_schemas::table::Table;

/// Messages of one time that are looked through.
const SAME_TIME_MAX: usize = 1_000;
/// Messages before and after.
const AROUND: usize = 10;
/// How far away a message may be that is still context, µs.
const AROUND_MICROS: i64 = 3_600 * 1_000_000;

/// Whose messages are context.
const OF: [(&str, &str); 3] =
    [("process", "of the same process"), ("logger", "of the same logger"), ("all", "of everything")];

pub(super) async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Message");
    page.script("messages.js");
    let search = Search::of(&visit, PATH);
    page.now(html! { p { a href=(rows::back(&visit, &search)) { "← All messages" } } });
    let (asking, searching) = (visit.clone(), search.clone());
    page.later("Message", async move { Ok(fields(&asking, &searching, &find(&asking).await?)) });
    let chosen = chosen(&visit);
    let choice = html! {
        span.switch { @for (name, words) in OF {
            a href=(visit.here_with(&[("context", name)])) aria-current=[(name == chosen).then_some("true")] { (words) }
        } }
    };
    page.card("Before and after", choice, async move {
        let message = find(&visit).await?;
        around(&visit, &search, &message).await
    });
    page
}

/// The message without the frame: what opens in the list.
pub(super) async fn alone(visit: Visit) -> Response {
    let search = Search::of(&visit, PATH);
    let shown = match find(&visit).await {
        Ok(message) => fields(&visit, &search, &message),
        Err(fault) => block::fault(&fault),
    };
    Html(shown.into_string()).into_response()
}

fn chosen(visit: &Visit) -> &'static str {
    OF.iter().map(|(name, _)| *name).find(|name| visit.get("context") == Some(name)).unwrap_or(OF[0].0)
}

async fn find(visit: &Visit) -> Result<Message, Fault> {
    let at: i64 = visit.get("at").and_then(|at| at.parse().ok()).ok_or_else(|| Fault::new("`at` is the time of a message in µs"))?;
    let sql = format!("select {SELECTED} from messages where timestamp = {} limit {SAME_TIME_MAX}", timestamp(at));
    let messages = message::of(&visit.ask(&sql).await?)?;
    let id = visit.get("id").unwrap_or_default();
    let gone = || Fault::new("there is no such message: it may have been deleted from the warehouse, or belong to a logger that you may not see");
    messages.into_iter().find(|message| message.id() == id).ok_or_else(gone)
}

fn fields(visit: &Visit, search: &Search, message: &Message) -> Markup {
    let filters = |column: &str, value: &str| html! {
        td.act {
            a href=(search.with(visit, column, "=", value)) title="Only this value" { "+" span.sr { " only this value" } }
            " "
            a href=(search.with(visit, column, "!=", value)) title="Without this value" { "−" span.sr { " without this value" } }
        }
    };
    html! {
        div.message {
            pre.payload tabindex="0" { code { (lines(&message.text("payload"))) } }
            p.acts {
                a href=(rows::address(visit, search, message, &message.id())) { "Link to this message, with those around it" }
                @if let Some(trace) = message.trace() { " · " a.trace href=(visit.link(&format!("/traces/{trace}"), &[])) { "Its trace" } }
            }
            table.data.fields { tbody {
                tr { th scope="row" { "timestamp" } td { (time(message.timestamp)) } td.act {} }
                @for (name, cell) in message.columns.iter().filter(|(name, _)| *name != "payload") {
                    tr { th scope="row" { (name) } td { @if *name == "severity" { (message::severity(&cell.text())) } @else { (cell.show()) } }
                        @if cell.time().is_some() { td.act {} } @else { (filters(name, &cell.text())) } }
                }
                @for token in &message.tokens { tr { th scope="row" { "token" } td { (visible(token)) } (filters("token", token)) } }
                @for (key, value) in &message.fields {
                    tr { th scope="row" { span.note { "fields." } (visible(key)) } td { (crate::text::cell(value)) } (filters(&format!("fields.{key}"), value)) }
                }
            } }
        }
    }
}

/// A payload as it is: its own lines are lines, everything else that steers a display is seen.
fn lines(payload: &str) -> Markup {
    const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
    let end = payload.floor_char_boundary(PAYLOAD_BYTES_MAX);
    html! {
        @for (at, line) in payload[..end].split('\n').enumerate() { @if at > 0 { "\n" } (visible(line)) }
        @if end < payload.len() { "\n" span.note { "… first 64 KiB of " (crate::number::bytes(payload.len() as u64)) } }
    }
}

async fn around(visit: &Visit, search: &Search, message: &Message) -> Result<Markup, Fault> {
    let equal = |column: &str| Filter::equal(Table::Messages, column, &message.text(column)).map_or("true".to_owned(), |filter| filter.to_sql());
    let columns: &[&str] = match chosen(visit) {
        "all" => &[],
        "logger" => &["logger"],
        _ => &["logger", "hostname", "pid"],
    };
    let conditions: Vec<String> = columns.iter().map(|column| equal(column)).collect();
    let and = if conditions.is_empty() { String::new() } else { format!(" and {}", conditions.join(" and ")) };
    let at = message.timestamp;
    let (first, last) = (timestamp(at - AROUND_MICROS), timestamp(at + AROUND_MICROS));
    let sql = format!(
        "select * from (select {SELECTED} from messages where timestamp >= {first} and timestamp <= {at}{and} order by timestamp desc limit {before}) \
         union all select * from (select {SELECTED} from messages where timestamp > {at} and timestamp <= {last}{and} order by timestamp limit {AROUND})",
        at = timestamp(at),
        before = AROUND + 1
    );
    let rows = visit.ask(&sql).await?;
    let mut messages = message::of(&rows)?;
    messages.sort_by_key(|message| std::cmp::Reverse(message.timestamp));
    let plain = Search { filter: Filter::all(Table::Messages), ..search.clone() };
    Ok(html! {
        (block::partial(rows.partial.as_deref()))
        (rows::table(visit, &plain, &messages, Some(&message.id())))
        p.note { "Up to " (AROUND) " messages before and after, within an hour." }
    })
}
