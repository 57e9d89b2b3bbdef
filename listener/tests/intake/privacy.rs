//! Privacy in a whole listener: what a rule removes is in no file below the data folder, however it arrived.
use super::*;
use metlog_listener::privacy::{Action, Rule, Target};
use regex::Regex;
use serde_json::{Value, json};

/// What must not reach a disk.
const SECRET: &str = "hunter2-4711";
/// HMAC-SHA256 of it under the key `key`, the first 16 bytes; by Python's `hmac`.
const HASHED: &str = "287919c50f32cf9ea02bf08f13a6e217";

fn rules() -> Vec<Rule> {
    let pattern = |text: &str| Regex::new(text).unwrap();
    let rule = |target, action| Rule { r#type: None, logger: None, target, action };
    vec![
        rule(Target::Tokens(pattern("session-.*")), Action::Drop),
        rule(Target::Fields(pattern(r"(tag\.)?user")), Action::Hash(b"key".to_vec())),
        rule(Target::Payload(pattern("hunter2-[0-9]+")), Action::Mask("****".into())),
        Rule { r#type: Some("private".into()), ..rule(Target::Message, Action::Drop) },
    ]
}

fn secret_json(r#type: &str) -> String {
    json!({
        "type": r#type, "payload": format!("json {SECRET}"), "tokens": ["login", format!("session-{SECRET}")],
        "fields": {"user": SECRET, "n": 1},
    })
    .to_string()
}

fn secret_wire() -> Vec<u8> {
    let (now, payload, session) = (now(), format!("wire {SECRET}"), format!("session-{SECRET}"));
    let mut encoder = Encoder::new(1_432, 7, 1, "h", "l", None);
    let draft = Draft { timestamp: now, r#type: "t", payload: &payload, ..Draft::default() };
    let fields = [("user", SECRET), ("n", "1")];
    encoder.push(now, &draft, ["login", session.as_str()].into_iter(), fields.into_iter()).unwrap();
    encoder.finish(0, 0).to_vec()
}

fn secret_event() -> String {
    let text = format!("event {SECRET}");
    format!("_e{{5,{}}}:title|{text}|#user:{SECRET}", text.len())
}

/// The bytes of every file below a folder. One that is gone by then had another name while it was written.
pub(super) fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path, bytes));
        }
    }
    found
}

pub(super) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

pub(super) fn objects(batch: &RecordBatch) -> Vec<Value> {
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    let text = String::from_utf8(writer.into_inner()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check_rows(store: &Store) {
    let messages: Vec<Value> = store.messages().iter().flat_map(objects).collect();
    let of = |payload: &str| messages.iter().find(|row| row["payload"] == payload).unwrap();
    for payload in ["json ****", "wire ****"] {
        let row = of(payload);
        assert_eq!((&row["type"], &row["tokens"]), (&json!("t"), &json!(["login"])));
        assert_eq!(row["fields"], json!({"user": HASHED, "n": "1"}));
    }
    assert_eq!(of("event ****")["fields"], json!({"title": "title", "tag.user": HASHED}));
    assert_eq!(messages.len(), 3, "{messages:?}");
    let segments = store.segments.lock().unwrap();
    let windows = segments.values().flat_map(|batch| batch.windows.iter().map(|window| &**window));
    let metrics = objects(&metrics_rows(windows).unwrap());
    assert_eq!(metrics.len(), 1, "{metrics:?}");
    assert_eq!(metrics[0]["tags"], json!({"user": HASHED, "region": "eu"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_takes_out_reaches_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let listener = start(Config { privacy: rules(), ..config(&data) }, &store);
    let metlog = address(&listener, "metlog");
    send(&metlog, [secret_json("t"), secret_json("private"), format!("{{{SECRET}")]);
    send(&metlog, [secret_wire()]);
    // Tags are the only part of a statsd value that rules are about; an event is a message like any other.
    let line = format!("logins:1|c|#user:{SECRET},region:eu");
    send(&address(&listener, "statsd"), [line, secret_event(), format!("{SECRET} is no line")]);
    until("all is received", || listener.ledger().received == 7).await;
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.held == 4 && ledger.rejected == 3, "{ledger:?}");
    assert_eq!(ledger.rejected_by_reason.get("privacy"), Some(&1));
    // A second segment begins with a checkpoint, which tells the series that are known.
    until("a segment is sealed", || segments(&data).len() > 1).await;
    let files = files_below(&data);
    for masked in ["json ****", "wire ****", "event ****", HASHED] {
        assert!(files.iter().any(|(_, bytes)| holds(bytes, masked)), "{masked} is in the journal");
    }
    for (path, bytes) in &files {
        assert!(!holds(bytes, SECRET), "{} holds the secret", path.display());
    }
    store.down.store(false, Ordering::Relaxed);
    assert_eq!(stop(&listener).await, 0);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.stored == 4 && ledger.received == 7, "{ledger:?}");
    assert!(files_below(&data).iter().all(|(_, bytes)| !holds(bytes, SECRET)));
    check_rows(&store);
}
