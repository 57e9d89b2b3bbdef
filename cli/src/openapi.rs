//! The description of the HTTP API, at `/api`: our own paths, Graphite's, Jaeger's, Zipkin's, and those of the intake.
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metlog_query::Rights;
use serde_json::Value;
use std::sync::LazyLock;

/// OpenAPI 3.1 of our own paths.
const OWN: &str = include_str!("openapi.json");

/// Paths of others' APIs and of the intake's addresses, which are merged into it.
const PARTS: [&str; 4] = [
    include_str!("openapi/graphite.json"),
    include_str!("openapi/jaeger.json"),
    include_str!("openapi/zipkin.json"),
    include_str!("openapi/intake.json"),
];

static WHOLE: LazyLock<String> = LazyLock::new(|| {
    let mut whole: Value = serde_json::from_str(OWN).unwrap_or_default();
    for part in PARTS {
        merge(&mut whole, serde_json::from_str(part).unwrap_or_default());
    }
    whole.to_string()
});

/// The description, in JSON. Tests compare its paths with those that are served.
pub fn description() -> &'static str {
    &WHOLE
}

/// Adds what another description has: members of objects, and elements of lists.
fn merge(whole: &mut Value, more: Value) {
    match (whole, more) {
        (Value::Object(whole), Value::Object(more)) => {
            for (name, value) in more {
                merge(whole.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(whole), Value::Array(more)) => whole.extend(more),
        (whole, more) => *whole = more,
    }
}

/// The route of the description.
pub fn routes() -> Router {
    Router::new().route("/api", get(show))
}

async fn show(_: Rights) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], description()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;
    use serde_json::Map;
    use std::collections::{BTreeMap, BTreeSet};

    /// Where routes stand that are described here.
    const SOURCES: [&str; 13] = [
        include_str!("serve.rs"),
        include_str!("openapi.rs"),
        include_str!("access/login.rs"),
        include_str!("../../query/src/http/mod.rs"),
        include_str!("../../query/src/filter/http.rs"),
        include_str!("../../query/src/graphite/mod.rs"),
        include_str!("../../query/src/jaeger/mod.rs"),
        include_str!("../../query/src/zipkin/mod.rs"),
        include_str!("../../listener/src/intake/http.rs"),
        include_str!("../../listener/src/intake/bagheera/mod.rs"),
        include_str!("../../listener/src/intake/otlp/http.rs"),
        include_str!("../../listener/src/intake/traces/jaeger_http.rs"),
        include_str!("../../listener/src/intake/traces/zipkin.rs"),
    ];

    fn described() -> Map<String, Value> {
        let whole: Value = serde_json::from_str(description()).unwrap();
        whole["paths"].as_object().unwrap().clone()
    }

    #[test]
    fn every_route_is_described_and_every_description_is_of_a_route() {
        // As it stands there, after a prefix, or as `path("/render")`.
        let route = Regex::new(r#"(?:\.route\(\s*(?:&format!\()?|path\()"(?:\{prefix\})?(/[^"]*)""#).unwrap();
        let code = SOURCES.map(|source| source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
        let mut served: BTreeSet<&str> = code
            .iter()
            .flat_map(|code| route.captures_iter(code))
            .filter_map(|found| Some(found.get(1)?.as_str()))
            .collect();
        // Of the sampling server, whose `/` is for clients older than OpenAPI.
        served.extend(["/sampling", "/baggageRestrictions"]);
        // One route takes both paths apart.
        if served.remove("/submit/{*rest}") {
            served.extend(["/submit/{logger}", "/submit/{logger}/{id}"]);
        }
        let described = described();
        assert_eq!(served, described.keys().map(String::as_str).collect());
        let whole: Value = serde_json::from_str(description()).unwrap();
        assert_eq!(whole["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn parts_do_not_overwrite_each_other() {
        let count = |text: &str| {
            let part: Value = serde_json::from_str(text).unwrap();
            let of =
                |item: &Value| item.as_object().unwrap().values().filter(|of| of.get("responses").is_some()).count();
            part["paths"].as_object().unwrap().values().map(of).sum::<usize>()
        };
        let apart = count(OWN) + PARTS.into_iter().map(count).sum::<usize>();
        assert_eq!(count(description()), apart);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let whole: Value = serde_json::from_str(description()).unwrap();
        let reference = Regex::new(r##""\$ref":"#(/[^"]+)""##).unwrap();
        let mut counts = BTreeMap::new();
        for found in reference.captures_iter(description()) {
            *counts.entry(found[1].to_owned()).or_insert(0) += 1;
        }
        assert!(counts.len() > 5);
        for name in counts.keys() {
            assert!(whole.pointer(name).is_some(), "{name}");
        }
    }
}
