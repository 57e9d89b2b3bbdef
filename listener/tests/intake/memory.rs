//! The budget of memory: what is refused where it is used up, that it is counted and said, and that it ends.
use super::*;
use metlog_schemas::budget::{Budget, Use};
use std::io::{Read, Write};
use std::net::TcpStream;

fn with_budget(data: &Path, budget: &Budget) -> Config {
    Config { http: vec!["127.0.0.1:0".parse().unwrap()], budget: budget.clone(), ..config(data) }
}

/// The head of the response to one message of so many bytes.
fn post(to: &str, bytes: usize) -> String {
    let body = format!(r#"{{"type":"t","payload":"p"{}}}"#, " ".repeat(bytes));
    let length = body.len();
    let mut stream = TcpStream::connect(to).unwrap();
    let head =
        format!("POST /api/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_memory_are_refused_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data, budget) = (Store::default(), folder.path().join("data"), Budget::new(1 << 20));
    let listener = start(with_budget(&data, &budget), &store);
    let to = address(&listener, "http");
    assert!(post(&to, 10).starts_with("http/1.1 200 "));
    let refused = post(&to, 400_000);
    assert!(refused.starts_with("http/1.1 429 ") && refused.contains("retry-after: "), "{refused}");
    assert_eq!(budget.refused(Use::Requests), 1);
    until("health says so", || listener.health().problems.iter().any(|problem| problem.contains("memory"))).await;
    assert!(listener.health().ok, "no message is lost by it");
    let metrics = listener.metrics_text();
    for line in ["metlog_memory_budget_bytes 1048576", "metlog_memory_refused_total{use=\"requests\"} 1"] {
        assert!(metrics.contains(line), "{metrics}");
    }
    until("it is given back", || budget.used_by(Use::Requests) == 0).await;
    assert!(post(&to, 10).starts_with("http/1.1 200 "));
    assert_eq!(stop(&listener).await, 0);
    assert_eq!(store.payloads().len(), 2);
}

/// Scenario: something else takes more than there is, while the store is away and rows wait for it; then it ends.
/// Guarantees: rows that wait leave memory and stay readable, what is dropped is counted, and later messages are taken.
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_dropped_and_counted_only_while_nothing_else_helps() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data, budget) = (Store::default(), folder.path().join("data"), Budget::new(64 << 20));
    store.down.store(true, Ordering::Relaxed);
    let listener = start(with_budget(&data, &budget), &store);
    let to = address(&listener, "metlog");
    send(&to, (0..20).map(json));
    until("they wait for the store", || budget.used_by(Use::Waiting) > 0).await;
    budget.measured(Use::Queries, 65 << 20);
    until("it is noticed", || !listener.health().ok).await;
    assert_eq!((budget.used_by(Use::Waiting), listener.hot().cold.is_empty()), (0, false));
    send(&to, (20..30).map(json));
    until("they are dropped", || listener.ledger().dropped == 10).await;
    assert!(budget.refused(Use::Rows) > 0 && listener.ledger().is_balanced());
    budget.measured(Use::Queries, 0);
    until("it is over", || listener.health().ok).await;
    send(&to, (30..40).map(json));
    until("they are taken", || listener.ledger().received == 40).await;
    store.down.store(false, Ordering::Relaxed);
    assert_eq!(stop(&listener).await, 0);
    assert_eq!(store.payloads().len(), 30);
}
