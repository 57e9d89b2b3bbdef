//! Requests through the layers, as the spans and values that they become; also through the real axum and hyper.
use super::*;
use crate::{Captured, CapturedSpan, Client, Config, Destination, Format, Kind, Sampling, Status};
use axum::extract::{MatchedPath, Path};
use axum::routing::{get, post};
use axum::{Router, body::Body as AxumBody};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use std::convert::Infallible;
use std::io;
use std::task::{Context as Task, Waker};
use tower::{Service as _, ServiceBuilder, ServiceExt, service_fn};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn client(config: Config) -> (Client, Captured) {
    let (destination, captured) = Destination::capture();
    let config = config.destination(destination.clone()).statsd_destination(destination);
    (Client::new(config).unwrap(), captured)
}

/// What was sent: spans, and the counters' lines.
fn sent(client: &Client, captured: &Captured) -> (Vec<CapturedSpan>, Vec<String>) {
    assert!(client.flush());
    let lines = captured.statsd_lines();
    let is_timer = |line: &&String| line.starts_with("http.request:") && line.ends_with("|ms");
    let timers = lines.iter().filter(is_timer).count();
    let counters: Vec<String> = lines.iter().filter(|line| !is_timer(line)).cloned().collect();
    assert_eq!(timers, counters.iter().filter(|line| !line.contains(".grpc.")).count(), "{lines:?}");
    (captured.spans(), counters)
}

fn attribute<'s>(span: &'s CapturedSpan, key: &str) -> &'s str {
    span.attributes.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value)
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<AxumBody> {
    let builder = Request::builder().method(method).uri(path);
    headers
        .iter()
        .fold(builder, |builder, (name, value)| builder.header(*name, *value))
        .body(AxumBody::empty())
        .unwrap()
}

