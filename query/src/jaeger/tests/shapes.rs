//! Results: traces of v1 and v3, services, dependencies, measures.
use super::*;

fn rich() -> Span {
    Span {
        attributes: vec![
            Attribute::text("s", "text"),
            Attribute::new("b", Value::Bool(false)),
            Attribute::new("i", Value::Int(7)),
            Attribute::new("big", Value::Int(1 << 53)),
            Attribute::new("d", Value::Double(1.5)),
            Attribute::new("x", Value::Bytes(vec![1, 2, 3])),
            Attribute::new("l", Value::List(vec![Value::Int(1), Value::Text("a".into())])),
        ],
        events: vec![
            Event {
                time: T + 2_000,
                name: "z".into(),
                attributes: vec![Attribute::text("k", "v")],
                ..Event::default()
            },
            Event { time: T + 1_000, name: "a".into(), ..Event::default() },
        ],
        links: vec![
            Link { trace_id: TraceId(u128::MAX), span_id: SpanId(8), ..Link::default() },
            Link {
                trace_id: TraceId(1),
                span_id: SpanId(9),
                attributes: vec![Attribute::text("opentracing.ref_type", "child_of")],
                ..Link::default()
            },
        ],
        status: Status::Error,
        status_message: "bad".into(),
        trace_state: "a=b".into(),
        scope: Arc::new(Scope { name: "lib".into(), version: "2".into(), ..Scope::default() }),
        ..span(1, 2, 1, "shop", 1, 10)
    }
}

#[tokio::test]
async fn a_trace_of_v1_has_its_shape() {
    let server = Server::over(&[rich(), span(1, 1, 0, "front", 0, 100)]).await;
    let (status, body) = server.get("/api/traces/1").await;
    assert_eq!(status, 200, "{body}");
    let tag = |key: &str, kind: &str, value: Json| json!({"key": key, "type": kind, "value": value});
    let expected = json!({
        "traceID": "0000000000000001", "spanID": "0000000000000002", "operationName": "shop-work",
        "references": [
            {"refType": "CHILD_OF", "traceID": "0000000000000001", "spanID": "0000000000000001"},
            {"refType": "FOLLOWS_FROM", "traceID": "f".repeat(32), "spanID": "0000000000000008"},
            {"refType": "CHILD_OF", "traceID": "0000000000000001", "spanID": "0000000000000009"},
        ],
        "startTime": T / 1_000 + 1_000, "duration": 10_000,
        "tags": [
            tag("otel.scope.name", "string", json!("lib")), tag("otel.scope.version", "string", json!("2")),
            tag("s", "string", json!("text")), tag("b", "bool", json!(false)), tag("i", "int64", json!(7)),
            tag("big", "string", json!("9007199254740992")), tag("d", "float64", json!(1.5)),
            tag("x", "binary", json!("AQID")), tag("l", "string", json!("[1,\"a\"]")),
            tag("span.kind", "string", json!("server")), tag("otel.status_code", "string", json!("ERROR")),
            tag("error", "bool", json!(true)), tag("otel.status_description", "string", json!("bad")),
            tag("w3c.tracestate", "string", json!("a=b")),
        ],
        "logs": [
            {"timestamp": T / 1_000 + 2, "fields": [tag("event", "string", json!("z")), tag("k", "string", json!("v"))]},
            {"timestamp": T / 1_000 + 1, "fields": [tag("event", "string", json!("a"))]},
        ],
        "processID": "p2", "warnings": null,
    });
    assert_eq!(body["data"][0]["spans"][1], expected);
    let process = json!({"serviceName": "shop", "tags": [tag("host.name", "string", json!("h1"))]});
    assert_eq!(body["data"][0]["processes"]["p2"], process);
    assert_eq!(body["data"][0]["processes"]["p1"]["serviceName"], "front");
    let rest =
        json!({"total": body["total"], "limit": body["limit"], "offset": body["offset"], "errors": body["errors"]});
    assert_eq!(rest, json!({"total": 0, "limit": 0, "offset": 0, "errors": null}));
    let (_, _, pretty) = server.send(Request::get("/api/traces/1?prettyPrint=true").body(Body::empty()).unwrap()).await;
    assert!(pretty.starts_with("{\n    \"data\""), "{pretty}");
    let (status, below) = server.get("/jaeger/api/traces/AAAAAAAAAAAAAAAAAAAAAQ==").await;
    assert_eq!((status, &below), (200, &body), "below a path, by an id in base64");
}

