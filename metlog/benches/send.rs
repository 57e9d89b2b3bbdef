//! What one call costs the calling thread, beside cadence's buffered UDP sink in the same run.
//!
//! Both send to a local UDP socket that nobody reads: the kernel takes the datagrams and throws away what
//! exceeds the socket's buffer, which is the cheapest way for cadence, whose caller makes the system call.
//! All calls are timed in rounds that the queue has room for, with the sender thread running beside them; after
//! each round the queue is emptied, untimed. A round in which a call was not queued fails the benchmark, so the
//! path for a full queue is never what is measured. Cadence has the same rounds and pauses, so that on a busy
//! machine the scheduler treats both alike.
use cadence::{BufferedUdpMetricSink, Counted, StatsdClient};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use metlog::{Client, Config, Outcome};
use std::hint::black_box;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Some 140 bytes each: a round fills a third of a queue of 1 MiB.
const ROUND_CALLS: u64 = 2_000;

/// The time of `calls` calls on this thread.
fn rounds(client: &Client, calls: u64, call: impl Fn() -> bool) -> Duration {
    let mut timed = Duration::ZERO;
    let mut left = calls;
    while left > 0 {
        let round = left.min(ROUND_CALLS);
        let mut queued = 0;
        let started = Instant::now();
        for _ in 0..round {
            queued += u64::from(black_box(call()));
        }
        timed += started.elapsed();
        assert_eq!(queued, round, "calls that were not queued: {:?}", client.stats());
        assert!(client.flush(), "the sender thread does not keep up");
        left -= round;
    }
    timed
}

/// Medians of rounds that take turns, and of the ratio of two rounds that follow each other: a busy machine disturbs both
/// alike. Criterion's means below include the rounds in which the scheduler took the processor away.
fn paired(client: &Client, theirs: impl Fn() -> bool, ours: impl Fn() -> bool) {
    let nanos = |round: Duration| round.as_nanos() as f64 / ROUND_CALLS as f64;
    let turn = || (nanos(rounds(client, ROUND_CALLS, &theirs)), nanos(rounds(client, ROUND_CALLS, &ours)));
    let turns: Vec<(f64, f64)> = (0..1_000).map(|_| turn()).collect();
    let median = |of: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = turns.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (theirs, ours, ratio) = (median(|turn| turn.0), median(|turn| turn.1), median(|turn| turn.1 / turn.0));
    println!("medians of paired rounds: cadence count {theirs:.1} ns, send {ours:.1} ns, ratio {ratio:.2}");
}

fn calls(criterion: &mut Criterion) {
    let listener = UdpSocket::bind("127.0.0.1:0").expect("a local socket");
    let address = listener.local_addr().expect("its address");
    let config = Config::default().destination(address).statsd_destination(address).logger("sync");
    let client = Client::new(config.clone()).expect("a valid configuration");
    let statsd_off = Client::new(config.clone().statsd(false)).expect("a valid configuration");
    let payload = "x".repeat(100);

    let mut group = criterion.benchmark_group("call");
    group.throughput(Throughput::Elements(1));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a local socket");
    let sink = BufferedUdpMetricSink::with_capacity(address, socket, 1_432).expect("cadence's sink");
    let cadence = StatsdClient::from_sink("sync", sink);
    let theirs = || cadence.count(black_box("logins"), 1).is_ok();
    group.bench_function("cadence count", |b| b.iter_custom(|calls| rounds(&client, calls, theirs)));
    let send = || client.send(black_box(["browserid", "login", "ok"]), black_box(&payload)) == Outcome::Queued;
    paired(&client, theirs, send);
    group.bench_function("send", |b| b.iter_custom(|calls| rounds(&client, calls, send)));
    let guard = metlog::init(config).expect("a valid configuration");
    let global = || metlog::send(black_box(["browserid", "login", "ok"]), black_box(&payload)) == Outcome::Queued;
    group.bench_function("global send", |b| b.iter_custom(|calls| rounds(guard.client(), calls, global)));
    let count = || client.count(black_box("logins"), 1) == Outcome::Queued;
    group.bench_function("count", |b| b.iter_custom(|calls| rounds(&client, calls, count)));
    group.bench_function("count, statsd = false", |b| b.iter(|| statsd_off.count(black_box("logins"), 1)));
    group.finish();
    println!("of all that was timed: {:?}", client.stats());
}

criterion_group!(benches, calls);
criterion_main!(benches);
