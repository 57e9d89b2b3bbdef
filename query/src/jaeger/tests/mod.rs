//! Jaeger's interfaces as its clients see them, over spans of our own making.
mod grpc;
mod search;
mod shapes;
mod texts;

use crate::Rights;
use crate::trace::tests::rows;
use crate::trace::{Attribute, Event, Kind, Link, Resource, Scope, Span, SpanId, Status, TraceId, Value};
use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tower::ServiceExt;

/// 2026-03-04T05:00:00Z in nanoseconds.
const T: u64 = 1_772_600_400_000_000_000;
const MS: u64 = 1_000_000;

/// A span that starts so many milliseconds after [`T`] and takes so many.
fn span(trace: u128, id: u64, parent: u64, service: &str, at: u64, takes: u64) -> Span {
    Span {
        trace_id: TraceId(trace),
        span_id: SpanId(id),
        parent_id: SpanId(parent),
        service: service.into(),
        name: format!("{service}-work"),
        kind: Kind::Server,
        start: T + at * MS,
        end: T + (at + takes) * MS,
        resource: Arc::new(Resource {
            attributes: vec![Attribute::text("service.name", service), Attribute::text("host.name", "h1")],
            ..Resource::default()
        }),
        ..Span::default()
    }
}

/// Jaeger over these spans.
struct Server(axum::Router);

impl Server {
    async fn over(spans: &[Span]) -> Server {
        let router = super::over(rows::engine(spans).await);
        Server(router.layer(axum::Extension(Rights::everything())))
    }

    async fn send(&self, request: Request<Body>) -> (u16, String, String) {
        let response = self.0.clone().oneshot(request).await.unwrap();
        let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, kind.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }

    /// Status and body.
    async fn get(&self, path: &str) -> (u16, Json) {
        let (status, _, body) = self.send(Request::get(path).body(Body::empty()).unwrap()).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}")))
    }

    /// The ids of the traces that a search finds, by their last digits, in order.
    async fn found(&self, parameters: &str) -> Vec<String> {
        let times = format!("start={}&end={}", T / 1_000 - 3_600_000_000, T / 1_000 + 3_600_000_000);
        let (status, body) = self.get(&format!("/api/traces?{times}&{parameters}")).await;
        assert_eq!(status, 200, "{parameters}: {body}");
        let traces = body["data"].as_array().unwrap().iter();
        traces.map(|trace| trace["traceID"].as_str().unwrap().trim_start_matches('0').to_owned()).collect()
    }

    /// The message of an error.
    async fn error(&self, path: &str) -> (u16, String) {
        let (status, kind, body) = self.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(kind, "text/plain; charset=utf-8", "{path}: {body}");
        let body: Json = serde_json::from_str(&body).unwrap();
        assert_eq!(body["errors"][0]["code"], status, "{body}");
        assert_eq!((&body["data"], &body["total"]), (&json!(null), &json!(0)));
        (status, body["errors"][0]["msg"].as_str().unwrap().to_owned())
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
