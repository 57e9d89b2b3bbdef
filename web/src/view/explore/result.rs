//! A result as it comes: what was read so far, then the rows, then what it came to.
//!
//! It is sent in the order in which it is known, and shown in another: the style sheet puts the sum and the chart above
//! the rows.
use crate::ask::{Fault, Rows};
use crate::cell::Cell;
use crate::number::{bytes, grouped, span};
use crate::parameter::{Filled, fill, of_range};
use crate::part::block;
use crate::part::suggest::suggest;
use crate::part::table::kind;
use crate::text::visible;
use crate::visit::Visit;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::{BoxStream, StreamExt};
use maud::{Markup, html};
use metlog_query::{Query, Scanned};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Rows that are shown; the others are counted, and in the files.
const SHOWN_MAX: usize = 1_000;

/// Rows that a chart is made of.
const DRAWN_MAX: usize = 20_000;

/// How often it is said how far it is.
const TELL_INTERVAL: Duration = Duration::from_millis(250);

/// Pieces that wait for the reader.
const PIECES_MAX: usize = 8;

/// The result by itself, for the script.
pub(super) async fn alone(visit: Visit) -> Response {
    let sql = visit.get("sql").unwrap_or_default().to_owned();
    let pieces = stream(visit, sql).map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(pieces)).into_response()
}

/// Runs a query, and tells of it. When the stream is dropped, the query ends.
pub(super) fn stream(visit: Visit, sql: String) -> BoxStream<'static, String> {
    let (pieces, told) = mpsc::channel(PIECES_MAX);
    let running = async move { run(&visit, &sql, &pieces).await };
    // What runs is polled by the reader of its pieces, and dropped with it.
    let running = futures::stream::once(running).filter_map(|()| async { None });
    let told = futures::stream::unfold(told, |mut told| async { told.recv().await.map(|piece| (piece, told)) });
    futures::stream::select(told, running).boxed()
}

type Pieces = mpsc::Sender<String>;

async fn run(visit: &Visit, sql: &str, pieces: &Pieces) {
    let filled = fill(sql, &of_range(&visit.range));
    let began = Instant::now();
    if let Err(fault) = try_run(visit, sql, &filled, began, pieces).await {
        say(pieces, failed(&filled, fault, began.elapsed())).await;
    }
}

async fn say(pieces: &Pieces, markup: Markup) {
    say_text(pieces, markup.into_string()).await;
}

/// Whoever asked may be gone; then all of this is dropped soon.
async fn say_text(pieces: &Pieces, text: String) {
    let _ = pieces.send(text).await;
}

async fn try_run(visit: &Visit, sql: &str, filled: &Filled, began: Instant, pieces: &Pieces) -> Result<(), Fault> {
    let Some(pool) = &visit.site.pool else {
        return Err(Fault::new("there is no SQL here: this server was started with `metlog listen`"));
    };
    let (told, progress) = watch::channel(Scanned::default());
    let mut ticks = tokio::time::interval(TELL_INTERVAL);
    ticks.tick().await;
    let mut beginning = std::pin::pin!(pool.stream(Query::streamed(filled.sql.as_str(), &visit.rights), told));
    let mut streamed = loop {
        tokio::select! {
            begun = &mut beginning => break begun?,
            _ = ticks.tick() => {
                let scanned = *progress.borrow();
                say(pieces, running(began, scanned, 0)).await;
            }
        }
    };
    let mut kept = Rows { schema: streamed.schema.clone(), batches: Vec::new(), partial: streamed.partial.clone() };
    let mut count = 0;
    say_text(pieces, head(&streamed.schema)).await;
    loop {
        let batch = tokio::select! {
            next = streamed.next() => match next {
                Ok(batch) => batch,
                Err(error) => {
                    if count < SHOWN_MAX {
                        say_text(pieces, FOOT.to_owned()).await;
                    }
                    return Err(error.into());
                }
            },
            _ = ticks.tick() => {
                let scanned = *progress.borrow();
                let so_far = running(began, scanned, count);
                // Before the last of the rows that are shown, it stands between them.
                let is_open = count < SHOWN_MAX;
                let row = html! { tr.progress { td colspan=(kept.schema.fields().len().max(1)) { (so_far) } } };
                say(pieces, if is_open { row } else { so_far }).await;
                continue;
            }
        };
        let Some(batch) = batch else { break };
        if count < SHOWN_MAX {
            say(pieces, body(&batch.slice(0, batch.num_rows().min(SHOWN_MAX - count)))).await;
            if count + batch.num_rows() >= SHOWN_MAX {
                say_text(pieces, FOOT.to_owned()).await;
            }
        }
        if count < DRAWN_MAX {
            kept.batches.push(batch.clone());
        }
        count += batch.num_rows();
    }
    if count < SHOWN_MAX {
        say_text(pieces, FOOT.to_owned()).await;
    }
    let scanned = *progress.borrow();
    say(pieces, done(visit, sql, &kept, count, began.elapsed(), scanned)).await;
    Ok(())
}