#[tokio::test]
async fn several_traces_by_their_ids() {
    let server = Server::over(&[span(1, 1, 0, "a", 0, 1), span(2, 1, 0, "a", 1, 1)]).await;
    let (status, body) = server.get("/api/traces?traceID=2&traceID=77&traceID=1").await;
    assert_eq!(status, 200);
    let ids: Vec<&str> =
        body["data"].as_array().unwrap().iter().filter_map(|trace| trace["traceID"].as_str()).collect();
    assert_eq!(ids, ["0000000000000002", "0000000000000001"]);
    assert_eq!(body["errors"], json!([{"msg": "trace not found", "traceID": "0000000000000077"}]));
}

#[tokio::test]
async fn adjustments_can_be_switched_off() {
    let late = Span {
        resource: Arc::new(Resource { attributes: vec![Attribute::text("host.name", "h2")], ..Resource::default() }),
        ..span(1, 2, 1, "b", 5_000, 10)
    };
    let server = Server::over(&[span(1, 1, 0, "a", 0, 100), late]).await;
    let warnings = |body: &Json| body["data"][0]["spans"][1]["warnings"].clone();
    let (_, told) = server.get("/api/traces/1").await;
    let text = "clock skew adjustment disabled; not applying calculated delta of -4.955s";
    assert_eq!(warnings(&told), json!([text]));
    let (_, raw) = server.get("/api/traces/1?raw=true").await;
    assert_eq!(warnings(&raw), json!(null));
    let (_, moved) = server.get("/api/traces/1?adjust=skew").await;
    assert_eq!(warnings(&moved), json!(["This span's timestamps were adjusted by -4.955s"]));
    assert_eq!(moved["data"][0]["spans"][1]["startTime"], T / 1_000 + 45_000);
    let (_, exact) = server.get("/api/v3/traces/1").await;
    assert!(!exact.to_string().contains("@jaeger@warnings"), "{exact}");
    let (_, adjusted) = server.get("/api/v3/traces/1?raw_traces=false").await;
    assert!(adjusted.to_string().contains("@jaeger@warnings"), "{adjusted}");
}

#[tokio::test]
async fn services_and_operations() {
    let other = Span { kind: Kind::Unspecified, name: "odd/name".into(), ..span(2, 1, 0, "a/b", 0, 1) };
    let server = Server::over(&[span(1, 1, 0, "a/b", 0, 1), other, span(3, 1, 0, "", 0, 1)]).await;
    let (_, services) = server.get("/api/services").await;
    assert_eq!((&services["data"], &services["total"]), (&json!(["a/b"]), &json!(1)));
    let (_, operations) = server.get("/api/operations?service=a/b").await;
    let expected = json!([{"name": "a/b-work", "spanKind": "server"}, {"name": "odd/name", "spanKind": ""}]);
    assert_eq!((&operations["data"], &operations["total"]), (&expected, &json!(2)));
    let (_, operations) = server.get("/api/operations?service=a/b&spanKind=server").await;
    assert_eq!(operations["total"], 1);
    let (_, names) = server.get("/api/services/a%2Fb/operations").await;
    assert_eq!(names["data"], json!(["a/b-work", "odd/name"]));
    let (_, v3) = server.get("/api/v3/services").await;
    assert_eq!(v3, json!({"services": ["a/b"]}));
    let (_, v3) = server.get("/api/v3/operations?service=a/b&span_kind=server").await;
    assert_eq!(v3, json!({"operations": [{"name": "a/b-work", "spanKind": "server"}]}));
    let (_, v3) = server.get("/api/v3/operations?service=a/b").await;
    assert_eq!(v3["operations"][1]["spanKind"], "internal");
    let nothing = Server::over(&[]).await;
    assert_eq!(nothing.get("/api/services").await.1["data"], json!([]));
}

