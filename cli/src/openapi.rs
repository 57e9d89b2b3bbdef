//! The description of the HTTP API, at `/api`.
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metlog_query::Rights;

/// OpenAPI 3.1. A test compares its paths with those that are served.
const DESCRIPTION: &str = include_str!("openapi.json");

/// The route of the description.
pub fn routes() -> Router {
    Router::new().route("/api", get(description))
}

async fn description(_: Rights) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// Where routes stand that are described here.
    const SOURCES: [&str; 5] = [
        include_str!("serve.rs"),
        include_str!("openapi.rs"),
        include_str!("access/login.rs"),
        include_str!("../../query/src/http/mod.rs"),
        include_str!("../../query/src/filter/http.rs"),
    ];

    #[test]
    fn every_route_is_described_and_every_description_is_of_a_route() {
        let route = Regex::new(r#"\.route\(\s*"([^"]+)""#).unwrap();
        let code = SOURCES.map(|source| source.split("#[cfg(test)]").next().unwrap_or_default());
        let served: BTreeSet<&str> = code
            .iter()
            .flat_map(|code| route.captures_iter(code))
            .filter_map(|found| Some(found.get(1)?.as_str()))
            .collect();
        let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let described: BTreeSet<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(served, described);
        assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
