//! Against the real carbon: what we send in both protocols is read back from its whisper files.
//!
//! Needs a Python environment with the packages `carbon` and `whisper`, whose folder is in `METLOG_TEST_VENV`;
//! `cargo xtask setup` makes one.
use metlog_schemas::window::Window;
use metlog_sink::conformance::sample_batch;
use metlog_sink::graphite::{Config, Graphite, Protocol};
use metlog_sink::{Batch, Next, Sink};
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const SECOND: i64 = 1_000_000;

/// Prints the value of each `metric seconds` that it reads, or `None`.
const READ_BACK: &str = r#"
import os, sys, whisper
from carbon.util import TaggedSeries
for line in sys.stdin:
    metric, at = line.rsplit(None, 1)
    at = int(at)
    path = os.path.join(sys.argv[1], TaggedSeries.encode(metric, os.sep, hash_only=True) + ".wsp")
    value = None
    if os.path.exists(path):
        (start, _, _), values = whisper.fetch(path, at - 1, at)
        value = values[0] if values and start == at else None
    print(value)
"#;

/// What etsy's statsd says of the window in `sample_batch`, in both namespaces.
const EXPECTED: [(&str, f64); 12] = [
    ("stats.timers.golden.count_90", 7.0),
    ("stats.timers.golden.mean_90", 496.0),
    ("stats.timers.golden.upper_90", 844.0),
    ("stats.timers.golden.sum_squares_90", 2_048_242.0),
    ("stats.timers.golden.std", 260.560_333_704_115_46),
    ("stats.timers.golden.lower", 120.0),
    ("stats.timers.golden.count_ps", 0.8),
    ("stats.timers.golden.median", 524.5),
    ("stats.timers.quiet.count", 0.0),
    ("stats.gauges.depth", -1.5),
    ("stats.sets.who.count", 2.0),
    ("stats.timers.golden.mean", 558.25),
];
const COUNTERS: [(&str, f64); 4] = [
    ("stats.counters.hits.count;env=prod_eu;flag=true", 13.0),
    ("stats.counters.hits.rate;env=prod_eu;flag=true", 1.3),
    ("stats.counters.statsd.metrics_received.count", 25.0),
    ("stats.statsd.numStats", 9.0),
];
const LEGACY_COUNTERS: [(&str, f64); 4] = [
    ("stats_counts.hits;env=prod_eu;flag=true", 13.0),
    ("stats.hits;env=prod_eu;flag=true", 1.3),
    ("stats_counts.statsd.metrics_received", 25.0),
    ("statsd.numStats", 9.0),
];

fn venv() -> PathBuf {
    let Some(venv) = std::env::var_os("METLOG_TEST_VENV") else {
        panic!("METLOG_TEST_VENV is not set: run `cargo xtask setup`, which makes the Python environment of this test");
    };
    PathBuf::from(venv)
}

/// carbon-cache with a folder of its own.
struct Carbon {
    folder: TempDir,
    ports: [u16; 3],
    process: Option<Child>,
}

impl Drop for Carbon {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Carbon {
    fn start() -> Carbon {
        let folder = tempfile::tempdir().expect("a folder");
        let sockets: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let port = |nth: usize| sockets[nth].local_addr().expect("an address").port();
        let ports = [port(0), port(1), port(2)];
        let root = folder.path().display();
        let [line, pickle, query] = ports;
        let carbon = format!(
            "[cache]\nSTORAGE_DIR = {root}\nLOCAL_DATA_DIR = {root}/whisper\nCONF_DIR = {root}\nLOG_DIR = {root}/log\n\
             PID_DIR = {root}\nMAX_CREATES_PER_MINUTE = inf\nMAX_UPDATES_PER_SECOND = inf\nENABLE_TAGS = False\n\
             LINE_RECEIVER_INTERFACE = 127.0.0.1\nLINE_RECEIVER_PORT = {line}\n\
             PICKLE_RECEIVER_INTERFACE = 127.0.0.1\nPICKLE_RECEIVER_PORT = {pickle}\n\
             CACHE_QUERY_INTERFACE = 127.0.0.1\nCACHE_QUERY_PORT = {query}\n"
        );
        fs::write(folder.path().join("carbon.conf"), carbon).expect("carbon.conf");
        let schemas = "[all]\npattern = .*\nretentions = 10s:1d\n";
        fs::write(folder.path().join("storage-schemas.conf"), schemas).expect("storage-schemas.conf");
        drop(sockets);
        let mut carbon = Carbon { folder, ports, process: None };
        carbon.run();
        carbon
    }

