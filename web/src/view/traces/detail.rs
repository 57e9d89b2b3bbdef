//! What is known of one span: times, attributes, events, links both ways, warnings, and the way to its messages.
use super::format;
use crate::text::{cell, visible};
use crate::visit::Visit;
use maud::{Markup, html};
use metlog_query::trace::tree::Node;
use metlog_query::trace::{Attribute, Span, value_of};

/// Events that are listed.
const EVENTS_MAX: usize = 500;

/// `outlined` is the span as it is drawn, possibly moved; `span` as it was sent.
pub(super) fn show(visit: &Visit, outlined: &Span, span: &Span, node: &Node, trace_start: u64) -> Markup {
    let warnings: Vec<&String> = outlined.warnings.iter().chain(&span.warnings).collect();
    let (trace, id) = (span.trace_id, span.span_id);
    let messages = format!(
        "select * from messages where fields['trace_id'] = '{trace}' and fields['span_id'] = '{id}' order by timestamp limit 1000"
    );
    let linking = format!(
        "select timestamp, trace_id, span_id, service, name from \
         (select timestamp, trace_id, span_id, service, name, unnest(links) as link from spans where cardinality(links) > 0) \
         where link['trace_id'] = '{trace}' and link['span_id'] = '{id}' order by timestamp desc limit 100"
    );
    let filter = format!("name={}", metlog_query::filter::quoted(&span.name));
    html! {
        div.detail {
            @for warning in warnings { p.banner.warn { (visible(warning)) } }
            @if !span.status_message.is_empty() { p.banner.bad { (visible(&span.status_message)) } }
            dl.facts {
                dt { "start" } dd { "+" (format::nanos(outlined.start.saturating_sub(trace_start))) }
                dt { "duration" } dd { (format::nanos(span.duration())) }
                dt { "self" } dd { (format::nanos(node.self_nanos)) }
                dt { "kind" } dd { (if span.kind.word().is_empty() { "not given" } else { span.kind.word() }) }
                dt { "status" } dd { (if span.status.word().is_empty() { "not set" } else { span.status.word() }) }
                dt { "span" } dd.mono { (id) }
                @if !span.is_root() { dt { "parent" } dd.mono { a href={ "#span-" (span.parent_id) } { (span.parent_id) } } }
                @if !span.scope.name.is_empty() { dt { "scope" } dd { (visible(&span.scope.name)) " " (visible(&span.scope.version)) } }
                @if !span.trace_state.is_empty() { dt { "trace state" } dd.mono { (visible(&span.trace_state)) } }
                dt { "source" } dd { (span.source) }
            }
            p.files {
                a href=(visit.link("/explore", &[("sql", &messages)])) { "Messages of this span" } " "
                a href=(visit.link("/traces", &[("service", &span.service), ("filter", &filter)])) { "Others like it" } " "
                a href=(visit.link("/explore", &[("sql", &linking)])) { "Spans that link here" }
            }
            (attributes("Attributes", &span.attributes))
            (events(span, trace_start))
            @if !span.links.is_empty() {
                h3 { "Links" }
                ul.links { @for link in &span.links { li {
                    @let is_parent = value_of(&link.attributes, "opentracing.ref_type").is_some_and(|of| of.to_text() == "child_of");
                    (if is_parent { "child of " } else { "follows from " })
                    a.mono href=(visit.link(&format!("/traces/{}", link.trace_id.short()), &[("span", &link.span_id.to_string())])) { (link.trace_id.short()) " / " (link.span_id) }
                    @for of in &link.attributes { " " span.note { (visible(&of.key)) "=" (visible(&of.value.to_text())) } }
                } } }
            }
            (attributes("Resource", &span.resource.attributes))
            (attributes("Scope", &span.scope.attributes))
        }
    }
}

fn attributes(title: &str, attributes: &[Attribute]) -> Markup {
    html! {
        @if !attributes.is_empty() {
            h3 { (title) }
            table.attributes { tbody { @for attribute in attributes { tr {
                th scope="row" { (visible(&attribute.key)) }
                td { (cell(&attribute.value.to_text())) }
            } } } }
        }
    }
}

fn events(span: &Span, trace_start: u64) -> Markup {
    html! {
        @if !span.events.is_empty() {
            h3 { "Events" }
            table.attributes { tbody { @for event in span.events.iter().take(EVENTS_MAX) { tr {
                th scope="row" { "+" (format::nanos(event.time.saturating_sub(trace_start))) }
                td { strong { (visible(&event.name)) } @for of in &event.attributes { " " span.note { (visible(&of.key)) "=" } (cell(&of.value.to_text())) } }
            } } } }
            @if span.events.len() > EVENTS_MAX { p.note { "and " (span.events.len() - EVENTS_MAX) " more" } }
        }
    }
}
