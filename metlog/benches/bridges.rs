//! What the bridges cost the calling thread, beside what their peers do: `metrics` over cadence, as `metrics-exporter-statsd` does
//! it, a logger that formats to nowhere, a service without a layer.
//!
//! `cargo bench -p metlog --bench bridges --features metrics,log,tower`. Everything goes to destinations that accept all and keep
//! nothing, in rounds that the queue has room for, as in the bench `send`; cadence's peer writes to such a sink of its own.
use cadence::{Counted, NopMetricSink, StatsdClient};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use metlog::{Client, Config, Destination, Sampling};
use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tower::{Layer as _, Service as _};

/// A round fills less than half of the queue.
const ROUND_CALLS: u64 = 2_000;

/// The time of `calls` calls on this thread.
fn rounds(client: &Client, calls: u64, mut call: impl FnMut()) -> Duration {
    let (mut timed, mut left) = (Duration::ZERO, calls);
    while left > 0 {
        let round = left.min(ROUND_CALLS);
        let started = Instant::now();
        (0..round).for_each(|_| call());
        timed += started.elapsed();
        assert!(client.flush(), "the sender thread does not keep up");
        left -= round;
    }
    assert_eq!(client.stats().dropped, 0, "the path for a full queue was measured");
    timed
}

fn recorder(criterion: &mut Criterion, client: &Client) {
    let mut group = criterion.benchmark_group("metrics");
    group.throughput(Throughput::Elements(1));
    let cadence = StatsdClient::from_sink("sync", NopMetricSink);
    group.bench_function("cadence, two tags, as metrics-exporter-statsd calls it", |b| {
        b.iter(|| {
            cadence.count_with_tags(black_box("logins"), 1).with_tag("region", "eu").with_tag("zone", "a").send()
        });
    });
    let recorder = metlog::Recorder::with_client(client.clone());
    metrics::with_local_recorder(&recorder, || {
        group.bench_function("counter!, two labels", |b| {
            b.iter_custom(|calls| {
                rounds(client, calls, || metrics::counter!("logins", "region" => "eu", "zone" => "a").increment(1))
            });
        });
        let counter = metrics::counter!("logins", "region" => "eu", "zone" => "a");
        group.bench_function("handle of a counter", |b| {
            b.iter_custom(|calls| rounds(client, calls, || counter.increment(1)));
        });
        let histogram = metrics::histogram!("took");
        group.bench_function("handle of a histogram", |b| {
            b.iter_custom(|calls| rounds(client, calls, || histogram.record(black_box(0.012_345))));
        });
    });
    group.finish();
}

fn logger(criterion: &mut Criterion, client: &Client) {
    let mut group = criterion.benchmark_group("log");
    group.throughput(Throughput::Elements(1));
    let logger = metlog::Log::with_client(client.clone());
    let record = |log: &dyn log::Log| {
        let arguments = format_args!("user {} logged in", black_box(25));
        log.log(&log::Record::builder().target("sync::login").level(log::Level::Info).args(arguments).build());
    };
    group.bench_function("a record", |b| b.iter_custom(|calls| rounds(client, calls, || record(&logger))));
    group.bench_function("a record that is filtered", |b| {
        let logger = metlog::Log::with_client(client.clone()).level(log::LevelFilter::Error);
        b.iter(|| record(&logger));
    });
    group.finish();
}

fn layer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tower");
    group.throughput(Throughput::Elements(1));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let service = tower::service_fn(|_: http::Request<()>| async {
        Ok::<_, Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
    });
    let request = |parent: Option<&str>| {
        let mut request = http::Request::new(());
        if let Some(parent) = parent.and_then(|parent| parent.parse().ok()) {
            request.headers_mut().insert("traceparent", parent);
        }
        request
    };
    group.bench_function("a request without a layer", |b| {
        let mut service = service;
        b.iter(|| runtime.block_on(service.call(request(None))));
    });
    for (name, sampling, statsd, parent) in [
        ("not sampled, statsd off", Sampling::None, false, None),
        ("not sampled", Sampling::None, true, None),
        ("not sampled, of a caller", Sampling::None, true, Some("0")),
        ("sampled, of a caller", Sampling::None, true, Some("1")),
    ] {
        let config = Config::default().destination(Destination::noop()).statsd_destination(Destination::noop());
        let client = Client::new(config.sampling(sampling).statsd(statsd)).expect("a valid configuration");
        let mut layered = metlog::tower::Layer::with_client(client.clone()).layer(service);
        let parent = parent.map(|sampled| format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0{sampled}"));
        group.bench_function(name, |b| {
            b.iter_custom(|calls| {
                rounds(&client, calls, || drop(runtime.block_on(layered.call(request(parent.as_deref())))))
            });
        });
    }
    group.finish();
}

fn bridges(criterion: &mut Criterion) {
    let config = Config::default().destination(Destination::noop()).statsd_destination(Destination::noop());
    let client = Client::new(config.queue_bytes(4 << 20).logger("sync")).expect("a valid configuration");
    recorder(criterion, &client);
    logger(criterion, &client);
    layer(criterion);
}

criterion_group!(benches, bridges);
criterion_main!(benches);
