//! Rules over made-up results, and a webhook that listens on a real socket.
use super::instances::instances;
use super::rule::Rule;
use super::state::{Phase, State};
use super::watch::{Alerts, Ask, Config};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

const SECOND: i64 = 1_000_000;

fn rule(alert: &str) -> Rule {
    Rule::read("errors", &format!("title = \"Error rate\"\nsql = \"select :from\"\n[alert]\n{alert}")).unwrap().unwrap()
}

fn rows(rows: &[(&str, f64)]) -> RecordBatch {
    let loggers: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(logger, _)| *logger)));
    let rates: ArrayRef = Arc::new(Float64Array::from_iter_values(rows.iter().map(|(_, rate)| *rate)));
    RecordBatch::try_from_iter([("logger", loggers), ("rate", rates)]).unwrap()
}

fn found(of: &Rule, batch: &RecordBatch) -> BTreeMap<BTreeMap<String, String>, f64> {
    instances(of, std::slice::from_ref(batch)).unwrap()
}

#[test]
fn rows_beyond_the_threshold_are_instances() {
    let batch = rows(&[("a", 1.0), ("b", 6.0), ("b", 8.0), ("c", 5.0)]);
    let values = |of: &Rule| {
        found(of, &batch).into_iter().map(|(labels, value)| (labels["logger"].clone(), value)).collect::<Vec<_>>()
    };
    assert_eq!(values(&rule("threshold = 5")), [("b".to_owned(), 8.0)]);
    assert_eq!(values(&rule("threshold = \"< 6\"")), [("a".to_owned(), 1.0), ("c".to_owned(), 5.0)]);
    assert!(instances(&rule("threshold = 5\ncolumn = \"no\""), std::slice::from_ref(&batch)).is_err());
    assert!(instances(&rule("threshold = 5\ncolumn = \"logger\""), &[batch]).is_ok_and(|found| found.is_empty()));
}

/// Guarantees: nobody is told before the duration has passed, and one that ends before is forgotten.
#[test]
fn an_alert_holds_before_it_fires() {
    let (of, mut state) = (rule("threshold = 5\nfor = \"5m\""), State::new());
    let above = || found(&of, &rows(&[("a", 9.0)]));
    let phases = |state: &State| state.rules["errors"].alerts.values().map(|alert| alert.phase).collect::<Vec<_>>();
    state.evaluated(&of, above(), 0);
    state.evaluated(&of, above(), 299 * SECOND);
    assert_eq!((phases(&state), state.untold(0, 1).len()), (vec![Phase::Pending], 0));
    state.evaluated(&of, BTreeMap::new(), 299 * SECOND);
    assert!(phases(&state).is_empty());
    state.evaluated(&of, above(), 300 * SECOND);
    state.evaluated(&of, above(), 600 * SECOND);
    assert_eq!((phases(&state), state.untold(0, 1).len()), (vec![Phase::Firing], 1));
}

/// A webhook that answers as it is told, and keeps what it gets.
struct Receiver {
    url: String,
    status: Arc<AtomicU16>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    async fn new() -> Receiver {
        let (status, bodies) = (Arc::new(AtomicU16::new(200)), Arc::new(Mutex::new(Vec::new())));
        let (answer, kept) = (Arc::clone(&status), Arc::clone(&bodies));
        let receive = move |body: String| async move {
            let status = StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap();
            if status.is_success() {
                kept.lock().unwrap().push(serde_json::from_str(&body).unwrap());
            }
            status
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(receive.clone())).route("/api/v2/alerts", post(receive));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Receiver { url, status, bodies }
    }

    fn taken(&self) -> Vec<Value> {
        std::mem::take(&mut self.bodies.lock().unwrap())
    }
}

type Outcome = Result<Vec<RecordBatch>, String>;

/// Alerts over a result that a test changes.
fn alerts(folder: &std::path::Path, webhook: &str, outcome: &Arc<Mutex<Outcome>>) -> Alerts {
    let outcome = Arc::clone(outcome);
    let ask: Ask = Arc::new(move |sql| {
        assert!(sql.contains("timestamp '"), "{sql}");
        let outcome = outcome.lock().unwrap().clone();
        Box::pin(async move { outcome })
    });
    let config = Config {
        rules: folder.join("reports"),
        webhook: Some(webhook.to_owned()),
        headers: vec![("authorization".into(), "Bearer x".into())],
        url: "https://logs.example".into(),
        state: folder.join("alerts.json"),
    };
    Alerts::new(config, ask).unwrap()
}

fn write_rule(folder: &std::path::Path, text: &str) {
    std::fs::create_dir_all(folder.join("reports")).unwrap();
    std::fs::write(folder.join("reports/errors.toml"), text).unwrap();
}

const RULE: &str =
    "title = \"Error rate\"\nsql = \"select :from\"\n[alert]\nthreshold = 5\nevery = \"10s\"\nseverity = \"page\"\n";

