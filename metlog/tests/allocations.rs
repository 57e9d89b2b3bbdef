//! Once warm, no call allocates on the calling thread: counted by the allocator itself.
#![allow(clippy::unwrap_used)]
#[path = "../../schemas/wire/tests/allocator/mod.rs"]
mod allocator;

use allocator::counted;
use metlog::{Client, Config, Destination, Outcome, Severity};
use std::time::Duration;

/// How often `run` allocates on this thread.
fn allocations(run: impl FnOnce()) -> u64 {
    counted(run).1
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 1);
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1; 9]))), 1);
}

fn check(client: &Client, name: &str, call: impl Fn() -> Outcome, expected: Outcome) {
    call();
    // Enough calls to fill many datagrams, few enough for the queue; then the same while the queue is full.
    for calls in [2_000, 100_000] {
        let mut answered = false;
        let counted = allocations(|| (0..calls).for_each(|_| answered |= call() == expected));
        assert!(answered, "{name}: never {expected:?}");
        assert_eq!(counted, 0, "{name}: allocations in {calls} calls");
    }
    assert!(client.flush());
}

/// Guarantees: no call allocates, be it queued, dropped, filtered, oversize or sampled out.
#[test]
fn no_call_allocates_once_warm() {
    let noop = || Destination::noop();
    let config = Config::default().destination(noop()).statsd_destination(noop()).statsd_prefix("sync").logger("sync");
    let client = Client::new(config).unwrap();
    let payload = "x".repeat(100);
    let long = "x".repeat(5_000);
    check(&client, "send", || client.send(["browserid", "login", "ok"], &payload), Outcome::Queued);
    check(&client, "send, oversize", || client.send(["a"], &long), Outcome::Oversize);
    let built = || {
        let message = client.message(&payload).of_type("login").logger("auth").severity(Severity::ERROR);
        message.tokens(&["a", "b"]).field("userid", 25).field("took", 0.5).field("name", "ann").send()
    };
    check(&client, "message", built, Outcome::Queued);
    check(&client, "incr", || client.incr("logins"), Outcome::Queued);
    check(&client, "count_with_rate", || client.count_with_rate("logins", 2, 0.5), Outcome::Queued);
    check(&client, "count_with_rate, sampled out", || client.count_with_rate("logins", 2, 0.5), Outcome::SampledOut);
    check(&client, "gauge", || client.gauge("queue", -2.5), Outcome::Queued);
    check(&client, "gauge_delta", || client.gauge_delta("queue", 3), Outcome::Queued);
    check(&client, "set", || client.set("users", "ann"), Outcome::Queued);
    check(&client, "timing", || client.timing("took", Duration::from_micros(1_234)), Outcome::Queued);
    check(&client, "timer", || client.timer("took").stop(), Outcome::Queued);
}

/// Guarantees: neither `counter!` and its like nor their handles allocate, once their names were used.
#[cfg(feature = "metrics")]
#[test]
fn the_recorder_allocates_only_at_the_first_use_of_a_name() {
    let client =
        Client::new(Config::default().destination(Destination::noop()).statsd_destination(Destination::noop()));
    let recorder = metlog::Recorder::with_client(client.unwrap());
    metrics::with_local_recorder(&recorder, || {
        let calls = || {
            metrics::counter!("logins", "region" => "eu", "zone" => "a").increment(1);
            metrics::gauge!("queue").set(-2.5);
            metrics::histogram!("took", "kind" => "x").record(Duration::from_micros(1_234));
        };
        calls();
        assert_eq!(allocations(|| (0..1_000).for_each(|_| calls())), 0);
    });
}