fn app(client: &Client) -> Router {
    let layer = Layer::with_client(client.clone())
        .route(|request| request.extensions.get::<MatchedPath>().map(|path| path.as_str().into()));
    let of_handler = client.clone();
    let user = move |Path(id): Path<String>| async move {
        of_handler.send(["inside"], &id);
        let mut headers = HeaderMap::new();
        inject(&mut headers);
        drop(of_handler.span("query"));
        headers["traceparent"].to_str().unwrap().to_owned()
    };
    let chunks = || async {
        let chunks = ["a", "b"].map(|text| Ok::<_, io::Error>(Bytes::from(text)));
        AxumBody::from_stream(stream::iter(chunks))
    };
    let broken =
        || async { AxumBody::from_stream(stream::iter([Ok(Bytes::from("a")), Err(io::Error::other("disk full"))])) };
    Router::new()
        .route("/users/{id}", get(user))
        .route("/chunks", get(chunks))
        .route("/broken", get(broken))
        .route("/fails", post(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .layer(layer)
}

/// Guarantees: a request goes on with the trace that it came with, is named by its route's template, and what happens in it is
/// its own.
#[tokio::test]
async fn a_request_is_a_span_of_the_callers_trace() {
    let (client, captured) = client(Config::default().logger("shop"));
    let headers =
        [("traceparent", &*format!("00-{TRACE}-00f067aa0ba902b7-01")), ("baggage", "user=jo"), ("user-agent", "t")];
    let response = app(&client).oneshot(request("GET", "/users/25?token=secret", &headers)).await.unwrap();
    let injected = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let (spans, counters) = sent(&client, &captured);
    let [query, span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((span.name.as_str(), span.kind, span.status), ("GET /users/{id}", Kind::Server, Status::Unset));
    assert_eq!(
        (span.trace_id.as_str(), span.parent_span_id.as_str(), span.service.as_str()),
        (TRACE, "00f067aa0ba902b7", "shop")
    );
    let found = ["http.request.method", "http.route", "url.path", "http.response.status_code", "user_agent.original"]
        .map(|key| attribute(span, key));
    assert_eq!(found, ["GET", "/users/{id}", "/users/25", "200", "t"]);
    assert_eq!((query.name.as_str(), &query.parent_span_id), ("query", &span.span_id));
    assert_eq!(injected, format!("00-{TRACE}-{}-01", span.span_id));
    assert_eq!(captured.messages()[0].fields[1], ("span_id".to_owned(), span.span_id.clone()));
    assert_eq!(counters, ["http.response.get.200:1|c"]);
}

/// Guarantees: names are bounded, whatever clients ask for.
#[tokio::test]
async fn names_are_bounded() {
    let (client, captured) = client(Config::default());
    for (method, path) in [("GET", "/nowhere/1"), ("BREW", "/users/2"), ("POST", "/fails"), ("HEAD", "/users/3")] {
        let response = app(&client).oneshot(request(method, path, &[])).await.unwrap();
        drop(response.into_body().collect().await.unwrap());
    }
    let (spans, counters) = sent(&client, &captured);
    let found: Vec<(&str, Status, &str)> = spans
        .iter()
        .filter(|span| span.kind == Kind::Server)
        .map(|span| (span.name.as_str(), span.status, span.status_message.as_str()))
        .collect();
    let expected = [
        ("GET", Status::Unset, ""),
        ("HTTP /users/{id}", Status::Unset, ""),
        ("POST /fails", Status::Error, "HTTP 503"),
        ("HEAD /users/{id}", Status::Unset, ""),
    ];
    assert_eq!(found, expected);
    let expected = ["get.404", "other.405", "post.503", "head.200"];
    assert_eq!(counters, expected.map(|name| format!("http.response.{name}:1|c")));
}

/// Guarantees: the span ends with the body, not with the response's head; a body that fails is an error, and one that nobody
/// waited for is 499.
#[tokio::test]
async fn a_request_ends_with_its_body() {
    let (client, captured) = client(Config::default());
    let mut response = app(&client).oneshot(request("GET", "/chunks", &[])).await.unwrap();
    for expected in ["a", "b"] {
        assert_eq!(sent(&client, &captured).0, [], "it has not ended");
        assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), expected);
    }
    assert!(response.body_mut().frame().await.is_none());
    assert_eq!(sent(&client, &captured).0.len(), 1);
    drop(response);

    let response = app(&client).oneshot(request("GET", "/broken", &[])).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    let mut response = app(&client).oneshot(request("GET", "/chunks", &[])).await.unwrap();
    assert!(response.body_mut().frame().await.is_some());
    drop(response);
    drop(app(&client).oneshot(request("GET", "/chunks", &[])));
    let (spans, counters) = sent(&client, &captured);
    let found: Vec<(&str, Status, &str)> = spans
        .iter()
        .map(|span| (span.name.as_str(), span.status, attribute(span, "http.response.status_code")))
        .collect();
    let expected = [
        ("GET /chunks", Status::Unset, "200"),
        ("GET /broken", Status::Error, "200"),
        ("GET /chunks", Status::Unset, "499"),
    ];
    assert_eq!(found, expected);
    assert!(spans[1].status_message.contains("disk full") && spans[1].events[0].0 == "exception");
    assert_eq!(counters, ["get.200", "get.200", "get.499"].map(|name| format!("http.response.{name}:1|c")));
}

/// Guarantees: a service that fails, that panics, or whose future is dropped ends its request, each in its own way.
#[tokio::test]
async fn failures_panics_and_cancelled_requests() {
    let (client, captured) = client(Config::default());
    let layer = Layer::with_client(client.clone());
    let mut fails = tower_layer::Layer::layer(
        &layer,
        service_fn(|_: Request<()>| async { Err::<Response<Empty<Bytes>>, _>(io::Error::other("no backend")) }),
    );
    assert!(fails.call(Request::new(())).await.is_err());
    let waits = service_fn(|_: Request<()>| std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>());
    let mut waiting = Box::pin(tower_layer::Layer::layer(&layer, waits).call(Request::new(())));
    assert!(waiting.as_mut().poll(&mut Task::from_waker(Waker::noop())).is_pending());
    assert_eq!(crate::current_context(), None, "a future that waits is in no span");
    drop(waiting);
    let panics =
        service_fn(|_: Request<()>| async { panic!("of a handler") as Result<Response<Empty<Bytes>>, Infallible> });
    let mut service = tower_layer::Layer::layer(&layer, panics);
    let panicking = tokio::spawn(async move { service.call(Request::new(())).await.map(drop) });
    assert!(panicking.await.unwrap_err().is_panic());
    let (spans, counters) = sent(&client, &captured);
    let found: Vec<(Status, &str)> = spans.iter().map(|span| (span.status, span.status_message.as_str())).collect();
    assert_eq!(found, [(Status::Error, "no backend"), (Status::Unset, ""), (Status::Error, "panicked")]);
    assert_eq!(counters, ["500", "499", "500"].map(|status| format!("http.response.get.{status}:1|c")));
}

/// Guarantees: gRPC's status is found in the trailers, or in the headers of a response that is nothing else, and a method that
/// is not there names no span.
#[tokio::test]
async fn grpc() {
    let (client, captured) = client(Config::default());
    let serve = |request: Request<Full<Bytes>>| async move {
        let trailers = |status: &str| HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
        let frames =
            |status: &str| [Ok::<_, Infallible>(Frame::data(Bytes::from("m"))), Ok(Frame::trailers(trailers(status)))];
        Ok::<_, Infallible>(match request.uri().path() {
            "/pkg.Shop/Buy" => Response::new(StreamBody::new(stream::iter(Vec::from(frames("0"))))),
            "/no/grpc" => Response::new(StreamBody::new(stream::iter(Vec::new()))),
            "/pkg.Shop/Fail" => Response::new(StreamBody::new(stream::iter(Vec::from(frames("13"))))),
            _ => {
                let mut response = Response::new(StreamBody::new(stream::iter(Vec::new())));
                *response.headers_mut() = trailers("12");
                response
            }
        })
    };
    let service = ServiceBuilder::new().layer(Layer::with_client(client.clone())).service_fn(serve);
    for path in ["/pkg.Shop/Buy", "/pkg.Shop/Fail", "/made/up", "/no/grpc"] {
        let request = Request::post(path).header("content-type", "application/grpc+proto");
        let response = service.clone().oneshot(request.body(Full::default()).unwrap()).await.unwrap();
        drop(response.into_body().collect().await);
    }
    let (spans, counters) = sent(&client, &captured);
    let found: Vec<_> =
        spans.iter().map(|span| (span.name.as_str(), span.status, attribute(span, "rpc.grpc.status_code"))).collect();
    let expected = [
        ("pkg.Shop/Buy", Status::Unset, "0"),
        ("pkg.Shop/Fail", Status::Error, "13"),
        ("grpc", Status::Error, "12"),
        ("grpc", Status::Unset, ""),
    ];
    assert_eq!(found, expected);
    assert_eq!((attribute(&spans[0], "rpc.service"), attribute(&spans[0], "rpc.method")), ("pkg.Shop", "Buy"));
    let expected = [
        "response.post.200",
        "grpc.0",
        "response.post.200",
        "grpc.13",
        "response.post.200",
        "grpc.12",
        "response.post.200",
    ];
    assert_eq!(counters, expected.map(|name| format!("http.{name}:1|c")));
}

/// Guarantees: each format that a caller may speak is understood, and what is not sampled there is not sampled here, costs no
/// name, and is passed on; baggage also without a trace.
#[tokio::test]
async fn propagation() {
    let (client, captured) = client(Config::default().statsd(false));
    let seen = service_fn(|_: Request<()>| async {
        let context = crate::current_context().unwrap();
        let mut headers = HeaderMap::new();
        inject_formats(&mut headers, &[Format::W3c, Format::B3]);
        assert_eq!(headers["b3"].to_str().unwrap()[..32], context.trace_id_text());
        let baggage = headers.get("baggage").map_or("", |value| value.to_str().unwrap()).to_owned();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(format!("{context} {baggage}")))))
    });
    let layer = Layer::with_client(client.clone()).route(|_| panic!("a route is looked for though nothing is sampled"));
    let service = ServiceBuilder::new().layer(layer).service(seen);
    let ask = |headers: &[(&'static str, String)]| {
        let builder = Request::get("/");
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, value));
        let response = service.clone().oneshot(builder.body(()).unwrap());
        async {
            String::from_utf8(response.await.unwrap().into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
        }
    };
    let w3c = format!("00-{TRACE}-00f067aa0ba902b7-00");
    for headers in [
        vec![("traceparent", w3c.clone()), ("baggage", "user=jo".to_owned())],
        vec![("uber-trace-id", format!("{TRACE}:00f067aa0ba902b7:0:0")), ("uberctx-user", "jo".to_owned())],
        vec![("b3", format!("{TRACE}-00f067aa0ba902b7-0")), ("baggage", "user=jo".to_owned())],
        vec![
            ("x-b3-traceid", TRACE.to_owned()),
            ("x-b3-spanid", "00f067aa0ba902b7".to_owned()),
            ("x-b3-sampled", "0".to_owned()),
            ("baggage", "user=jo".to_owned()),
        ],
    ] {
        let answer = ask(&headers).await;
        assert!(
            answer.starts_with(&format!("00-{TRACE}-")) && answer.ends_with("-00 user=jo"),
            "{headers:?}: {answer}"
        );
    }
    assert_eq!(sent(&client, &captured).0, []);
}

