//! Commands that need no server.
use crate::running::{run, stdout_of, with_stdin};
use std::net::UdpSocket;
use std::process::Output;
use std::time::Duration;

#[test]
fn a_mistake_in_the_configuration_ends_with_2_and_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metlog.toml");
    std::fs::write(&file, "[listener]\nmetlog = \"127.0.0.1:0\"\nstatd = \"127.0.0.1:0\"\n").unwrap();
    let file = file.to_str().unwrap();
    for arguments in
        [&["check", "--config", file][..], &["up", "--config", file], &["ddl", "--dialect", "hive", "--config", file]]
    {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said, format!("error: {file}:3:1: listener.statd: unknown key, did you mean `statsd`?\n"));
    }
    let output = run(&["check", "--config", "no/such/file.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: no/such/file.toml: cannot be read"));
    assert_eq!(run(&["no-such-command"]).status.code(), Some(2));
}

#[test]
fn the_documented_configuration_is_fine() {
    let file = "../docker/metlog.toml";
    let said = stdout_of(&["check", "--config", file]);
    assert!(said.contains("127.0.0.1:5565") && said.contains("fine"), "{said}");
    assert!(said.contains("Not checked: whether the addresses are free"), "{said}");
}

#[test]
fn ddl_knows_every_dialect_and_puts_the_warehouse_in() {
    for dialect in ["hive", "hive4", "spark", "duckdb", "datafusion"] {
        let sql = stdout_of(&["ddl", "--dialect", dialect, "--warehouse", "file:///some/where"]);
        assert!(sql.contains("/some/where/messages") && sql.contains("/some/where/metrics"), "{dialect}: {sql}");
    }
}

#[test]
fn a_message_that_was_sent_can_be_decoded() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let to = socket.local_addr().unwrap().to_string();
    let fields = ["--field", "user=25", "--field", "path=/a=b"];
    let message =
        ["--logger", "accounts", "--type", "login", "--severity", "4", "--token", "a", "--token", "b", "signed in"];
    stdout_of(&[&["send", "--to", &to], &fields[..], &message[..]].concat());
    let mut datagram = vec![0; 65_536];
    let length = socket.recv(&mut datagram).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("datagram");
    std::fs::write(&file, &datagram[..length]).unwrap();
    let decoded = stdout_of(&["decode", file.to_str().unwrap()]);
    let lines: Vec<serde_json::Value> = decoded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{decoded}");
    assert_eq!(lines[1]["type"], "login");
    assert_eq!(lines[1]["logger"], "accounts");
    assert_eq!(lines[1]["severity"], 4);
    assert_eq!(lines[1]["tokens"], serde_json::json!(["a", "b"]));
    assert_eq!(lines[1]["fields"], serde_json::json!({"user": "25", "path": "/a=b"}));
    assert_eq!(lines[1]["payload"], "signed in");
}

fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn stdin_is_sent_and_decoded() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let to = socket.local_addr().unwrap().to_string();
    let sent = with_stdin(&["send", "--to", &to, "--type", "piped", "-"], b"two\nlines\n");
    assert!(sent.status.success(), "{}", stderr_of(&sent));
    let mut datagram = vec![0; 65_536];
    let length = socket.recv(&mut datagram).unwrap();
    let decoded = with_stdin(&["decode", "-"], &datagram[..length]);
    let lines = String::from_utf8(decoded.stdout).unwrap();
    let message: serde_json::Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&message["payload"], &message["type"]), (&"two\nlines".into(), &"piped".into()));
    let replaced = with_stdin(&["send", "--to", &to, "-"], b"\xff");
    assert!(stderr_of(&replaced).contains("1 place that is not UTF-8"), "{}", stderr_of(&replaced));
}

#[test]
fn a_send_that_cannot_arrive_says_so() {
    let output = run(&["send"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr_of(&output).starts_with("error: nothing to send"), "{}", stderr_of(&output));
    // Bound and let go again: nobody listens there.
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&["send", "--to", &free, "x"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr_of(&output).contains(&format!("nobody listens at {free}")), "{}", stderr_of(&output));
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout_of(&["completions", shell]);
        assert!(script.contains("replay") && script.contains("line-regex"), "{shell}");
    }
}

