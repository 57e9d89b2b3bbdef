//! A span in Zipkin's v2 JSON: names in lower case, microseconds, tags as text. What came from a Zipkin client is shown as it
//! was sent: without the attributes that stand for its remote endpoint, and with the flags that only Zipkin has.
use crate::trace::{Kind, Span, Status, Value, value_of};
use serde_json::{Map, Value as Json, json};

/// Spans of a trace.
pub(super) fn trace(spans: &[Span]) -> Json {
    spans.iter().map(span).collect()
}

fn span(of: &Span) -> Json {
    let mut json = Map::new();
    let mut set = |key: &str, value: Json| drop(json.insert(key.to_owned(), value));
    set("traceId", of.trace_id.short().into());
    if !of.is_root() {
        set("parentId", of.parent_id.to_string().into());
    }
    set("id", of.span_id.to_string().into());
    if !matches!(of.kind, Kind::Unspecified | Kind::Internal) {
        set("kind", of.kind.word().to_uppercase().into());
    }
    if !of.name.is_empty() {
        set("name", of.name.to_lowercase().into());
    }
    if of.extra("zipkin.timestamp") != Some("absent") {
        set("timestamp", (of.start / 1_000).into());
    }
    let duration = of.duration();
    if duration > 0 {
        set("duration", (duration / 1_000).max(1).into());
    }
    if let Some(endpoint) = local(of) {
        set("localEndpoint", endpoint);
    }
    if let Some(endpoint) = remote(of) {
        set("remoteEndpoint", endpoint);
    }
    let annotation = |event: &crate::trace::Event| json!({"timestamp": event.time / 1_000, "value": event.name});
    if !of.events.is_empty() {
        set("annotations", of.events.iter().map(annotation).collect());
    }
    let tags = tags(of);
    if !tags.is_empty() {
        set("tags", tags.into());
    }
    for (key, name) in [("zipkin.debug", "debug"), ("zipkin.shared", "shared")] {
        if of.extra(key) == Some("true") {
            set(name, true.into());
        }
    }
    json.into()
}

fn lowered(endpoint: &str) -> Option<Json> {
    let mut endpoint: Map<String, Json> = serde_json::from_str(endpoint).ok()?;
    if let Some(Json::String(name)) = endpoint.get_mut("serviceName") {
        *name = name.to_lowercase();
    }
    Some(endpoint.into())
}

fn local(of: &Span) -> Option<Json> {
    if let Some(endpoint) = of.extra("zipkin.local").and_then(lowered) {
        return Some(endpoint);
    }
    let mut endpoint = Map::new();
    if !of.service.is_empty() {
        endpoint.insert("serviceName".to_owned(), of.service.to_lowercase().into());
    }
    if let Some(ip) = value_of(&of.resource.attributes, "host.ip").map(Value::to_text) {
        endpoint.insert(address_key(&ip).to_owned(), ip.into());
    }
    (!endpoint.is_empty()).then(|| endpoint.into())
}

fn remote(of: &Span) -> Option<Json> {
    if let Some(endpoint) = of.extra("zipkin.remote").and_then(lowered) {
        return Some(endpoint);
    }
    let text = |keys: &[&str]| keys.iter().find_map(|key| value_of(&of.attributes, key)).map(Value::to_text);
    let mut endpoint = Map::new();
    if let Some(service) = text(&["peer.service", "server.address", "net.peer.name", "db.system"])
        && matches!(of.kind, Kind::Client | Kind::Producer | Kind::Consumer)
    {
        endpoint.insert("serviceName".to_owned(), service.to_lowercase().into());
    }
    if let Some(ip) = text(&["net.peer.ip", "network.peer.address"]) {
        endpoint.insert(address_key(&ip).to_owned(), ip.into());
    }
    (!endpoint.is_empty()).then(|| endpoint.into())
}

fn address_key(ip: &str) -> &'static str {
    if ip.contains(':') { "ipv6" } else { "ipv4" }
}

fn tags(of: &Span) -> Map<String, Json> {
    let own = of.extra("zipkin.tags").and_then(|count| count.parse().ok()).unwrap_or(of.attributes.len());
    let own = of.attributes.iter().take(own);
    let mut tags: Map<String, Json> = own.map(|of| (of.key.clone(), of.value.to_text().into())).collect();
    if of.source == "zipkin" {
        return tags;
    }
    if of.status == Status::Error && !tags.contains_key("error") {
        let message = if of.status_message.is_empty() { "true" } else { &of.status_message };
        tags.insert("error".to_owned(), message.into());
    }
    for (key, text) in [("otel.scope.name", &of.scope.name), ("otel.scope.version", &of.scope.version)] {
        if !text.is_empty() {
            tags.insert(key.to_owned(), text.clone().into());
        }
    }
    for attribute in of.resource.attributes.iter().filter(|attribute| attribute.key != "service.name") {
        tags.entry(attribute.key.clone()).or_insert_with(|| attribute.value.to_text().into());
    }
    tags
}
