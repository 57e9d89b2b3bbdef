//! The messages themselves, the newest first, in columns of the reader's choice.
use crate::part::search::Search;
use super::message::{self, Message, SELECTED};
use super::{PATH, ROW};
use crate::ask::Fault;
use crate::cell::time;
use crate::number::iso;
use crate::page::Page;
use crate::part::block;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};

/// Rows of a page.
const ROWS: usize = 100;
/// Pages that can be turned: who wants more chooses a range.
const SKIP_MAX: usize = 10_000;
/// Columns besides the time, unless the address names others.
const USUAL: &str = "severity,type,logger,payload";
/// Most columns.
const COLUMNS_MAX: usize = 20;
/// Columns that are offered; fields are offered where their values are listed.
const OFFERED: [&str; 9] =
    ["severity", "type", "logger", "hostname", "pid", "tokens", "payload", "fields", "received_at"];

/// The columns of an address.
pub(super) fn columns(visit: &Visit) -> Vec<&str> {
    visit.get("columns").unwrap_or(USUAL).split(',').filter(|name| !name.is_empty()).take(COLUMNS_MAX).collect()
}

/// The value of `columns` with one put in, or taken out.
pub(super) fn toggled(visit: &Visit, column: &str) -> String {
    let mut columns = columns(visit);
    match columns.iter().position(|other| *other == column) {
        Some(at) => drop(columns.remove(at)),
        None => {
            // Before the payload, which takes the room that is left.
            let at = columns.iter().position(|other| *other == "payload").unwrap_or(columns.len());
            columns.insert(at, column);
        }
    }
    if columns.is_empty() { "payload".to_owned() } else { columns.join(",") }
}

pub(super) fn part(page: &mut Page, visit: &Visit, search: &Search) {
    let (asking, searching) = (visit.clone(), search.clone());
    page.card("Rows", choice(visit), async move { rows(&asking, &searching).await });
}

fn choice(visit: &Visit) -> Markup {
    let chosen = columns(visit);
    html! {
        details.choice {
            summary { "Columns" }
            ul { @for column in OFFERED {
                @let is_chosen = chosen.contains(&column);
                li { a href=(visit.here_with(&[("columns", &toggled(visit, column))])) aria-current=[is_chosen.then_some("true")] {
                    @if is_chosen { "✓ " } @else { "+ " } (column)
                } }
            } }
            p.note { "Fields: the “column” links in the list." }
        }
    }
}

async fn rows(visit: &Visit, search: &Search) -> Result<Markup, Fault> {
    let skip: usize = visit.get("skip").and_then(|skip| skip.parse().ok()).unwrap_or(0).min(SKIP_MAX);
    let sql = format!(
        "select {SELECTED} from messages where {} order by timestamp desc, received_at desc, payload limit {} offset {skip}",
        search.condition(visit),
        ROWS + 1
    );
    let rows = visit.ask(&sql).await?;
    let mut messages = message::of(&rows)?;
    let has_more = messages.len() > ROWS;
    messages.truncate(ROWS);
    if messages.is_empty() {
        return Ok(html! { (block::partial(rows.partial.as_deref())) (nothing(skip, search)) });
    }
    Ok(html! {
        (block::partial(rows.partial.as_deref()))
        (table(visit, search, &messages, None))
        (pages(visit, skip, messages.len(), has_more))
    })
}

fn nothing(skip: usize, search: &Search) -> Markup {
    match (skip, search.filter.is_all()) {
        (0, true) => block::empty("No messages in this time range.", "Choose a longer range, or send something: metlog send \"hello\"."),
        (0, false) => block::empty("No message matches.", "Take a part out of the filter, or choose a longer range."),
        _ => block::empty("No more messages.", ""),
    }
}

/// Newer and older. The range is pinned, so that what comes meanwhile does not move the pages.
fn pages(visit: &Visit, skip: usize, count: usize, has_more: bool) -> Markup {
    let (from, to) = (iso(visit.range.start), iso(visit.range.end));
    let turned = |skip: usize| {
        let skip = if skip == 0 { String::new() } else { skip.to_string() };
        visit.here_with(&[("from", &from), ("to", &to), ("skip", &skip)])
    };
    html! {
        nav.pages aria-label="Pages" {
            @if skip > 0 { a.button href=(turned(skip.saturating_sub(ROWS))) rel="prev" { "← Newer" } }
            span.note { "Rows " (skip + 1) " to " (skip + count) @if !has_more { ": these are all." } }
            @if has_more && skip + ROWS <= SKIP_MAX { a.button href=(turned(skip + ROWS)) rel="next" { "Older →" } }
            @if has_more && skip + ROWS > SKIP_MAX { span.note { "Choose a shorter range to see more." } }
        }
    }
}

/// A table of messages. `this` is the identity of the one that it is about.
pub(super) fn table(visit: &Visit, search: &Search, messages: &[Message], this: Option<&str>) -> Markup {
    let columns = columns(visit);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Messages" {
            table.data.list {
                caption.sr { "Messages, the newest first" }
                thead { tr { th scope="col" { "time" } @for column in &columns { th scope="col" { (visible(column)) } } } }
                tbody { @for message in messages {
                    @let id = message.id();
                    tr class=[(this == Some(&id)).then_some("this")] {
                        td.t { a.row href=(address(visit, search, message, &id)) { (time(message.timestamp)) } }
                        @for column in &columns { td class=(class(column)) { (message.show(column, &search.filter)) } }
                    }
                } }
            }
        }
    }
}

fn class(column: &str) -> &'static str {
    match column {
        "payload" => "payload",
        "pid" => "n",
        "tokens" | "fields" => "wide",
        _ => "value",
    }
}

/// The address of one message, with the way back.
pub(super) fn address(visit: &Visit, search: &Search, message: &Message, id: &str) -> String {
    let at = message.timestamp.to_string();
    let columns = visit.get("columns").unwrap_or_default();
    visit.link(ROW, &[("at", &at), ("id", id), ("filter", &search.text), ("columns", columns)])
}

/// The address of the list.
pub(super) fn back(visit: &Visit, search: &Search) -> String {
    let columns = visit.get("columns").unwrap_or_default();
    visit.link(PATH, &[("filter", &search.text), ("columns", columns)])
}