    fn run(&mut self) {
        // A killed one leaves its file behind, and the next would not start.
        let _ = fs::remove_file(self.folder.path().join("carbon-cache-a.pid"));
        let log = fs::File::create(self.folder.path().join("output.txt")).expect("a file for its output");
        let process = Command::new(venv().join("bin/python"))
            .arg(venv().join("bin/carbon-cache.py"))
            .arg(format!("--config={}", self.folder.path().join("carbon.conf").display()))
            .args(["--nodaemon", "start"])
            .current_dir(self.folder.path())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("carbon-cache of METLOG_TEST_VENV; `cargo xtask setup` makes it");
        self.process = Some(process);
        let is_up = |port| TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_ok();
        self.until("carbon listens", |carbon| is_up(carbon.ports[0]) && is_up(carbon.ports[1]));
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn until(&self, what: &str, holds: impl Fn(&Carbon) -> bool) {
        for _ in 0..300 {
            if holds(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let output = fs::read_to_string(self.folder.path().join("output.txt")).unwrap_or_default();
        panic!("{what}: never. carbon says:\n{output}");
    }

    fn sink(&self, protocol: Protocol, legacy_namespace: bool) -> Graphite {
        let port = self.ports[if protocol == Protocol::Plaintext { 0 } else { 1 }];
        let config = Config { protocol, legacy_namespace, ..Config::new(format!("127.0.0.1:{port}")) };
        Graphite::new(Config { prefix: "dc1.{hostname}".into(), ..config })
    }

    fn values(&self, expected: &[(String, f64)], at: i64) -> Vec<Option<f64>> {
        let mut python = Command::new(venv().join("bin/python"))
            .args(["-c", READ_BACK])
            .arg(Path::new(self.folder.path()).join("whisper"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python of METLOG_TEST_VENV");
        let asked: String = expected.iter().map(|(metric, _)| format!("{metric} {at}\n")).collect();
        python.stdin.take().expect("its input").write_all(asked.as_bytes()).expect("asked");
        let output = python.wait_with_output().expect("its output");
        String::from_utf8_lossy(&output.stdout).lines().map(|line| line.parse().ok()).collect()
    }

    fn until_stored(&self, window: &Window, counters: &[(&str, f64)]) {
        let names = EXPECTED.iter().chain(counters);
        let expected: Vec<_> = names.map(|(name, value)| (format!("dc1.host_example.{name}"), *value)).collect();
        let all: Vec<_> = expected.iter().map(|(_, value)| Some(*value)).collect();
        let at = window.end / SECOND;
        self.until("every point is in its whisper file", |carbon| {
            let found = carbon.values(&expected, at);
            let wrong = |(found, (name, value)): (&Option<f64>, &(String, f64))| {
                let differs = found.is_some_and(|found| found != *value);
                assert!(!differs, "{name}: {found:?} instead of {value}");
            };
            found.iter().zip(&expected).for_each(wrong);
            found == all
        });
    }
}

/// The sample's windows, moved to now: carbon keeps one day. One batch for each.
fn batches() -> [Batch; 2] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() as i64;
    let sample = sample_batch().expect("a batch");
    [0, 1].map(|nth| {
        let end = (now / 10 * 10 - 60 + 10 * nth) * SECOND;
        let window = Window { end, ..(*sample.windows[nth as usize]).clone() };
        Batch { segment: nth as u64, windows: vec![Arc::new(window)], ..sample.clone() }
    })
}

async fn check(protocol: Protocol, legacy_namespace: bool, counters: &[(&str, f64)]) {
    let carbon = Carbon::start();
    let mut sink = carbon.sink(protocol, legacy_namespace);
    for batch in batches() {
        sink.write(&batch).await.expect("written");
        carbon.until_stored(&batch.windows[0], counters);
    }
}

#[tokio::test]
async fn plaintext() {
    check(Protocol::Plaintext, false, &COUNTERS).await;
}

#[tokio::test]
async fn pickle() {
    check(Protocol::Pickle, false, &COUNTERS).await;
}

#[tokio::test]
async fn legacy_namespace() {
    check(Protocol::Plaintext, true, &LEGACY_COUNTERS).await;
}

/// Guarantees: after carbon was killed and came back, each window is there with its own timestamp, also the one
/// whose write had gone well just before.
#[tokio::test]
async fn windows_survive_an_outage() {
    for protocol in [Protocol::Plaintext, Protocol::Pickle] {
        let mut carbon = Carbon::start();
        let mut sink = carbon.sink(protocol, false);
        let [first, second] = batches();
        sink.write(&first).await.expect("written");
        // It may or may not have read it: both must come to the same.
        carbon.kill();
        let error = sink.write(&second).await.expect_err("carbon is down");
        assert_eq!(error.next, Next::Retry(None));
        carbon.run();
        sink.write(&second).await.expect("written");
        let counters = &COUNTERS[..3];
        for batch in [first, second] {
            carbon.until_stored(&batch.windows[0], counters);
        }
    }
}
