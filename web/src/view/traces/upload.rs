//! A trace from a file: shown as any other, and not stored.
use super::waterfall::View;
use super::{calls, colour, flame, format, tabs};
use crate::ask::Fault;
use crate::page::Page;
use crate::part::block;
use crate::text::visible;
use crate::visit::Visit;
use axum::body::Bytes;
use axum::http::StatusCode;
use maud::{Markup, html};
use metlog_query::jaeger::read_traces;
use metlog_query::trace::find::Outline;
use metlog_query::trace::{Trace, otlp};

/// Longest file.
pub(super) const BODY_BYTES_MAX: usize = 64 << 20;

/// Traces of a file that are shown.
const TRACES_MAX: usize = 20;

/// Rows of each.
const ROWS_MAX: usize = 500;

pub(super) async fn show(visit: Visit, body: Bytes) -> Page {
    let mut page = visit.page("Traces of a file");
    page.now(tabs(&visit));
    match read(&body) {
        Ok(traces) if traces.is_empty() => page.now(block::empty("The file has no spans.", "")),
        Ok(traces) => {
            for trace in traces.into_iter().take(TRACES_MAX) {
                page.now(one(&visit, trace));
            }
        }
        Err(why) => {
            page.status(StatusCode::BAD_REQUEST);
            page.now(block::fault(&Fault::new(why)));
        }
    }
    page
}

/// OTLP or Jaeger, by what is in it; a form's field `json=…` as well as the file itself.
fn read(body: &[u8]) -> Result<Vec<Trace>, String> {
    let body = body.strip_prefix(b"json=").unwrap_or(body);
    let value: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| format!("the file is no JSON: {error}"))?;
    if value.get("data").is_some() {
        return read_traces(&value);
    }
    let spans = otlp::read(body).map_err(|why| format!("the file is neither OTLP nor Jaeger JSON: {why}"))?;
    Ok(Trace::assemble(spans))
}

fn one(visit: &Visit, mut trace: Trace) -> Markup {
    trace.spans.sort_by_key(|span| span.start);
    let ids = trace.spans.iter().map(|span| span.span_id).collect();
    let total = trace.spans.len() as u64;
    let outline = Outline { trace, ids, total, partial: None };
    let view = View::of(visit, &outline);
    let title = outline.trace.root().map(|root| &outline.trace.spans[root]);
    html! {
        section.card.trace {
            p.title {
                @if let Some(root) = title { strong { (visible(&root.service)) ": " (visible(&root.name)) } }
                " " span.note.mono { (outline.trace.id.short()) } " " (format::nanos(view.nanos)) ", " (total) " spans"
            }
            (flame::show(visit, &outline, &view))
            ul.notes { @for span in outline.trace.spans.iter().filter(|span| span.status.word() == "error").take(ROWS_MAX) {
                li { span class={ "service " (colour(&span.service)) } { (visible(&span.service)) } " " (visible(&span.name)) " " (visible(&span.status_message)) }
            } }
            (calls::table(&outline, &view))
        }
    }
}
