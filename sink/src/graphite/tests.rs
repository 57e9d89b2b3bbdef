//! Names and numbers against etsy's statsd, and the connection against a carbon of our own. (The real one is in
//! `tests/carbon.rs`.)
use super::*;
use crate::Next;
use crate::conformance::{self, Place, sample_batch};
use arrow::error::ArrowError;
use metlog_schemas::carbon::number;
use metlog_schemas::time::SECOND;
use metlog_schemas::window::{Metric, MetricData, Percentile, Window};
use socket2::{Domain, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn sample_window() -> Arc<Window> {
    sample_batch().unwrap().windows[0].clone()
}

fn lines(window: &Window, config: &Config) -> Vec<String> {
    let last = Flush { calculation_ms: 1.0, write_ms: 2.0, bytes: 3, ended_at: 4, failed_at: 5 };
    let text = String::from_utf8(plaintext(&points(window, &last, config))).unwrap();
    text.lines().map(str::to_owned).collect()
}

const OWN: [&str; 5] = [
    "stats.statsd.graphiteStats.calculationtime 1",
    "stats.statsd.graphiteStats.last_exception 5",
    "stats.statsd.graphiteStats.last_flush 4",
    "stats.statsd.graphiteStats.flush_time 2",
    "stats.statsd.graphiteStats.flush_length 3",
];

const TIMER: [&str; 14] = [
    "stats.timers.golden.count_90 7",
    "stats.timers.golden.mean_90 496",
    "stats.timers.golden.upper_90 844",
    "stats.timers.golden.sum_90 3472",
    "stats.timers.golden.sum_squares_90 2048242",
    "stats.timers.golden.std 260.56033370411546",
    "stats.timers.golden.upper 994",
    "stats.timers.golden.lower 120",
    "stats.timers.golden.count 8",
    "stats.timers.golden.count_ps 0.8",
    "stats.timers.golden.sum 4466",
    "stats.timers.golden.sum_squares 3036278",
    "stats.timers.golden.mean 558.25",
    "stats.timers.golden.median 524.5",
];

fn check_names(config: &Config, counters: &[&str], count: &str) {
    let mut expected: Vec<&str> = counters.to_vec();
    expected.extend(TIMER);
    expected.extend(OWN);
    expected.extend([
        "stats.gauges.depth -1.5",
        "stats.timers.quiet.count 0",
        "stats.timers.quiet.count_ps 0",
        "stats.sets.who.count 2",
        count,
    ]);
    let mut expected: Vec<String> = expected.iter().map(|line| format!("{line} 1767322810")).collect();
    expected.sort();
    let mut found = lines(&sample_window(), config);
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn names_and_numbers_are_those_of_statsd() {
    let counters = [
        "stats.counters.statsd.bad_lines_seen.rate 0.1",
        "stats.counters.statsd.bad_lines_seen.count 1",
        "stats.counters.statsd.packets_received.rate 0.5",
        "stats.counters.statsd.packets_received.count 5",
        "stats.counters.statsd.metrics_received.rate 2.5",
        "stats.counters.statsd.metrics_received.count 25",
        "stats.counters.hits.rate;env=prod_eu;flag=true 1.3",
        "stats.counters.hits.count;env=prod_eu;flag=true 13",
        "stats.counters.idle.rate 0",
        "stats.counters.idle.count 0",
    ];
    check_names(&Config::new("carbon:2003"), &counters, "stats.statsd.numStats 9");
}

#[test]
fn the_legacy_namespace_names_counters_as_statsd_did_first() {
    let counters = [
        "stats.statsd.bad_lines_seen 0.1",
        "stats_counts.statsd.bad_lines_seen 1",
        "stats.statsd.packets_received 0.5",
        "stats_counts.statsd.packets_received 5",
        "stats.statsd.metrics_received 2.5",
        "stats_counts.statsd.metrics_received 25",
        "stats.hits;env=prod_eu;flag=true 1.3",
        "stats_counts.hits;env=prod_eu;flag=true 13",
        "stats.idle 0",
        "stats_counts.idle 0",
    ];
    let config = Config { legacy_namespace: true, ..Config::new("carbon:2003") };
    check_names(&config, &counters, "statsd.numStats 9");
}

#[test]
fn the_prefix_goes_before_everything() {
    for prefix in ["dc1.{hostname}", "dc1.{hostname}."] {
        let config = Config { prefix: prefix.into(), ..Config::new("carbon:2003") };
        assert!(lines(&sample_window(), &config).iter().all(|line| line.starts_with("dc1.host_example.stats.")));
    }
}

/// Guarantees: no tag can break a line, add a tag, or make carbon refuse the line.
#[test]
fn tags_are_fit_for_carbon() {
    for (key, value, expected) in [
        ("env", "prod", ";env=prod"),
        ("a b/c", "x  y", ";a_b-c=x_y"),
        ("k", "a=b;c=d", ";k=a=b_c=d"),
        ("k;=", "~v", ";k__=v"),
        ("k", "line\nstats.x 1 1", ";k=line_stats.x_1_1"),
        ("!^", "é", ";_=_"),
        ("flag", "", ";flag=true"),
    ] {
        let tags = Arc::new([(key.to_owned(), value.to_owned())]);
        let row = Metric { name: "n".into(), tags, fresh: true, data: MetricData::Gauge { value: 1.0 } };
        let window = Window { rows: vec![row], ..(*sample_window()).clone() };
        let line = format!("stats.gauges.n{expected} 1 1767322810");
        assert!(lines(&window, &Config::new("c:1")).contains(&line), "{key}={value}: {line}");
    }
}

#[test]
fn percentiles_and_short_windows() {
    let mut window = (*sample_window()).clone();
    window.length = SECOND / 2;
    window.end += SECOND / 2;
    let part = |percent| Percentile { percent, count: 1, mean: 1.0, bound: 9.0, sum: 1.0, sum_squares: 1.0 };
    for row in &mut window.rows {
        if let MetricData::Timer(Some(timer)) = &mut row.data {
            timer.percentiles = vec![part(99.9), part(-5.0), part(-0.5)];
        }
    }
    let lines = lines(&window, &Config::new("c:1"));
    for expected in [
        "stats.timers.golden.upper_99_9 9 1767322810",
        "stats.timers.golden.lower_top5 9 1767322810",
        "stats.timers.golden.sum_squares_top0_5 1 1767322810",
        "stats.timers.golden.count_ps 16 1767322810",
        "stats.counters.hits.rate;env=prod_eu;flag=true 26 1767322810",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
    }
}

/// What Node 20 prints for the same numbers.
#[test]
fn numbers_are_printed_as_javascript_does() {
    for (value, expected) in [
        (0.0, "0"),
        (-0.0, "0"),
        (13.0, "13"),
        (0.1 + 0.2, "0.30000000000000004"),
        (-1.5, "-1.5"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (123_456_789_012_345_680_000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (-1.7976931348623157e308, "-1.7976931348623157e+308"),
        (f64::INFINITY, "Infinity"),
    ] {
        assert_eq!(number(value), expected);
    }
}

/// Guarantees: no frame is longer than carbon takes, and together they hold every point once, in order.
#[test]
fn pickles_are_cut_below_carbons_limit() {
    let point = |nth: i64| points::Point { path: format!("a.{nth}"), value: nth as f64, at: (1 << 30) * nth };
    let all: Vec<_> = (0..30_000).map(point).collect();
    let bytes = pickles(&all);
    let (mut rest, mut frames, mut found) = (&bytes[..], 0, Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (frame, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        assert!(frame.len() < 1 << 20);
        found.extend(unpickled(frame));
        (rest, frames) = (behind, frames + 1);
    }
    assert!(frames > 1 && found == all);
    assert!(pickles(&[]).is_empty());
}

/// Reads the opcodes that we write, and no others.
fn unpickled(frame: &[u8]) -> Vec<points::Point> {
    let mut rest = frame.strip_prefix(b"\x80\x02](").unwrap().strip_suffix(b"e.").unwrap();
    let mut take = |count: usize| rest.split_off(..count).unwrap_or_default();
    let mut points = Vec::new();
    while let [b'X'] = take(1) {
        let length = u32::from_le_bytes(take(4).try_into().unwrap()) as usize;
        let path = String::from_utf8(take(length).to_vec()).unwrap();
        let at = match take(1) {
            b"J" => i64::from(i32::from_le_bytes(take(4).try_into().unwrap())),
            _ => {
                assert_eq!(take(1), [8]);
                i64::from_le_bytes(take(8).try_into().unwrap())
            }
        };
        assert_eq!(take(1), b"G");
        let value = f64::from_be_bytes(take(8).try_into().unwrap());
        assert_eq!(take(2), b"\x86\x86");
        points.push(points::Point { path, value, at });
    }
    points
}

/// A carbon that keeps the last value of each name and time, as the real one does.
struct Carbon {
    address: SocketAddr,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    values: Mutex<BTreeMap<String, String>>,
    /// Connections are reset after some lines.
    failing: AtomicBool,
    /// Connections are taken, and closed unread.
    deaf: AtomicBool,
    connections: AtomicUsize,
}

/// Series of the batch in the contract's tests: more than the two kernels hold between them.
const SERIES: usize = 40_000;

impl Carbon {
    fn new() -> Carbon {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
        socket.listen(16).unwrap();
        let listener = TcpListener::from(socket);
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(Heard::default()));
        let shared = heard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Before it is counted: whoever sees the count may change it.
                let deaf = shared.deaf.load(Ordering::SeqCst);
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let shared = shared.clone();
                std::thread::spawn(move || shared.listen_to(stream, deaf));
            }
        });
        Carbon { address, heard }
    }

    fn values(&self) -> Vec<String> {
        self.heard.values.lock().unwrap().iter().map(|(name, value)| format!("{name} {value}")).collect()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Carbon) -> bool) {
        for _ in 0..2_000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: never; {} values are there", self.values().len());
    }
}

