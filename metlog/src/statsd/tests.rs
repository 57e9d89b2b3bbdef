//! statsd calls, as the lines that they become.
use crate::{Captured, Client, Config, Destination, Outcome};
use std::time::Duration;

fn client(change: impl FnOnce(Config) -> Config) -> (Client, Captured) {
    let (destination, captured) = Destination::capture();
    let config = Config::default().destination(destination.clone()).statsd_destination(destination);
    (Client::new(change(config)).unwrap(), captured)
}

#[test]
fn lines() {
    let (client, captured) = client(|config| config.statsd_prefix("sync"));
    client.incr("logins");
    client.count("bytes", -7);
    client.count("bytes", 2.5);
    client.gauge("queue", 3_usize);
    client.gauge("queue", -3);
    client.gauge("load", 0.25);
    client.gauge_delta("queue", 4);
    client.gauge_delta("queue", -4.5);
    client.timing("took", Duration::from_micros(1_234));
    client.timing("took", Duration::from_secs(2));
    client.set("users", "ann|bob");
    client.set("users", 25);
    assert!(client.flush());
    let expected = [
        "sync.logins:1|c",
        "sync.bytes:-7|c",
        "sync.bytes:2.5|c",
        "sync.queue:3|g",
        "sync.queue:0|g",
        "sync.queue:-3|g",
        "sync.load:0.25|g",
        "sync.queue:+4|g",
        "sync.queue:-4.5|g",
        "sync.took:1.234|ms",
        "sync.took:2000|ms",
        "sync.users:ann_bob|s",
        "sync.users:25|s",
    ];
    assert_eq!(captured.statsd_lines(), expected);
    assert_eq!(client.stats().statsd_queued, 12, "a negative gauge is one value");
}

#[cfg(feature = "cadence")]
#[test]
fn cadences_own_calls_share_the_queue() {
    let (client, captured) = client(|config| config.statsd_prefix("sync."));
    use cadence::prelude::*;
    let cadence = client.statsd().unwrap();
    cadence.incr("logins").unwrap();
    cadence.distribution_with_tags("took", 4).with_tag("host", "a").send();
    assert!(cadence.incr(&"x".repeat(2_000)).is_err(), "a line larger than a datagram");
    cadence.flush().unwrap();
    assert_eq!(captured.statsd_lines(), ["sync.logins:1|c", "sync.took:4|d|#host:a"]);
    assert_eq!((client.stats().statsd_queued, client.stats().oversize), (2, 1));
}

#[test]
fn outcomes() {
    let (client, captured) = client(|config| config);
    assert_eq!(client.incr(&"x".repeat(2_000)), Outcome::Oversize);
    assert_eq!(client.gauge("g", f64::NAN), Outcome::Dropped);
    assert_eq!(client.gauge_delta("g", f64::INFINITY), Outcome::Dropped);
    assert_eq!(client.count("c", f64::NEG_INFINITY), Outcome::Dropped);
    assert_eq!(client.incr_with_rate("c", 0.0), Outcome::SampledOut);
    assert_eq!(client.count_with_rate("c", 3, 1.0), Outcome::Queued);
    assert!(client.flush());
    assert_eq!(captured.statsd_lines(), ["c:3|c"]);
    let stats = client.stats();
    assert_eq!((stats.dropped, stats.oversize, stats.statsd_queued), (4, 1, 1));
}

/// Guarantees: sampling is decided anew for each call, and what is sent says the rate.
#[test]
fn rates() {
    let (client, captured) = client(|config| config);
    let outcomes: Vec<Outcome> = (0..10_000).map(|_| client.incr_with_rate("c", 0.5)).collect();
    let queued = outcomes.iter().filter(|&&outcome| outcome == Outcome::Queued).count();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Queued | Outcome::SampledOut)));
    assert!((4_500..5_500).contains(&queued), "{queued}: ten standard deviations from 5,000");
    assert!(client.flush());
    let lines = captured.statsd_lines();
    assert!(lines.len() == queued && lines.iter().all(|line| line == "c:1|c|@0.5"));
    let (timed, gauged) = (client.timing_with_rate("t", Duration::ZERO, 0.0), client.gauge_with_rate("g", 1, 0.0));
    let timer = client.timer_with_rate("t", 0.0);
    assert_eq!(
        (timed, gauged, timer.elapsed(), timer.stop()),
        (Outcome::SampledOut, Outcome::SampledOut, None, Outcome::SampledOut)
    );
    assert_eq!(client.set_with_rate("s", 1, 0.0), Outcome::SampledOut);
}

#[test]
fn timers() {
    let (client, captured) = client(|config| config.disabled_timers(["off"]));
    drop(client.timer("dropped"));
    assert_eq!(client.timer("stopped").stop(), Outcome::Queued);
    client.timer("cancelled").cancel();
    assert_eq!(client.timer("off").stop(), Outcome::Off);
    assert_eq!(client.timing("off", Duration::ZERO), Outcome::Off);
    assert_eq!(client.time("closure", || 42), 42);
    let timer = client.timer("running");
    let elapsed = timer.elapsed().unwrap();
    assert!(timer.elapsed().unwrap() >= elapsed);
    drop(timer);
    assert!(client.flush());
    let names: Vec<_> = captured.statsd_lines().iter().map(|line| line.split_once(':').unwrap().0.to_owned()).collect();
    assert_eq!(names, ["dropped", "stopped", "closure", "running"]);
    assert!(captured.statsd_lines().iter().all(|line| line.ends_with("|ms")));
}

#[test]
fn all_timers_disabled() {
    let (client, captured) = client(|config| config.disabled_timers(["*"]));
    assert_eq!((client.timer("any").stop(), client.incr("counter")), (Outcome::Off, Outcome::Queued));
    assert!(client.flush());
    assert_eq!(captured.statsd_lines(), ["counter:1|c"]);
}

/// Guarantees: with `statsd = false` there is no queue, no socket and no byte.
#[test]
fn statsd_off() {
    let (client, captured) = client(|config| config.statsd(false));
    let outcomes = [
        client.incr("a"),
        client.count_with_rate("a", 1, 0.5),
        client.gauge("a", 1),
        client.gauge("a", f64::NAN),
        client.gauge_delta("a", 1),
        client.timing("a", Duration::ZERO),
        client.set("a", 1),
        client.timer("a").stop(),
    ];
    assert_eq!(outcomes, [Outcome::Off; 8]);
    #[cfg(feature = "cadence")]
    assert!(client.statsd().is_none());
    client.send(["a"], "messages still leave");
    assert!(client.flush());
    assert_eq!((captured.statsd_lines().len(), captured.messages().len()), (0, 1));
    assert_eq!(client.stats().dropped, 0);
}
