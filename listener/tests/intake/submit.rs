//! Intake by `POST /submit`: who may, what a response means, and that nothing hostile gets through.
use super::damage::answered_over_kills;
use super::*;
use metlog_listener::{LoggerPattern, SubmitConfig, SubmitToken};
use std::io::{Read, Write};
use std::net::TcpStream;

const ORIGIN: &str = "Origin: https://www.example.org";

fn with_submit(data: &Path) -> Config {
    let patterns = |texts: &[&str]| texts.iter().map(|text| LoggerPattern::parse(text).unwrap()).collect();
    let token = SubmitToken { sha256: SECRET_SHA256, expires: None, loggers: patterns(&["sync"]) };
    let submit = SubmitConfig {
        loggers: patterns(&["web_*"]),
        origins: vec!["https://www.example.org".into()],
        tokens: vec![token],
    };
    Config { http: vec!["127.0.0.1:0".parse().unwrap()], submit, ..config(data) }
}

/// Of `abc`, see FIPS 180-2.
const SECRET_SHA256: [u8; 32] = [
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61,
    0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
];

/// A response: status, head in lower case, body.
struct Response(u16, String, String);

fn send(to: &str, method_and_path: &str, headers: &[&str], body: &[u8]) -> Response {
    let mut stream = TcpStream::connect(to).unwrap();
    let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let head =
        format!("{method_and_path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n");
    // A body that is too long is refused before all of it is taken.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Response(status, head.to_lowercase(), body.to_owned())
}

