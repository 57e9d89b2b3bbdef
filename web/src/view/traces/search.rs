//! Search: a form whose state is the address, a scatter plot of what was found, and results as traces or as spans, in an
//! order over all that is found.
use super::{colour, format, scatter, tabs, traces, with};
use crate::ask::Fault;
use crate::cell::time;
use crate::number::grouped;
use crate::page::Page;
use crate::part::bars::track;
use crate::part::block;
use crate::text::visible;
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_query::filter::Filter;
use metlog_query::trace::find::{Order, Search, Summary};
use metlog_query::trace::{Span, Status};
use metlog_schemas::table::Table;

/// Results of a page, unless the address says otherwise, and at most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1_000;

/// Services of a trace that are named in its row.
const SERVICES_MAX: usize = 6;

/// Orders in words.
const ORDERS: [(Order, &str); 6] = [
    (Order::Newest, "newest first"),
    (Order::Oldest, "oldest first"),
    (Order::Longest, "longest first"),
    (Order::Shortest, "shortest first"),
    (Order::MostSpans, "most spans first"),
    (Order::MostErrors, "most errors first"),
];

/// A filter of spans; `name` says in an error which.
///
/// # Errors
/// What of it cannot be read.
pub(super) fn filter(text: &str, name: &str) -> Result<Filter, Fault> {
    Filter::parse(Table::Spans, text).map_err(|error| Fault::new(format!("{name}: {error}")))
}

