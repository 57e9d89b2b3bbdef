//! Against an S3 server that checks signatures (s3s-fs, in this process): what we put is read back from the
//! server's own folder.
use arrow::array::RecordBatch;
use futures::TryStreamExt;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use metlog_schemas::rows::Rows;
use metlog_schemas::table::{Table, TableMap};
use metlog_schemas::wire::message::Message;
use metlog_sink::conformance::{self, Place, sample_batch};
use metlog_sink::parquet::{Config, Parquet};
use metlog_sink::store::{Store, open_store};
use metlog_sink::{Batch, Next, Sink};
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpResponse};
use s3s_fs::FileSystem;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

/// A server with one bucket, `bucket`.
struct Server {
    address: SocketAddr,
    root: TempDir,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    puts: AtomicUsize,
    /// From the second object on, uploads get 503.
    failing: AtomicBool,
    /// Requests that are none of the account's business get 403.
    denied: Mutex<Option<Right>>,
}

/// What an account may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Write,
    List,
    Read,
    Delete,
}

/// What a request needs.
fn right_for(method: &Method, query: &str) -> Right {
    match *method {
        Method::DELETE | Method::POST => Right::Delete,
        Method::PUT => Right::Write,
        _ if query.contains("list-type") => Right::List,
        _ => Right::Read,
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    fn new() -> Server {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("bucket")).expect("a bucket");
        let mut service = S3ServiceBuilder::new(FileSystem::new(root.path()).expect("a file system"));
        service.set_auth(SimpleAuth::from_single("key", "secret"));
        let (service, state) = (service.build(), Arc::new(State::default()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        let listener = TcpListener::from_std(listener).expect("a listener");
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, service.clone(), shared.clone()));
            }
        });
        Server { address, root, state, task }
    }

    fn store(&self, secret: &str) -> Store {
        store_at(self.address, secret)
    }
}

async fn serve(stream: TcpStream, service: S3Service, state: Arc<State>) {
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (service, state) = (service.clone(), state.clone());
        async move {
            let is_late_put = request.method() == Method::PUT && state.puts.fetch_add(1, Ordering::SeqCst) > 0;
            if is_late_put && state.failing.load(Ordering::SeqCst) {
                let mut response: HttpResponse = Response::new(Body::empty());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return Ok::<_, Infallible>(response);
            }
            let right = right_for(request.method(), request.uri().query().unwrap_or_default());
            if *state.denied.lock().expect("a lock") == Some(right) {
                let mut response: HttpResponse = Response::new(Body::empty());
                *response.status_mut() = StatusCode::FORBIDDEN;
                return Ok(response);
            }
            let answered = service.call(request.map(Body::from)).await;
            Ok(answered.unwrap_or_else(|_| Response::new(Body::empty())))
        }
    });
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
}

fn store_at(address: SocketAddr, secret: &str) -> Store {
    let environment = [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".into()),
        ("AWS_ACCESS_KEY_ID", "key".into()),
        ("AWS_SECRET_ACCESS_KEY", secret.into()),
    ];
    let options = [("region".to_owned(), "us-east-1".to_owned())];
    let environment = environment.map(|(key, value)| (key.to_owned(), value));
    open_store("s3://bucket/ware/house", &options, environment).expect("a store")
}

/// Every object of the warehouse, by key.
async fn objects(store: &Store) -> Vec<(String, Vec<RecordBatch>)> {
    let mut listed: Vec<_> = store.objects.list(Some(&store.prefix)).try_collect().await.expect("a listing");
    listed.sort_by(|a, b| a.location.cmp(&b.location));
    let mut objects = Vec::new();
    for object in listed {
        let bytes = store.objects.get(&object.location).await.expect("an object").bytes().await.expect("its bytes");
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).and_then(|reader| reader.build());
        let rows = reader.expect("a reader").collect::<Result<_, _>>().expect("its rows");
        objects.push((object.location.to_string(), rows));
    }
    objects
}

impl Place for Server {
    type Sink = Parquet;

    fn sink(&self) -> Parquet {
        Parquet::new(Config::default(), self.store("secret"))
    }

    fn sink_to(&self, black_hole: SocketAddr) -> Parquet {
        let put_timeout = Duration::from_millis(300);
        Parquet::new(Config { put_timeout, ..Config::default() }, store_at(black_hole, "secret"))
    }