#[tokio::test]
async fn dependencies_are_counted_from_spans() {
    let client = Span { kind: Kind::Client, ..span(2, 5, 1, "front", 1, 5) };
    let server = Server::over(&[
        span(1, 1, 0, "front", 0, 9),
        span(1, 2, 1, "shop", 1, 5),
        span(1, 3, 1, "shop", 2, 5),
        span(1, 4, 2, "bank", 2, 1),
        span(1, 5, 4, "bank", 2, 1),
        // A client and a server that share an id, and what the server does.
        span(2, 1, 0, "front", 0, 9),
        client,
        span(2, 5, 1, "shop", 2, 3),
        span(2, 6, 5, "bank", 3, 1),
        // Elsewhere, and of another time.
        span(3, 4, 2, "bank", 0, 1),
        span(4, 1, 0, "front", 9_000_000_000, 1),
    ])
    .await;
    let until = T / MS + 10_000;
    let (status, body) = server.get(&format!("/api/dependencies?endTs={until}&lookback=20000")).await;
    assert_eq!(status, 200, "{body}");
    let edge = |parent: &str, child: &str, calls: u64| json!({"parent": parent, "child": child, "callCount": calls});
    let expected =
        json!([edge("bank", "bank", 1), edge("front", "front", 1), edge("front", "shop", 3), edge("shop", "bank", 2),]);
    assert_eq!(body["data"], expected);
    let (_, body) = server.get(&format!("/api/dependencies?endTs={until}&lookback=20000&service=front")).await;
    assert_eq!(body["data"].as_array().unwrap().len(), 2);
    let (_, body) = server.get(&format!("/api/dependencies?endTs={}&lookback=1", T / MS - 5)).await;
    assert_eq!(body["data"], json!([]));
}

#[tokio::test]
async fn rate_errors_and_durations_are_measured() {
    let failed = |id, at| Span { status: Status::Error, ..span(1, id, 0, "a", at, 20) };
    let server = Server::over(&[
        span(1, 1, 0, "a", 100, 10),
        failed(2, 200),
        span(1, 3, 0, "a", 1_500, 30),
        span(1, 4, 0, "b", 0, 1),
    ])
    .await;
    let times = format!("endTs={}&lookback=3000&step=1000", T / MS + 3_000);
    let values = |body: &Json| -> Vec<f64> {
        let points = body["metrics"][0]["metricPoints"].as_array().unwrap().iter();
        points.map(|point| point["gaugeValue"]["doubleValue"].as_f64().unwrap()).collect()
    };
    let (_, calls) = server.get(&format!("/api/metrics/calls?service=a&{times}")).await;
    assert_eq!((&calls["name"], &calls["type"]), (&json!("service_call_rate"), &json!("GAUGE")));
    assert_eq!(calls["help"], "calls/sec, grouped by service");
    assert_eq!(values(&calls), [2.0, 1.0, 0.0]);
    assert_eq!(calls["metrics"][0]["metricPoints"][0]["timestamp"], "2026-03-04T05:00:01Z");
    let (_, errors) = server.get(&format!("/api/metrics/errors?service=a&{times}&groupByOperation=true")).await;
    assert_eq!(errors["name"], "service_operation_error_rate");
    assert_eq!(values(&errors), [0.5, 0.0, 0.0]);
    let labels = json!([{"name": "service_name", "value": "a"}, {"name": "operation", "value": "a-work"}]);
    assert_eq!(errors["metrics"][0]["labels"], labels);
    let (_, latencies) = server.get(&format!("/api/metrics/latencies?service=a&quantile=0.95&{times}")).await;
    assert_eq!(latencies["help"], "0.95th quantile latency, grouped by service");
    assert_eq!(values(&latencies).last(), Some(&30.0), "no point where there is no span");
    let (_, none) = server.get(&format!("/api/metrics/calls?service=a&spanKind=client&{times}")).await;
    assert_eq!(none["metrics"], json!([]));
}

