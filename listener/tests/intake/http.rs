//! Intake by HTTP: judged item by item, answered when it is on disk, and there once after a kill.
use super::damage::answered_over_kills;
use super::*;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

fn with_http(data: &Path) -> Config {
    Config { http: vec!["127.0.0.1:0".parse().unwrap()], ..config(data) }
}

/// Posts a body; status, headers and the JSON of the answer.
fn post(to: &str, body: &str) -> (u16, String, Value) {
    let mut stream = TcpStream::connect(to).unwrap();
    let head = format!(
        "POST /api/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // A body that is too long is refused before all of it is taken.
    let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_judged_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(with_http(&data), &store);
    let to = address(&listener, "http");
    let all = json!({"accepted": 1, "rejected": 0, "errors": []});
    assert_eq!(post(&to, &self::super::json(0)), (200, post(&to, &self::super::json(1)).1, all));
    let (status, _, answer) = post(&to, r#"[{"type":"a","payload":"x"}, {"no":"type"}, 7, {"type":"b"}]"#);
    let errors = json!([{"index": 1, "reason": "json_no_type"}, {"index": 2, "reason": "not_metlog"}]);
    assert_eq!((status, answer), (200, json!({"accepted": 2, "rejected": 2, "errors": errors})));
    let (status, _, answer) = post(&to, "{\"type\":\"l1\"}\n{\"type\":\"l2\"}\n{broken\n");
    assert_eq!((status, &answer["accepted"], &answer["rejected"]), (200, &json!(2), &json!(1)));
    for (body, expected) in [("", 400), ("[1", 400), ("text", 400), (r#"{"no":"type"}"#, 400)] {
        assert_eq!(post(&to, body).0, expected, "{body}");
    }
    let (status, _, _) = post(&to, &format!("[{}]", " ".repeat(5 << 20)));
    assert_eq!(status, 413);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced(), "{ledger:?}");
    assert_eq!((ledger.received, ledger.rejected), (2 + 4 + 3 + 1, 4));
    assert_eq!(stop(&listener).await, 0);
    assert_eq!(store.payloads().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_is_refused_and_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let mut small = with_http(&data);
    small.journal.budget_bytes = 260_000;
    let listener = start(small, &store);
    let (status, head, _) = post(&address(&listener, "http"), &json(1));
    assert_eq!(status, 503, "{head}");
    assert!(head.contains("retry-after: "), "{head}");
    assert_eq!(listener.ledger().received, 0);
    store.down.store(false, Ordering::Relaxed);
    stop(&listener).await;
}

/// Many requests at a time, and a kill in their midst: whatever was answered is stored once.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_once() {
    let store = Store::default();
    let send = |to: &str, round: usize, sender: usize| {
        let ids = (0..25).map(|n| format!("r{round}s{sender}n{n}"));
        ids.filter(|id| post(to, &format!(r#"{{"type":"t","payload":"{id}"}}"#)).0 == 200).collect()
    };
    let acknowledged = answered_over_kills(&store, with_http, "http", 4, 4, send).await;
    assert_eq!(acknowledged.len(), 400);
    assert_eq!(store.payloads(), acknowledged);
}
