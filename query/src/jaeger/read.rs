//! Traces from the JSON of v1, as people download and upload it: the reverse of `json.rs`, as far as v1 tells.
use crate::trace::{Attribute, Event, Kind, Link, Resource, Span, SpanId, Status, Trace, TraceId, Value};
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use std::sync::Arc;

/// The traces of `{"data": […]}`.
///
/// # Errors
/// What is wrong with it, for a human.
pub fn read_traces(body: &Json) -> Result<Vec<Trace>, String> {
    let data = body.get("data").and_then(Json::as_array).ok_or("`data` is not an array of traces")?;
    data.iter().map(read_trace).collect()
}

fn read_trace(of: &Json) -> Result<Trace, String> {
    let mut resources: HashMap<&str, (String, Arc<Resource>)> = HashMap::new();
    for (id, process) in of.get("processes").and_then(Json::as_object).into_iter().flatten() {
        let service = text(process, "serviceName");
        let mut attributes = vec![Attribute::text("service.name", service.clone())];
        attributes.extend(list(process, "tags").iter().map(tag));
        resources.insert(id, (service, Arc::new(Resource { attributes, ..Resource::default() })));
    }
    let spans = list(of, "spans").iter().map(|span| read_span(span, &resources)).collect::<Result<Vec<_>, _>>()?;
    let id = spans.first().map(|span| span.trace_id).unwrap_or_default();
    Ok(Trace { id, spans })
}

fn read_span(of: &Json, resources: &HashMap<&str, (String, Arc<Resource>)>) -> Result<Span, String> {
    let trace_id = trace_id(of)?;
    let mut span = Span {
        trace_id,
        span_id: span_id(of, "spanID")?,
        parent_id: span_id(of, "parentSpanID")?,
        name: text(of, "operationName"),
        start: micros(of, "startTime"),
        source: "file".to_owned(),
        ..Span::default()
    };
    span.end = span.start.saturating_add(micros(of, "duration"));
    if let Some((service, resource)) = resources.get(text(of, "processID").as_str()) {
        span.service.clone_from(service);
        span.resource = Arc::clone(resource);
    }
    for reference in list(of, "references") {
        let (trace, id) = (self::trace_id(reference)?, span_id(reference, "spanID")?);
        let is_parent = text(reference, "refType") == "CHILD_OF";
        if is_parent && trace == trace_id && span.is_root() {
            span.parent_id = id;
            continue;
        }
        let of_type = Attribute::text("opentracing.ref_type", if is_parent { "child_of" } else { "follows_from" });
        span.links.push(Link { trace_id: trace, span_id: id, attributes: vec![of_type], ..Link::default() });
    }
    for attribute in list(of, "tags").iter().map(tag) {
        take(&mut span, attribute);
    }
    for log in list(of, "logs") {
        let mut attributes: Vec<Attribute> = list(log, "fields").iter().map(tag).collect();
        let name = attributes.iter().position(|attribute| attribute.key == "event");
        let name = name.map(|at| attributes.remove(at).value.to_text()).unwrap_or_default();
        span.events.push(Event { time: micros(log, "timestamp"), name, attributes, ..Event::default() });
    }
    let warnings = of.get("warnings").and_then(Json::as_array).into_iter().flatten();
    span.warnings = warnings.filter_map(Json::as_str).map(str::to_owned).collect();
    Ok(span)
}

/// A tag, or what it stands for.
fn take(span: &mut Span, attribute: Attribute) {
    match (attribute.key.as_str(), &attribute.value) {
        ("span.kind", Value::Text(kind)) if Kind::ALL.iter().any(|of| of.word() == kind) => {
            span.kind = Kind::of_word(kind).unwrap_or_default();
        }
        ("error", Value::Bool(true)) => span.status = Status::Error,
        ("error", Value::Text(text)) if text == "true" => span.status = Status::Error,
        ("otel.status_code", Value::Text(code)) => {
            span.status = Status::of_word(&code.to_lowercase()).unwrap_or(span.status);
        }
        ("otel.status_description", Value::Text(text)) => span.status_message.clone_from(text),
        ("w3c.tracestate", Value::Text(text)) => span.trace_state.clone_from(text),
        _ => span.attributes.push(attribute),
    }
}

fn tag(of: &Json) -> Attribute {
    let none = Json::Null;
    let value = of.get("value").unwrap_or(&none);
    let value = match (text(of, "type").as_str(), value) {
        ("binary", Json::String(text)) => {
            crate::trace::from_base64(text).map_or_else(|| Value::Text(text.clone()), Value::Bytes)
        }
        (_, Json::Bool(value)) => Value::Bool(*value),
        ("float64", Json::Number(number)) => number.as_f64().map_or(Value::Empty, Value::Double),
        (_, Json::Number(number)) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => number.as_f64().map_or(Value::Empty, Value::Double),
        },
        (_, Json::String(text)) => Value::Text(text.clone()),
        (_, Json::Null) => Value::Empty,
        (_, other) => Value::Text(other.to_string()),
    };
    Attribute { key: text(of, "key"), value }
}

fn list<'a>(of: &'a Json, key: &str) -> &'a [Json] {
    of.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text(of: &Json, key: &str) -> String {
    of.get(key).and_then(Json::as_str).unwrap_or_default().to_owned()
}

/// Microseconds as nanoseconds.
fn micros(of: &Json, key: &str) -> u64 {
    let none = Map::new();
    let number = of.as_object().unwrap_or(&none).get(key).and_then(Json::as_f64).unwrap_or_default();
    (number.max(0.0) as u64).saturating_mul(1_000)
}

fn trace_id(of: &Json) -> Result<TraceId, String> {
    let id = text(of, "traceID");
    TraceId::parse(&id).ok_or_else(|| format!("traceID: '{id}' is no trace ID"))
}

fn span_id(of: &Json, key: &str) -> Result<SpanId, String> {
    let id = text(of, key);
    SpanId::parse(&id).ok_or_else(|| format!("{key}: '{id}' is no span ID"))
}
