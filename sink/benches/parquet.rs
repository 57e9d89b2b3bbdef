//! Rows to Parquet: what one message costs between the batch and the object's bytes, in time on the processor, so
//! that a busy machine says the same as an idle one.
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use metlog_schemas::rows::Rows;
use metlog_schemas::table::{Table, TableMap};
use metlog_schemas::wire::Severity;
use metlog_schemas::wire::message::Message;
use metlog_sink::Batch;
use metlog_sink::parquet::{Config, encode_only};
use std::hint::black_box;
use std::time::Duration;

/// Time that this thread was on a processor, as Linux counts it.
struct CpuTime;

impl CpuTime {
    fn now() -> Duration {
        let times = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux's statistics of a thread");
        let first = times.split(' ').next().and_then(|text| text.parse().ok());
        Duration::from_nanos(first.expect("nanoseconds"))
    }
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        CpuTime::now()
    }

    fn end(&self, start: Duration) -> Duration {
        CpuTime::now() - start
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

const ROWS: usize = 256 * 1024;
const START: i64 = 1_767_225_600_000_000;

/// A small generator of numbers, so that each run writes the same rows.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

const WORDS: [&str; 16] = [
    "request",
    "accepted",
    "user",
    "session",
    "expired",
    "cache",
    "miss",
    "retry",
    "timeout",
    "upstream",
    "GET",
    "/api/v1/items",
    "status=200",
    "bytes",
    "queue",
    "worker",
];

/// A payload of about 100 bytes, as a service writes it, with numbers that do not come again.
fn payload(numbers: &mut Numbers) -> String {
    let mut text = String::new();
    while text.len() < 90 {
        text.push_str(WORDS[numbers.below(16) as usize]);
        text.push(' ');
        if numbers.below(3) == 0 {
            text.push_str(&format!("{:x} ", numbers.below(1 << 31)));
        }
    }
    text
}

/// Messages of three tokens from some hosts; `fields` of them each.
fn batch(fields: u64, shuffled: bool) -> Batch {
    let mut numbers = Numbers(7);
    let mut rows = Rows::default();
    for row in 0..ROWS {
        let late = if shuffled { numbers.below(1_000_000) as i64 } else { 0 };
        let message = Message {
            timestamp: START + row as i64 * 3 - late,
            r#type: ["login", "request", "job", "error"][numbers.below(4) as usize].into(),
            logger: ["web", "worker", "billing"][numbers.below(3) as usize].into(),
            severity: Severity::INFORMATIONAL,
            hostname: format!("host-{}.example", numbers.below(50)),
            pid: 1_000 + numbers.below(200) as i64,
            tokens: ["browserid", "login", WORDS[numbers.below(8) as usize]].map(String::from).to_vec(),
            payload: payload(&mut numbers),
            fields: (0..fields).map(|key| (format!("key.{key}"), numbers.below(10_000).to_string())).collect(),
            env_version: "1".into(),
        };
        rows.push_message(&message, START + row as i64 * 3);
    }
    let messages = vec![rows.finish().expect("rows")];
    let mut rows = TableMap::default();
    rows[Table::Messages] = messages;
    Batch { listener: "bench".into(), segment: 1, rows, windows: Vec::new() }
}

fn encode(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("rows_to_parquet");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    for (name, fields, shuffled) in [("tokens", 0, false), ("tokens_unsorted", 0, true), ("fields", 5, false)] {
        let batch = batch(fields, shuffled);
        let bytes = encode_only(&batch, &Config::default()).expect("encoded");
        println!("{name}: {} bytes a row", bytes / ROWS);
        group.bench_function(name, |bench| bench.iter(|| encode_only(black_box(&batch), &Config::default())));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = encode
}
criterion_main!(benches);
