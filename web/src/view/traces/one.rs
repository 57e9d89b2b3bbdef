//! One trace: its head, and beneath it what the address chooses: waterfall, flame graph, statistics, calls.
use super::waterfall::View;
use super::{calls, flame, format, minimap, statistics, tabs, traces, waterfall};
use crate::ask::Fault;
use crate::cell::time;
use crate::number::grouped;
use crate::page::Page;
use crate::part::block;
use crate::text::visible;
use crate::visit::Visit;
use axum::extract::Path;
use axum::http::StatusCode;
use maud::{Markup, html};
use metlog_query::trace::adjust::{Adjustments, SKEW_MAX};
use metlog_query::trace::find::Outline;
use metlog_query::trace::{Status, TraceId};

/// Ways to look at a trace, as in an address and in words.
const WAYS: [(&str, &str); 5] = [
    ("", "Waterfall"),
    ("flame", "Flame graph"),
    ("statistics", "Statistics"),
    ("calls", "Calls"),
    ("graph", "Call graph"),
];

pub(super) async fn show(Path(text): Path<String>, visit: Visit) -> Page {
    let mut page = visit.page(format!("Trace {text}"));
    page.script("traces.js");
    page.now(tabs(&visit));
    let Some(id) = TraceId::parse(&text) else {
        page.status(StatusCode::BAD_REQUEST);
        page.now(block::fault(&Fault::new(format!("{text} is no trace ID: up to 32 hexadecimal digits are required"))));
        return page;
    };
    // The whole page is about one trace: it is looked for first, so that there is a status.
    match load(&visit, id).await {
        Ok(Some((outline, view))) => parts(&mut page, &visit, outline, view).await,
        Ok(None) => {
            page.status(StatusCode::NOT_FOUND);
            page.now(block::empty("There is no such trace.", "Its spans may not have arrived yet. Load the page again."));
        }
        Err(fault) => page.now(block::fault(&fault)),
    }
    page
}

async fn load(visit: &Visit, id: TraceId) -> Result<Option<(Outline, View)>, Fault> {
    let Some(mut outline) = traces(visit)?.outline(id).await? else { return Ok(None) };
    let is_moved = visit.get("skew") == Some("on");
    // Told of, unless the reader has it moved.
    let delta_max = if is_moved { SKEW_MAX } else { std::time::Duration::ZERO };
    let adjustments = Adjustments { shared_ids: true, clock_skew: Some(delta_max), ..Adjustments::NONE };
    adjustments.apply(&mut outline.trace);
    let view = View::of(visit, &outline);
    Ok(Some((outline, view)))
}

async fn parts(page: &mut Page, visit: &Visit, outline: Outline, view: View) {
    page.now(head(visit, &outline, &view));
    let shown = match visit.get("way").unwrap_or_default() {
        "flame" => Ok(flame::show(visit, &outline, &view)),
        "statistics" => statistics::show(visit, &outline).await,
        "calls" => Ok(calls::table(&outline, &view)),
        "graph" => Ok(calls::graph(visit, &outline)),
        _ => waterfall::show(visit, &outline, &view).await.map(|rows| html! { (minimap::show(visit, &outline, &view)) (rows) }),
    };
    let shown = shown.unwrap_or_else(|fault| block::fault(&fault));
    page.now(html! { section.card.trace { (shown) } });
}

fn head(visit: &Visit, outline: &Outline, view: &View) -> Markup {
    let trace = &outline.trace;
    let root = trace.root().map(|root| &trace.spans[root]);
    let services: std::collections::BTreeSet<&str> = trace.spans.iter().map(|span| span.service.as_str()).collect();
    let errors = trace.spans.iter().filter(|span| span.status == Status::Error).count();
    let orphans = view.nodes.iter().filter(|node| node.is_orphan).count();
    let warned = trace.spans.iter().filter(|span| !span.warnings.is_empty()).count();
    let depth = view.nodes.iter().map(|node| node.depth + 1).max().unwrap_or_default();
    let is_moved = visit.get("skew") == Some("on");
    let way = visit.get("way").unwrap_or_default();
    let messages = format!(
        "select * from messages where fields['trace_id'] = '{}' order by timestamp limit 1000",
        trace.id
    );
    let path = format!("/traces/{}/export", trace.id.short());
    html! {
        section.card.trace-head {
            p.title {
                @match root {
                    Some(root) => { strong { (visible(&root.service)) ": " (visible(&root.name)) } },
                    None => { strong { "No root yet" } },
                }
                " " span.note.mono { (trace.id.short()) }
            }
            p {
                (time((trace.start() / 1_000).cast_signed())) " · " (format::nanos(trace.end().saturating_sub(trace.start()))) " · "
                (grouped(outline.total)) " spans · " (services.len()) " services · depth " (depth)
                @if errors > 0 { " · " span.badge.bad { (grouped(errors as u64)) (if errors == 1 { " error" } else { " errors" }) } }
                @if orphans > 0 { " · " span.badge.warn title="Spans whose parent has not arrived" { (grouped(orphans as u64)) " without their parent" } }
            }
            (block::partial(outline.partial.as_deref()))
            @if outline.total > trace.spans.len() as u64 {
                p.banner.warn { "Showing the first " (grouped(trace.spans.len() as u64)) " of " (grouped(outline.total)) " spans." }
            }
            @if warned > 0 || is_moved {
                p.banner.warn {
                    (grouped(warned as u64)) (if warned == 1 { " span has" } else { " spans have" }) " warnings. "
                    @if is_moved { "Times of hosts with other clocks are moved. " a href=(visit.here_with(&[("skew", "")])) { "Show them as sent" } }
                    @else { a href=(visit.here_with(&[("skew", "on")])) { "Move times of hosts with other clocks" } }
                }
            }
            nav.tabs aria-label="Ways to look at it" {
                @for (name, title) in WAYS {
                    a href=(visit.here_with(&[("way", name), ("at", ""), ("focus", "")])) aria-current=[(way == name).then_some("page")] { (title) }
                }
            }
            p.files {
                a href=(visit.link("/explore", &[("sql", &messages)])) { "Its messages" } " "
                "Save as " a href=(visit.link(&path, &[("format", "jaeger")])) { "Jaeger JSON" } " "
                a href=(visit.link(&path, &[("format", "otlp")])) { "OTLP JSON" } " "
                a href=(visit.link(&path, &[("format", "csv")])) { "CSV" } " "
                a href=(visit.link(&path, &[("format", "parquet")])) { "Parquet" }
            }
        }
    }
}
