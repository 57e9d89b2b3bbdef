//! The filter language as a user meets it: live, over HTTP, and as SQL.
use crate::running::{Running, stdout_of, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};

/// The lines of a path that goes on.
fn follow(metlog: &Running, path: &str) -> Receiver<Value> {
    let mut stream = TcpStream::connect(metlog.http()).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").as_bytes()).unwrap();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok).skip_while(|line| !line.is_empty());
        lines.filter_map(|line| serde_json::from_str(&line).ok()).try_for_each(|line| sender.send(line))
    });
    lines
}

/// Scenario: more messages match than may be sent.
/// Guarantees: each second the reader is told how many there were, how many match and how many were sent.
#[test]
fn a_rate_says_what_it_leaves_out() {
    let metlog = Running::up("");
    let lines = follow(&metlog, "/api/tail?type=wanted&severity=warning&token=a%20b&text=yes&rate=2");
    let (mut shown, mut counts) = (Vec::new(), Value::Null);
    until("more match than are shown", || {
        for _ in 0..20 {
            metlog.send("metlog", r#"{"type":"wanted","payload":"yes","severity":4,"tokens":["a b"]}"#);
            metlog.send("metlog", r#"{"type":"wanted","payload":"yes","severity":5,"tokens":["a b"]}"#);
        }
        for line in lines.try_iter() {
            match line["live"].is_object() {
                true => counts = line["live"].clone(),
                false => shown.push(line),
            }
        }
        counts["matched"].as_u64() > counts["shown"].as_u64() && !shown.is_empty()
    });
    assert!(shown.iter().all(|message| message["severity"] == 4 && message["tokens"] == json!(["a b"])));
    assert!(counts["received"].as_u64() > counts["matched"].as_u64(), "{counts}");
    assert_eq!(counts["missed"], 0);
    assert!(shown.len() as u64 >= counts["shown"].as_u64().unwrap());
}

#[test]
fn a_filter_is_shown_as_sql_that_runs() {
    let metlog = Running::up("");
    metlog.send("metlog", r#"{"type":"wanted","payload":"it's \"quoted\"","severity":4,"fields":{"ms":"700"}}"#);
    metlog.send("metlog", r#"{"type":"other","payload":"it's","severity":4,"fields":{"ms":"70"}}"#);
    let filter = r#"fields.ms>500 and (type=wanted or type=x) payload~"it's \"q""#;
    let sql = stdout_of(&["tail", "--filter", filter, "--show-sql"]);
    until("the messages are visible", || metlog.query("select count(*) as n from messages") == json!([{"n": 2}]));
    let found = metlog.query(&sql);
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{sql}: {found}");
    assert_eq!(found[0]["type"], "wanted");
    let (status, body) = metlog.get("/api/filter?table=metrics&filter=name~%5Eapi%20tags.host=it's");
    let sql: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &sql["sql"]), (200, &json!("name ~ '^api' and tags['host'] = 'it''s'")));
    let (status, body) = metlog.get("/api/filter?filter=a%20sevrity=4");
    let error: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &error["error"]["position"], &error["error"]["nearest"]), (400, &json!(2), &json!("severity")));
}
