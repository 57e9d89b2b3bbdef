//! Errors as Jaeger's clients know them.
use super::super::texts;
use super::*;

#[tokio::test]
async fn errors_are_those_of_jaeger() {
    let server = Server::over(&[span(1, 1, 0, "a", 0, 1)]).await;
    for (path, status, message) in [
        ("/api/traces", 400, "parameter 'service' is required"),
        ("/api/operations", 400, "parameter 'service' is required"),
        ("/api/traces?service=a&limit=0", 400, "invalid parameter: limit must be greater than 0"),
        ("/api/traces?service=a&limit=x", 400, "strconv.ParseInt: parsing \"x\": invalid syntax"),
        (
            "/api/traces?service=a&start=x",
            400,
            "unable to parse param 'start': strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        ("/api/traces?service=a&start=2&end=1", 400, "invalid parameter: start time must be before end time"),
        (
            "/api/traces?service=a&minDuration=5",
            400,
            "unable to parse param 'minDuration': time: missing unit in duration \"5\"",
        ),
        (
            "/api/traces?service=a&minDuration=2s&maxDuration=1s",
            400,
            "'maxDuration' should be greater than 'minDuration'",
        ),
        ("/api/traces?service=a&tag=x", 400, "malformed 'tag' parameter, expecting key:value, received: x"),
        (
            "/api/traces?service=a&raw=maybe",
            400,
            "unable to parse param 'raw': strconv.ParseBool: parsing \"maybe\": invalid syntax",
        ),
        ("/api/traces/7", 404, "trace not found"),
        ("/api/metrics/calls", 400, "unable to parse param 'service': please provide at least one service name"),
        (
            "/api/metrics/calls?service=a&spanKind=x",
            400,
            "unable to parse param 'spanKind': unsupported span kind: 'x'",
        ),
        (
            "/api/metrics/latencies?service=a",
            400,
            "unable to parse param 'quantile': strconv.ParseFloat: parsing \"\": invalid syntax",
        ),
    ] {
        assert_eq!(server.error(path).await, (status, message.to_owned()), "{path}");
    }
    assert_eq!(server.error("/api/traces/xyz").await.0, 400);
    assert_eq!(server.error("/api/traces?service=a&tags=x").await.0, 400);
    let (status, _, _) = server.send(Request::get("/jaeger/api/nothing").body(Body::empty()).unwrap()).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn v3_has_errors_of_its_own() {
    let server = Server::over(&[span(1, 1, 0, "a", 0, 1)]).await;
    let times = "query.startTimeMin=2026-03-04T05:00:00Z&query.startTimeMax=2026-03-04T06:00:00%2B00:00";
    for (path, status, message) in [
        ("/api/v3/traces".to_owned(), 400, "query.startTimeMin and query.startTimeMax are required"),
        (format!("/api/v3/traces?{times}&query.serviceName=b"), 404, "No traces found"),
        ("/api/v3/traces/7".to_owned(), 404, "No traces found"),
        (
            format!("/api/v3/traces?{times}&query.searchDepth=x"),
            400,
            "malformed parameter query.searchDepth: strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
    ] {
        let (found, body) = server.get(&path).await;
        assert_eq!((found, &body), (status, &json!({"error": {"httpCode": status, "message": message}})), "{path}");
    }
    let unescaped = "query.start_time_min=2026-03-04T05:00:00+00:00&query.start_time_max=2026-03-04T06:00:00+00:00";
    let (status, body) = server.get(&format!("/api/v3/traces?{unescaped}&query.service_name=a")).await;
    assert_eq!((status, body["result"]["resourceSpans"].as_array().map(Vec::len)), (200, Some(1)), "{body}");
}

#[test]
fn durations_are_read_as_go_does() {
    for (text, nanos) in [
        ("100us", 100_000),
        ("1.2s", 1_200_000_000),
        ("4500ns", 4_500),
        ("1h2m3.5s", 3_723_500_000_000),
        ("0", 0),
        ("-1.5µs", -1_500),
        (".5s", 500_000_000),
    ] {
        assert_eq!(texts::duration(text), Ok(nanos), "{text}");
    }
    for text in ["", "5", "x", "1.2.3s", "1y", "-", ".s", "99999999999999999999s", "9999999999h"] {
        assert!(texts::duration(text).is_err(), "{text}");
    }
}