fn post(to: &str, path: &str, body: &str) -> Response {
    send(to, &format!("POST {path}"), &[], body.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_every_form_are_stored_under_the_logger_of_the_address() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(with_submit(&data), &store);
    let to = address(&listener, "http");
    let Response(status, head, id) = post(&to, "/submit/web_shop", r#"{"type":"t","logger":"sync","payload":"one"}"#);
    assert_eq!((status, id.len(), head.contains("text/plain")), (201, 36, true), "{head}");
    let Response(status, _, id) =
        post(&to, "/submit/web_shop/id-1", r#"[{"type":"t","payload":"two"},{"type":"t","payload":"three"}]"#);
    assert_eq!((status, id.as_str()), (201, "id-1"));
    // As `sendBeacon` has it.
    let beacon = [ORIGIN, "Content-Type: text/plain;charset=UTF-8"];
    let lines = b"{\"type\":\"t\",\"payload\":\"four\"}\n{\"type\":\"t\",\"payload\":\"five\"}\n{\"no\":1}";
    let Response(status, head, _) = send(&to, "POST /submit/web_shop", &beacon, lines);
    assert_eq!(status, 201, "{head}");
    for wanted in ["access-control-allow-origin: https://www.example.org", "metlog-rejected: 1", "json_no_type"] {
        assert!(head.contains(wanted), "{wanted}: {head}");
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(br#"{"type":"t","payload":"six"}"#).unwrap();
    let encoded = ["Content-Encoding: gzip", "Authorization: Bearer abc"];
    assert_eq!(send(&to, "PUT /submit/sync", &encoded, &gzip.finish().unwrap()).0, 201);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced(), "{ledger:?}");
    assert_eq!(stop(&listener).await, 0);
    assert_eq!(store.payloads(), ["five", "four", "one", "six", "three", "two"]);
    let mut loggers = texts(&store.messages(), "logger");
    loggers.dedup();
    assert_eq!(loggers, ["sync", "web_shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_post_is_refused_and_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(with_submit(&data), &store);
    let to = address(&listener, "http");
    let message = br#"{"type":"t"}"#;
    let (wrong, right) = ("Authorization: Bearer abd", "Authorization: Bearer abc");
    let cases: &[(&str, &[&str], &[u8], u16)] = &[
        ("POST /submit/sync", &[], message, 403),
        ("POST /submit/sync", &[wrong], message, 403),
        ("POST /submit/other", &[], message, 404),
        ("POST /submit/other", &[right], message, 403),
        ("POST /submit/web_a", &["Origin: https://evil.example"], message, 403),
        ("POST /submit/web_a", &["Origin: null"], message, 403),
        ("POST /api/messages", &[], message, 403),
        ("POST /api/messages", &[right], message, 403),
        ("GET /submit/web_a", &[], b"", 403),
        ("DELETE /submit/web_a/1", &[], b"", 403),
        ("OPTIONS /submit/web_a", &["Origin: https://evil.example"], b"", 403),
        ("OPTIONS /submit/web_a", &[], b"", 403),
        ("POST /submit", &[], message, 404),
        ("POST /submit/", &[], message, 404),
        ("POST /submit/web_a/1/2", &[], message, 404),
        ("POST /submit/web_%ff", &[], message, 404),
        ("POST /submit/web_a/a%20b", &[], message, 404),
        ("POST /submit/web_a", &[], b"", 400),
        ("POST /submit/web_a", &[], b"[]", 400),
        ("POST /submit/web_a", &[], b"payload=1", 400),
        ("POST /submit/web_a", &[], br#"[{"type":"t"}"#, 400),
        ("POST /submit/web_a", &[], br#"{"type":"t"}}"#, 400),
        ("POST /submit/web_a", &["Content-Encoding: gzip"], message, 400),
        ("POST /submit/web_a", &["Content-Encoding: br"], message, 415),
    ];
    for (line, headers, body, status) in cases {
        let Response(found, head, body) = send(&to, line, headers, body);
        assert_eq!(found, *status, "{line} {headers:?}: {head} {body}");
    }
    let Response(status, head, _) = send(&to, "OPTIONS /submit/web_a", &[ORIGIN], b"");
    assert_eq!(status, 204, "{head}");
    for wanted in ["allow-origin: https://www.example.org", "allow-methods: post, put", "authorization", "vary: origin"]
    {
        assert!(head.contains(wanted), "{wanted}: {head}");
    }
    let ledger = listener.ledger();
    assert_eq!((ledger.received, ledger.rejected), (1, 1), "the two values behind each other; {ledger:?}");
    assert_eq!(stop(&listener).await, 0);
    assert!(store.payloads().is_empty());
}

/// Hostile documents: long, deep, many, compressed a thousandfold, cut, and of bytes that are none.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_documents_are_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(with_submit(&data), &store);
    let to = address(&listener, "http");
    let bomb = {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&vec![b' '; 64 << 20]).unwrap();
        gzip.finish().unwrap()
    };
    assert_eq!(send(&to, "POST /submit/web_a", &["Content-Encoding: gzip"], &bomb).0, 413);
    assert_eq!(post(&to, "/submit/web_a", &" ".repeat((1 << 20) + 1)).0, 413);
    assert_eq!(post(&to, "/submit/web_a", &format!("[{}0]", "0,".repeat(25_000))).0, 413);
    assert_eq!(post(&to, "/submit/web_a", &format!(r#"{{"type":"t","a":"{}"}}"#, "x".repeat(70_000))).0, 400);
    assert_eq!(post(&to, "/submit/web_a", &"[".repeat(500_000)).0, 400);
    assert_eq!(post(&to, "/submit/web_a", &format!(r#"{{"type":"t","a":{}1"#, r#"{"a":"#.repeat(9_000))).0, 400);
    assert_eq!(send(&to, "POST /submit/web_a", &[], b"{\"type\":\"\xff\xfe\"}").0, 400);
    // What claims more than it sends ends with its connection.
    let mut cut = TcpStream::connect(&to).unwrap();
    cut.write_all(b"POST /submit/web_a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{\"type\":\"t\"}")
        .unwrap();
    drop(cut);
    assert_eq!(post(&to, "/submit/web_a", r#"{"type":"t","payload":"good"}"#).0, 201);
    assert!(listener.ledger().is_balanced());
    assert_eq!(stop(&listener).await, 0);
    assert_eq!(store.payloads(), ["good"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_document_under_the_same_id_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(with_submit(&data), &store);
    let to = address(&listener, "http");
    let post_n = |n: u32| post(&to, "/submit/web_a/1", &format!(r#"{{"type":"t","payload":"{n}"}}"#)).0;
    assert_eq!([post_n(1), post_n(1), post_n(2), post_n(1)], [201; 4]);
    assert_eq!(post(&to, "/submit/web_b/1", r#"{"type":"t","payload":"1"}"#).0, 201);
    let ledger = listener.ledger();
    assert_eq!((ledger.received, ledger.rejected), (5, 2), "{ledger:?}");
    assert_eq!(stop(&listener).await, 0);
    assert_eq!(store.payloads(), ["1", "1", "2"]);
}

/// Scenario: many senders hang up before they have an answer, and send the same again until they have one.
/// Guarantees: each document is stored once.
#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_and_sends_again_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(with_submit(&data), &store);
    let to = address(&listener, "http");
    let ids: Vec<String> = (0..60).map(|n| format!("h{n:02}")).collect();
    let senders: Vec<_> = ids
        .clone()
        .into_iter()
        .map(|id| {
            let to = to.clone();
            std::thread::spawn(move || {
                let body = document(&id);
                let mut stream = TcpStream::connect(&to).unwrap();
                let head =
                    format!("POST /submit/web_a/{id} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
                // Some before it is journaled, some while it is synced.
                std::thread::sleep(Duration::from_micros(u64::from(id.as_bytes()[2] - b'0') * 150));
                drop(stream);
                while post(&to, &format!("/submit/web_a/{id}"), &body).0 != 201 {
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    assert_eq!(stop(&listener).await, 0);
    assert_eq!(store.payloads(), ids);
}

/// Scenario: datagrams must be signed. Who may post by the rights of `/submit` needs no signature, and nobody else may.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_datagrams_are_not_asked_of_who_may_post() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let keys = vec![SigningKey { id: "k".into(), secret: b"secret".to_vec() }];
    let listener = start(Config { keys, ..with_submit(&data) }, &store);
    let to = address(&listener, "http");
    assert_eq!(post(&to, "/submit/web_a", &document("posted")).0, 201);
    assert_eq!(post(&to, "/submit/sync", &document("without a token")).0, 403);
    assert_eq!(stop(&listener).await, 0);
    assert_eq!(store.payloads(), ["posted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_is_refused_with_a_time_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let mut small = with_submit(&data);
    small.journal.budget_bytes = 260_000;
    let listener = start(small, &store);
    let Response(status, head, _) = post(&address(&listener, "http"), "/submit/web_a/1", r#"{"type":"t"}"#);
    assert_eq!(status, 503, "{head}");
    assert!(head.contains("retry-after: "), "{head}");
    assert_eq!(listener.ledger().received, 0);
    store.down.store(false, Ordering::Relaxed);
    stop(&listener).await;
}

/// Many documents at a time, each sent again where nothing was answered, and kills in their midst: what was answered is
/// there once.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_once() {
    let store = Store::default();
    let send = |to: &str, round: usize, sender: usize| {
        let ids = (0..15).map(|n| format!("r{round}s{sender}n{n}"));
        let post = |id: &String| post(to, &format!("/submit/web_a/{id}"), &document(id)).0;
        ids.filter(|id| post(id) == 201 && post(id) == 201).collect()
    };
    let acknowledged = answered_over_kills(&store, with_submit, "http", 3, 4, send).await;
    assert_eq!(acknowledged.len(), 180);
    assert_eq!(store.payloads(), acknowledged);
}

fn document(id: &str) -> String {
    format!(r#"{{"type":"t","payload":"{id}"}}"#)
}
