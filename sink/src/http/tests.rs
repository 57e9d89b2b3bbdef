//! The HTTP sink against a server that answers as Bagheera does.
use super::post::retry_after;
use super::*;
use crate::Next;
use crate::conformance::{self, Place, sample_batch};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// What a server has, and how it answers.
#[derive(Default)]
struct Shelf {
    /// By logger and uuid; a repeat replaces.
    documents: Mutex<BTreeMap<(String, String), Vec<Value>>>,
    /// How each request was answered, with the number of its messages.
    answered: Mutex<Vec<(u16, usize)>>,
    /// Documents of more messages get 413.
    messages_max: Option<usize>,
    /// Documents that hold this payload get this status, with `Retry-After`.
    payload_answers: Mutex<Vec<(&'static str, u16, &'static str)>>,
    /// Every request but the first gets 503.
    failing: Mutex<bool>,
    /// Headers of the last request.
    headers: Mutex<HeaderMap>,
}

impl Shelf {
    fn answer(&self, key: (String, String), headers: HeaderMap, body: &[u8]) -> (u16, String) {
        let mut json = String::new();
        if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
            GzDecoder::new(body).read_to_string(&mut json).unwrap();
        } else {
            json = String::from_utf8(body.to_vec()).unwrap();
        }
        let messages: Vec<Value> = serde_json::from_str(&json).unwrap();
        *self.headers.lock().unwrap() = headers;
        let mut answered = self.answered.lock().unwrap();
        let answer = if *self.failing.lock().unwrap() && !answered.is_empty() {
            (503, String::new())
        } else if self.messages_max.is_some_and(|max| messages.len() > max) {
            (413, String::new())
        } else {
            let answers = self.payload_answers.lock().unwrap();
            let held = |payload: &str| messages.iter().any(|message| message["payload"] == payload);
            let found = answers.iter().find(|(payload, ..)| held(payload));
            found.map_or((201, String::new()), |(_, status, after)| (*status, after.to_string()))
        };
        answered.push((answer.0, messages.len()));
        if answer.0 == 201 {
            self.documents.lock().unwrap().insert(key, messages);
        }
        answer
    }
}

async fn submit(
    State(shelf): State<Arc<Shelf>>,
    Path(key): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (status, after) = shelf.answer(key, headers, &body);
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("retry-after", after)], "said the server").into_response()
}

struct Server {
    address: SocketAddr,
    shelf: Arc<Shelf>,
    folder: TempDir,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Server {
    fn new(shelf: Shelf) -> Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shelf = Arc::new(shelf);
        let routes = Router::new().route("/submit/{logger}/{uuid}", post(submit)).with_state(shelf.clone());
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Server { address, shelf, folder: tempfile::tempdir().unwrap(), server }
    }

    fn config(&self, address: SocketAddr) -> Config {
        let url = UrlTemplate::parse(&format!("http://{address}/submit/{{logger}}/{{uuid}}")).unwrap();
        Config { in_flight: 1, ..Config::new(url, self.folder.path().join("refused")) }
    }

    fn sink_with(&self, change: impl FnOnce(&mut Config)) -> Http {
        let mut config = self.config(self.address);
        change(&mut config);
        Http::new(config).unwrap()
    }

    fn answered(&self) -> Vec<(u16, usize)> {
        std::mem::take(&mut *self.shelf.answered.lock().unwrap())
    }

    fn stored(&self) -> usize {
        self.shelf.documents.lock().unwrap().values().map(Vec::len).sum()
    }

    /// The set-aside documents, each with its reason.
    fn set_aside(&self) -> Vec<(Vec<Value>, String)> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("refused")) else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        let read = |path: std::path::PathBuf| {
            let reason = std::fs::read_to_string(path.with_extension("reason.txt")).unwrap();
            (serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap(), reason)
        };
        paths.into_iter().map(read).collect()
    }
}

impl Place for Server {
    type Sink = Http;

    fn sink(&self) -> Http {
        self.sink_with(|_| ())
    }

    fn sink_to(&self, black_hole: SocketAddr) -> Http {
        Http::new(Config { timeout: Duration::from_millis(300), ..self.config(black_hole) }).unwrap()
    }

    async fn contents(&self) -> Vec<String> {
        let documents = self.shelf.documents.lock().unwrap();
        documents.iter().map(|(key, messages)| format!("{key:?} {}", json!(messages))).collect()
    }