#[tokio::test]
async fn baggage_without_a_trace_and_a_trace_that_comes_twice() {
    let (client, captured) = client(Config::default().statsd(false));
    let seen = service_fn(|_: Request<()>| async {
        let user = crate::current_context().and_then(|context| context.baggage("user").map(str::to_owned));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(user.unwrap_or_default()))))
    });
    let mut service = ServiceBuilder::new().layer(Layer::with_client(client.clone())).service(seen);
    let response = service.call(Request::get("/").header("baggage", "user=jo").body(()).unwrap()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "jo");
    let twice = Request::get("/").header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let twice = twice.header("traceparent", http::HeaderValue::from_bytes(b"\xff").unwrap());
    drop(service.call(twice.body(()).unwrap()).await.unwrap().into_body().collect().await);
    let (spans, _) = sent(&client, &captured);
    assert!(spans.iter().all(|span| span.parent_span_id == "0000000000000000" && span.trace_id != TRACE), "{spans:?}");
    assert_eq!(spans.len(), 2);
}

/// Guarantees: a call is a child of the span that its caller is in, says so in its headers, and a status from 400 on is an error.
#[tokio::test]
async fn calls_of_a_client() {
    let (client, captured) = client(Config::default().statsd(false));
    let remote = service_fn(|request: Request<()>| async move {
        assert!(!request.headers().contains_key("tracestate"), "what a proxy passes on is of another span");
        let parent = request.headers()["traceparent"].to_str().unwrap().to_owned();
        let mut response = Response::new(Full::new(Bytes::from(parent)));
        *response.status_mut() = if request.uri().path() == "/none" { StatusCode::NOT_FOUND } else { StatusCode::OK };
        Ok::<_, Infallible>(response)
    });
    let mut calls = ServiceBuilder::new().layer(ClientLayer::with_client(client.clone())).service(remote);
    let outer = client.span("outer");
    let mut answers = Vec::new();
    for path in ["/found?token=secret", "/none"] {
        let request = Request::get(format!("http://shop.example:8080{path}")).header("tracestate", "old=1");
        let response = calls.call(request.body(()).unwrap()).await.unwrap();
        answers.push(response.into_body().collect().await.unwrap().to_bytes());
    }
    let outer_id = outer.context().span_id_text();
    drop(outer);
    let (spans, _) = sent(&client, &captured);
    let [found, none, _] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((&found.parent_span_id, found.kind, found.status), (&outer_id, Kind::Client, Status::Unset));
    assert_eq!((none.status, none.status_message.as_str()), (Status::Error, "HTTP 404"));
    assert_eq!(answers[0], format!("00-{}-{}-03", found.trace_id, found.span_id));
    let said = ["url.path", "server.address", "server.port"].map(|key| attribute(found, key));
    assert_eq!(said, ["/found", "shop.example", "8080"]);
}

