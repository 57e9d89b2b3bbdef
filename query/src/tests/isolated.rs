//! Queries in processes of their own. The worker is this test binary: it is told to run one of the tests below, which
//! is no test then.
use super::fake_store::{FakeStore, Mood};
use super::*;
use crate::{Kind, Launch, Opened, Pool, PoolConfig, Query, run_worker};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use futures::StreamExt;
use object_store::local::LocalFileSystem;
use serde_json::json;
use std::time::Duration;
use tempfile::TempDir;
use tower::ServiceExt;

/// Set where this test binary is a worker.
const IS_WORKER: &str = "METLOG_TEST_IS_WORKER";

#[test]
fn worker() {
    if std::env::var_os(IS_WORKER).is_none() {
        return;
    }
    let open = |store: &Value| {
        let folder = store["folder"].as_str().ok_or("no folder")?;
        let local = LocalFileSystem::new_with_prefix(folder).map_err(|error| error.to_string())?;
        let stuck = FakeStore::new(Arc::new(InMemory::new()));
        *stuck.listing.lock().unwrap() = Mood::Stuck;
        let store = if store["is_stuck"] == true { stuck as Arc<dyn ObjectStore> } else { Arc::new(local) };
        Ok(Opened { store, prefix: Path::default() })
    };
    run_worker(open, decoder()).unwrap();
}

pub(super) fn question(sql: &str) -> String {
    json!({"query": sql}).to_string()
}

/// A pool over a folder, behind HTTP.
pub(super) struct Server {
    pub(super) router: axum::Router,
    pub(super) pool: Arc<Pool>,
    _folder: TempDir,
}

impl Server {
    pub(super) fn new(config: PoolConfig, folder: TempDir, hot: Option<Arc<FakeHot>>) -> Server {
        Server::start(config, folder, hot, false)
    }

    fn start(config: PoolConfig, folder: TempDir, hot: Option<Arc<FakeHot>>, is_stuck: bool) -> Server {
        let launch = Launch {
            program: std::env::current_exe().unwrap(),
            arguments: ["--exact", "tests::isolated::worker", "--nocapture"].map(Into::into).to_vec(),
            environment: vec![(IS_WORKER.into(), "1".into())],
            store: json!({"folder": folder.path(), "is_stuck": is_stuck}),
        };
        let pool = Pool::new(config, launch, hot.map(|hot| hot as Arc<dyn Hot>));
        let router = crate::router(Arc::clone(&pool)).layer(axum::Extension(crate::Rights::everything()));
        Server { router, pool, _folder: folder }
    }

    fn empty(config: PoolConfig) -> Server {
        Server::new(config, tempfile::tempdir().unwrap(), None)
    }

    /// Over a store at which a worker's thread gets stuck.
    fn stuck(config: PoolConfig) -> Server {
        Server::start(config, tempfile::tempdir().unwrap(), None, true)
    }

