//! OTLP's JSON of traces, as people upload it: keys in either spelling, numbers as numbers or as text, enums by number or
//! by name. Unknown keys are ignored, as the specification says.
use crate::trace::ids::from_base64;
use crate::trace::{Attribute, Event, Kind, Link, Resource, Scope, Span, SpanId, Status, TraceId, Value};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// How deep values may be nested.
const DEPTH_MAX: usize = 64;

/// The spans of a body.
///
/// # Errors
/// What is wrong with it, for a human.
pub fn read(body: &[u8]) -> Result<Vec<Span>, String> {
    let body: Json = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let body = body.as_object().ok_or("not a JSON object")?;
    let mut spans = Vec::new();
    for of_resource in list(body, "resourceSpans")? {
        let of_resource = object(of_resource, "resourceSpans")?;
        let resource = Arc::new(resource(of_resource)?);
        let service = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
        let service = service.map(|attribute| attribute.value.to_text()).unwrap_or_default();
        for of_scope in list(of_resource, "scopeSpans")? {
            let of_scope = object(of_scope, "scopeSpans")?;
            let scope = Arc::new(scope(of_scope)?);
            for span in list(of_scope, "spans")? {
                let span = read_span(object(span, "spans")?)?;
                let (resource, scope) = (Arc::clone(&resource), Arc::clone(&scope));
                spans.push(Span { service: service.clone(), resource, scope, source: "otlp".into(), ..span });
            }
        }
    }
    Ok(spans)
}

fn resource(of: &Map<String, Json>) -> Result<Resource, String> {
    let none = Map::new();
    let inner = get(of, "resource").and_then(Json::as_object).unwrap_or(&none);
    Ok(Resource {
        attributes: attributes(inner)?,
        dropped_attributes: number(inner, "droppedAttributesCount")?,
        schema_url: text(of, "schemaUrl"),
    })
}

fn scope(of: &Map<String, Json>) -> Result<Scope, String> {
    let none = Map::new();
    let inner = get(of, "scope").and_then(Json::as_object).unwrap_or(&none);
    Ok(Scope {
        name: text(inner, "name"),
        version: text(inner, "version"),
        attributes: attributes(inner)?,
        dropped_attributes: number(inner, "droppedAttributesCount")?,
        schema_url: text(of, "schemaUrl"),
    })
}

fn read_span(of: &Map<String, Json>) -> Result<Span, String> {
    let none = Map::new();
    let status = get(of, "status").and_then(Json::as_object).unwrap_or(&none);
    let events = list(of, "events")?.iter().map(|event| read_event(object(event, "events")?));
    let links = list(of, "links")?.iter().map(|link| read_link(object(link, "links")?));
    let kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
    let kind = enumerated(of, "kind", "SPAN_KIND_", &kinds);
    let code = enumerated(status, "code", "STATUS_CODE_", &["UNSET", "OK", "ERROR"]);
    Ok(Span {
        trace_id: trace_id(of)?,
        span_id: span_id(of, "spanId")?,
        parent_id: span_id(of, "parentSpanId")?,
        trace_state: text(of, "traceState"),
        flags: number(of, "flags")?,
        name: text(of, "name"),
        kind: Kind::ALL.get(kind).copied().unwrap_or_default(),
        start: number(of, "startTimeUnixNano")?,
        end: number(of, "endTimeUnixNano")?,
        status: Status::ALL.get(code).copied().unwrap_or_default(),
        status_message: text(status, "message"),
        attributes: attributes(of)?,
        dropped_attributes: number(of, "droppedAttributesCount")?,
        events: events.collect::<Result<_, String>>()?,
        dropped_events: number(of, "droppedEventsCount")?,
        links: links.collect::<Result<_, String>>()?,
        dropped_links: number(of, "droppedLinksCount")?,
        ..Span::default()
    })
}

fn read_event(of: &Map<String, Json>) -> Result<Event, String> {
    Ok(Event {
        time: number(of, "timeUnixNano")?,
        name: text(of, "name"),
        attributes: attributes(of)?,
        dropped_attributes: number(of, "droppedAttributesCount")?,
    })
}

fn read_link(of: &Map<String, Json>) -> Result<Link, String> {
    Ok(Link {
        trace_id: trace_id(of)?,
        span_id: span_id(of, "spanId")?,
        trace_state: text(of, "traceState"),
        flags: number(of, "flags")?,
        attributes: attributes(of)?,
        dropped_attributes: number(of, "droppedAttributesCount")?,
    })
}

