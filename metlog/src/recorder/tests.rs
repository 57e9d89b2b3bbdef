//! Calls of the `metrics` crate, as the lines that they become.
use super::*;
use crate::{Captured, Config, Destination};
use metrics::{counter, describe_histogram, gauge, histogram, with_local_recorder};
use std::time::Duration;

fn client(change: impl FnOnce(Config) -> Config) -> (Client, Captured) {
    let (destination, captured) = Destination::capture();
    let config = Config::default().destination(destination.clone()).statsd_destination(destination);
    (Client::new(change(config)).unwrap(), captured)
}

fn lines(change: impl FnOnce(Recorder) -> Recorder, run: impl FnOnce()) -> Vec<String> {
    let (client, captured) = client(|config| config.statsd_prefix("app"));
    with_local_recorder(&change(Recorder::with_client(client.clone())), run);
    assert!(client.flush());
    captured.statsd_lines()
}

#[test]
fn counters() {
    let found = lines(
        |recorder| recorder,
        || {
            counter!("logins").increment(1);
            counter!("logins", "region" => "eu", "zone" => "a").increment(u64::MAX);
            counter!("seen").increment(3);
            counter!("seen").absolute(10);
            counter!("seen").absolute(4);
            counter!("seen").absolute(12);
        },
    );
    let all = format!("app.logins:{}|c|#region:eu,zone:a", u64::MAX);
    assert_eq!(found, ["app.logins:1|c", &all, "app.seen:3|c", "app.seen:7|c", "app.seen:2|c"]);
}

/// Guarantees: a sign is written where a change is meant, and only there.
#[test]
fn gauges() {
    let found = lines(
        |recorder| recorder,
        || {
            let gauge = gauge!("g", "k" => "v");
            gauge.set(2.5);
            gauge.set(-3);
            gauge.increment(4.0);
            gauge.increment(-4.5);
            gauge.decrement(1);
            gauge.decrement(-1.25);
            gauge.set(0);
        },
    );
    let expected = ["2.5|g", "0|g", "-3|g", "+4|g", "-4.5|g", "-1|g", "+1.25|g", "0|g"];
    assert_eq!(found, expected.map(|value| format!("app.g:{value}|#k:v")));
}

#[test]
fn histograms_are_timers_in_milliseconds() {
    let run = || {
        histogram!("undescribed").record(Duration::from_micros(1_234));
        histogram!("late").record(2.0);
        describe_histogram!("late", Unit::Microseconds, "described after its first use");
        histogram!("late").record(2.0);
        describe_histogram!("early", Unit::Milliseconds, "");
        histogram!("early").record_many(0.5, 2);
        describe_histogram!("size", Unit::Bytes, "");
        histogram!("size").record(512);
        describe_histogram!("no unit", "");
        histogram!("no unit").record(-0.001);
    };
    let more = ["app.early:0.5|ms", "app.early:0.5|ms", "app.size:512|h", "app.no unit:-1|h"];
    let found = lines(|recorder| recorder, run);
    assert_eq!(found[..3], ["app.undescribed:1.234|ms", "app.late:2000|ms", "app.late:0.002|ms"]);
    assert_eq!(found[3..], more);
    let found = lines(|recorder| recorder.undescribed(Unit::Count), || histogram!("x").record(7));
    assert_eq!(found, ["app.x:7|h"]);
}

/// Guarantees: nothing in a name or a label ends its part of the line.
#[test]
fn names_and_labels_are_cleaned() {
    let found = lines(
        |recorder| recorder,
        || {
            counter!("a::b|c:d\ne").increment(1);
            counter!("n", "k:1,2" => "http://x,y|z\n", "k" => "").increment(1);
            counter!("n".repeat(300), "k" => "v".repeat(300)).increment(1);
        },
    );
    let long = format!("app.{}:1|c|#k:{}", "n".repeat(300), "v".repeat(300));
    assert_eq!(found, ["app.a.b_c_d_e:1|c", "app.n:1|c|#k_1_2:http://x_y_z_,k:", &long]);
}

#[test]
fn outcomes_are_counted_as_those_of_other_calls() {
    let (client, captured) = client(|config| config.disabled_timers(["off"]));
    with_local_recorder(&Recorder::with_client(client.clone()), || {
        gauge!("g").set(f64::NAN);
        histogram!("h").record(f64::INFINITY);
        counter!("c", "k" => "v".repeat(2_000)).increment(1);
        histogram!("off").record(1);
        counter!("c").increment(1);
    });
    assert!(client.flush());
    assert_eq!(captured.statsd_lines(), ["c:1|c"]);
    let stats = client.stats();
    assert_eq!((stats.dropped, stats.oversize, stats.statsd_queued), (3, 1, 1));
}

/// Scenario: more series than are kept, each used twice, and absolute values of those.
/// Guarantees: what is kept is bounded, and what is not kept is sent all the same; only a total that nobody remembers is
/// dropped, and counted.
#[test]
fn the_registry_is_bounded() {
    let (client, captured) = client(|config| config.queue_bytes(16 << 20));
    let recorder = Recorder::with_client(client.clone());
    let series = RECORDER_SERIES_MAX as u64 + 1_000;
    with_local_recorder(&recorder, || {
        for _ in 0..2 {
            (0..series).for_each(|n| counter!("c", "n" => n.to_string()).increment(1));
        }
        assert!(client.flush());
        assert_eq!((captured.statsd_lines().len() as u64, client.stats().dropped), (2 * series, 0));
        captured.clear();
        (0..series).for_each(|n| counter!("c", "n" => n.to_string()).absolute(2 + n % 2));
    });
    assert!(client.flush());
    let (sent, dropped) = (captured.statsd_lines().len() as u64, client.stats().dropped);
    assert!(dropped >= 1_000, "{dropped}");
    let grown = |n: &u64| n % 2 == 1;
    assert!(sent <= (0..series).filter(grown).count() as u64 && sent > RECORDER_SERIES_MAX as u64 / 4, "{sent}");
}

/// Guarantees: what an absolute value has grown by is said again where it could not be queued.
#[test]
fn absolute_values_make_good_what_was_dropped() {
    let (client, captured) = client(|config| config.statsd_datagram_bytes(512).queue_bytes(16_384));
    with_local_recorder(&Recorder::with_client(client.clone()), || {
        let filler = counter!("x".repeat(400));
        while client.stats().dropped == 0 {
            filler.increment(1);
        }
        (1..100).for_each(|n| counter!("total").absolute(n));
        assert!(client.flush());
        counter!("total").absolute(100);
    });
    assert!(client.flush());
    let lines = captured.statsd_lines();
    let total = |line: &String| line.strip_prefix("total:")?.strip_suffix("|c")?.parse::<u64>().ok();
    assert_eq!(lines.iter().filter_map(total).sum::<u64>(), 100);
}

#[test]
fn statsd_off_and_no_client() {
    let (client, captured) = client(|config| config.statsd(false));
    let recorder = Recorder::with_client(client.clone());
    let run = || {
        counter!("c").increment(1);
        counter!("c").absolute(7);
        gauge!("g").set(-1);
        histogram!("h").record(1);
        counter!("c")
    };
    let counter = with_local_recorder(&recorder, run);
    assert!(client.flush());
    assert_eq!((captured.statsd_lines().len(), client.stats().dropped), (0, 0));
    drop((client, recorder));
    counter.increment(1);
    with_local_recorder(&Recorder::new(), run).increment(1);
}