fn running(began: Instant, scanned: Scanned, rows: usize) -> Markup {
    html! {
        p.progress role="status" {
            "Running for " (format!("{:.1} s", began.elapsed().as_secs_f64()))
            @if scanned.objects > 0 { ", " (grouped(scanned.rows)) " rows and " (bytes(scanned.bytes)) " read of " (grouped(scanned.objects)) " objects" }
            @if rows > 0 { ", " (grouped(rows as u64)) " rows of the result" }
        }
    }
}

fn head(schema: &SchemaRef) -> String {
    let head = html! {
        thead { tr { @for field in schema.fields() {
            th scope="col" class=[field.data_type().is_numeric().then_some("n")] { (visible(field.name())) span.kind { (kind(field.data_type())) } }
        } } }
    };
    format!("<div class=\"scroll rows\" tabindex=\"0\" role=\"region\" aria-label=\"Rows\"><table class=\"data\">{}<tbody>", head.into_string())
}

const FOOT: &str = "</tbody></table></div>";

fn body(batch: &RecordBatch) -> Markup {
    html! { @for row in 0..batch.num_rows() { tr {
        @for column in batch.columns() {
            @let cell = Cell::of(column, row);
            td class=[match cell { Cell::Number(..) => Some("n"), Cell::Time(_) => Some("t"), _ => None }] { (cell.show()) }
        }
    } } }
}

fn done(visit: &Visit, sql: &str, kept: &Rows, count: usize, took: Duration, scanned: Scanned) -> Markup {
    let file = |format: &str| visit.link("/explore/export", &[("format", format), ("sql", sql)]);
    html! {
        div.sum role="status" data-rows=(count) data-ms=(took.as_millis()) {
            p {
                strong { (grouped(count as u64)) @if count == 1 { " row" } @else { " rows" } } " in " (span(took.as_secs_f64().max(0.001)))
                span.note { (read(scanned)) }
            }
            p.files { @for (format, title) in super::export::FORMATS { a href=(file(format)) download { (title) } } }
        }
        (block::partial(kept.partial.as_deref()))
        @if count > SHOWN_MAX { p.banner.warn.cut { "Showing the first " (grouped(SHOWN_MAX as u64)) " of " (grouped(count as u64)) " rows. The files have all of them." } }
        @if count == 0 { (block::empty("The query has no rows.", "Look at the time range and the conditions.")) }
        @if let Some(chart) = suggest(kept, &visit.range) { div.suggested { (chart) } }
    }
}

/// What was read and what could be left out.
fn read(scanned: Scanned) -> String {
    if scanned.objects == 0 {
        return " · read from memory and the journal".to_owned();
    }
    let mut text = format!(" · {} read of {} stored objects", bytes(scanned.bytes), grouped(scanned.objects));
    let pruned = [(scanned.objects_pruned, "objects"), (scanned.row_groups_pruned, "row groups")];
    for (count, what) in pruned.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {} {what} skipped", grouped(count)));
    }
    text
}

/// An error, with its place in what was written.
fn failed(filled: &Filled, fault: Fault, took: Duration) -> Markup {
    let place = fault.position.map(|(line, column)| filled.place(line, column));
    html! {
        div.fault role="alert" data-line=[place.map(|(line, _)| line)] data-column=[place.map(|(_, column)| column)] data-ms=(took.as_millis()) {
            p { strong { "No result. " } span.message { (visible(&fault.message)) } }
            @if let Some((line, column)) = place { p.note { "Line " (line) ", column " (column) } }
            @if fault.is_temporary { p.note { "Choose a shorter time range, ask for less, or run it again." } }
        }
    }
}
