//! What a message or a line costs from its bytes to a row: each format alone, and together with the rows.
//!
//! `cargo bench -p metlog-schemas`. Throughput is in lines or messages, on one core.
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use metlog_schemas::metlog_json::{Decoder, objects};
use metlog_schemas::rows::Rows;
use metlog_schemas::statsd::{self, Annotation, Lines, Reason, Sample, Value};
use metlog_schemas::wire::limits::DATAGRAM_BYTES_DEFAULT;
use metlog_schemas::wire::v1::{Datagram, Draft, Encoder};
use std::hint::black_box;

/// Rows of a batch, as a listener may make it.
const ROWS: u64 = 8_192;

/// Adds up what it is told, so that nothing can be left out.
#[derive(Default)]
struct Sum {
    values: f64,
    bytes: usize,
    bad: u64,
}

impl Lines for Sum {
    fn sample(&mut self, sample: Sample<'_>) {
        self.bytes += sample.name.len() + sample.tags.len();
        self.values += match sample.value {
            Value::Number(number) | Value::Delta(number) => number / sample.rate,
            Value::Member(member) => member.len() as f64,
        };
    }
    fn message(&mut self, _: &Annotation<'_>) {
        self.bad += 1;
    }
    fn bad(&mut self, _: &[u8], _: Reason) {
        self.bad += 1;
    }
}

/// As many of the lines as a datagram takes, and how many they are.
fn datagram(mut line: impl FnMut(usize) -> String) -> (Vec<u8>, u64) {
    let mut bytes = Vec::new();
    for n in 0.. {
        let line = line(n);
        if bytes.len() + line.len() >= DATAGRAM_BYTES_DEFAULT {
            return (bytes, n as u64);
        }
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    (bytes, 0)
}

fn statsd_lines(c: &mut Criterion) {
    let mut group = c.benchmark_group("statsd");
    let cases = [
        ("counter", datagram(|n| format!("api.requests.{}:{}|c", n % 10, n))),
        (
            "mixed",
            datagram(|n| match n % 4 {
                0 => format!("browserid.login.success:{n}|c"),
                1 => format!("sync.storage.put:{n}.25|ms|@0.1"),
                2 => format!("queue.depth:-{n}|g"),
                _ => format!("web.latency:{n}|ms"),
            }),
        ),
        ("dogstatsd", datagram(|n| format!("page.views:{n}|c|@0.5|#env:prod,host:web{}", n % 10))),
        ("packed", datagram(|n| format!("page.views:{n}:2:32.5:4|d|#env:prod|c:ci-2f4a"))),
        ("set", datagram(|n| format!("visitors:user-{n}|s"))),
    ];
    for (name, (bytes, lines)) in cases {
        let parse = |datagrams: u64| {
            let mut sum = Sum::default();
            for _ in 0..datagrams {
                statsd::parse(black_box(&bytes), &mut sum);
            }
            assert_eq!(sum.bad, 0);
            (sum.values, sum.bytes)
        };
        group.throughput(Throughput::Elements(lines));
        group.bench_function(name, |b| b.iter(|| black_box(parse(1))));
        // As many lines as the others have rows: what `cargo xtask instructions` counts.
        let datagrams = ROWS / lines;
        group.throughput(Throughput::Elements(datagrams * lines));
        group.bench_function(format!("{name} many"), |b| b.iter(|| black_box(parse(datagrams))));
    }
    group.finish();
}

fn metlog_json(c: &mut Criterion) {
    let flat = r#"{"timestamp":"2026-01-02T03:04:05.678901Z","type":"login","logger":"browserid","severity":6,"payload":"user logged in","fields":{"user":"25","ms":42},"env_version":"0.8","metlog_pid":34328,"metlog_hostname":"web1"}"#;
    let nested = r#"{"severity":6,"timestamp":"2012-07-18T21:13:25.687518","metlog_hostname":"app1.web.example.services.org","fields":{"headers":{"path":"/1.0/11224/apps/","host":"dev-app5.services.example.org:443","User-Agent":""},"threadlocal":{}},"metlog_pid":26482,"logger":"","type":"wsgi","payload":"","env_version":"0.8"}"#;
    let mut group = c.benchmark_group("metlog_json");
    for (name, text) in [("flat", flat), ("nested", nested)] {
        let mut decoder = Decoder::default();
        let mut rows = Rows::default();
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{name} {} bytes", text.len()), |b| {
            b.iter(|| decoder.decode(black_box(text.as_bytes()), &mut rows).expect("decodes").pid);
        });
        group.throughput(Throughput::Elements(ROWS));
        group.bench_function(format!("{name} to batch"), |b| {
            b.iter(|| {
                for _ in 0..ROWS {
                    for object in objects(black_box(text.as_bytes())) {
                        decoder.decode(object, &mut rows).expect("decodes").commit(1);
                    }
                }
                rows.finish().expect("a batch")
            });
        });
    }
    group.finish();
}

/// A full datagram of three tokens and a 100-byte payload, and how many messages it holds.
fn wire_datagram() -> (Vec<u8>, u64) {
    let mut encoder = Encoder::new(DATAGRAM_BYTES_DEFAULT, 7, 42, "web1", "browserid", None);
    let payload = "x".repeat(100);
    let draft = Draft { timestamp: 1_767_323_045_678_901, r#type: "login", payload: &payload, ..Draft::default() };
    let fields = [("user", "25"), ("ms", "42")];
    let tokens = ["browserid", "login", "success"];
    while encoder.push(draft.timestamp, &draft, tokens.into_iter(), fields.into_iter()).is_ok() {}
    let messages = u64::from(encoder.messages());
    (encoder.finish(0, 0).to_vec(), messages)
}

fn wire(c: &mut Criterion) {
    let (bytes, messages) = wire_datagram();
    let mut group = c.benchmark_group("wire");
    group.throughput(Throughput::Elements(messages));
    group.bench_function("decode", |b| {
        b.iter(|| {
            let datagram = Datagram::decode(black_box(&bytes)).expect("a datagram");
            datagram.messages().map(|message| message.expect("a message").payload.len()).sum::<usize>()
        });
    });
    let datagrams = ROWS / messages;
    group.throughput(Throughput::Elements(datagrams * messages));
    group.bench_function("to batch", |b| {
        b.iter_batched_ref(
            Rows::default,
            |rows| {
                for _ in 0..datagrams {
                    let datagram = Datagram::decode(black_box(&bytes)).expect("a datagram");
                    for message in datagram.messages() {
                        rows.push_view(&message.expect("a message"), 1);
                    }
                }
                rows.finish().expect("a batch")
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, statsd_lines, metlog_json, wire);
criterion_main!(benches);
