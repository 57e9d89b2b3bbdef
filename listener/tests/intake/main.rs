//! A whole listener with a store in memory: what comes in by real sockets is stored once, whatever happens to
//! the process in between. A kill is a listener whose data folder is copied while it runs.
#![allow(clippy::unwrap_used)]
mod again;
mod damage;
mod formats;
mod http;
mod memory;
mod otlp;
mod privacy;
mod probe;
mod submit;
mod tls;
mod upgrade;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use futures::future::BoxFuture;
use metlog_listener::config::{At, Config, JournalConfig, Listen, WindowConfig};
use metlog_listener::metric::Metric;
use metlog_listener::{ColdSegment, Listener};
use metlog_schemas::format::{self, Socket, Transport};
use metlog_schemas::table::{Table, metrics_rows};
use metlog_schemas::wire::v1::{Draft, Encoder, SigningKey};
use metlog_sink::{Batch, Next, Receipt, Role, Sink, SinkError};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a segment's file holds before its first record.
const FILE_HEAD_BYTES: u64 = 16;

#[derive(Clone, Default)]
struct Store {
    segments: Arc<Mutex<BTreeMap<u64, Batch>>>,
    down: Arc<AtomicBool>,
}

impl Sink for Store {
    fn name(&self) -> &'static str {
        "store"
    }
    fn role(&self) -> Role {
        Role::Store
    }
    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) {
                return Err(SinkError { next: Next::Retry(None), message: "down".into() });
            }
            self.segments.lock().unwrap().insert(batch.segment, batch.clone());
            Ok(Receipt::default())
        })
    }
}

impl Store {
    fn messages(&self) -> Vec<RecordBatch> {
        self.rows(Table::Messages)
    }
    fn rows(&self, table: Table) -> Vec<RecordBatch> {
        self.segments.lock().unwrap().values().flat_map(|batch| batch.rows[table].clone()).collect()
    }
    fn payloads(&self) -> Vec<String> {
        texts(&self.messages(), "payload")
    }
    fn count_of(&self, name: &str) -> f64 {
        let segments = self.segments.lock().unwrap();
        let windows = segments.values().flat_map(|batch| batch.windows.iter().map(|window| &**window));
        count_of(&metrics_rows(windows).unwrap(), name)
    }
}

fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    let column = |batch: &RecordBatch| batch.column_by_name(column).unwrap().as_string::<i32>().clone();
    let mut found: Vec<String> =
        batches.iter().map(column).flat_map(|c| c.iter().map(|t| t.unwrap().to_owned()).collect::<Vec<_>>()).collect();
    found.sort();
    found
}

fn count_of(metrics: &RecordBatch, name: &str) -> f64 {
    let names = metrics.column_by_name("name").unwrap().as_string::<i32>();
    let counts = metrics.column_by_name("count").unwrap().as_primitive::<Float64Type>();
    (0..names.len()).filter(|at| names.value(*at) == name).map(|at| counts.value(at)).sum()
}

/// Every socket of the registry: UDP on two addresses where it is for lines, TCP, and Unix.
fn sockets(data: &Path) -> Vec<Listen> {
    let at = |socket: Socket| match (socket.transport, socket.key) {
        (Transport::UnixDatagram, key) => At::Path(data.with_extension(key.trim_end_matches("_unix"))),
        (Transport::UnixLines, key) => At::Path(data.with_extension(key)),
        (_, "statsd") => At::Addresses(vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]),
        _ => At::Addresses(vec!["127.0.0.1:0".parse().unwrap()]),
    };
    format::sockets().into_iter().map(|socket| Listen { socket, at: at(socket), is_default: false }).collect()
}

fn config(data: &Path) -> Config {
    Config {
        name: "test".into(),
        hostname: "host".into(),
        data: data.to_owned(),
        sockets: sockets(data),
        http: Vec::new(),
        tls: None,
        budget: metlog_schemas::budget::Budget::default(),
        submit: metlog_listener::SubmitConfig::default(),
        servers: Vec::new(),
        sampling: metlog_listener::sampling::SamplingConfig::default(),
        workers: 2,
        receive_buffer: 4 << 20,
        keys: Vec::new(),
        replay_window: Duration::from_secs(60),
        journal: JournalConfig {
            sync_interval: Duration::from_millis(50),
            budget_bytes: 1 << 30,
            roll_after: Duration::from_millis(300),
            roll_bytes: 1 << 20,
        },
        statsd_windows: WindowConfig {
            flush_interval: Duration::from_millis(200),
            percentiles: vec![90.0],
            idle_after: Duration::from_secs(2),
            series_max: 1_000,
            tags_max: 10,
        },
        json_tags: Vec::new(),
        gauge_deltas: metlog_schemas::format::statsd::GaugeDeltas::Auto,
        privacy: Vec::new(),
        memory_bytes: 1 << 20,
    }
}