    async fn response(&self, sql: &str) -> axum::response::Response {
        let request = Request::post("/api/sql").body(Body::from(question(sql))).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Status and body.
    async fn ask(&self, sql: &str) -> (StatusCode, Value) {
        let response = self.response(sql).await;
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn check(&self, sql: &str, expected: Value) {
        assert_eq!(self.ask(sql).await, (StatusCode::OK, expected));
    }

    /// The kind and the message of an error.
    async fn error(&self, sql: &str) -> (String, String) {
        let (status, body) = self.ask(sql).await;
        assert_ne!(status, StatusCode::OK, "{sql}: {body}");
        let text = |name: &str| body["error"][name].as_str().unwrap().to_owned();
        (text("kind"), text("message"))
    }
}

fn config(query: Config) -> PoolConfig {
    PoolConfig { query, ..PoolConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_come_as_rows_too() {
    let server = Server::empty(PoolConfig::default());
    let rows = server
        .pool
        .batches(Query::batches("select value as n from range(100000)", &crate::Rights::everything()))
        .await
        .unwrap();
    assert_eq!((rows.rows(), rows.partial.is_none()), (100_000, true));
    let numbers = rows.batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
    assert!(numbers.eq(0..100_000), "in order");
    let none =
        server.pool.batches(Query::batches("select type from messages", &crate::Rights::everything())).await.unwrap();
    assert_eq!((none.rows(), none.schema.field(0).name().as_str()), (0, "type"));
    let error = server
        .pool
        .batches(Query::batches("select typ from messages", &crate::Rights::everything()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Sql);
    let error = server
        .pool
        .batches(Query::batches("select arrow_cast('x', 'Int8') from range(9)", &crate::Rights::everything()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Sql, "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_hot_and_cold_rows_come_over_the_channel() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    put(&store, &key(Table::Messages, HOUR, "a", 1), &messages(HOUR, &["stored"])).await;
    put(&store, &key(Table::Messages, HOUR, "a", 2), &messages(HOUR, &["hidden"])).await;
    let many: Vec<String> = (0..20_000).map(|n| format!("hot {n} {}", "x".repeat(200))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let hot = FakeHot::new(2, vec![messages(HOUR, &many), no_rows(Table::Messages), messages(HOUR, &["hot"])]);
    let segment = FakeCold::of(&[(Table::Messages, messages(HOUR, &["cold"]))]);
    hot.cold.lock().unwrap().push(segment.clone());
    let server = Server::new(PoolConfig::default(), folder, Some(hot.clone()));
    server.check("select count(*) as n from messages", json!([{"n": 20_003}])).await;
    let few =
        "select payload, hour, dt, fields['headers.path'] as p from messages where payload not like 'hot %' order by 1";
    let row = |text: &str| json!({"payload": text, "hour": 5, "dt": "2026-03-04", "p": format!("/{text}")});
    server.check(few, json!([row("cold"), row("hot"), row("stored")])).await;
    let both = "select (select count(distinct payload) from messages) as a, (select count(*) from metrics) as b";
    server.check(both, json!([{"a": 20_003, "b": 0}])).await;
    assert_eq!((*hot.calls.lock().unwrap(), *segment.reads.lock().unwrap()), (3, 3), "once a query");
    server.check("select hostname, lost from senders", json!([{"hostname": "h1", "lost": 3}])).await;
    let text = server.pool.metrics_text();
    assert!(
        text.lines().any(
            |line| line == "metlog_query_workers_started_total 1" || line == "metlog_query_workers_started_total 2"
        ),
        "{text}"
    );
}

/// Scenario: queries that need more memory than they may have, and that DataFusion does not count.
/// Guarantees: each ends its own process, says why, and the next query is answered.
#[tokio::test(flavor = "multi_thread")]
async fn memory_beyond_its_limit_ends_only_the_query() {
    let server = Server::empty(config(Config { memory_bytes: 64 << 20, ..Config::default() }));
    for sql in [
        "select count(a) from (select array_agg(value) a from range(1000000)) cross join range(8192)",
        "select count(u) from (select unnest(a) u from (select array_agg(value) a from range(1000000)) cross join range(8192))",
        "select count(a) from (select string_agg(cast(value as varchar), ',') a from range(2000000)) cross join range(8192)",
    ] {
        let (kind, message) = server.error(sql).await;
        assert_eq!(kind, "limit", "{sql}: {message}");
        server.check("select 1 as n", json!([{"n": 1}])).await;
    }
}

/// Scenario: work that never pauses, as many times as queries may run at a time, and more.
/// Guarantees: each ends when its time is up, since its process does, and SQL goes on.
#[tokio::test(flavor = "multi_thread")]
async fn what_never_pauses_ends_with_its_time() {
    let query = Config { time_max: Duration::from_secs(3), concurrency: 2, ..Config::default() };
    let server = Server::stuck(config(query));
    server.check("select 1 as n", json!([{"n": 1}])).await;
    let all = futures::future::join_all((0..4).map(|_| server.error("select count(*) from messages"))).await;
    assert!(all.iter().all(|(kind, _)| kind == "timeout"), "{all:?}");
    let text = server.pool.metrics_text();
    assert!(!text.contains("{reason=\"time\"} 0\n"), "none of them had to be killed: {text}");
    server.check("select 1 as n", json!([{"n": 1}])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_ends_when_nobody_waits_for_it() {
    let server = Server::empty(config(Config { concurrency: 1, ..Config::default() }));
    server.check("select 1 as n", json!([{"n": 1}])).await;
    let endless = "select count(*) from range(10000000) a, range(10000000) b where a.value * b.value = 7";
    let answer = server.response(endless);
    assert!(tokio::time::timeout(Duration::from_millis(100), answer).await.is_err());
    server.check("select 1 as n", json!([{"n": 1}])).await;
    assert!(server.pool.metrics_text().contains("{reason=\"left\"} 1\n"), "{}", server.pool.metrics_text());
}

/// Scenario: the listener panics while its rows are asked for.
/// Guarantees: that question is answered with an error, and the next one as if nothing had been.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_error_of_one_question() {
    let hot = FakeHot::new(0, Vec::new());
    *hot.after.lock().unwrap() = Some(Box::pin(async { panic!("on purpose") }));
    let server = Server::new(PoolConfig::default(), tempfile::tempdir().unwrap(), Some(hot));
    assert_eq!(server.ask("select * from messages").await.0, StatusCode::SERVICE_UNAVAILABLE);
    server.check("select * from messages", json!([])).await;
}

const LONG: &str = "select value, 'some text that makes it longer' as t from range(900000)";

/// Reads until the end, or until it breaks off.
async fn read(mut body: BodyDataStream) -> Result<usize, axum::Error> {
    let mut bytes = 0;
    while let Some(chunk) = body.next().await {
        bytes += chunk?.len();
    }
    Ok(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_sent_as_it_is_made() {
    let server = Server::empty(PoolConfig::default());
    let response = server.response(LONG).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().get("content-length").is_none());
    assert!(read(response.into_body().into_data_stream()).await.unwrap() > 40 << 20);
    let response = server.response("select 1 as n").await;
    assert_eq!(response.headers()["content-length"], "9");
}

/// Guarantees: what fails after its first byte is broken off, and is not a complete body.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_that_fails_is_broken_off() {
    let server = Server::empty(config(Config { rows_max: 100_000, ..Config::default() }));
    let response = server.response(LONG).await;
    assert_eq!(response.status(), StatusCode::OK);
    let cut = read(response.into_body().into_data_stream()).await.unwrap_err();
    assert!(cut.to_string().contains("cut off"), "{cut}");
    assert_eq!(server.error("select 1 as n from range(150000)").await.0, "limit", "a short one has a status");
}

/// Scenario: more readers than queries may run at a time, none of which reads.
/// Guarantees: others are answered meanwhile, and those that do not read are dropped.
#[tokio::test(flavor = "multi_thread")]
async fn readers_that_do_not_read_hold_nobody_up() {
    let query = Config { concurrency: 2, ..Config::default() };
    let server = Server::empty(PoolConfig { query, reader_wait: Duration::from_secs(4), ..PoolConfig::default() });
    let mut unread = Vec::new();
    for _ in 0..6 {
        unread.push(server.response(LONG).await);
    }
    server.check("select 1 as n", json!([{"n": 1}])).await;
    for response in unread {
        // The last two or so were not dropped yet; they are read while there is time.
        let outcome = read(response.into_body().into_data_stream()).await;
        assert!(outcome.is_err() || outcome.unwrap() > 40 << 20);
    }
    let text = server.pool.metrics_text();
    let dropped = text.lines().find_map(|line| line.strip_prefix("metlog_query_readers_dropped_total ")).unwrap();
    assert!(dropped.parse::<u32>().unwrap() >= 2, "{text}");
}
