//! The whole road into an S3 server that checks signatures (`sink/examples/s3_server.rs`), and back by SQL.
use crate::running::{Running, stdout_of, until};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A server with one bucket, `bucket`.
struct Server {
    process: Child,
    address: String,
    root: TempDir,
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
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Server { process, address: address.trim().to_owned(), root }
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
    until("it says that it stops", || metlog.stderr().contains("stopping: 1 messages"));
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
