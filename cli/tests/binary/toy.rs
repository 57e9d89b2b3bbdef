//! A table and a format that nothing but their own files knows of, through the whole binary: configuration, socket,
//! journal, hot and stored rows, SQL, ledger, `decode` and `ddl`. `cargo test -p metlog-cli --features toy --test binary`
use crate::running::{Running, stdout_of, until};
use serde_json::{Value, json};

/// The format's own socket, as the registry names its key.
const LISTENER: &str = "toy = \"127.0.0.1:0\"\n---\n";

const ROWS: &str = "select name, value, sizes['value'] as size, marks[1]['note'] as note from toy order by name";

fn expected() -> Value {
    json!([
        {"name": "a", "value": 1.5, "size": 11, "note": "first"},
        {"name": "b", "value": null, "size": 1, "note": null},
    ])
}

/// Scenario: lines of a third format to its own socket, beside a message; a kill; a start; a stop.
/// Guarantees: their rows are seen at once, survive the kill, are stored in the order and with the columns of their
/// table, and the ledger counts them.
#[test]
fn a_toy_goes_the_whole_way() {
    let mut metlog = Running::up(LISTENER);
    metlog.send("toy", "a=1.5;first;x\nb=x\nno line");
    metlog.send("metlog", r#"{"type":"t","payload":"p"}"#);
    until("all is received", || metlog.ledger()["received"] == 4);
    assert_eq!(metlog.ledger()["rejected_by_reason"], json!({"toy_bad_line": 1}));
    until("hot rows are seen", || metlog.query("select count(*) as n from toy") == json!([{"n": 2}]));
    assert_eq!(metlog.query(ROWS), expected());
    metlog.signal("KILL");
    metlog.wait();
    let folder = std::mem::replace(&mut metlog.folder, tempfile::tempdir().unwrap());
    let mut metlog = Running::start(folder, LISTENER, &["up"]);
    assert_eq!(metlog.query(ROWS), expected(), "read back from the journal");
    metlog.signal("TERM");
    assert_eq!(metlog.wait().code(), Some(0), "{}", metlog.stderr());
    let url = format!("file://{}", metlog.warehouse().display());
    let stored = stdout_of(&["query", "--warehouse", &url, "--format", "json", ROWS]);
    assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), expected());
    let both = "select (select count(*) from toy) as toys, (select count(*) from messages) as messages";
    let stored = stdout_of(&["query", "--warehouse", &url, "--format", "json", both]);
    assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), json!([{"toys": 2, "messages": 1}]));
}

#[test]
fn a_toy_is_described_and_declared() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("datagram");
    std::fs::write(&file, "a=1\nb=2").unwrap();
    let decoded = stdout_of(&["decode", file.to_str().unwrap()]);
    assert_eq!(decoded.lines().count(), 2, "{decoded}");
    for dialect in ["hive", "hive4", "spark", "duckdb", "datafusion"] {
        let sql = stdout_of(&["ddl", "--dialect", dialect, "--warehouse", "file:///w"]);
        assert!(sql.contains("toy") && sql.contains("marks"), "{sql}");
    }
}
