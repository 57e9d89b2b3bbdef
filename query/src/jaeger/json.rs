//! A trace in the JSON of v1, which Jaeger's UI and Grafana read. What it has no place for is left out: scopes' and links'
//! attributes, counts of what was dropped, nanoseconds.
use crate::trace::{Attribute, Event, Link, Resource, Span, Status, Trace, Value, value_of};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Beyond this a reader in JavaScript would round.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// The service of a resource that names none.
const NO_SERVICE: &str = "OTLPResourceNoServiceName";

/// The attribute of a link that says that it is another parent.
const REF_TYPE: &str = "opentracing.ref_type";

/// A trace of v1.
#[derive(Debug, Serialize)]
pub struct TraceJson {
    #[serde(rename = "traceID")]
    trace_id: String,
    spans: Vec<SpanJson>,
    processes: BTreeMap<String, Process>,
    warnings: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanJson {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<u32>,
    operation_name: String,
    references: Vec<Reference>,
    start_time: u64,
    duration: u64,
    tags: Vec<Tag>,
    logs: Vec<Log>,
    #[serde(rename = "processID")]
    process_id: String,
    warnings: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct Reference {
    #[serde(rename = "refType")]
    ref_type: &'static str,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Tag {
    key: String,
    r#type: &'static str,
    value: serde_json::Value,
}

#[derive(Debug, Serialize)]
struct Log {
    timestamp: u64,
    fields: Vec<Tag>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    service_name: String,
    tags: Vec<Tag>,
}

/// Writes a trace.
pub fn trace(trace: &Trace, warnings: Vec<String>) -> TraceJson {
    let mut ids: HashMap<*const Resource, String> = HashMap::new();
    let mut processes: Vec<Process> = Vec::new();
    let mut spans = Vec::with_capacity(trace.spans.len());
    for span in &trace.spans {
        let id = ids.entry(Arc::as_ptr(&span.resource)).or_insert_with(|| {
            let process = process(&span.resource);
            let place = processes.iter().position(|known| *known == process);
            let place = place.unwrap_or_else(|| {
                processes.push(process);
                processes.len() - 1
            });
            format!("p{}", place + 1)
        });
        spans.push(write(span, id.clone()));
    }
    let processes = processes.into_iter().enumerate().map(|(at, process)| (format!("p{}", at + 1), process));
    TraceJson {
        trace_id: trace.id.short(),
        spans,
        processes: processes.collect(),
        warnings: (!warnings.is_empty()).then_some(warnings),
    }
}

fn process(resource: &Resource) -> Process {
    let name = value_of(&resource.attributes, "service.name").map(Value::to_text);
    Process {
        service_name: name.unwrap_or_else(|| NO_SERVICE.to_owned()),
        tags: resource.attributes.iter().filter(|attribute| attribute.key != "service.name").map(tag).collect(),
    }
}

/// The format whose tags are attributes as they were sent: what columns learned of them is not said again.
const OWN: &str = "jaeger";

fn write(span: &Span, process_id: String) -> SpanJson {
    // A link says of which kind a reference is that gave the span its parent, where it is no `CHILD_OF`.
    let is_parent = |link: &Link| link.trace_id == span.trace_id && link.span_id == span.parent_id;
    let is_told = span.source == OWN && span.links.iter().any(is_parent);
    let parent = (!span.is_root() && !is_told).then(|| Reference {
        ref_type: "CHILD_OF",
        trace_id: span.trace_id.short(),
        span_id: span.parent_id.to_string(),
    });
    SpanJson {
        trace_id: span.trace_id.short(),
        span_id: span.span_id.to_string(),
        flags: match span.extra("jaeger.flags") {
            Some(flags) => flags.parse().ok(),
            None => (span.source == OWN).then_some(span.flags),
        },
        operation_name: span.name.clone(),
        references: parent.into_iter().chain(span.links.iter().map(reference)).collect(),
        start_time: span.start / 1_000,
        duration: span.duration() / 1_000,
        tags: tags(span),
        logs: span.events.iter().map(log).collect(),
        process_id,
        warnings: (!span.warnings.is_empty()).then(|| span.warnings.clone()),
    }
}

fn reference(link: &Link) -> Reference {
    let is_parent = value_of(&link.attributes, REF_TYPE).and_then(Value::as_text) == Some("child_of");
    Reference {
        ref_type: if is_parent { "CHILD_OF" } else { "FOLLOWS_FROM" },
        trace_id: link.trace_id.short(),
        span_id: link.span_id.to_string(),
    }
}

fn tags(span: &Span) -> Vec<Tag> {
    if span.source == OWN {
        return span.attributes.iter().map(tag).collect();
    }
    let code = match span.status {
        Status::Unset => "",
        Status::Ok => "OK",
        Status::Error => "ERROR",
    };
    let mut tags = Vec::with_capacity(span.attributes.len() + 4);
    tags.extend(filled("otel.scope.name", &span.scope.name));
    tags.extend(filled("otel.scope.version", &span.scope.version));
    tags.extend(span.attributes.iter().map(tag));
    tags.extend(filled("span.kind", span.kind.word()));
    tags.extend(filled("otel.status_code", code));
    if span.status == Status::Error {
        tags.push(Tag { key: "error".to_owned(), r#type: "bool", value: true.into() });
    }
    tags.extend(filled("otel.status_description", &span.status_message));
    tags.extend(filled("w3c.tracestate", &span.trace_state));
    tags
}

fn filled(key: &str, text: &str) -> Option<Tag> {
    (!text.is_empty()).then(|| Tag { key: key.to_owned(), r#type: "string", value: text.into() })
}

fn log(event: &Event) -> Log {
    let has_name = value_of(&event.attributes, "event").is_some();
    let name = (!event.name.is_empty() && !has_name).then(|| tag(&Attribute::text("event", event.name.clone())));
    Log { timestamp: event.time / 1_000, fields: name.into_iter().chain(event.attributes.iter().map(tag)).collect() }
}

fn tag(attribute: &Attribute) -> Tag {
    let (r#type, value) = match &attribute.value {
        Value::Bool(value) => ("bool", (*value).into()),
        Value::Int(value) if value.abs_diff(0) <= INTEGER_MAX.unsigned_abs() => ("int64", (*value).into()),
        Value::Double(value) if value.is_finite() => ("float64", (*value).into()),
        Value::Bytes(_) => ("binary", attribute.value.to_text().into()),
        other => ("string", other.to_text().into()),
    };
    Tag { key: attribute.key.clone(), r#type, value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Kind;

    #[test]
    fn what_came_from_jaeger_is_shown_as_it_was_sent() {
        let mut span = Span { source: OWN.to_owned(), kind: Kind::Server, status: Status::Error, ..Span::default() };
        span.attributes =
            vec![Attribute::text("error", "true".to_owned()), Attribute::text("span.kind", "server".to_owned())];
        (span.flags, span.parent_id) = (1, crate::trace::SpanId(7));
        span.links = vec![Link {
            span_id: span.parent_id,
            attributes: vec![Attribute::text(REF_TYPE, "follows_from".to_owned())],
            ..Link::default()
        }];
        let json = serde_json::to_value(write(&span, "p1".to_owned())).unwrap();
        let keys: Vec<_> = json["tags"].as_array().unwrap().iter().map(|tag| tag["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["error", "span.kind"]);
        assert_eq!((&json["flags"], json["references"].as_array().unwrap().len()), (&1.into(), 1));
        assert_eq!(json["references"][0]["refType"], "FOLLOWS_FROM");
    }
}