/// Scenario: requests over a real connection of HTTP/1.1: one whose response is sent whole, one of which the client reads the
/// head and goes away.
/// Guarantees: hyper, which asks a body for no more than it has said it holds, ends both.
#[tokio::test]
async fn over_a_connection() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (client, captured) = client(Config::default().sampling(Sampling::All));
    let endless = || async {
        AxumBody::from_stream(stream::unfold((), |()| async {
            tokio::task::yield_now().await;
            Some((Ok::<_, io::Error>(Bytes::from(vec![b'x'; 1 << 16])), ()))
        }))
    };
    let app = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/endless", get(endless))
        .layer(Layer::with_client(client.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    for path in ["/hello", "/endless"] {
        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        connection.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        assert!(connection.read(&mut [0; 64]).await.unwrap() > 0);
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while sent(&client, &captured).0.len() < 2 {
        assert!(std::time::Instant::now() < deadline, "a request never ended");
        tokio::task::yield_now().await;
    }
    server.abort();
    assert_eq!(sent(&client, &captured).1, ["get.200", "get.499"].map(|name| format!("http.response.{name}:1|c")));
}

/// Guarantees: the layer reads headers as all clients do: the vectors hold what the W3C's suites check.
#[tokio::test]
async fn headers_are_read_as_the_vectors_say() {
    use serde_json::Value as Json;
    let (client, captured) = client(Config::default().statsd(false));
    let text = std::fs::read_to_string("../schemas/examples/propagation.vectors.json").unwrap();
    let vectors: Json = serde_json::from_str(&text).unwrap();
    let seen = service_fn(|_: Request<()>| async {
        let context = crate::current_context().unwrap();
        let baggage: Vec<(String, String)> =
            context.baggage_items().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let mut response = Response::new(Empty::<Bytes>::new());
        response.extensions_mut().insert((context, baggage));
        Ok::<_, Infallible>(response)
    });
    let mut service = ServiceBuilder::new().layer(Layer::with_client(client.clone())).service(seen);
    let mut cases = 0;
    for vector in vectors["extract"].as_array().unwrap() {
        let headers: Vec<(String, String)> = serde_json::from_value(vector["headers"].clone()).unwrap();
        let mut builder = Request::get("/");
        for (name, value) in &headers {
            builder = builder.header(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let response = service.call(builder.body(()).unwrap()).await.unwrap();
        let (context, baggage) = response.extensions().get::<(crate::Context, Vec<(String, String)>)>().unwrap();
        let (name, expected) = (&vector["name"], &vector["context"]);
        cases += 1;
        if expected.is_null() {
            let all = headers.iter().map(|(_, value)| value.to_lowercase()).collect::<String>();
            assert!(!all.contains(&context.trace_id_text()) && context.trace_state().is_empty(), "{name}: a new trace");
            continue;
        }
        assert_eq!(expected["trace_id"], context.trace_id_text(), "{name}");
        assert_eq!(expected["trace_state"], context.trace_state(), "{name}");
        assert_eq!(expected["baggage"], serde_json::json!(baggage), "{name}");
        assert!(expected["sampled"].is_null() || expected["sampled"] == context.is_sampled().unwrap(), "{name}");
    }
    assert!(cases > 60 && !sent(&client, &captured).0.is_empty());
}

/// Guarantees: what a service calls carries on what it was asked with, as the W3C's suites have it: the cases that all languages share.
#[tokio::test]
async fn requests_go_on_as_the_w3c_says() {
    use serde_json::Value as Json;
    let (client, captured) = client(Config::default().statsd(false).sampling(Sampling::All));
    let text = std::fs::read_to_string("../schemas/examples/propagation.requests.json").unwrap();
    let examples: Json = serde_json::from_str(&text).unwrap();
    let echo = service_fn(|request: Request<()>| async move {
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.headers_mut() = request.headers().clone();
        Ok::<_, Infallible>(response)
    });
    let calls = ServiceBuilder::new().layer(ClientLayer::with_client(client.clone())).service(echo);
    let seen = service_fn(|request: Request<()>| {
        let (calls, count) = (calls.clone(), *request.extensions().get::<u64>().unwrap());
        async move {
            let mut made = Vec::new();
            for _ in 0..count {
                made.push(
                    calls.clone().oneshot(Request::get("http://other/").body(()).unwrap()).await?.headers().clone(),
                );
            }
            let mut response = Response::new(Empty::<Bytes>::new());
            response.extensions_mut().insert(made);
            Ok::<_, Infallible>(response)
        }
    });
    let mut service = ServiceBuilder::new().layer(Layer::with_client(client.clone())).service(seen);
    let (trace_id, span_id) = (examples["trace_id"].as_str().unwrap(), examples["span_id"].as_str().unwrap());
    let cases = examples["cases"].as_array().unwrap();
    for case in cases {
        let headers: Vec<(String, String)> = serde_json::from_value(case["headers"].clone()).unwrap();
        let mut builder = Request::get("/").extension(case["calls"].as_u64().unwrap_or(1));
        for (name, value) in &headers {
            builder = builder.header(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let response = service.call(builder.body(()).unwrap()).await.unwrap();
        let (made, name) = (response.extensions().get::<Vec<HeaderMap>>().unwrap(), &case["name"]);
        let mut spans = vec![span_id.to_owned()];
        for call in made {
            let value = |name: &str| call.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
            let parent = value("traceparent");
            let [version, trace, span, flags] = parent.split('-').collect::<Vec<_>>()[..] else {
                panic!("{name}: {parent}")
            };
            assert_eq!(
                (version, trace.len(), span.len(), trace == trace_id),
                ("00", 32, 16, case["goes_on"] == true),
                "{name}"
            );
            assert!(!spans.contains(&span.to_owned()), "{name}: a span of its own");
            spans.push(span.to_owned());
            if let Some(sampled) = case["sampled"].as_bool() {
                assert_eq!(u8::from_str_radix(flags, 16).unwrap() & 1 == 1, sampled, "{name}");
            }
            if let Some(state) = case["trace_state"].as_str() {
                assert_eq!(value("tracestate"), state, "{name}");
            }
            if let Some(expected) = case["baggage_header"].as_str() {
                assert_eq!(value("baggage"), expected, "{name}");
            }
            if !case["baggage"].is_null() {
                let context =
                    crate::Context::extract([("traceparent", parent.as_str()), ("baggage", &value("baggage"))])
                        .unwrap();
                assert_eq!(case["baggage"], serde_json::json!(context.baggage_items().collect::<Vec<_>>()), "{name}");
            }
        }
    }
    assert!(cases.len() > 90 && !sent(&client, &captured).0.is_empty());
}