impl Heard {
    fn listen_to(&self, stream: TcpStream, deaf: bool) {
        if deaf {
            // Takes what comes, as a kernel does for a process that is about to die, and keeps none of it.
            let _ = BufReader::new(&stream).read_line(&mut String::new());
            return;
        }
        for (count, line) in BufReader::new(&stream).split(b'\n').map_while(Result::ok).enumerate() {
            if count > 100 && self.failing.load(Ordering::SeqCst) {
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return;
            }
            let line = String::from_utf8(line).unwrap();
            let [name, value, at] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            // Its own statistics differ from flush to flush.
            if !name.contains("graphiteStats") {
                self.values.lock().unwrap().insert(format!("{name} {at}"), value.to_owned());
            }
        }
    }
}

fn config_for(address: SocketAddr) -> Config {
    let (connect_timeout, write_timeout) = (Duration::from_secs(2), Duration::from_secs(20));
    Config { connect_timeout, write_timeout, ..Config::new(address.to_string()) }
}

impl Place for Carbon {
    type Sink = Graphite;

    fn sink(&self) -> Graphite {
        Graphite::new(config_for(self.address))
    }

    fn sink_to(&self, black_hole: SocketAddr) -> Graphite {
        Graphite::new(config_for(black_hole))
    }

    fn batch(&self) -> Result<Batch, ArrowError> {
        let mut batch = sample_batch()?;
        let row = |nth: usize| Metric {
            name: format!("series.number.{nth}").into(),
            tags: Arc::new([]),
            fresh: true,
            data: MetricData::Counter { count: nth as f64 },
        };
        batch.windows.truncate(1);
        let rows = (0..SERIES).map(row).collect();
        batch.windows = vec![Arc::new(Window { rows, ..(*batch.windows[0]).clone() })];
        Ok(batch)
    }