    fn fail_part_way(&self, failing: bool) {
        *self.shelf.failing.lock().unwrap() = failing;
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    assert_eq!(conformance::check(|| Server::new(Shelf::default())).await, Ok(()));
}

#[tokio::test]
async fn messages_go_as_metlog_json_by_logger() {
    let server = Server::new(Shelf::default());
    let mut sink = server.sink_with(|config| {
        config.bearer_token = Some("t0ken".into());
        config.headers = vec![("X-Team".into(), "ops".into())];
    });
    let receipt = sink.write(&sample_batch().unwrap()).await.unwrap();
    assert_eq!(receipt, Receipt { written: 6, set_aside: 0 });
    let documents = server.shelf.documents.lock().unwrap();
    let loggers: Vec<_> = documents.iter().map(|((logger, _), messages)| (logger.as_str(), messages.len())).collect();
    assert_eq!(loggers, [("none", 4), ("web", 2)]);
    let web = documents.iter().find(|((logger, _), _)| logger == "web").map(|(_, messages)| messages).unwrap();
    let first = json!({
        "type": "login", "timestamp": "2026-01-02T03:00:05.000000Z", "logger": "web", "severity": 5,
        "payload": "payload \"0\"\n", "fields": {"headers.path": "/é"}, "env_version": "0.8", "metlog_pid": 7,
        "metlog_hostname": "host.example", "tokens": ["browserid", "token 0"],
    });
    assert_eq!(web[0], first);
    let headers = server.shelf.headers.lock().unwrap();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("authorization"), Some("Bearer t0ken"));
    assert_eq!(header("x-team"), Some("ops"));
    assert_eq!(header("content-encoding"), Some("gzip"));
    assert_eq!(header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_document_that_is_too_large_is_halved() {
    let server = Server::new(Shelf { messages_max: Some(1), ..Shelf::default() });
    let receipt = server.sink().write(&sample_batch().unwrap()).await.unwrap();
    assert_eq!(receipt, Receipt { written: 6, set_aside: 0 });
    let answered = server.answered();
    assert_eq!(answered.iter().filter(|(status, _)| *status == 413).count(), 1 + 3, "of two and of four messages");
    assert_eq!(server.stored(), 6);
}

#[tokio::test]
async fn our_own_bounds_are_kept_without_asking() {
    let server = Server::new(Shelf::default());
    let mut sink = server.sink_with(|config| (config.batch_messages, config.gzip) = (3, false));
    sink.write(&sample_batch().unwrap()).await.unwrap();
    assert_eq!(server.answered(), [(201, 2), (201, 3), (201, 1)]);
    let mut sink = server.sink_with(|config| config.batch_bytes = 600);
    sink.write(&sample_batch().unwrap()).await.unwrap();
    assert!(server.answered().iter().all(|(status, messages)| *status == 201 && *messages <= 2));
}

#[tokio::test]
async fn a_single_message_that_is_too_large_is_set_aside() {
    let server = Server::new(Shelf { messages_max: Some(0), ..Shelf::default() });
    let receipt = server.sink().write(&sample_batch().unwrap()).await.unwrap();
    assert_eq!(receipt, Receipt { written: 0, set_aside: 6 });
    assert_eq!(server.set_aside().len(), 6);
    // A repeat replaces them.
    server.sink().write(&sample_batch().unwrap()).await.unwrap();
    let set_aside = server.set_aside();
    assert_eq!(set_aside.len(), 6);
    assert!(set_aside.iter().all(|(messages, reason)| messages.len() == 1 && reason.contains("413")));
}

async fn check_status(status: u16, after: &'static str, expected: Result<Receipt, Next>) {
    let payload_answers = Mutex::new(vec![("payload \"0\"\n", status, after)]);
    let server = Server::new(Shelf { payload_answers, ..Shelf::default() });
    let written = server.sink().write(&sample_batch().unwrap()).await.map_err(|error| error.next);
    assert_eq!(written, expected, "{status}");
    let set_aside = server.set_aside();
    assert_eq!(set_aside.len(), written.map_or(0, |receipt| receipt.set_aside.min(1)) as usize, "{status}");
    assert!(set_aside.iter().all(|(_, reason)| reason.contains("said the server")));
}

#[tokio::test]
async fn each_status_has_its_meaning() {
    let one_refused = Ok(Receipt { written: 4, set_aside: 2 });
    for status in [400, 403, 404, 409, 422] {
        check_status(status, "", one_refused).await;
    }
    for status in [301, 307, 401, 407, 408, 425, 500, 502, 504] {
        check_status(status, "", Err(Next::Retry(None))).await;
    }
    let seconds = |seconds| Err(Next::Retry(Some(Duration::from_secs(seconds))));
    check_status(429, "7", seconds(7)).await;
    check_status(503, "120", seconds(120)).await;
    check_status(503, "Wed, 21 Oct 2015 07:28:00 GMT", seconds(0)).await;
    check_status(503, "soon", Err(Next::Retry(None))).await;
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = UNIX_EPOCH + Duration::from_secs(1_445_412_450);
    let check = |text, now: SystemTime, seconds: Option<u64>| {
        assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
    };
    check("30", now, Some(30));
    check(" 0 ", now, Some(0));
    check("Wed, 21 Oct 2015 07:28:00 GMT", now, Some(30));
    check("Wed, 21 Oct 2015 07:27:00 GMT", now, Some(0));
    check("99999999999", now, Some(3_600));
    check("-5", now, None);
    check("later", now, None);
}

/// Guarantees: a retry begins where the last attempt stopped, and a sink that remembers nothing sends the same documents.
#[tokio::test]
async fn a_retry_goes_on_where_it_stopped() {
    let batch = sample_batch().unwrap();
    let payload_answers = Mutex::new(vec![("payload \"5\"\n", 503, "")]);
    let server = Server::new(Shelf { payload_answers, messages_max: Some(2), ..Shelf::default() });
    let mut sink = server.sink();
    assert!(sink.write(&batch).await.is_err());
    assert_eq!(server.answered(), [(201, 2), (413, 4), (201, 2), (503, 2)]);
    server.shelf.payload_answers.lock().unwrap().clear();
    assert_eq!(sink.write(&batch).await.unwrap().written, 6);
    assert_eq!(server.answered(), [(201, 2)], "only what had failed");
    let contents = server.contents().await;
    server.sink().write(&batch).await.unwrap();
    assert_eq!(server.contents().await, contents);
    assert_eq!(server.answered().len(), 4);
}

/// Two batches that say the same are two, and so are two documents of one batch.
#[tokio::test]
async fn what_is_said_twice_is_there_twice() {
    let server = Server::new(Shelf::default());
    let mut batch = sample_batch().unwrap();
    let again = batch.rows[Table::Messages][0].clone();
    batch.rows[Table::Messages].push(again);
    let mut sink = server.sink_with(|config| config.batch_messages = 1);
    sink.write(&batch).await.unwrap();
    assert_eq!(server.stored(), 9);
    batch.segment += 1;
    sink.write(&batch).await.unwrap();
    assert_eq!(server.stored(), 18);
}

#[test]
fn what_cannot_be_sent_is_refused_at_the_start() {
    let config = || Config::new(UrlTemplate::parse("http://h/{uuid}").unwrap(), "x");
    for (name, value) in [("bad name", "v"), ("name", "line\nfeed")] {
        let config = Config { headers: vec![(name.into(), value.into())], ..config() };
        assert!(Http::new(config).unwrap_err().contains("cannot be sent"));
    }
    assert!(Http::new(Config { bearer_token: Some("a\nb".into()), ..config() }).is_err());
}

/// Guarantees: the check delivers nothing, any answer shows that somebody is there, and a refused token is told.
#[tokio::test]
async fn a_receiver_is_checked_without_a_document() {
    let server = Server::new(Shelf::default());
    // It has no route for OPTIONS, and says so.
    server.sink().probe().await.unwrap();
    assert!(server.answered().is_empty());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(Http::new(server.config(nobody)).unwrap().probe().await.is_err());
    for (status, is_well) in
        [(204, true), (403, true), (501, true), (401, false), (407, false), (502, false), (503, false)]
    {
        let status = StatusCode::from_u16(status).unwrap();
        let routes = Router::new().fallback(move |headers: HeaderMap| async move {
            if headers.contains_key("authorization") { status } else { StatusCode::IM_A_TEAPOT }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, routes).into_future());
        let config = Config { bearer_token: Some("t".into()), ..server.config(address) };
        let found = Http::new(config).unwrap().probe().await;
        assert_eq!(found.is_ok(), is_well, "{status}: {found:?}");
        assert!(found.err().is_none_or(|error| error.message.contains(status.as_str())), "{status}");
    }
}