/// Guarantees: the webhook hears of each begin and end once, as Alertmanager says it, also if it was away or this
/// process was.
#[tokio::test]
async fn the_webhook_hears_of_begin_and_end() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::new().await);
    write_rule(folder.path(), RULE);
    let outcome: Arc<Mutex<Outcome>> = Arc::new(Mutex::new(Ok(vec![rows(&[("a", 9.0), ("b", 1.0)])])));
    let hook = format!("{}/hook", receiver.url);
    let first = alerts(folder.path(), &hook, &outcome);
    receiver.status.store(503, Ordering::SeqCst);
    first.evaluate_due(0).await;
    assert!(!first.tell(0).await);
    assert_eq!(first.webhook_error().as_deref(), Some("it answers 503 Service Unavailable"));
    drop(first);
    // The server was restarted, and the webhook is back.
    receiver.status.store(200, Ordering::SeqCst);
    let second = alerts(folder.path(), &hook, &outcome);
    assert!(second.tell(SECOND).await && second.tell(2 * SECOND).await);
    let [body] = receiver.taken().try_into().unwrap();
    assert_eq!((&body["version"], &body["status"]), (&"4".into(), &"firing".into()));
    let alert = &body["alerts"][0];
    assert_eq!(alert["labels"]["alertname"], "Error rate");
    assert_eq!((&alert["labels"]["logger"], &alert["annotations"]["value"]), (&"a".into(), &"9".into()));
    assert_eq!(
        (&alert["startsAt"], &alert["endsAt"]),
        (&"1970-01-01T00:00:00.000000Z".into(), &"0001-01-01T00:00:00Z".into())
    );
    assert_eq!((body["alerts"].as_array().unwrap().len(), &body["commonLabels"]["rule"]), (1, &"errors".into()));
    *outcome.lock().unwrap() = Ok(vec![rows(&[("a", 2.0)])]);
    second.evaluate_due(5 * SECOND).await;
    assert!(second.tell(5 * SECOND).await && receiver.taken().is_empty(), "it is not due yet");
    second.evaluate_due(10 * SECOND).await;
    assert!(second.tell(10 * SECOND).await);
    let [body] = receiver.taken().try_into().unwrap();
    assert_eq!(
        (&body["status"], &body["alerts"][0]["endsAt"]),
        (&"resolved".into(), &"1970-01-01T00:00:10.000000Z".into())
    );
    assert!(second.tell(11 * SECOND).await && receiver.taken().is_empty());
}

/// Guarantees: a rule that cannot be evaluated or read is an alert, and its other alerts stay as they are until it can.
#[tokio::test]
async fn a_broken_rule_is_an_alert() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::new().await);
    write_rule(folder.path(), RULE);
    let outcome: Arc<Mutex<Outcome>> = Arc::new(Mutex::new(Ok(vec![rows(&[("a", 9.0)])])));
    let alerts = alerts(folder.path(), &format!("{}/hook", receiver.url), &outcome);
    alerts.evaluate_due(0).await;
    assert!(alerts.tell(0).await);
    receiver.taken();
    *outcome.lock().unwrap() = Err("no such column".to_owned());
    alerts.evaluate_due(10 * SECOND).await;
    assert!(alerts.tell(10 * SECOND).await);
    let [body] = receiver.taken().try_into().unwrap();
    assert_eq!(body["alerts"].as_array().unwrap().len(), 1, "of the one that was firing nothing is said");
    assert_eq!(body["alerts"][0]["annotations"]["summary"], "Error rate cannot be evaluated: no such column");
    write_rule(folder.path(), "title = 3");
    alerts.evaluate_due(20 * SECOND).await;
    let seen = alerts.seen();
    assert_eq!((seen.len(), seen[0].alerts.len()), (1, 2));
    write_rule(folder.path(), &RULE.replace("threshold = 5", "threshold = \"many\""));
    alerts.evaluate_due(21 * SECOND).await;
    assert!(alerts.seen()[0].error.as_ref().unwrap().starts_with("alert.threshold: must be a number"));
    write_rule(folder.path(), RULE);
    *outcome.lock().unwrap() = Ok(vec![rows(&[("a", 9.0)])]);
    alerts.evaluate_due(40 * SECOND).await;
    assert!(alerts.tell(40 * SECOND).await);
    let [body] = receiver.taken().try_into().unwrap();
    assert_eq!(body["status"], "resolved");
    assert_eq!((alerts.seen()[0].alerts.len(), &alerts.seen()[0].error), (1, &None));
    std::fs::remove_file(folder.path().join("reports/errors.toml")).unwrap();
    alerts.evaluate_due(50 * SECOND).await;
    assert!(alerts.tell(50 * SECOND).await);
    assert_eq!((receiver.taken()[0]["status"].as_str(), alerts.seen().len()), (Some("resolved"), 1));
    alerts.evaluate_due(60 * SECOND).await;
    assert!(alerts.seen().is_empty(), "nobody has to hear of it any more");
}

/// Guarantees: an Alertmanager is told its own way, and again before it forgets.
#[tokio::test]
async fn an_alertmanager_is_told_again() {
    let (folder, receiver) = (tempfile::tempdir().unwrap(), Receiver::new().await);
    write_rule(folder.path(), RULE);
    let outcome: Arc<Mutex<Outcome>> = Arc::new(Mutex::new(Ok(vec![rows(&[("a", 9.0)])])));
    let alerts = alerts(folder.path(), &format!("{}/api/v2/alerts", receiver.url), &outcome);
    alerts.evaluate_due(0).await;
    assert!(alerts.tell(0).await && alerts.tell(SECOND).await);
    assert_eq!(receiver.taken().len(), 1);
    assert!(alerts.tell(60 * SECOND).await);
    let [body] = receiver.taken().try_into().unwrap();
    assert_eq!(
        (&body[0]["endsAt"], &body[0]["labels"]["severity"]),
        (&"1970-01-01T00:05:00.000000Z".into(), &"page".into())
    );
}

/// Attack: a state that is damaged is set aside, and does not stop the start.
#[tokio::test]
async fn a_damaged_state_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("alerts.json"), "{\"rules\": [").unwrap();
    let outcome: Arc<Mutex<Outcome>> = Arc::new(Mutex::new(Ok(Vec::new())));
    let alerts = alerts(folder.path(), "http://127.0.0.1:1/", &outcome);
    assert!(alerts.seen().is_empty() && folder.path().join("alerts.unreadable").exists());
}