    async fn contents(&self) -> Vec<String> {
        let (own_counters, num_stats) = (3, 1);
        let all = 2 * (SERIES + own_counters) + num_stats;
        self.until("all points", |carbon| carbon.heard.values.lock().unwrap().len() >= all).await;
        self.values()
    }

    fn fail_part_way(&self, failing: bool) {
        self.heard.failing.store(failing, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    assert_eq!(conformance::check(Carbon::new).await, Ok(()));
}

#[tokio::test]
async fn one_connection_serves_many_writes() {
    let carbon = Carbon::new();
    let mut sink = carbon.sink();
    let mut batch = sample_batch().unwrap();
    assert_eq!(sink.write(&batch).await.unwrap(), Receipt { written: 48, set_aside: 0 });
    batch.windows.truncate(1);
    sink.write(&batch).await.unwrap();
    batch.windows.clear();
    assert_eq!(sink.write(&batch).await.unwrap(), Receipt::default());
    carbon.until("both windows", |carbon| carbon.values().iter().any(|value| value.contains("1767322820"))).await;
    assert_eq!(carbon.heard.connections.load(Ordering::SeqCst), 1);
}

/// Guarantees: a window that was written to a carbon which died without reading it arrives with the next one.
#[tokio::test]
async fn what_a_broken_connection_swallowed_is_said_again() {
    let carbon = Carbon::new();
    carbon.heard.deaf.store(true, Ordering::SeqCst);
    let mut sink = carbon.sink();
    let both = sample_batch().unwrap();
    let [first, second] = [0, 1].map(|nth| Batch { windows: vec![both.windows[nth].clone()], ..both.clone() });
    sink.write(&first).await.unwrap();
    carbon.until("the first connection", |carbon| carbon.heard.connections.load(Ordering::SeqCst) == 1).await;
    carbon.heard.deaf.store(false, Ordering::SeqCst);
    // Until the closing has come through, which only its own kernel tells.
    let is_closed = || sink.connection.is_closed();
    carbon.until("the closing", |_| is_closed()).await;
    sink.write(&second).await.unwrap();
    carbon
        .until("both windows", |carbon| {
            let values = carbon.values();
            ["1767322810", "1767322820"].iter().all(|at| values.iter().any(|value| value.contains(at)))
        })
        .await;
    assert_eq!(carbon.heard.connections.load(Ordering::SeqCst), 2);
}

/// A carbon that takes the connection and then reads nothing.
#[tokio::test]
async fn a_carbon_that_does_not_read_is_given_up() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
    socket.listen(16).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let write_timeout = Duration::from_millis(200);
    let mut sink = Graphite::new(Config { write_timeout, ..config_for(address) });
    let error = sink.write(&Carbon::new().batch().unwrap()).await.unwrap_err();
    assert_eq!(error.next, Next::Retry(None), "{error}");
    assert!(sink.last.failed_at > 0);
}

/// Guarantees: the check connects, says nothing, and what is written afterwards uses its connection.
#[tokio::test]
async fn a_carbon_is_checked_by_connecting() {
    let carbon = Carbon::new();
    let mut sink = carbon.sink();
    sink.probe().await.unwrap();
    sink.probe().await.unwrap();
    assert!(carbon.values().is_empty());
    sink.write(&sample_batch().unwrap()).await.unwrap();
    carbon.until("the last window", |carbon| carbon.values().iter().any(|value| value.contains("1767322820"))).await;
    assert_eq!(carbon.heard.connections.load(Ordering::SeqCst), 1);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Graphite::new(config_for(nobody)).probe().await.unwrap_err();
    assert!(error.message.contains(&format!("connect to {nobody}")), "{error}");
}
