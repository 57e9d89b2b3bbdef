//! A service of axum whose requests are timed, counted and traced, and which passes its traces on.
//!
//! `cargo run -p metlog --features tower --example axum -- 127.0.0.1:8123`, with `metlog up` running beside it; then
//! `curl 127.0.0.1:8123/users/25`.
//!
//! `POST /test` is what the W3C's suite for trace context asks for: it takes `[{"url": …, "arguments": […]}]` and posts the
//! arguments to each URL, with the headers that carry the context.
use axum::extract::{Json, MatchedPath, Path};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, http::HeaderMap};
use metlog::tower::Layer;
use metlog::{Instrument, Kind};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8123".to_owned());
    let _guard = metlog::init(metlog::Config::default().logger("axum").with_env()?)?;

    // The router has found the route when this runs: its template names the span, and not the path, of which there are many.
    let traced = Layer::new().route(|request| request.extensions.get::<MatchedPath>().map(|path| path.as_str().into()));
    let app = Router::new().route("/users/{id}", get(user)).route("/test", post(pass_on)).layer(traced);

    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// What a handler sends belongs to its request: the message carries the ids, and the span is a child.
async fn user(Path(id): Path<u64>) -> Result<String, StatusCode> {
    metlog::send(["user", "asked"], id.to_string());
    let name = find(id).in_span(metlog::start_span("select")).await;
    name.map(str::to_owned).ok_or(StatusCode::NOT_FOUND)
}

async fn find(id: u64) -> Option<&'static str> {
    ["ann", "bob"].get(usize::try_from(id).ok()?).copied()
}

/// Calls others. `reqwest` takes no layers: the headers are made here. A client that is a tower service has `ClientLayer`.
async fn pass_on(Json(calls): Json<Vec<Value>>) -> StatusCode {
    let client = reqwest::Client::new();
    for call in calls {
        let url = call["url"].as_str().unwrap_or_default().to_owned();
        let span = metlog::start_span("POST");
        span.kind(Kind::Client).attribute("url.full", url.as_str());
        let ask = async {
            let mut headers = HeaderMap::new();
            metlog::tower::inject(&mut headers); // of the span that this future is in
            client.post(&url).headers(headers).json(&call["arguments"]).send().await
        };
        if let Err(error) = ask.in_span(span).await {
            metlog::message("no response").of_type("axum").field("url", &url).field("error", error.to_string()).send();
        }
    }
    StatusCode::OK
}