#[test]
fn each_mistake_in_a_configuration_is_an_error_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metlog.toml");
    std::fs::write(&file, "x = 1\ny = 2\n").unwrap();
    let said = stderr_of(&run(&["check", "--config", file.to_str().unwrap()]));
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 2, "{said}");
}

/// Guarantees: with `--online` each sink is tried; one that cannot be used is named, with exit code 1.
#[test]
fn sinks_are_tried_where_that_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metlog.toml");
    let data = format!("data = {:?}\n", folder.path().join("data"));
    std::fs::write(&file, &data).unwrap();
    let check = ["check", "--online", "--config", file.to_str().unwrap()];
    let said = stdout_of(&check);
    assert!(said.contains("sink.parquet: can be reached and used") && !said.contains("--online"), "{said}");
    // Bound and let go again: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(&file, format!("{data}[sink.graphite]\naddress = \"{free}\"\n")).unwrap();
    let output = run(&check);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr_of(&output).starts_with("error: sink.graphite: "), "{}", stderr_of(&output));
}

/// Scenario: somebody types into the prompt, in a terminal.
/// Guarantees: a query may have several lines, names are completed, results and mistakes are shown, and what was typed is
/// kept.
#[test]
fn a_prompt_takes_queries() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let keys = r"select 40 + 2\n|as answer;\n|select nothing;\n|select count(*) as n from messa\t;\n|\\q\n";
    let mut command = std::process::Command::new("python3");
    command.args(["tests/binary/terminal.py", keys, env!("CARGO_BIN_EXE_metlog"), "query", "--warehouse", &url]);
    command.env("HOME", folder.path()).env_remove("XDG_STATE_HOME").env("TERM", "xterm");
    let output = command.stdin(std::process::Stdio::null()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown} {}", stderr_of(&output));
    for words in ["answer", "42", "error: 1:8: ", "from messages", "| 0"] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    let history = std::fs::read_to_string(folder.path().join(".local/state/metlog/history")).unwrap();
    assert!(history.contains("select nothing;"), "{history}");
}

#[test]
fn queries_come_from_files_and_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    let file = folder.path().join("report.sql");
    std::fs::write(&file, "select 1 as a;\n-- two\nselect ';' as b;\n").unwrap();
    let query = ["query", "--warehouse", &url, "--format", "csv"];
    assert_eq!(stdout_of(&[&query[..], &["-f", file.to_str().unwrap()]].concat()), "a\n1\nb\n;\n");
    for arguments in [&["-"][..], &[]] {
        let output = with_stdin(&[&query[..], arguments].concat(), b"select 2 as c");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "c\n2\n", "{}", stderr_of(&output));
    }
    std::fs::write(&file, "select 1;\n\n  select nothing;\n").unwrap();
    let output = run(&[&query[..], &["-f", file.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr_of(&output).starts_with("error: 3:10: "), "the place is that of the file: {}", stderr_of(&output));
    assert_eq!(with_stdin(&query, b" ; ").status.code(), Some(2));
}

#[test]
fn what_is_not_sent_ends_with_1() {
    let large = "x".repeat(2_000);
    let output = run(&["send", "--to", "127.0.0.1:9", &large]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("larger than a datagram"));
    assert_eq!(run(&["send", "--to", "unix:/no/such/socket", "x"]).status.code(), Some(1));
    assert_eq!(run(&["send", "--to", "nowhere", "x"]).status.code(), Some(2));
}

#[test]
fn what_cannot_be_decoded_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    std::fs::write(&file, "neither").unwrap();
    assert_eq!(run(&["decode", file.to_str().unwrap()]).status.code(), Some(1));
    assert_eq!(run(&["decode", "no/such/file"]).status.code(), Some(1));
}

#[test]
fn a_warehouse_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/new", folder.path().display());
    let output = run(&["query", "--warehouse", &url, "select 1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder.path().join("new").exists());
}

/// A start that finds something set aside, and what `recover` makes of it.
#[test]
fn recover_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("metlog.toml");
    std::fs::write(&config, format!("data = \"{}/data\"\n", folder.path().display())).unwrap();
    let told = stdout_of(&["recover", "--config", config.to_str().unwrap()]);
    assert_eq!(told, "nothing is set aside that could be offered again\n");
}
