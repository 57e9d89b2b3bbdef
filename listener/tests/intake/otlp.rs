//! OTLP: taken as a whole or not at all, refused span by span, answered when it is on disk, and there once after a kill.
use super::damage::{answered_over_kills, killed};
use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use metlog_listener::config::Serve;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

fn with_otlp(data: &Path) -> Config {
    let any = || vec!["127.0.0.1:0".parse().unwrap()];
    let serve = |key| Serve { key, addresses: any(), is_default: false };
    Config { servers: vec![serve("otlp_http"), serve("otlp_grpc")], ..config(data) }
}

/// Posts a body; status, headers in lower case and body of the response.
fn post(to: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(to).unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\nContent-Length: {length}\r\n\r\n"
    );
    // What is too long is refused before all of it is taken.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

const JSON: &str = "Content-Type: application/json; charset=utf-8";
const PROTOBUF: &str = "Content-Type: application/x-protobuf";

fn spans(count: u64, name: &str) -> Value {
    let span = |nth| {
        json!({"traceId": format!("{:032x}", nth + 1), "spanId": format!("{:016x}", nth + 1), "name": name,
            "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000"})
    };
    let spans: Vec<_> = (0..count).map(span).collect();
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn names(store: &Store) -> Vec<String> {
    texts(&store.rows(Table::Spans), "name")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_is_answered_in_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(with_otlp(&data), &store);
    let to = address(&listener, "otlp_http");
    let good = spans(2, "json").to_string();
    let (status, head, body) = post(&to, "/v1/traces", JSON, good.as_bytes());
    assert_eq!((status, body.as_slice()), (200, &b"{}"[..]));
    assert!(head.contains("content-type: application/json"), "{head}");
    let mut bad = spans(2, "partial");
    bad["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = "00".repeat(16).into();
    let (status, _, body) = post(&to, "/v1/traces", JSON, bad.to_string().as_bytes());
    let partial: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &partial["partialSuccess"]["rejectedSpans"]), (200, &"1".into()), "{partial}");
    assert_eq!(partial["partialSuccess"]["errorMessage"], "rejected for good: 1 no_trace_id");
    // resource_spans { scope_spans { spans { trace_id, span_id, name: "proto" } } }, and one span without ids.
    let span = [&b"\x0a\x10"[..], &[1; 16], b"\x12\x08", &[2; 8], b"\x2a\x05proto"].concat();
    let request = [&[0x0a, 39 + 4, 0x12, 37 + 4, 0x12, span.len() as u8][..], &span, b"\x12\x02\x2a\x00"].concat();
    let headers = format!("{PROTOBUF}\r\nContent-Encoding: gzip");
    let (status, head, body) = post(&to, "/v1/traces", &headers, &gzip(&request));
    assert_eq!((status, &body[..4]), (200, &b"\x0a\x24\x08\x01"[..]), "{body:x?}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let (status, _, body) = post(&to, "/v1/traces", PROTOBUF, b"");
    assert_eq!((status, body.len()), (200, 0));
    let ledger = listener.ledger();
    assert_eq!((ledger.received, ledger.rejected_by_reason["no_trace_id"]), (6, 2));
    assert!(ledger.is_balanced(), "{ledger:?}");
    assert_eq!(stop(&listener).await, 0);
    assert_eq!(names(&store), ["json", "json", "partial", "proto"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_said_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(with_otlp(&data), &store);
    let to = address(&listener, "otlp_http");
    let zipped = format!("{PROTOBUF}\r\nContent-Encoding: gzip");
    // A few KB that would become 30 MB.
    let bomb = gzip(&vec![0; 30 << 20]);
    let deep = format!("{}1{}", r#"{"resourceSpans":["#.repeat(10_000), "]}".repeat(10_000));
    for (path, headers, body, expected) in [
        ("/v1/traces", JSON, &b"{not json"[..], 400),
        ("/v1/traces", JSON, b"", 400),
        ("/v1/traces", JSON, deep.as_bytes(), 400),
        ("/v1/traces", PROTOBUF, b"\xff\xff\xff", 400),
        ("/v1/logs", PROTOBUF, b"\x0a\x7f", 400),
        ("/v1/traces", &zipped, b"no gzip", 400),
        ("/v1/traces", &zipped, &bomb, 413),
        ("/v1/traces", "Content-Type: text/plain", b"", 415),
        ("/v1/traces", "X: y", b"", 415),
        ("/v1/traces", "Content-Type: application/json\r\nContent-Encoding: br", b"", 415),
        ("/v1/nothing", JSON, b"{}", 404),
    ] {
        let (status, head, answer) = post(&to, path, headers, body);
        assert_eq!(status, expected, "{path} {headers} {head}");
        match headers.contains("protobuf") {
            true => assert!(head.contains("application/x-protobuf") && answer[0] == 8, "{head} {answer:x?}"),
            false => {
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                assert!(answer["code"].is_number() && answer["message"].is_string(), "{answer}");
            }
        }
    }
    let ledger = listener.ledger();
    let rejected: Vec<_> = ledger.rejected_by_reason.into_iter().collect();
    assert_eq!(rejected, [("otlp_too_long".to_owned(), 1), ("otlp_unreadable".to_owned(), 6)]);
    stop(&listener).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_may_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let mut small = with_otlp(&data);
    small.journal.budget_bytes = 260_000;
    let listener = start(small, &store);
    let (status, head, body) =
        post(&address(&listener, "otlp_http"), "/v1/traces", JSON, spans(1, "x").to_string().as_bytes());
    assert_eq!(status, 503, "{head}");
    assert!(head.contains("retry-after: 10"), "{head}");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["code"], 14);
    assert_eq!(listener.ledger().received, 0);
    store.down.store(false, Ordering::Relaxed);
    stop(&listener).await;
}

/// A request of megabytes is one record; requests of many senders and kills in their midst: whatever was acknowledged is
/// stored once, and nothing of what was not is there in part.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_once() {
    let store = Store::default();
    let send = |to: &str, round: usize, sender: usize| {
        let sent = (0..5).map(|nth| (format!("r{round}s{sender}n{nth}"), if nth == 0 { 20_000 } else { 10 }));
        let post = |(name, count): &(String, u64)| {
            post(to, "/v1/traces", JSON, spans(*count, name).to_string().as_bytes()).0 == 200
        };
        sent.filter(post).flat_map(|(name, count)| std::iter::repeat_n(name, count as usize)).collect()
    };
    let acknowledged = answered_over_kills(&store, with_otlp, "otlp_http", 3, 3, send).await;
    assert_eq!(acknowledged.len(), 3 * 3 * (20_000 + 4 * 10));
    assert!(names(&store) == acknowledged, "{} instead of {}", names(&store).len(), acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_yield_and_what_is_configured_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::default();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap();
    let mut both = with_otlp(&folder.path().join("data"));
    both.servers[0].addresses = vec![taken];
    both.servers[0].is_default = true;
    let listener = start(both.clone(), &store);
    let health = listener.health();
    assert!(health.ok && health.problems.is_empty(), "{health:?}");
    assert_eq!(health.warnings.len(), 1);
    assert!(health.warnings[0].contains(&format!("listener.otlp_http: not listening on {taken}")), "{health:?}");
    let bound: Vec<_> =
        listener.addresses().into_iter().map(|(key, _)| key).filter(|key| key.starts_with("otlp")).collect();
    assert_eq!(bound, ["otlp_grpc"]);
    stop(&listener).await;
    both.servers[0].is_default = false;
    both.data = folder.path().join("other");
    let refused = Listener::start(both, vec![Box::new(store)], &tokio::runtime::Handle::current()).unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.starts_with(&format!("TCP {taken}: ")), "{why}");
}

/// What a counter grew by is counted once, over kills and restarts, and a point that comes twice is refused.
#[tokio::test(flavor = "multi_thread")]
async fn cumulative_counters_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::default();
    let mut data = folder.path().join("data0");
    let point = |nth: u64| {
        let point = json!({"startTimeUnixNano": "1544712600000000000", "asInt": (nth * 10).to_string(),
            "timeUnixNano": (1_544_712_660_000_000_000 + nth * 1_000_000_000).to_string()});
        let sum = json!({"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [point]});
        json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "requests", "sum": sum}]}]}]}).to_string()
    };
    let mut sent = 0;
    for round in 0..3 {
        let listener = start(with_otlp(&data), &store);
        let to = address(&listener, "otlp_http");
        for _ in 0..4 {
            sent += 1;
            let (status, _, body) = post(&to, "/v1/metrics", JSON, point(sent).as_bytes());
            assert_eq!((status, body.as_slice()), (200, &b"{}"[..]));
            // So that some of it is in a segment that is sealed, and some not.
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
        let (_, _, body) = post(&to, "/v1/metrics", JSON, point(sent).as_bytes());
        let partial: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(partial["partialSuccess"]["rejectedDataPoints"], "1", "{partial}");
        let next = folder.path().join(format!("data{}", round + 1));
        killed(&data, &next);
        listener.stop(std::future::ready(())).await;
        data = next;
    }
    let listener = start(with_otlp(&data), &store);
    assert_eq!(stop(&listener).await, 0);
    let total: f64 = store.rows(Table::Metrics).iter().map(|batch| count_of(batch, "requests")).sum();
    assert_eq!(total, sent as f64 * 10.0);
}
