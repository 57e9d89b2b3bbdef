//! Zipkin's read API over spans of our own making.
use crate::Rights;
use crate::trace::tests::{rows, span};
use crate::trace::{Attribute, Event, Kind, Resource, Span, SpanId, Status, TraceId};
use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use tower::ServiceExt;

/// 2026-03-04T05:00:00Z in nanoseconds.
const T: u64 = 1_772_600_400_000_000_000;

fn of(trace: u128, id: u64, parent: u64, service: &str, at_micros: u64) -> Span {
    Span {
        trace_id: TraceId(trace),
        service: service.into(),
        kind: Kind::Server,
        ..span(id, parent, T + at_micros * 1_000, T + at_micros * 1_000 + 5_500)
    }
}

struct Server(axum::Router);

impl Server {
    async fn shop() -> Server {
        let extras = [
            ("zipkin.remote", r#"{"ipv4":"10.0.0.9","serviceName":"Front"}"#),
            ("zipkin.tags", "1"),
            ("zipkin.shared", "true"),
            ("zipkin.local", r#"{"port":80,"serviceName":"Shop"}"#),
        ];
        let sent = Span {
            attributes: vec![Attribute::text("http.method", "GET"), Attribute::text("peer.service", "Front")],
            events: vec![Event { time: T + 2_000, name: "wire sent".into(), ..Event::default() }],
            extras: extras.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
            ..of(1, 2, 1, "Shop", 1)
        };
        let failed = Span {
            status: Status::Error,
            status_message: "no money".into(),
            resource: Arc::new(Resource {
                attributes: vec![Attribute::text("service.name", "bank"), Attribute::text("host.ip", "::1")],
                ..Resource::default()
            }),
            ..of(2, 1, 0, "bank", 1_000)
        };
        let spans = [of(1, 1, 0, "front", 0), sent, failed, of(u128::MAX, 1, 0, "日本", 2_000)];
        let router = super::over(rows::engine(&spans).await);
        Server(router.layer(axum::Extension(Rights::everything())))
    }

    async fn send(&self, request: Request<Body>) -> (u16, axum::http::HeaderMap, String) {
        let response = self.0.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn text(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.send(Request::get(path).body(Body::empty()).unwrap()).await;
        (status, body)
    }

    async fn get(&self, path: &str) -> Json {
        let (status, body) = self.text(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn found(&self, parameters: &str) -> Vec<String> {
        let end = T / 1_000_000 + 10_000;
        let traces = self.get(&format!("/zipkin/api/v2/traces?endTs={end}&lookback=60000&{parameters}")).await;
        let ids = traces.as_array().unwrap().iter().map(|trace| trace[0]["traceId"].as_str().unwrap().to_owned());
        ids.map(|id| id.trim_start_matches('0').to_owned()).collect()
    }
}

#[tokio::test]
async fn spans_are_shown_as_they_were_sent() {
    let server = Server::shop().await;
    let trace = server.get("/api/v2/trace/0000000000000001").await;
    let expected = json!({
        "traceId": "0000000000000001", "parentId": "0000000000000001", "id": "0000000000000002", "kind": "SERVER",
        "name": "work 2", "timestamp": T / 1_000 + 1, "duration": 5,
        "localEndpoint": {"serviceName": "shop", "port": 80},
        "remoteEndpoint": {"serviceName": "front", "ipv4": "10.0.0.9"},
        "annotations": [{"timestamp": T / 1_000 + 2, "value": "wire sent"}],
        "tags": {"http.method": "GET"}, "shared": true,
    });
    let mut found = trace[1].clone();
    let tags = found["tags"].as_object_mut().unwrap();
    tags.retain(|key, _| key != "host.name");
    assert_eq!(found, expected);
    let other = server.get("/api/v2/trace/2").await;
    assert_eq!(other[0]["localEndpoint"], json!({"serviceName": "bank", "ipv6": "::1"}));
    assert_eq!(other[0]["tags"], json!({"error": "no money", "host.ip": "::1"}));
}

#[tokio::test]
async fn names_dependencies_and_searches() {
    let server = Server::shop().await;
    assert_eq!(server.get("/api/v2/services").await, json!(["bank", "front", "shop", "日本"]));
    assert_eq!(server.get("/api/v2/spans?serviceName=SHOP").await, json!(["work 2"]));
    assert_eq!(server.get("/api/v2/remoteServices?serviceName=shop").await, json!(["front"]));
    let (_, headers, _) = server.send(Request::get("/api/v2/services").body(Body::empty()).unwrap()).await;
    assert_eq!(headers[header::CACHE_CONTROL], "max-age=300, must-revalidate");
    let end = T / 1_000_000 + 10_000;
    let links = server.get(&format!("/api/v2/dependencies?endTs={end}&lookback=60000")).await;
    assert_eq!(links, json!([{"parent": "front", "child": "shop", "callCount": 1}]));
    let latest = "f".repeat(32);
    for (parameters, expected) in [
        ("", vec![latest.as_str(), "2", "1"]),
        ("limit=1", vec![latest.as_str()]),
        ("serviceName=shop", vec!["1"]),
        ("serviceName=shop&spanName=work%202&remoteServiceName=front", vec!["1"]),
        ("serviceName=all&annotationQuery=http.method=GET%20and%20wire%20sent", vec!["1"]),
        ("annotationQuery=error", vec!["2"]),
        ("minDuration=5&maxDuration=6", vec![latest.as_str(), "2", "1"]),
        ("minDuration=6", vec![]),
    ] {
        assert_eq!(server.found(parameters).await, expected, "{parameters}");
    }
    assert_eq!(server.text("/api/v2/traces").await.0, 200, "without parameters");
    let many = server.get("/api/v2/traceMany?traceIds=2,1,77").await;
    assert_eq!((many.as_array().unwrap().len(), &many[0][0]["traceId"]), (2, &json!("0000000000000002")));
    assert_eq!(server.get("/api/v2/autocompleteKeys").await, json!([]), "of the last day");
    assert_eq!(server.get("/api/v2/autocompleteValues?key=http.method").await, json!([]));
}

#[tokio::test]
async fn errors_are_lines_of_text() {
    let server = Server::shop().await;
    for (path, status, text) in [
        ("/api/v2/trace/77", 404, "77 not found"),
        ("/api/v2/trace/0x1", 400, "0x1 should be lower-hex encoded with no prefix"),
        ("/api/v2/traceMany", 400, "traceIds parameter is empty"),
        ("/api/v2/traceMany?traceIds=1", 400, "traceIds parameter requires at least two distinct trace IDs"),
        ("/api/v2/traceMany?traceIds=1,1", 400, "redundant traceId: 1"),
        ("/api/v2/traces?maxDuration=1", 400, "maxDuration is only valid with minDuration"),
        ("/api/v2/traces?limit=x", 400, "limit: 'x' is not a whole number"),
        ("/api/v2/dependencies", 400, "Required parameter 'endTs' is not present."),
        ("/api/v2/spans", 400, "Required parameter 'serviceName' is not present."),
    ] {
        assert_eq!(server.text(path).await, (status, text.to_owned()), "{path}");
    }
    let trace = Request::builder().method("TRACE").uri("/api/v2/services").body(Body::empty()).unwrap();
    assert_eq!(server.send(trace).await.0, 405);
    assert_eq!(SpanId::parse("1"), Some(SpanId(1)));
}
