//! `--log-format json`: whatever is on stderr, a program can read it.
use crate::running::{Running, metlog, until};
use serde_json::Value;

/// Each line of stderr, which must all be JSON.
#[track_caller]
fn parsed(stderr: &str) -> Vec<Value> {
    stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[track_caller]
fn has(said: &[Value], level: &str, words: &str) {
    let is_it = |line: &Value| line["level"] == level && line["message"].as_str().is_some_and(|m| m.contains(words));
    assert!(said.iter().any(is_it), "no {level} with `{words}` in {said:?}");
}

#[test]
fn a_server_that_warns_and_stops_writes_only_json() {
    // Nobody listens there, so the window can never be handed over.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let graphite = format!("[sink.graphite]\naddress = \"{free}\"\n");
    let up = ["up", "--log-format", "json"];
    let mut metlog = Running::start(tempfile::tempdir().unwrap(), &graphite, &up);
    metlog.send("statsd", "logins:1|c");
    until("it warns", || metlog.stderr().contains("graphite is not available"));
    metlog.signal("TERM");
    until("it says that it stops", || metlog.stderr().contains("stopping: "));
    metlog.signal("INT");
    assert_eq!(metlog.wait().code(), Some(1));
    let said = parsed(&metlog.stderr());
    has(&said, "WARN", "graphite is not available");
    has(&said, "INFO", "stopping: ");
    has(&said, "ERROR", "in the journal");
}

#[test]
fn failures_are_said_in_json_whatever_the_filter() {
    let check = ["check", "--log-format", "json", "--config", "no/such/file.toml"];
    for (filter, words) in [
        ("", "no/such/file.toml: cannot be read"),
        ("off", "no/such/file.toml: cannot be read"),
        ("metlog_listener=debug", "no/such/file.toml: cannot be read"),
        ("a=b=c", "METLOG_LOG: `a=b=c` is no log filter"),
    ] {
        let output = metlog().args(check).env("METLOG_LOG", filter).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = parsed(&String::from_utf8(output.stderr).unwrap());
        assert_eq!(said.len(), 1, "{filter}: {said:?}");
        has(&said, "ERROR", words);
    }
}
