//! The whole pipeline into an S3 server that checks signatures (`sink/examples/s3_server.rs`), and back by SQL.
use crate::running::{Running, run, stdout_of, until};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// A server with one bucket, `bucket`.
struct Server {
    process: Child,
    address: String,
    root: TempDir,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn new() -> Server {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("bucket")).unwrap();
        // This test is `target/<profile>/deps/binary-…`. The server is an example of another package, so that what it
        // needs is not built for everyone who builds this one.
        let test = std::env::current_exe().unwrap();
        let server = test.parent().unwrap().with_file_name("examples").join("s3_server");
        assert!(
            server.exists(),
            "not built; use cargo test --workspace, or before it: cargo build --workspace --examples"
        );
        let mut command = Command::new(server);
        command.arg(root.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.next().unwrap().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| seen.lock().unwrap().push(line)));
        Server { process, address, root, requests }
    }

    /// The requests since this was asked last, but for those that write.
    fn reads(&self) -> Vec<String> {
        // What was asked for may not be printed yet.
        std::thread::sleep(Duration::from_millis(200));
        let seen = std::mem::take(&mut *self.requests.lock().unwrap());
        seen.into_iter().filter(|line| line.starts_with("GET ") || line.starts_with("HEAD ")).collect()
    }

    /// What stands in `[sink.parquet]`, and the table of its options.
    fn config(&self, secret: &str) -> String {
        format!(
            "url = \"s3://bucket/ware/house\"\n[sink.parquet.options]\nendpoint = \"http://{}\"\nregion = \"us-east-1\"\n\
             access_key_id = \"key\"\nsecret_access_key = \"{secret}\"\n",
            self.address
        )
    }
}

#[test]
fn what_is_stored_in_a_bucket_is_found_there() {
    let server = Server::new();
    let mut metlog = Running::up(&server.config("secret"));
    for n in 0..100 {
        metlog
            .send("metlog", &format!("{{\"type\":\"x\",\"payload\":\"{n}\",\"timestamp\":\"2026-01-02T03:00:00Z\"}}"));
    }
    until("all is received", || metlog.ledger()["received"] == 100);
    let counts = "select count(*) as n, count(distinct payload) as d from messages where dt = '2026-01-02'";
    assert_eq!(metlog.ask(counts), serde_json::json!([{"n": 100, "d": 100}]));
    metlog.signal("TERM");
    assert_eq!(metlog.wait().code(), Some(0), "{}", metlog.stderr());
    let hour = server.root.path().join("bucket/ware/house/messages/dt=2026-01-02/hour=03");
    assert!(hour.is_dir(), "nothing lies where Hive looks for it");
    let config = metlog.folder.path().join("metlog.toml");
    let config = config.to_str().unwrap();
    let warehouse = ["query", "--config", config, "--warehouse", "s3://bucket/ware/house", "--format", "csv", counts];
    assert_eq!(stdout_of(&warehouse).trim(), "n,d\n100,100");
}

