//! From statsd lines to an open window, and from a window to its rows.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot run shall say where")]
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use metlog_listener::aggregate::{State, Windows};
use metlog_listener::config::WindowConfig;
use metlog_schemas::statsd::{Annotation, Lines, Reason, Sample, parse};
use std::time::Duration;

const LINES: usize = 20_000;

struct Into<'a>(&'a mut Windows);

impl Lines for Into<'_> {
    fn sample(&mut self, sample: Sample<'_>) {
        self.0.aggregator.add(&sample).unwrap();
    }
    fn message(&mut self, _: &Annotation<'_>) {}
    fn bad(&mut self, line: &[u8], reason: Reason) {
        panic!("{reason:?}: {line:?}");
    }
}

fn aggregator() -> Windows {
    let config = WindowConfig {
        flush_interval: Duration::from_secs(10),
        percentiles: vec![90.0],
        idle_after: Duration::from_secs(300),
        series_max: 100_000,
        tags_max: 32,
    };
    Windows::new(config, "host".into(), State::default(), 0)
}

fn lines(timers: bool, tags: &str) -> Vec<u8> {
    let line = |n: usize| match timers {
        true => format!("svc.req{}:{}|ms{tags}\n", n % 500, n % 97),
        false => format!("svc.hit{}:1|c{tags}\n", n % 500),
    };
    (0..LINES).map(line).collect::<String>().into_bytes()
}

fn aggregate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("aggregate");
    group.throughput(Throughput::Elements(LINES as u64));
    for (name, lines) in [
        ("counters", lines(false, "")),
        ("timers", lines(true, "")),
        ("counters with tags", lines(false, "|#env:prod,host:web-1")),
    ] {
        let mut aggregator = aggregator();
        group.bench_function(name, |bencher| bencher.iter(|| parse(&lines, &mut Into(&mut aggregator))));
    }
    group.bench_function("close a window of timers", |bencher| {
        let filled = || {
            let mut aggregator = aggregator();
            parse(&lines(true, ""), &mut Into(&mut aggregator));
            aggregator
        };
        bencher.iter_batched(filled, |mut aggregator| aggregator.close(10_000_000), BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, aggregate);
criterion_main!(benches);