fn trace_id(of: &Map<String, Json>) -> Result<TraceId, String> {
    let id = text(of, "traceId");
    if id.is_empty() {
        return Ok(TraceId::default());
    }
    TraceId::parse(&id).ok_or_else(|| format!("traceId: '{id}' is no trace ID"))
}

fn span_id(of: &Map<String, Json>, key: &str) -> Result<SpanId, String> {
    let id = text(of, key);
    SpanId::parse(&id).ok_or_else(|| format!("{key}: '{id}' is no span ID"))
}

fn attributes(of: &Map<String, Json>) -> Result<Vec<Attribute>, String> {
    list(of, "attributes")?.iter().map(|entry| attribute(entry, 0)).collect()
}

fn attribute(entry: &Json, depth: usize) -> Result<Attribute, String> {
    let entry = object(entry, "attributes")?;
    let value = get(entry, "value").map_or(Ok(Value::Empty), |found| value(found, depth))?;
    Ok(Attribute { key: text(entry, "key"), value })
}

fn value(of: &Json, depth: usize) -> Result<Value, String> {
    if depth > DEPTH_MAX {
        return Err(format!("values are nested more than {DEPTH_MAX} deep"));
    }
    let Some(of) = of.as_object() else { return Ok(Value::Empty) };
    if let Some(found) = get(of, "stringValue") {
        return Ok(Value::Text(found.as_str().unwrap_or_default().to_owned()));
    }
    if let Some(found) = get(of, "boolValue") {
        return Ok(Value::Bool(found.as_bool().unwrap_or_default()));
    }
    if get(of, "intValue").is_some() {
        return Ok(Value::Int(number(of, "intValue")?));
    }
    if let Some(found) = get(of, "doubleValue") {
        let number = found.as_f64().or_else(|| found.as_str()?.parse().ok());
        return number.map(Value::Double).ok_or_else(|| "doubleValue: not a number".to_owned());
    }
    if let Some(found) = get(of, "bytesValue") {
        let bytes = found.as_str().and_then(from_base64);
        return bytes.map(Value::Bytes).ok_or_else(|| "bytesValue: not base64".to_owned());
    }
    if let Some(found) = get(of, "arrayValue").and_then(Json::as_object) {
        let values = list(found, "values")?.iter().map(|found| value(found, depth + 1));
        return values.collect::<Result<_, _>>().map(Value::List);
    }
    if let Some(found) = get(of, "kvlistValue").and_then(Json::as_object) {
        let entries = list(found, "values")?.iter().map(|entry| attribute(entry, depth + 1));
        return entries.collect::<Result<_, _>>().map(Value::Map);
    }
    Ok(Value::Empty)
}

/// The value of a key in camel case, or as the protobuf names it; none where it is null.
fn get<'a>(of: &'a Map<String, Json>, key: &str) -> Option<&'a Json> {
    let found = of.get(key).or_else(|| {
        let mut snake = String::new();
        for letter in key.chars() {
            if letter.is_ascii_uppercase() {
                snake.push('_');
            }
            snake.push(letter.to_ascii_lowercase());
        }
        of.get(&snake)
    });
    found.filter(|value| !value.is_null())
}

fn list<'a>(of: &'a Map<String, Json>, key: &str) -> Result<&'a [Json], String> {
    match get(of, key) {
        None => Ok(&[]),
        Some(Json::Array(items)) => Ok(items),
        Some(_) => Err(format!("{key}: not an array")),
    }
}

fn object<'a>(value: &'a Json, what: &str) -> Result<&'a Map<String, Json>, String> {
    value.as_object().ok_or_else(|| format!("{what}: not an object"))
}

fn text(of: &Map<String, Json>, key: &str) -> String {
    get(of, key).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn number<N: TryFrom<i128> + Default>(of: &Map<String, Json>, key: &str) -> Result<N, String> {
    let Some(found) = get(of, key) else { return Ok(N::default()) };
    let text = match found {
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.clone(),
        _ => String::new(),
    };
    let number: Option<i128> = text.parse().ok();
    number
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| format!("{key}: '{text}' is not a number in range"))
}

fn enumerated(of: &Map<String, Json>, key: &str, prefix: &str, names: &[&str]) -> usize {
    match get(of, key) {
        Some(Json::String(name)) => {
            let name = name.strip_prefix(prefix).unwrap_or(name);
            names.iter().position(|known| *known == name).or_else(|| name.parse().ok()).unwrap_or_default()
        }
        Some(Json::Number(number)) => number.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_default(),
        _ => 0,
    }
}
