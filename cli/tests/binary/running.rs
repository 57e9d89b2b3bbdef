//! One `metlog up` or `metlog listen` with a folder and free ports of its own, for the tests beside this file.
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing here takes so long; what does, has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub fn metlog() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metlog"));
    command.env_remove("METLOG_LOG").env_remove("METLOG_KEY").env_remove("METLOG_KEY_ID");
    command
}

/// Runs a command of the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    metlog().args(arguments).output().unwrap()
}

/// Likewise, with something on stdin.
pub fn with_stdin(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = metlog();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input).unwrap();
    process.wait_with_output().unwrap()
}

/// What a command wrote to stdout, which must have ended well.
#[track_caller]
pub fn stdout_of(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until something is true.
#[track_caller]
pub fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Lines of `[listener]`, and nothing listens that they do not name: many tests run at a time on one host.
fn without_defaults(lines: &str) -> String {
    let sockets = metlog_schemas::format::sockets().into_iter().filter(|socket| socket.yields).map(|socket| socket.key);
    let keys = sockets.chain(metlog_listener::SERVERS.iter().map(|server| server.key));
    let named = |key: &str| lines.lines().any(|line| line.split('=').next().is_some_and(|name| name.trim() == key));
    let off: String = keys.filter(|key| !named(key)).map(|key| format!("{key} = \"\"\n")).collect();
    format!("{lines}{off}")
}

/// A running server.
pub struct Running {
    pub folder: TempDir,
    /// What it said when it was up.
    pub start_text: String,
    process: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    /// `metlog up`, with more configuration behind what every test has: it begins inside of `[sink.parquet]`. What is
    /// before a line of three dashes is for `[listener]`.
    pub fn up(more: &str) -> Running {
        Running::start(tempfile::tempdir().unwrap(), more, &["up"])
    }

    /// The most memory that the server itself had at any time.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
    }

    /// Starts in a folder, which may have been used before.
    pub fn start(folder: TempDir, more: &str, arguments: &[&str]) -> Running {
        let config = folder.path().join("metlog.toml");
        let data = folder.path().join("data");
        let (listener, more) = more.split_once("---\n").unwrap_or(("", more));
        // A key may stand in a file once.
        let roll = if more.contains("roll_after") { "" } else { "roll_after = \"500ms\"\n" };
        // Keys of `[query]` are for the table that every test has.
        let (query, more) = match more.strip_prefix("[query]\n") {
            Some(query) => (query, ""),
            None => ("", more),
        };
        let listener = without_defaults(listener);
        let text = format!(
            "data = {data:?}\n[listener]\nmetlog = \"127.0.0.1:0\"\nstatsd = \"127.0.0.1:0\"\n{listener}[query]\nlisten = \"127.0.0.1:0\"\n{query}\
             [statsd]\nflush_interval = \"100ms\"\n[sink.parquet]\n{roll}{more}"
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(folder.path().join("stderr")).unwrap();
        let mut command = metlog();
        command.args(arguments).arg("--config").arg(&config).stdout(Stdio::piped()).stderr(log);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut start_text = String::new();
        while !start_text.contains("\n  warehouse") {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {}", stderr_in(&folder))).unwrap();
            start_text.push_str(&line);
            start_text.push('\n');
        }
        // What follows is read too, so that the pipe never fills and never breaks.
        std::thread::spawn(move || lines.for_each(drop));
        Running { folder, start_text, process }
    }

    /// The address behind a name in the start text.
    pub fn address(&self, name: &str) -> String {
        let line =
            self.start_text.lines().find_map(|line| line.strip_prefix("  ")?.strip_prefix(name)?.strip_prefix(' '));
        let address = line.and_then(|line| line.split_whitespace().next()).unwrap();
        address.trim_start_matches("http://").to_owned()
    }

    /// The address of its HTTP server.
    pub fn http(&self) -> String {
        self.address("http")
    }

    /// Sends one datagram.
    pub fn send(&self, to: &str, datagram: &str) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(datagram.as_bytes(), self.address(to)).unwrap();
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.exchange(&format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n"))
    }

    fn exchange(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The rows of an answer, without a process for the question: where its time matters.
    #[track_caller]
    pub fn ask(&self, sql: &str) -> Value {
        let (status, answer) = self.post_sql(sql);
        assert_eq!(status, 200, "{sql}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Status and body of an answer.
    pub fn post_sql(&self, sql: &str) -> (u16, String) {
        let body = json!({ "query": sql }).to_string();
        let head = format!("POST /api/sql HTTP/1.0\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
        self.exchange(&(head + &body))
    }

    /// The ledger.
    pub fn ledger(&self) -> Value {
        serde_json::from_str(&self.get("/api/ledger").1).unwrap()
    }

    /// The rows that `metlog query` prints.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Value {
        serde_json::from_str(&stdout_of(&["query", "--server", &self.http(), "--format", "json", sql])).unwrap()
    }

    /// Sends a signal: `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills it, and starts it again in its folder and at its addresses.
    pub fn kill_and_start(&mut self, more: &str) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.start_again(more);
    }

    /// Starts it again in its folder and at its addresses, when it has ended.
    pub fn start_again(&mut self, more: &str) {
        let (metlog, http) = (self.address("metlog"), self.http());
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        *self = Running::start(folder, more, &["up", "--metlog", &metlog, "--http", &http]);
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        until("it ends", || {
            ended = self.process.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        stderr_in(&self.folder)
    }

    /// Its warehouse.
    pub fn warehouse(&self) -> PathBuf {
        self.folder.path().join("data/warehouse")
    }
}

fn stderr_in(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("stderr")).unwrap_or_default()
}
