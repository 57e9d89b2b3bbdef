//! `metlog up` from the first datagram to the stored file, and how it ends.
use crate::running::{Running, metlog, run, stdout_of, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Stdio;

const COUNT: &str = "select count(*) as n from messages";

fn has_messages(metlog: &Running, count: u64) {
    until("messages are seen", || metlog.ledger()["received"] == count);
    until("messages are seen by SQL", || metlog.query(COUNT) == json!([{"n": count}]));
}

#[test]
fn what_is_sent_is_answered_stored_and_accounted_for() {
    let mut metlog = Running::up("");
    assert_eq!(metlog.get("/health").0, 200);
    stdout_of(&["send", "--to", &metlog.address("metlog"), "--type", "hello", "--field", "user=25", "first"]);
    metlog.send("metlog", r#"{"type":"json","payload":"second","fields":{"a":{"b":1}},"env_version":"0.8"}"#);
    metlog.send("statsd", "logins:3|c\nnonsense");
    until("all is received", || metlog.ledger()["received"] == 4);
    until("the window is closed", || metlog.query("select count(*) as n from metrics") == json!([{"n": 1}]));
    let rows =
        metlog.query("select type, payload, fields['user'] as u, fields['a.b'] as ab from messages order by type");
    assert_eq!(
        rows,
        json!([
            {"type": "hello", "payload": "first", "u": "25", "ab": null},
            {"type": "json", "payload": "second", "u": null, "ab": "1"}
        ])
    );
    assert_eq!(metlog.query("select name, count from metrics"), json!([{"name": "logins", "count": 3.0}]));
    let senders: Value = serde_json::from_str(&metlog.get("/api/senders").1).unwrap();
    assert_eq!(senders.as_array().unwrap().len(), 1, "{senders}");
    let sender = metlog.query("select datagrams, lost, late, duplicates, dropped from senders");
    assert_eq!(sender, json!([{"datagrams": 1, "lost": 0, "late": 0, "duplicates": 0, "dropped": 0}]));
    let status = stdout_of(&["status", "--server", &metlog.http()]);
    assert!(
        status.contains("is accepting messages") && status.contains("The ledger balances, and nothing was lost"),
        "{status}"
    );
    assert!(metlog.get("/metrics").1.contains("metlog_"), "Prometheus text");
    assert_eq!(metlog.get("/nothing").0, 404);
    metlog.signal("TERM");
    assert_eq!(metlog.wait().code(), Some(0), "{}", metlog.stderr());
    let stopped = "stopped: 4 messages received = 3 stored + 0 held + 0 set aside + 1 rejected + 0 dropped";
    assert!(metlog.stderr().contains(stopped), "{}", metlog.stderr());
    let url = format!("file://{}", metlog.warehouse().display());
    let stored = stdout_of(&["query", "--warehouse", &url, "--format", "csv", COUNT]);
    assert_eq!(stored.trim(), "n\n2");
}

/// Scenario: the samples 1 to 101 of a timer, in two windows.
/// Guarantees: the median over both is within 1 % of that of all samples.
#[test]
fn a_percentile_over_windows_is_that_of_all_samples() {
    let metlog = Running::up("");
    let samples = |values: std::ops::RangeInclusive<u32>| {
        metlog.send("statsd", &values.map(|value| format!("t:{value}|ms\n")).collect::<String>());
    };
    let has_count = |count: f64| {
        let of = "select sum(count) as n from metrics where name = 't' and kind = 'timer'";
        until("the window is closed", || metlog.query(of) == json!([{"n": count}]));
    };
    samples(1..=70);
    has_count(70.0);
    samples(71..=101);
    has_count(101.0);
    let found = metlog.query("select sketch_quantile(sketch_merge(sketch), 0.5) as p from metrics where name = 't'");
    let median = found[0]["p"].as_f64().unwrap();
    assert!((median / 51.0 - 1.0).abs() <= 0.01, "{median}");
}

#[test]
fn senders_has_the_columns_of_its_document() {
    let metlog = Running::up("");
    stdout_of(&["send", "--to", &metlog.address("metlog"), "--logger", "shop", "hello"]);
    until("it is received", || metlog.ledger()["received"] == 1);
    let columns = metlog.query(
        "select column_name as c from information_schema.columns where table_name = 'senders' order by ordinal_position",
    );
    let columns: Vec<&str> = columns.as_array().unwrap().iter().map(|row| row["c"].as_str().unwrap()).collect();
    let expected = [
        "sender",
        "hostname",
        "logger",
        "pid",
        "datagrams",
        "lost",
        "late",
        "duplicates",
        "dropped",
        "first_seen",
        "last_seen",
        "implausible",
    ];
    assert_eq!(columns, expected);
    let document = std::fs::read_to_string("../schemas/tables.md").unwrap();
    let (_, section) = document.split_once("\n## Table `senders`\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(documented, expected);
    let row = &metlog.query("select * from senders")[0];
    assert!(expected.iter().all(|column| !row[column].is_null()), "none is null: {row}");
}

#[test]
fn every_format_prints_the_same_answer() {
    let metlog = Running::up("");
    let print =
        |format| stdout_of(&["query", "--server", &metlog.http(), "--format", format, "select 1 as a, 'x' as b"]);
    assert_eq!(print("csv"), "a,b\n1,x\n");
    assert_eq!(print("ndjson"), "{\"a\":1,\"b\":\"x\"}\n");
    assert_eq!(print("json").trim(), r#"[{"a":1,"b":"x"}]"#);
    assert!(print("table").contains("| a | b |") && print("table").contains("(1 row)"), "{}", print("table"));
    let file = metlog.folder.path().join("result.parquet");
    let mut command = crate::running::metlog();
    command.args(["query", "--server", &metlog.http(), "--format", "parquet", "select 1 as a, 'x' as b"]);
    assert!(command.stdout(std::fs::File::create(&file).unwrap()).status().unwrap().success());
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{} bytes", bytes.len());
    let output = run(&["query", "--server", &metlog.http(), "select nothing from messages"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("nothing"));
}

/// Guarantees: a table is as wide as is said, numbers whole; in a pipe nothing is cut.
#[test]
fn a_table_fits_its_width() {
    let metlog = Running::up("");
    let sql = format!("select 1234567 as number, '{}' as long", "text ".repeat(40));
    let print = |more: &[&str]| stdout_of(&[&["query", "--server", &metlog.http()], more, &[&sql]].concat());
    let narrow = print(&["--width", "40"]);
    assert!(narrow.lines().all(|line| line.chars().count() <= 40) && narrow.contains("1234567"), "{narrow}");
    assert!(narrow.contains('…'), "{narrow}");
    assert!(print(&[]).contains("text ".repeat(40).trim_end()), "{}", print(&[]));
}

/// Scenario: 900,000 rows.
/// Guarantees: they are printed as they come; the client holds no more than a few batches of them.
#[test]
fn a_large_result_is_not_held() {
    let metlog = Running::up("");
    let sql = "select value as n, 'some text of a row that is a few words long' as t from range(900000)";
    let query = format!("{} query --server {} --format ndjson \"{sql}\"", env!("CARGO_BIN_EXE_metlog"), metlog.http());
    // The result is some 65 MB; the kernel tells the most that the client had of memory.
    let measured = "import resource, subprocess, sys; \
        lines = subprocess.run(sys.argv[1], shell=True, stdout=subprocess.PIPE).stdout.count(b'\\n'); \
        print(lines, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)";
    let output = std::process::Command::new("python3").args(["-c", measured, &query]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = printed.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [lines, memory_mib] = numbers[..] else { panic!("{printed}") };
    assert_eq!(lines, 900_000);
    assert!(memory_mib < 150, "{memory_mib} MiB");
}

#[test]
fn the_tail_shows_what_matches() {
    let metlog = Running::up("");
    let mut tail = crate::running::metlog()
        .args(["tail", "--json", "--server", &metlog.http(), "--filter", "type=wanted severity<=4"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let (sender, received) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.next().into_iter().for_each(|line| drop(sender.send(line))));
    let mut first = None;
    // It may not be listening yet, so it is told again until it is.
    until("a message is shown", || {
        metlog.send("metlog", r#"{"type":"other","payload":"no","severity":1}"#);
        metlog.send("metlog", r#"{"type":"wanted","payload":"no","severity":6}"#);
        metlog.send("metlog", r#"{"type":"wanted","payload":"yes","severity":4}"#);
        first = received.try_recv().ok();
        first.is_some()
    });
    tail.kill().unwrap();
    tail.wait().unwrap();
    let message: Value = serde_json::from_str(&first.unwrap().unwrap()).unwrap();
    assert_eq!((&message["payload"], &message["severity"]), (&json!("yes"), &json!(4)));
    let refused = run(&["tail", "--server", &metlog.http(), "--filter", "tipe=x"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(metlog.get("/api/tail?filter=tipe%3Dx").0, 400);
}

/// Scenario: the server stops while somebody looks at its tail, and starts again.
/// Guarantees: the stop is said, and the tail goes on by itself.
#[test]
fn the_tail_outlives_its_server() {
    let mut metlog = Running::up("");
    let folder = tempfile::tempdir().unwrap();
    let [shown, said] = ["stdout", "stderr"].map(|name| folder.path().join(name));
    let mut tail = crate::running::metlog()
        .args(["tail", "--server", &metlog.http(), "--filter", "severity<=warn"])
        .stdout(std::fs::File::create(&shown).unwrap())
        .stderr(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let has = |file: &std::path::Path, text: &str| std::fs::read_to_string(file).unwrap().contains(text);
    let shows = |metlog: &Running, payload: &str| {
        until("a message is shown", || {
            metlog.send("metlog", &format!(r#"{{"type":"t","payload":"{payload}","severity":4}}"#));
            has(&shown, payload)
        });
    };
    shows(&metlog, "before");
    metlog.signal("TERM");
    assert_eq!(metlog.wait().code(), Some(0));
    until("the stop is said", || has(&said, "is not shown here"));
    metlog.start_again("");
    until("the start is said", || has(&said, "connected again"));
    shows(&metlog, "after");
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn replay_sends_files_at_a_rate() {
    let metlog = Running::up("");
    let file = metlog.folder.path().join("app.log");
    let lines = (0..500).map(|n| format!("line {n}\n")).chain([r#"{"type":"j","payload":"p"}"#.to_owned()]);
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    let said = stdout_of(&["replay", "--to", &metlog.address("metlog"), "--rate", "20000", file.to_str().unwrap()]);
    assert!(said.starts_with("501 messages (1 Metlog JSON, 500 lines of text)"), "{said}");
    has_messages(&metlog, 501);
    let loggers =
        metlog.query("select logger, count(distinct payload) as n from messages where type = 'line' group by logger");
    assert_eq!(loggers, json!([{"logger": "app.log", "n": 500}]));
}

#[test]
fn a_second_signal_leaves_the_rest_in_the_journal_and_says_so() {
    // Nobody listens there, so the sink never gets its window and the stop would wait.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let blocked = "url = \"s3://bucket/prefix\"\n[sink.parquet.options]\nendpoint = \"http://ADDRESS\"\nregion = \"x\"\naccess_key_id = \"k\"\nsecret_access_key = \"s\"\nallow_http = \"true\"\n";
    let mut metlog = Running::up(&blocked.replace("ADDRESS", &free.to_string()));
    metlog.send("metlog", r#"{"type":"x","payload":"kept"}"#);
    until("it is received", || metlog.ledger()["received"] == 1);
    metlog.signal("TERM");
    until("it says that it stops", || metlog.stderr().contains("stopping: 1 message is"));
    metlog.signal("INT");
    assert_eq!(metlog.wait().code(), Some(1));
    assert!(
        metlog.stderr().contains("1 message is left in the journal; the next start stores it"),
        "{}",
        metlog.stderr()
    );
    let mut after = Running::start(std::mem::replace(&mut metlog.folder, tempfile::tempdir().unwrap()), "", &["up"]);
    assert_eq!(after.query("select payload from messages"), json!([{"payload": "kept"}]));
    after.signal("TERM");
    assert_eq!(after.wait().code(), Some(0), "{}", after.stderr());
}

#[test]
fn listen_has_the_state_and_no_sql() {
    let metlog = Running::start(tempfile::tempdir().unwrap(), "", &["listen"]);
    metlog.send("metlog", r#"{"type":"x"}"#);
    until("it is received", || metlog.ledger()["received"] == 1);
    let output = run(&["query", "--server", &metlog.http(), "select 1"]);
    assert_eq!(output.status.code(), Some(1));
    let mut stream = TcpStream::connect(metlog.http()).unwrap();
    write!(stream, "POST /api/sql HTTP/1.0\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert!(BufReader::new(stream).lines().next().unwrap().unwrap().contains("404"));
}

#[test]
fn the_demo_has_something_to_ask_about() {
    let mut metlog = Running::start(tempfile::tempdir().unwrap(), "", &["up", "--demo"]);
    until("pages and metrics are there", || {
        let types = metlog.query("select count(distinct type) as n from messages")[0]["n"].as_u64();
        let metrics = metlog.query("select count(distinct name) as n from metrics")[0]["n"].as_u64();
        types >= Some(3) && metrics >= Some(5)
    });
    metlog.signal("INT");
    assert_eq!(metlog.wait().code(), Some(0), "{}", metlog.stderr());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metlog.toml");
    let address = taken.local_addr().unwrap();
    std::fs::write(&file, format!("data = {:?}\n[query]\nlisten = \"{address}\"\n", folder.path().join("data")))
        .unwrap();
    let output = metlog().args(["up", "--config"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("query.listen: cannot listen on {address}")), "{said}");
    assert!(said.contains(&format!("(pid {})", std::process::id())) && said.contains("--http ADDR"), "{said}");
}

#[test]
fn an_address_in_use_names_key_flag_and_holder() {
    let first = Running::up("");
    let free = tempfile::tempdir().unwrap();
    let data = free.path().to_str().unwrap();
    for (name, key, flag) in [("metlog", "listener.metlog", "--metlog"), ("statsd", "listener.statsd", "--statsd")] {
        let mut arguments = vec!["up", "--data", data, "--http", "127.0.0.1:0"];
        let address = first.address(name);
        for other in ["--metlog", "--statsd"] {
            arguments.extend([other, if other == flag { &address } else { "127.0.0.1:0" }]);
        }
        let output = run(&arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let refused = format!(
            "error: {key}: cannot listen on {address}: it is in use by `metlog` (pid {}); choose another in `{key}`, \
             or start with {flag} ADDR or --listen-offset N\n",
            first.pid()
        );
        assert_eq!(said, refused);
    }
}

#[test]
fn status_is_json_too() {
    let metlog = Running::up("");
    let status: Value = serde_json::from_str(&stdout_of(&["status", "--json", "--server", &metlog.http()])).unwrap();
    assert_eq!((&status["ok"], &status["wrong"], &status["balances"]), (&json!(true), &json!(null), &json!(true)));
    assert_eq!((&status["ledger"]["received"], &status["health"]["ok"]), (&json!(0), &json!(true)));
    // Numbers 1 to 4 never come.
    for sequence in [0u8, 5] {
        let mut datagram = vec![0xf5, 0x4d, 0x4c, 1, 0, 39, 0, 1, 0, 0, 0, 0, 0, 0, 0, sequence];
        datagram.extend([0; 23]);
        datagram.extend([1, 0, 0, 0, 1, b'h', 0]);
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&datagram, metlog.address("metlog")).unwrap();
    }
    until("the loss is seen", || metlog.ledger()["lost"] == 4);
    let output = run(&["status", "--json", "--server", &metlog.http()]);
    assert_eq!(output.status.code(), Some(1), "a loss is never well");
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&status["ok"], &status["ledger"]["lost"]), (&json!(false), &json!(4)));
    assert!(String::from_utf8(output.stderr).unwrap().contains("error: something was lost on the way: 4 lost"));
}
