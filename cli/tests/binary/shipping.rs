//! `replay`: lines as they are, what is missing said, and nothing skipped or sent twice whatever is killed.
use crate::running::{Running, metlog, run, stdout_of, until};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

const COUNTS: &str = "select count(*) as n, count(distinct payload) as d from messages";

/// A network that loses every so-many-th datagram. It ends with the test.
fn lossy(to: &str, lost_every: usize) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let to = to.to_owned();
    std::thread::spawn(move || {
        let mut datagram = vec![0; 65_536];
        for nth in 1.. {
            let Ok(length) = socket.recv(&mut datagram) else { return };
            if nth % lost_every != 0 {
                // While the server is away nobody takes it: lost too.
                let _ = socket.send_to(&datagram[..length], &to);
            }
        }
    });
    address
}

fn text_of(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

fn numbered(range: std::ops::Range<u32>) -> String {
    range.map(|n| format!("line {n} of a log that is long enough to make many datagrams of it\n")).collect()
}

/// Scenario: every third datagram of a replay is lost, also its last.
/// Guarantees: it is said what is missing, and the exit code is 1; without a loss all is said to be there.
#[test]
fn what_did_not_arrive_is_said() {
    let metlog = Running::up("");
    let file = metlog.folder.path().join("app.log");
    std::fs::write(&file, numbered(0..500)).unwrap();
    let file = file.to_str().unwrap();
    let (address, http) = (metlog.address("metlog"), metlog.http());
    let output = run(&["replay", "--to", &address, "--server", &http, "--rate", "0", file]);
    assert_eq!(output.status.code(), Some(0), "{}", text_of(&output.stderr));
    assert!(text_of(&output.stderr).contains("received all of it"), "{}", text_of(&output.stderr));
    let output = run(&["replay", "--to", &lossy(&address, 3), "--server", &http, file]);
    assert_eq!(output.status.code(), Some(1));
    let said = text_of(&output.stderr);
    assert!(said.starts_with("error: not all of it arrived at") && said.contains("datagrams are missing"), "{said}");
    let json = metlog.folder.path().join("json.log");
    std::fs::write(&json, r#"{"type":"t","payload":"p"}"#.to_owned() + "\n").unwrap();
    let output = run(&["replay", "--to", &lossy(&address, 1), "--server", &http, json.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text_of(&output.stderr).contains("at least 1 of 1 message is missing"), "{}", text_of(&output.stderr));
    let output = run(&["send", "--to", &lossy(&address, 1), "--server", &http, "hello"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text_of(&output.stderr).contains("1 of 1 datagram is missing"), "{}", text_of(&output.stderr));
    stdout_of(&["send", "--to", &address, "--server", &http, "hello"]);
}

/// Scenario: the server has a small receive buffer and is held up while most of a replay is sent, also its end.
/// Guarantees: the replay says what is missing, and the server counts it as lost; `status` says so, and that the kernel
/// dropped it, with exit code 1.
#[test]
fn the_last_losses_are_seen() {
    const LINES: u32 = 5_000;
    let metlog = Running::up("receive_buffer = 4096\n---\n");
    let mut command = crate::running::metlog();
    command.args(["replay", "--to", &metlog.address("metlog"), "--server", &metlog.http(), "--rate", "0", "-"]);
    let mut replay = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = replay.stdin.take().unwrap();
    stdin.write_all(b"the first\n").unwrap();
    until("the first is there", || metlog.ledger()["received"] == 1);
    metlog.signal("STOP");
    stdin.write_all(numbered(0..LINES).as_bytes()).unwrap();
    drop(stdin);
    // Its socket is full long before it has read all of its input.
    std::thread::sleep(Duration::from_millis(500));
    metlog.signal("CONT");
    let output = replay.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text_of(&output.stderr);
    assert!(said.contains("error: not all of it arrived at") && said.contains("datagrams are missing"), "{said}");
    until("the server counts its loss too", || metlog.ledger()["lost"].as_u64() > Some(0));
    let status = run(&["status", "--server", &metlog.http()]);
    assert_eq!(status.status.code(), Some(1), "{}", text_of(&status.stdout));
    assert!(text_of(&status.stdout).contains("LOST on the way"), "{}", text_of(&status.stdout));
    assert!(text_of(&status.stderr).contains("dropped_by_kernel"), "{}", text_of(&status.stderr));
}

/// Guarantees: what is in a line comes to SQL as it is, from plain and compressed files; what cannot is counted.
#[test]
fn lines_are_kept_as_they_are() {
    let metlog = Running::up("");
    let folder = metlog.folder.path();
    std::fs::write(folder.join("plain"), b"end \r\n\n\ttab\t\n\xffbytes\n").unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"from gzip\n").unwrap();
    std::fs::write(folder.join("gz"), gzip.finish().unwrap()).unwrap();
    std::fs::write(folder.join("zst"), zstd::stream::encode_all(&b"from zstd\n"[..], 1).unwrap()).unwrap();
    let files = ["plain", "gz", "zst"].map(|name| folder.join(name).display().to_string());
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let output =
        run(&[&["replay", "--to", &metlog.address("metlog"), "--server", &metlog.http()], &files[..]].concat());
    assert!(output.status.success(), "{}", text_of(&output.stderr));
    let said = text_of(&output.stderr);
    assert!(said.contains("1 line has bytes that are not UTF-8, sent as U+FFFD"), "{said}");
    let found = metlog.query("select logger, payload from messages order by logger, payload");
    let row = |logger: &str, payload: &str| json!({"logger": logger, "payload": payload});
    let expected = [
        row("gz", "from gzip"),
        row("plain", ""),
        row("plain", "\ttab\t"),
        row("plain", "end \r"),
        row("plain", "\u{fffd}bytes"),
        row("zst", "from zstd"),
    ];
    assert_eq!(found, Value::from(expected.to_vec()));
}

/// Guarantees: a log's own dates, severities and names are those of its messages.
#[test]
fn a_template_reads_what_a_line_says() {
    let metlog = Running::up("");
    let file = metlog.folder.path().join("auth.log");
    let lines = "Dec 10 06:55:46 LabSZ sshd[24200]: error: Received disconnect from 173.234.31.186\nno match\n";
    std::fs::write(&file, lines).unwrap();
    let regex = r"^(?<time>\w+ +\d+ \S+) (?<hostname>\S+) (?<logger>\w+)\[(?<pid>\d+)\]: (?<severity>\w+): (?<payload>.* from (?<address>\S+))";
    let output = run(&[
        "replay",
        "--to",
        &metlog.address("metlog"),
        "--server",
        &metlog.http(),
        "--line-regex",
        regex,
        "--time-format",
        "%b %d %H:%M:%S",
        "--time-zone",
        "+08:00",
        file.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", text_of(&output.stderr));
    assert!(text_of(&output.stderr).contains("1 line does not match --line-regex"), "{}", text_of(&output.stderr));
    let found = metlog.query(
        "select substr(cast(timestamp as varchar), 5, 15) as t, hostname, logger, pid, severity, payload, fields['address'] as a \
         from messages where severity = 3",
    );
    let expected = json!([{"t": "-12-09T22:55:46", "hostname": "LabSZ", "logger": "sshd", "pid": 24200, "severity": 3,
        "payload": "Received disconnect from 173.234.31.186", "a": "173.234.31.186"}]);
    assert_eq!(found, expected);
    let whole = metlog.query("select payload, logger from messages where severity = 6");
    assert_eq!(whole, json!([{"payload": "no match", "logger": "auth.log"}]));
}

/// A shipper with a state file.
struct Shipper {
    to: String,
    http: String,
    state: PathBuf,
    more: Vec<String>,
}

impl Shipper {
    fn new(metlog: &Running, to: &str, more: &[&str]) -> Shipper {
        let state = metlog.folder.path().join("ship.state");
        Shipper {
            to: to.to_owned(),
            http: metlog.http(),
            state,
            more: more.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    fn spawn(&self, file: &Path) -> Child {
        let mut command = metlog();
        command.args(["replay", "--to", &self.to, "--server", &self.http, "--state"]).arg(&self.state);
        command.args(&self.more).arg(file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn run(&self, file: &Path) -> Output {
        self.spawn(file).wait_with_output().unwrap()
    }
}

/// Scenario: the network loses every fifth datagram, and the shipper is killed again and again, the server too.
/// Guarantees: in the end each line is there once.
#[test]
fn kills_neither_skip_nor_repeat() {
    const LINES: u32 = 20_000;
    let mut metlog = Running::up("");
    let file = metlog.folder.path().join("app.log");
    std::fs::write(&file, numbered(0..LINES)).unwrap();
    let to = lossy(&metlog.address("metlog"), 5);
    for kill in 0..12u64 {
        let mut shipper = Shipper::new(&metlog, &to, &[]).spawn(&file);
        std::thread::sleep(Duration::from_millis(60 + 37 * kill));
        if kill % 4 == 3 {
            metlog.kill_and_start("");
        }
        shipper.kill().unwrap();
        shipper.wait().unwrap();
    }
    let file = metlog.folder.path().join("app.log");
    let output = Shipper::new(&metlog, &to, &[]).run(&file);
    assert!(output.status.success(), "{}", text_of(&output.stderr));
    assert!(text_of(&output.stdout).contains("received all of it"), "{}", text_of(&output.stdout));
    assert_eq!(metlog.ask(COUNTS), json!([{"n": LINES, "d": LINES}]));
    // Once more: there is nothing new.
    let output = Shipper::new(&metlog, &to, &[]).run(&file);
    assert!(text_of(&output.stdout).starts_with("0 messages"), "{}", text_of(&output.stdout));
    assert_eq!(metlog.ask(COUNTS), json!([{"n": LINES, "d": LINES}]));
}

fn append(file: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Scenario: a log grows and is rotated by a new name, by a copy, and, while nobody ships, by compression.
/// Guarantees: each line is there once.
#[test]
fn a_log_is_followed_through_every_rotation() {
    let metlog = Running::up("");
    let (folder, mut end) = (metlog.folder.path(), 0);
    let file = folder.join("app.log");
    let shipper = Shipper::new(&metlog, &metlog.address("metlog"), &["--follow"]);
    let mut grow = |lines: u32| {
        append(&file, &numbered(end..end + lines));
        end += lines;
        end
    };
    let arrived = |lines: u32| until("all is there", || metlog.ask(COUNTS) == json!([{"n": lines, "d": lines}]));
    let mut process = shipper.spawn(&file);
    arrived(grow(100));
    arrived(grow(1));
    // Renamed, and written to a little longer.
    std::fs::rename(&file, folder.join("app.log.1")).unwrap();
    append(&folder.join("app.log.1"), "the last of the old\nand without an end");
    append(&file, "");
    end_of_old(&metlog);
    grow(50);
    until("the new one too", || metlog.ask(COUNTS) == json!([{"n": 153, "d": 153}]));
    // Copied and truncated.
    std::fs::copy(&file, folder.join("app.log.2")).unwrap();
    File::create(&file).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    grow(30);
    until("the truncated one too", || metlog.ask(COUNTS) == json!([{"n": 183, "d": 183}]));
    // While nobody ships: grown, renamed, compressed, and grown twice more.
    process.kill().unwrap();
    process.wait().unwrap();
    grow(10);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::write(folder.join("app.log.3.gz"), gzip.finish().unwrap()).unwrap();
    std::fs::remove_file(&file).unwrap();
    grow(20);
    std::fs::rename(&file, folder.join("app.log.4")).unwrap();
    grow(5);
    let mut process = shipper.spawn(&file);
    until("what came meanwhile too", || metlog.ask(COUNTS) == json!([{"n": 218, "d": 218}]));
    process.kill().unwrap();
    process.wait().unwrap();
}

fn end_of_old(metlog: &Running) {
    let without_end = "select count(*) as n from messages where payload = 'and without an end'";
    until("the end of the old one", || metlog.ask(without_end) == json!([{"n": 1}]));
}

/// Guarantees: Metlog JSON that is shipped with numbers has the same rows as JSON itself; counters stay metrics.
#[test]
fn metlog_json_keeps_its_meaning() {
    let metlog = Running::up("");
    let file = metlog.folder.path().join("metlog.log");
    let json = r#"{"type":"wsgi","timestamp":"2026-01-02T03:04:05.678901Z","logger":"sync","severity":3,"metlog_pid":7,"metlog_hostname":"h","env_version":"0.8","payload":"p","tokens":["a"],"fields":{"headers":{"path":"/"},"n":1}}"#;
    let bare = r#"{"type":"bare","payload":"x"}"#;
    let counter = r#"{"type":"counter","payload":"3","fields":{"name":"hits"},"env_version":"0.8"}"#;
    std::fs::write(&file, format!("{json}\n{bare}\n{counter}\n")).unwrap();
    metlog.send("metlog", json);
    metlog.send("metlog", bare);
    until("both are there", || metlog.ledger()["received"] == 2);
    let output = Shipper::new(&metlog, &metlog.address("metlog"), &[]).run(&file);
    assert!(output.status.success(), "{}", text_of(&output.stderr));
    assert!(text_of(&output.stderr).contains("1 line is"), "{}", text_of(&output.stderr));
    for (r#type, same) in [("wsgi", "*"), ("bare", "type, logger, severity, hostname, pid, payload, env_version")] {
        let columns = if same == "*" {
            "timestamp, type, logger, severity, hostname, pid, payload, env_version, cast(tokens as varchar), fields['headers.path'], fields['n']"
        } else {
            same
        };
        let rows = metlog.ask(&format!("select {columns} from messages where type = '{type}'"));
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0], rows[1]);
    }
    until("the counter is one", || {
        metlog.ask("select count from metrics where name = 'hits'") == json!([{"count": 3.0}])
    });
}

#[test]
fn a_state_belongs_to_one_and_needs_a_server() {
    let metlog = Running::up("");
    let file = metlog.folder.path().join("app.log");
    std::fs::write(&file, "one\n").unwrap();
    let shipper = Shipper::new(&metlog, &metlog.address("metlog"), &["--follow"]);
    let mut first = shipper.spawn(&file);
    until("it is there", || metlog.ask(COUNTS) == json!([{"n": 1, "d": 1}]));
    let second = shipper.run(&file);
    assert_eq!(second.status.code(), Some(1));
    assert!(text_of(&second.stderr).contains("another process uses it"), "{}", text_of(&second.stderr));
    first.kill().unwrap();
    first.wait().unwrap();
    let state = metlog.folder.path().join("other.state");
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run(&["replay", "--to", &nobody, "--state", state.to_str().unwrap(), file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text_of(&output.stderr).contains("--server ADDR is required"), "{}", text_of(&output.stderr));
}
