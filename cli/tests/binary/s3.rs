//! The whole road into an S3 server that checks signatures (s3s-fs, in this process), and back by SQL.
use crate::running::{Running, stdout_of, until};
use hyper::Response;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::convert::Infallible;
use std::net::SocketAddr;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A server with one bucket, `bucket`; it ends with its runtime.
struct Server {
    address: SocketAddr,
    root: TempDir,
    _runtime: Runtime,
}

impl Server {
    fn new() -> Server {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("bucket")).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        service.set_auth(SimpleAuth::from_single("key", "secret"));
        let service = service.build();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, service.clone()));
            }
        });
        Server { address, root, _runtime: runtime }
    }

    /// What stands in `[sink.parquet]`, and the table of its options.
    fn config(&self, secret: &str) -> String {
        format!(
            "url = \"s3://bucket/ware/house\"\n[sink.parquet.options]\nendpoint = \"http://{}\"\nregion = \"us-east-1\"\n\
             access_key_id = \"key\"\nsecret_access_key = \"{secret}\"\nallow_http = \"true\"\n",
            self.address
        )
    }
}

async fn serve(stream: TcpStream, service: S3Service) {
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let service = service.clone();
        async move {
            let answered = service.call(request.map(Body::from)).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(|_| Response::new(Body::empty())))
        }
    });
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
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