    async fn contents(&self) -> Vec<String> {
        objects(&self.store("secret")).await.iter().map(|(key, rows)| format!("{key} {rows:?}")).collect()
    }

    fn fail_part_way(&self, failing: bool) {
        self.state.puts.store(0, Ordering::SeqCst);
        self.state.failing.store(failing, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    assert_eq!(conformance::check(Server::new).await, Ok(()));
}

#[tokio::test]
async fn objects_lie_where_hive_looks_for_them() {
    let server = Server::new();
    server.sink().write(&sample_batch().expect("a batch")).await.expect("written");
    let folder = server.root.path().join("bucket/ware/house/messages/dt=2026-01-02/hour=03");
    assert!(folder.join("listener_1-000000000007.parquet").is_file());
    let rows: usize =
        objects(&server.store("secret")).await.iter().flat_map(|(_, rows)| rows).map(|r| r.num_rows()).sum();
    // Two more rows in the index of traces: spans of two hours.
    assert_eq!(rows, 6 + 8 + 2 * (Table::COUNT - 2) + 2);
}

#[tokio::test]
async fn a_wrong_signature_is_an_error_to_retry() {
    let server = Server::new();
    let mut sink = Parquet::new(Config::default(), server.store("wrong"));
    let error = sink.write(&sample_batch().expect("a batch")).await.expect_err("refused");
    assert_eq!(error.next, Next::Retry(None), "{error}");
    assert!(objects(&server.store("secret")).await.is_empty());
}

/// Guarantees: what the check of a store puts there is gone afterwards.
#[tokio::test]
async fn a_store_is_checked_and_left_as_it_was() {
    let server = Server::new();
    server.sink().probe().await.expect("all is granted");
    assert_eq!(server.state.puts.load(Ordering::SeqCst), 1, "it was written to");
    let everything: Vec<_> = server.store("secret").objects.list(None).try_collect().await.expect("a listing");
    assert!(everything.is_empty(), "{everything:?}");
}

/// Guarantees: each right that is missing is named, and a check that fails leaves nothing that it may delete.
#[tokio::test]
async fn a_right_that_is_missing_is_named() {
    for (right, said) in [
        (Right::Write, "cannot be written"),
        (Right::List, "cannot be listed"),
        (Right::Read, "cannot be read"),
        (Right::Delete, "cannot be deleted"),
    ] {
        let server = Server::new();
        *server.state.denied.lock().expect("a lock") = Some(right);
        let error = server.sink().probe().await.expect_err("a right is missing");
        assert!(error.message.contains(said) && matches!(error.next, Next::Retry(_)), "{right:?}: {error}");
        *server.state.denied.lock().expect("a lock") = None;
        let left: Vec<_> = server.store("secret").objects.list(None).try_collect().await.expect("a listing");
        assert_eq!(left.len(), usize::from(right == Right::Delete), "{right:?}: {left:?}");
    }
}

#[tokio::test]
async fn a_wrong_secret_and_a_wrong_port_are_found_by_the_check() {
    let server = Server::new();
    let error = Parquet::new(Config::default(), server.store("wrong")).probe().await.expect_err("refused");
    assert!(error.message.contains("cannot be written"), "{error}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let error = Parquet::new(Config::default(), store_at(nobody, "secret")).probe().await.expect_err("nobody there");
    assert!(error.message.contains("cannot be written"), "{error}");
}

#[tokio::test]
async fn a_large_object_goes_up_in_parts() {
    let server = Server::new();
    let mut rows = Rows::default();
    let mut number = 1_u64;
    for _ in 0..400 {
        // Text that does not compress below the size of a part.
        let mut digit = || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(33 + (number >> 40) as u8 % 94)
        };
        let payload = (0..60_000).map(|_| digit()).collect();
        rows.push_message(&Message { payload, ..Message::default() }, 0);
    }
    let messages = vec![rows.finish().expect("rows")];
    let mut rows = TableMap::default();
    rows[Table::Messages] = messages.clone();
    let batch = Batch { listener: "l".into(), segment: 1, rows, windows: Vec::new() };
    server.sink().write(&batch).await.expect("written");
    assert!(server.state.puts.load(Ordering::SeqCst) > 1, "in parts");
    let objects = objects(&server.store("secret")).await;
    let found: Vec<RecordBatch> = objects.into_iter().flat_map(|(_, rows)| rows).collect();
    let found = arrow::compute::concat_batches(&messages[0].schema(), &found).expect("one batch");
    assert!(found == messages[0]);
}