#[test]
fn a_wrong_secret_is_said_and_nothing_is_lost() {
    let server = Server::new();
    let mut metlog = Running::up(&server.config("wrong"));
    metlog.send("metlog", r#"{"type":"x","payload":"kept"}"#);
    until("it warns", || metlog.stderr().contains("parquet is not available"));
    assert_eq!(metlog.ledger()["held"], 1);
    metlog.signal("TERM");
    until("it says that it stops", || metlog.stderr().contains("stopping: 1 message is"));
    metlog.signal("INT");
    assert_eq!(metlog.wait().code(), Some(1));
    let config = server.config("secret");
    let mut after =
        Running::start(std::mem::replace(&mut metlog.folder, tempfile::tempdir().unwrap()), &config, &["up"]);
    after.signal("TERM");
    assert_eq!(after.wait().code(), Some(0), "{}", after.stderr());
    let config = after.folder.path().join("metlog.toml");
    let warehouse = ["query", "--config", config.to_str().unwrap(), "--warehouse", "s3://bucket/ware/house"];
    let found = stdout_of(&[&warehouse[..], &["--format", "csv", "select payload from messages"]].concat());
    assert_eq!(found.trim(), "payload\nkept");
}

/// Scenario: the last hour, of a hundred objects and of twenty thousand.
/// Guarantees: the same handful of requests, and fewer when it is asked again.
#[test]
fn the_last_hour_costs_a_handful_of_requests() {
    let server = Server::new();
    let mut metlog = Running::up(&server.config("secret"));
    metlog.send("metlog", r#"{"type":"x","payload":"now","timestamp":"2026-01-02T03:00:00Z"}"#);
    until("it is received", || metlog.ledger()["received"] == 1);
    until("it is stored", || metlog.ledger()["stored"] == 1);
    let table = server.root.path().join("bucket/ware/house/messages");
    let hour = table.join("dt=2026-01-02/hour=03");
    let stored = std::fs::read_dir(&hour).unwrap().next().unwrap().unwrap().path();
    let last_hour = "select count(payload) as n from messages where timestamp >= '2026-01-02T03:00:00Z'";
    let mut counts = Vec::new();
    for objects in [100, 20_000] {
        for n in 0..objects {
            let folder =
                table.join(format!("dt=2025-{:02}-{:02}/hour={:02}", 1 + n / 672 % 12, 1 + n / 24 % 28, n % 24));
            let object = folder.join(format!("other-{n:012}.parquet"));
            std::fs::create_dir_all(&folder).unwrap();
            if !object.exists() {
                std::fs::hard_link(&stored, object).unwrap();
            }
        }
        // A listing that was made before is too old by then.
        std::thread::sleep(Duration::from_secs(6));
        server.reads();
        assert_eq!(metlog.ask(last_hour), serde_json::json!([{"n": 1}]));
        let first = server.reads();
        assert_eq!(metlog.ask(last_hour), serde_json::json!([{"n": 1}]));
        let again = server.reads();
        assert!(first.len() <= 8 && again.len() <= 2, "{objects}: {first:#?} {again:#?} {}", metlog.get("/metrics").1);
        counts.push(first.len());
    }
    assert!(counts[1] <= counts[0], "{counts:?}");
    metlog.signal("TERM");
    assert_eq!(metlog.wait().code(), Some(0), "{}", metlog.stderr());
}

/// A store at an address where nobody listens.
fn away() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!(
        "url = \"s3://bucket/ware/house\"\n[sink.parquet.options]\nendpoint = \"http://{free}\"\nregion = \"x\"\n\
         access_key_id = \"key\"\nsecret_access_key = \"secret\"\nallow_http = \"true\"\n"
    )
}

/// Scenario: the store is away, and there is room in memory for few of the rows that wait for it.
/// Guarantees: SQL has all rows of all tables, those that are only in the journal as well.
#[test]
fn what_is_only_in_the_journal_is_seen() {
    let metlog = Running::up(&format!("memory = \"1MiB\"\n---\n{}", away()));
    let payload = "x".repeat(4_000);
    for round in 1..=4 {
        for n in 0..250 {
            metlog.send("metlog", &format!("{{\"type\":\"t\",\"payload\":\"{round} {n} {payload}\"}}"));
        }
        metlog.send("statsd", "hits:1|c");
        until("a round is received", || metlog.ledger()["received"] == round * 251);
        // Longer than a segment is written to.
        std::thread::sleep(Duration::from_millis(700));
    }
    let counts = "select (select count(*) from messages) as m, (select count(distinct payload) from messages) as d, \
                  (select cast(sum(count) as bigint) from metrics where name = 'hits') as h";
    until("windows are closed", || metlog.ask(counts)[0]["h"] == 4);
    assert_eq!(metlog.ask(counts), serde_json::json!([{"m": 1000, "d": 1000, "h": 4}]));
}

/// Scenario: the store goes away, with a segment on the way to it.
/// Guarantees: what is held here is still there, marked as a part; who asks strictly gets an error.
#[test]
fn what_is_held_is_seen_while_the_store_is_away() {
    let metlog = Running::up(&away());
    metlog.send("metlog", r#"{"type":"x","payload":"held"}"#);
    until("it is received", || metlog.ledger()["received"] == 1);
    let sql = "select payload from messages";
    assert_eq!(metlog.ask(sql), serde_json::json!([{"payload": "held"}]));
    let query = |more: &[&str]| {
        let ours = ["query", "--server", &metlog.http(), "--format", "csv", sql];
        run(&[&ours[..], more].concat())
    };
    let lenient = query(&[]);
    assert_eq!(String::from_utf8_lossy(&lenient.stdout), "payload\nheld\n");
    let said = String::from_utf8_lossy(&lenient.stderr).into_owned();
    assert!(said.contains("partial result: stored rows are missing"), "{said}");
    assert_eq!(query(&["--strict"]).status.code(), Some(1));
    assert_eq!(metlog.get("/health").0, 200, "messages are taken");
}