fn start(config: Config, store: &Store) -> Listener {
    Listener::start(config, vec![Box::new(store.clone())], &tokio::runtime::Handle::current()).unwrap()
}

fn address(listener: &Listener, name: &str) -> String {
    listener.addresses().into_iter().find(|(found, _)| found == name).unwrap().1
}

fn send(to: &str, datagrams: impl IntoIterator<Item = impl AsRef<[u8]>>) {
    let socket = UdpSocket::bind(if to.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" }).unwrap();
    for datagram in datagrams {
        socket.send_to(datagram.as_ref(), to).unwrap();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn json(n: usize) -> String {
    format!(r#"{{"type":"t","payload":"p{n:05}","fields":{{"n":{n}}}}}"#)
}

/// The segments in the journal of a folder, oldest first.
fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let is_begun = |path: &PathBuf| path.metadata().is_ok_and(|file| file.len() > FILE_HEAD_BYTES);
    let mlj = entries.filter(|path| path.extension().is_some_and(|mlj| mlj == "mlj"));
    // The file of the next segment is made before it is needed.
    let mut found: Vec<PathBuf> = mlj.filter(is_begun).collect();
    found.sort();
    found
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64
}

fn wire(sender: u64, sequence: u64, payload: &str, key: Option<SigningKey>) -> Vec<u8> {
    let mut encoder = Encoder::new(1_432, sender, 1, "h", "l", key);
    let now = now();
    let draft = Draft { timestamp: now, r#type: "t", payload, ..Draft::default() };
    encoder.push(now, &draft, [].into_iter(), [].into_iter()).unwrap();
    encoder.finish(sequence, 5).to_vec()
}

async fn stop(listener: &Listener) -> u64 {
    listener.stop(std::future::pending()).await.held
}

/// The type of each metric, and what the kernel granted to each datagram socket.
fn every_metric_is_told(listener: &Listener) {
    let text = listener.metrics_text();
    for metric in Metric::ALL {
        assert!(text.contains(&format!("# TYPE {} ", metric.name())), "{metric:?} is not in {text}");
    }
    let granted = text.lines().filter(|line| line.starts_with("metlog_socket_receive_buffer_bytes{"));
    let granted: Vec<u64> = granted.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    let sockets = listener
        .addresses()
        .into_iter()
        .filter(|(name, _)| !["statsd_tcp", "statsd_unix_stream"].contains(&name.as_str()))
        .count();
    assert!(granted.len() == sockets && granted.iter().all(|bytes| *bytes > 0), "{granted:?} of {sockets}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_comes_in_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::default();
    let data = folder.path().join("data");
    let listener = start(config(&data), &store);
    let metlog = address(&listener, "metlog");
    send(&metlog, (0..100).map(json));
    send(&metlog, [wire(1, 0, "w0", None), wire(1, 2, "w2", None), wire(1, 2, "w2", None), wire(1, 1, "w1", None)]);
    send(&metlog, ["", "{", "nonsense"]);
    send(&metlog, [r#"{"type":"counter","logger":"app","payload":"4","fields":{"name":"hits","rate":0.5}}"#]);
    let unix = std::os::unix::net::UnixDatagram::unbound().unwrap();
    unix.send_to(json(100).as_bytes(), data.with_extension("metlog")).unwrap();
    unix.send_to(b"a:5|c", data.with_extension("statsd")).unwrap();
    let udp = |(name, _): &(String, String)| name == "statsd";
    let statsd: Vec<String> = listener.addresses().into_iter().filter(udp).map(|(_, address)| address).collect();
    statsd.iter().for_each(|to| send(to, ["a:1|c\nbad\na:2|c", "_e{1,2}:t|xy"]));
    let mut tcp = std::net::TcpStream::connect(address(&listener, "statsd_tcp")).unwrap();
    std::io::Write::write_all(&mut tcp, b"a:10|c\na:2").unwrap();
    std::io::Write::write_all(&mut tcp, b"0|c").unwrap();
    drop(tcp);
    let mut stream = std::os::unix::net::UnixStream::connect(data.with_extension("statsd_unix_stream")).unwrap();
    std::io::Write::write_all(&mut stream, b"b:1|c\nb:").unwrap();
    std::io::Write::write_all(&mut stream, b"2|c\nbad\n").unwrap();
    drop(stream);
    let expected = 3 + 101 + 4 + 3 + 1 + 1 + statsd.len() as u64 * 4 + 2;
    until("all of it is received", || listener.ledger().received == expected).await;
    let ledger = listener.ledger();
    assert!(ledger.is_balanced(), "{ledger:?}");
    assert_eq!(ledger.rejected_by_reason.get("duplicate"), Some(&1));
    assert_eq!(ledger.rejected, 1 + 1 + 3 + statsd.len() as u64);
    assert_eq!((ledger.lost, ledger.dropped_by_clients), (0, 5));
    every_metric_is_told(&listener);
    assert_eq!(stop(&listener).await, 0);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.held == 0, "{ledger:?}");
    let payloads = store.payloads();
    assert_eq!(payloads.len(), 101 + 3 + statsd.len(), "{payloads:?}");
    assert_eq!(store.count_of("a"), 35.0 + 3.0 * statsd.len() as f64);
    assert_eq!((store.count_of("app.hits"), store.count_of("b")), (8.0, 3.0));
    let row = &listener.senders()[0];
    assert_eq!((row.datagrams, row.late, row.duplicates, row.lost, row.dropped), (3, 1, 1, 0, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_rows_are_there_at_once_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(config(&data), &store);
    let seen = || {
        let hot = listener.hot();
        let stored: usize = {
            let segments = store.segments.lock().unwrap();
            let before = segments.range(..hot.first_segment);
            before.flat_map(|(_, batch)| &batch.rows[Table::Messages]).map(RecordBatch::num_rows).sum()
        };
        let cold = |segment: &dyn ColdSegment| -> usize {
            let mut bytes = vec![0; segment.bytes().unwrap() as usize];
            let mut read = 0;
            while read < bytes.len() {
                read += segment.read_at(&mut bytes[read..], read as u64).unwrap();
            }
            let rows = metlog_listener::decode_segment(&segment.description(), &bytes).unwrap();
            rows[Table::Messages].iter().map(RecordBatch::num_rows).sum()
        };
        let cold: usize = hot.cold.iter().map(|segment| cold(&**segment)).sum();
        stored + cold + hot.batches[Table::Messages].iter().map(RecordBatch::num_rows).sum::<usize>()
    };
    let mut last = 0;
    for round in 1..=50 {
        send(&address(&listener, "metlog"), (0..20).map(json));
        until("a round is visible", || {
            let now = seen();
            assert!(now >= last && now <= round * 20, "{now} of {}", round * 20);
            last = now;
            now == round * 20
        })
        .await;
    }
    stop(&listener).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_signed_datagrams_are_taken_and_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let key = |secret: &[u8]| SigningKey { id: "k".into(), secret: secret.to_vec() };
    let mut guarded = config(&data);
    guarded.keys = vec![key(b"secret")];
    let listener = start(guarded.clone(), &store);
    let good = wire(1, 0, "good", Some(key(b"secret")));
    let to = address(&listener, "metlog");
    send(&to, [good.clone(), wire(1, 1, "unsigned", None), wire(1, 2, "wrong", Some(key(b"other"))), good.clone()]);
    send(&to, [json(1)]);
    until("all are received", || listener.ledger().received == 5).await;
    let reasons = listener.ledger().rejected_by_reason;
    assert_eq!((reasons["unsigned"], reasons["bad_signature"], reasons["duplicate"]), (2, 1, 1));
    stop(&listener).await;
    drop(listener);
    let listener = start(guarded, &store);
    send(&address(&listener, "metlog"), [good]);
    until("the replay is received", || listener.ledger().received == 6).await;
    assert_eq!(listener.ledger().rejected_by_reason["duplicate"], 2);
    stop(&listener).await;
    assert_eq!(store.payloads(), ["good"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_kernel_drops_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::default();
    let mut tight = config(&folder.path().join("data"));
    (tight.receive_buffer, tight.workers) = (4_096, 1);
    let listener = start(tight, &store);
    let to = address(&listener, "metlog");
    let mut sent = 0;
    until("the kernel drops one", || {
        send(&to, (0..500).map(json));
        sent += 500;
        listener.ledger().dropped_by_kernel > 0
    })
    .await;
    until("each is received or dropped", || {
        let ledger = listener.ledger();
        ledger.received + ledger.dropped_by_kernel == sent
    })
    .await;
    stop(&listener).await;
}
