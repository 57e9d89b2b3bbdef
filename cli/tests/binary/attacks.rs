//! Queries that are meant to stop, bloat or blind the server: intake goes on, its memory stays small, and the next
//! query is answered.
use crate::running::{Running, until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Small bounds, so that it is soon over them.
const BOUNDS: &str = "[query]\nmemory = \"64MiB\"\ntime_max = \"5s\"\nconcurrency = 2\n";

/// The server's own memory, whatever is asked of its workers.
const SERVER_BYTES_MAX: u64 = 400 << 20;

fn is_alive_and_small(metlog: &Running, received: &mut u64, what: &str) {
    metlog.send("metlog", r#"{"type":"x","payload":"y"}"#);
    *received += 1;
    until("the message is taken", || metlog.ledger()["received"] == *received);
    until("it is seen", || metlog.ask("select count(*) as n from messages") == json!([{"n": *received}]));
    let peak = metlog.peak_memory();
    assert!(peak < SERVER_BYTES_MAX, "{what}: the server had {} MiB", peak >> 20);
}

#[track_caller]
fn refused(metlog: &Running, sql: &str, kinds: &[&str]) {
    let start: String = sql.chars().take(100).collect();
    let (status, body) = metlog.post_sql(sql);
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let kind = body["error"]["kind"].as_str().unwrap_or("none");
    assert!(kinds.contains(&kind), "{start}: {status} {body:.300}");
}

#[test]
fn one_query_ends_at_most_itself() {
    let metlog = Running::up(BOUNDS);
    let mut received = 0;
    let nested = |n: usize| format!("select arrow_cast(null, '{}Utf8{}')", "List(".repeat(n), ")".repeat(n));
    let arrays = "(select array_agg(value) a from range(1000000)) cross join range(8192)";
    let texts = "(select string_agg(cast(value as varchar), ',') a from range(1000000)) cross join range(8192)";
    let cube = (0..30).map(|n| format!("value + {n}")).collect::<Vec<_>>().join(", ");
    // Some are refused by what they are, some for what they would need, some when they have needed it.
    for (sql, kinds) in [
        // Its stack may be large enough for this one.
        (nested(920), &["limit", "sql", "none"][..]),
        (nested(9_000), &["limit", "sql"]),
        (format!("select count(a) from {arrays}"), &["limit"]),
        (format!("select count(u) from (select unnest(a) u from {arrays})"), &["limit", "timeout"]),
        (format!("select count(a) from {texts}"), &["limit"]),
        (format!("select count(arrow_cast(a, 'LargeUtf8')) from {texts}"), &["limit"]),
        (format!("select max(length(a || a || a || a)) from {texts}"), &["limit"]),
        (
            "select array_length(array_replace_all(a, 1, a)) from (select array_agg(1) a from range(20000))".to_owned(),
            &["limit", "sql", "timeout"],
        ),
        (format!("select count(*) from range(10) group by cube ({cube})"), &["limit", "sql", "timeout"]),
    ] {
        refused(&metlog, &sql, kinds);
        is_alive_and_small(&metlog, &mut received, &sql[..sql.len().min(60)]);
    }
}

/// Scenario: more queries that never pause than may run at a time.
/// Guarantees: each ends with its time, and SQL goes on.
#[test]
fn queries_that_never_pause_do_not_end_sql() {
    let metlog = Running::up(BOUNDS);
    let text = "(select string_agg('ab', '') t from range(1000000))";
    let numbers = |sign: &str| format!("(select array_agg({sign}value - 1) a from range(100000))");
    let never = [
        format!("select array_has_any(x.a, y.a) from {} x, {} y", numbers("-"), numbers("2 * ")),
        format!("select sum(length(btrim(t, 'ab' || value))) from {text}, range(100000)"),
        format!("select sum(strpos(t, 'abba' || value)) from {text}, range(100000)"),
        format!("select sum(length(regexp_replace(t, '(a|b|ab)*c' || value, 'x'))) from {text}, range(100000)"),
    ];
    std::thread::scope(|scope| {
        for sql in &never {
            scope.spawn(|| refused(&metlog, sql, &["timeout", "limit"]));
        }
    });
    is_alive_and_small(&metlog, &mut 0, "never paused");
}

/// Scenario: many clients ask for a long answer, and read nothing of it.
/// Guarantees: the server holds little of it; others are answered meanwhile.
#[test]
fn readers_that_do_not_read_cost_little() {
    let metlog = Running::up(BOUNDS);
    let sql = "select value, 'some text that makes it longer, and longer, and longer' as t from range(900000)";
    let body = json!({ "query": sql }).to_string();
    let unread: Vec<TcpStream> = (0..24)
        .map(|_| {
            let mut stream = TcpStream::connect(metlog.http()).unwrap();
            let length = body.len();
            write!(stream, "POST /api/sql HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}")
                .unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_secs(5));
    is_alive_and_small(&metlog, &mut 0, "unread answers");
    drop(unread);
    is_alive_and_small(&metlog, &mut 1, "unread answers, gone");
}

/// Guarantees: what is sent as it is made is broken off where it fails, so that nobody takes it for the whole.
#[test]
fn an_answer_that_fails_late_is_seen_to_be_cut_off() {
    let metlog = Running::up("[query]\nrows_max = 500000\n");
    let sql = "select value, 'some text that makes it longer' as t from range(900000)";
    let body = json!({ "query": sql }).to_string();
    let mut stream = TcpStream::connect(metlog.http()).unwrap();
    let head = "POST /api/sql HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert!(!answer.ends_with(b"0\r\n\r\n"), "the last chunk was sent");
    // Where that could not be seen, the answer is complete or none.
    let (status, body) = metlog.post_sql(sql);
    assert_eq!(status, 400, "{body:.100}");
}