#[tokio::test]
async fn otlp_comes_back_equal() {
    let server = Server::over(&[rich()]).await;
    let (_, body) = server.get("/api/v3/traces/1").await;
    let sent = metlog_schemas::span::json::traces(&crate::trace::otlp::write([&rich()]));
    assert_eq!(body["result"], sent);
    let (_, summaries) = server
        .get("/api/v3/trace-summaries?query.startTimeMin=2026-03-04T00:00:00Z&query.startTimeMax=2026-03-05T00:00:00Z")
        .await;
    let expected = json!({"summaries": [{
        "traceId": format!("{:032x}", 1), "rootServiceName": "", "rootOperationName": "",
        "minStartTimeUnixNano": (T + MS).to_string(), "maxEndTimeUnixNano": (T + 11 * MS).to_string(),
        "spanCount": 1, "errorSpanCount": 1, "orphanSpanCount": 1,
        "services": [{"name": "shop", "spanCount": 1, "errorSpanCount": 1}],
    }]});
    assert_eq!(summaries, expected);
}

#[tokio::test]
async fn uploads_archives_and_ways() {
    let now = super::super::parameters::now();
    let recent = |id: u64, parent: u64, service: &str| {
        let span = span(1, id, parent, service, 0, 0);
        Span { start: now - 1_000_000_000, end: now, ..span }
    };
    let server = Server::over(&[recent(1, 0, "front"), recent(2, 1, "shop"), recent(3, 2, "bank")]).await;
    let body = metlog_schemas::span::json::traces(&crate::trace::otlp::write([&rich()])).to_string();
    let request = |path: &str, body: String| Request::post(path).body(Body::from(body)).unwrap();
    let (status, _, text) = server.send(request("/api/transform", body)).await;
    let transformed: Json = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &transformed["data"][0]["spans"][0]["spanID"]), (200, &json!("0000000000000002")));
    let (status, _, text) = server.send(request("/api/transform", "{".into())).await;
    assert!(status == 400 && text.contains("cannot unmarshal OTLP"), "{text}");
    let (status, _, text) = server.send(request("/api/archive/1", String::new())).await;
    let archived: Json = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &archived["data"], &archived["errors"]), (200, &json!([]), &json!([])));
    assert_eq!(server.send(request("/api/archive/2", String::new())).await.0, 404);
    let (_, ways) = server.get("/api/deep-dependencies?service=shop").await;
    let step = |service: &str| json!({"service": service, "operation": format!("{service}-work")});
    assert_eq!(ways["dependencies"][0]["path"], json!([step("front"), step("shop"), step("bank")]));
    assert_eq!(server.get("/api/metrics/minstep").await.1["data"], 1);
    assert!(server.get("/api/quality-metrics").await.1["metrics"].is_array());
}

#[test]
fn what_is_downloaded_can_be_uploaded() {
    let trace = crate::trace::Trace { id: TraceId(1), spans: vec![rich(), span(1, 1, 0, "front", 0, 100)] };
    let written = serde_json::to_value(super::super::trace_json(&trace, Vec::new())).unwrap();
    let read = super::super::read_traces(&json!({"data": [written]})).unwrap();
    assert_eq!(serde_json::to_value(super::super::trace_json(&read[0], Vec::new())).unwrap(), written);
    for body in [json!({}), json!({"data": 1}), json!({"data": [{"spans": [{"traceID": "x"}]}]})] {
        assert!(super::super::read_traces(&body).is_err(), "{body}");
    }
}