/// What the address asks for.
///
/// # Errors
/// What of it cannot be read.
pub(super) fn wanted(visit: &Visit) -> Result<Search, Fault> {
    let filter = visit.get("filter").map(|text| filter(text, "filter")).transpose()?;
    let nanos = |name: &str| -> Result<Option<u64>, Fault> {
        let Some(text) = visit.get(name) else { return Ok(None) };
        let parsed = metlog_query::jaeger::duration(text).map_err(|why| Fault::new(format!("{name}: {why}")))?;
        Ok(u64::try_from(parsed).ok())
    };
    let number = |name: &str, usual: usize| visit.get(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let micros = |at: i64| u64::try_from(at).unwrap_or_default().saturating_mul(1_000);
    let status = (visit.get("errors") == Some("1")).then(|| ("error".to_owned(), "true".to_owned()));
    Ok(Search {
        service: visit.get("service").map(str::to_owned),
        operation: visit.get("operation").map(str::to_owned),
        tags: status.into_iter().collect(),
        filter,
        from: micros(visit.range.start),
        until: micros(visit.range.end).saturating_sub(1),
        duration_min: nanos("min")?,
        duration_max: nanos("max")?,
        trace_min: nanos("tracemin")?,
        trace_max: nanos("tracemax")?,
        order: visit.get("sort").and_then(Order::from_name).unwrap_or_default(),
        limit: number("limit", LIMIT).clamp(1, LIMIT_MAX),
        offset: number("offset", 0),
        ..Search::default()
    })
}

pub(super) async fn show(visit: Visit) -> Page {
    let mut page = visit.page("Traces");
    page.script("traces.js");
    page.now(tabs(&visit));
    let asking = visit.clone();
    page.later("Search", async move { form(&asking).await });
    let asking = visit.clone();
    let is_spans = visit.get("results") == Some("spans");
    page.later("Results", async move {
        if is_spans { of_spans(&asking).await } else { of_traces(&asking).await }
    });
    page.now(html! {
        details.card {
            summary { "Open a trace file" }
            form method="post" action=(visit.link("/traces/upload", &[])) enctype="text/plain" data-upload {
                p.note { "OTLP or Jaeger JSON. The file is shown, and not stored." }
                input type="file" accept=".json,application/json" aria-label="Trace file";
                textarea name="json" rows="4" aria-label="Trace as JSON" placeholder="… or paste it here" {}
                button type="submit" { "Open" }
            }
        }
    });
    page
}

async fn form(visit: &Visit) -> Result<Markup, Fault> {
    let traces = traces(visit)?;
    let services = traces.services().await?;
    let service = visit.get("service");
    let operations = match service {
        Some(service) => traces.operations(Some(service), None).await?,
        None => Vec::new(),
    };
    let mut names: Vec<&str> = operations.iter().map(|operation| operation.name.as_str()).collect();
    names.dedup();
    let value = |name: &str| visit.get(name).unwrap_or_default().to_owned();
    let sort = visit.get("sort").and_then(Order::from_name).unwrap_or_default();
    Ok(html! {
        form.find-traces method="get" action="/traces" {
            @for (key, value) in &visit.parameters {
                @if matches!(key.as_str(), "from" | "to" | "zone") { input type="hidden" name=(key) value=(value); }
            }
            label.wide { "Filter"
                input name="filter" value=(value("filter")) spellcheck="false" autocomplete="off" placeholder="service=shop and status=error and attributes.http.route~\"^/cart\"";
            }
            label { "Service"
                select name="service" {
                    option value="" { "all" }
                    @for name in &services { option value=(name) selected[service == Some(name)] { (visible(name)) } }
                }
            }
            label { "Operation"
                input name="operation" list="operations" value=(value("operation")) autocomplete="off";
                datalist #operations { @for name in names { option value=(name) {} } }
            }
            label { "Span takes at least" input name="min" value=(value("min")) placeholder="100ms" size="8"; }
            label { "… at most" input name="max" value=(value("max")) placeholder="2s" size="8"; }
            label { "Trace takes at least" input name="tracemin" value=(value("tracemin")) placeholder="1s" size="8"; }
            label { "… at most" input name="tracemax" value=(value("tracemax")) size="8"; }
            label { "Show"
                select name="results" {
                    option value="" { "traces" }
                    option value="spans" selected[visit.get("results") == Some("spans")] { "spans" }
                }
            }
            label { "Order"
                select name="sort" {
                    @for (order, words) in ORDERS { option value=(order.name()) selected[order == sort] { (words) } }
                }
            }
            label.check { input type="checkbox" name="errors" value="1" checked[visit.get("errors") == Some("1")]; "errors only" }
            div.actions {
                button.primary type="submit" { "Search" }
                button type="button" data-save hidden { "Save this search" }
                a.button href=(visit.link("/traces", &[])) { "Clear" }
            }
        }
        div.saved hidden { h3 { "Saved searches" } ul {} }
    })
}

async fn of_traces(visit: &Visit) -> Result<Markup, Fault> {
    let search = wanted(visit)?;
    let traces = traces(visit)?;
    let (ids, partial) = traces.search(&search).await?;
    let found = traces.summaries(&ids, false).await?;
    if found.is_empty() {
        let advice = "Choose a longer time range, or fewer conditions.";
        return Ok(html! { (block::partial(partial.as_deref())) (block::empty("No traces found.", advice)) });
    }
    let longest = found.iter().map(Summary::duration).max().unwrap_or_default().max(1);
    let sorted = |order: Order, title: &str| html! {
        th scope="col" aria-sort=[(search.order == order).then_some("descending")] {
            a href=(visit.here_with(&[("sort", order.name()), ("offset", "")])) { (title) }
        }
    };
    Ok(html! {
        (block::partial(partial.as_deref()))
        (scatter::of(visit, found.iter().map(|trace| scatter::Dot {
            at: trace.start,
            nanos: trace.duration(),
            is_error: trace.errors > 0,
            title: format!("{}: {}, {} spans", trace.root_service, trace.root_name, trace.spans),
            link: visit.link(&format!("/traces/{}", trace.id.short()), &[]),
        }).collect()))
        div.scroll tabindex="0" role="region" aria-label="Traces" {
            table.data {
                thead { tr {
                    (sorted(Order::Newest, "start"))
                    th scope="col" { "trace" }
                    (sorted(Order::Longest, "duration"))
                    (sorted(Order::MostSpans, "spans"))
                    (sorted(Order::MostErrors, "errors"))
                    th scope="col" { "services" }
                } }
                tbody { @for trace in &found { (row(visit, trace, longest)) } }
            }
        }
        (pages(visit, &search, found.len()))
    })
}

fn row(visit: &Visit, trace: &Summary, longest: u64) -> Markup {
    let link = visit.link(&format!("/traces/{}", trace.id.short()), &[]);
    let rest = trace.services.len().saturating_sub(SERVICES_MAX);
    html! { tr {
        td.t { (time((trace.start / 1_000).cast_signed())) }
        td {
            a href=(link) {
                @if trace.root_name.is_empty() { em { "no root yet" } } @else { (visible(&trace.root_service)) ": " (visible(&trace.root_name)) }
            }
            " " span.note.mono { (format::short_id(trace.id)) }
        }
        td.n { (format::nanos(trace.duration())) (track(trace.duration() as f64 / longest as f64)) }
        td.n { (grouped(trace.spans)) }
        td.n { @if trace.errors > 0 { span.badge.bad { (grouped(trace.errors)) } } @else { "0" } }
        td { @for service in trace.services.iter().take(SERVICES_MAX) {
            span class={ "service " (colour(&service.name)) } { (visible(&service.name)) " " (service.spans) } " "
        } @if rest > 0 { span.note { "and " (rest) " more" } } }
    } }
}

/// Links to the pages before and behind this one.
fn pages(visit: &Visit, search: &Search, shown: usize) -> Markup {
    let before = search.offset.saturating_sub(search.limit);
    html! {
        p.pages {
            @if search.offset > 0 { a.button rel="prev" href=(visit.here_with(&[("offset", &before.to_string())])) { "Previous" } }
            span.note { (search.offset + 1) " to " (search.offset + shown) }
            @if shown >= search.limit {
                a.button rel="next" href=(visit.here_with(&[("offset", &(search.offset + shown).to_string())])) { "Next" }
            }
            span.files {
                "Save as " a href=(with(visit, "/traces/export", &[("format", "jaeger")])) { "Jaeger JSON" } " "
                a href=(with(visit, "/traces/export", &[("format", "otlp")])) { "OTLP JSON" } " "
                a href=(with(visit, "/traces/export", &[("format", "csv")])) { "CSV" } " "
                a href=(with(visit, "/traces/export", &[("format", "parquet")])) { "Parquet" }
            }
        }
    }
}

async fn of_spans(visit: &Visit) -> Result<Markup, Fault> {
    let search = wanted(visit)?;
    let found = traces(visit)?.found_spans(&search).await?;
    let spans = found.plain();
    if spans.is_empty() {
        return Ok(block::empty("No spans found.", "Choose a longer time range, or fewer conditions."));
    }
    let longest = spans.iter().map(Span::duration).max().unwrap_or_default().max(1);
    let link = |span: &Span| {
        let id = span.span_id.to_string();
        visit.link(&format!("/traces/{}", span.trace_id.short()), &[("span", &id)])
    };
    Ok(html! {
        (block::partial(found.partial.as_deref()))
        (scatter::of(visit, spans.iter().map(|span| scatter::Dot {
            at: span.start,
            nanos: span.duration(),
            is_error: span.status == Status::Error,
            title: format!("{}: {}", span.service, span.name),
            link: link(span),
        }).collect()))
        div.scroll tabindex="0" role="region" aria-label="Spans" {
            table.data {
                thead { tr {
                    th scope="col" { a href=(visit.here_with(&[("sort", "newest")])) { "start" } }
                    th scope="col" { "service" } th scope="col" { "operation" } th scope="col" { "kind" }
                    th.n scope="col" { a href=(visit.here_with(&[("sort", "longest")])) { "duration" } }
                    th scope="col" { "status" }
                } }
                tbody { @for span in &spans { tr {
                    td.t { (time((span.start / 1_000).cast_signed())) }
                    td { span class={ "service " (colour(&span.service)) } { (visible(&span.service)) } }
                    td { a href=(link(span)) { (visible(&span.name)) } }
                    td { (span.kind.word()) }
                    td.n { (format::nanos(span.duration())) (track(span.duration() as f64 / longest as f64)) }
                    td { @if span.status == Status::Error { span.badge.bad { "error" } " " (visible(&span.status_message)) } @else { (span.status.word()) } }
                } } }
            }
        }
        (pages(visit, &search, spans.len()))
    })
}
