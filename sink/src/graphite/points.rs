//! From a window to points, and from points to what carbon reads. Numbers are those of etsy's statsd
//! (`lib/process_metrics.js`), and so are names, which `metlog_schemas::carbon` makes.
//!
//! Deliberately absent: `statsd.timestamp_lag` and `processing_time`, which tell of a flush timer and a thread
//! that windows by the clock do not have.
use super::config::Config;
use metlog_schemas::carbon::{self, Naming, Number, TIMERS, number, percentile_names};
use metlog_schemas::statsd::Kind;
use metlog_schemas::time::SECOND;
use metlog_schemas::window::{Metric, MetricData, Percentile, Timer, Window};
use std::fmt::Write;

/// One value at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// `a.b.c`, with `;tag=value` for each tag.
    pub path: String,
    /// The value.
    pub value: f64,
    /// Seconds since 1970 UTC.
    pub at: i64,
}

/// What the sink tells of its own last flush, as `graphiteStats`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Flush {
    /// Milliseconds that its points took to make.
    pub calculation_ms: f64,
    /// Milliseconds that it took to write.
    pub write_ms: f64,
    /// Bytes that it wrote.
    pub bytes: usize,
    /// When it ended, in seconds since 1970 UTC.
    pub ended_at: i64,
    /// When a flush last failed, in seconds since 1970 UTC; 0: never.
    pub failed_at: i64,
}

/// All points of a window. They bear its end, in whole seconds: of windows shorter than a second, Graphite keeps
/// the last.
pub fn points(window: &Window, last: &Flush, config: &Config) -> Vec<Point> {
    let mut points = Points::new(window, config);
    points.counter("statsd.bad_lines_seen", "", window.bad_lines as f64);
    points.counter("statsd.packets_received", "", window.packets as f64);
    points.counter("statsd.metrics_received", "", window.lines as f64);
    for row in &window.rows {
        points.metric(row);
    }
    let own_counters = 3;
    let series = (window.rows.len() + own_counters) as f64;
    points.add(if config.legacy_namespace { "" } else { "stats." }, "statsd", ".numStats", "", series);
    for (name, value) in [
        (".graphiteStats.calculationtime", last.calculation_ms),
        (".graphiteStats.last_exception", last.failed_at as f64),
        (".graphiteStats.last_flush", last.ended_at as f64),
        (".graphiteStats.flush_time", last.write_ms),
        (".graphiteStats.flush_length", last.bytes as f64),
    ] {
        points.add("stats.", "statsd", name, "", value);
    }
    points.made
}

struct Points {
    made: Vec<Point>,
    naming: Naming,
    prefix: String,
    at: i64,
    seconds: f64,
}

impl Points {
    fn new(window: &Window, config: &Config) -> Points {
        let naming = Naming { prefix: config.prefix.clone(), legacy_namespace: config.legacy_namespace };
        let prefix = naming.prefix_of(&window.hostname);
        let seconds = window.length as f64 / SECOND as f64;
        Points { made: Vec::new(), naming, prefix, at: window.end.div_euclid(SECOND), seconds }
    }

    fn add(&mut self, namespace: &str, name: &str, suffix: &str, tags: &str, value: f64) {
        let path = [&self.prefix, namespace, name, suffix, tags].concat();
        self.made.push(Point { path, value, at: self.at });
    }

    fn metric(&mut self, row: &Metric) {
        let tags = carbon::tags(row.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        match &row.data {
            MetricData::Counter { count } => self.counter(&row.name, &tags, *count),
            MetricData::Gauge { value } => self.statistics(Kind::Gauge, &row.name, &tags, |_| Some(*value)),
            MetricData::Set { count } => self.statistics(Kind::Set, &row.name, &tags, |_| Some(*count as f64)),
            MetricData::Timer(None) => self.statistics(Kind::Timer, &row.name, &tags, |number| {
                matches!(number, Number::Count | Number::PerSecond).then_some(0.0)
            }),
            MetricData::Timer(Some(timer)) => self.timer(&row.name, &tags, timer),
        }
    }

    fn statistics(&mut self, kind: Kind, name: &str, tags: &str, value: impl Fn(Number) -> Option<f64>) {
        for statistic in self.naming.statistics(kind) {
            if let Some(value) = value(statistic.number) {
                self.add(statistic.namespace, name, statistic.suffix, tags, value);
            }
        }
    }

    fn counter(&mut self, name: &str, tags: &str, count: f64) {
        let rate = count / self.seconds;
        let value = |number| if number == Number::Count { count } else { rate };
        self.statistics(Kind::Counter, name, tags, |number| Some(value(number)));
    }

    fn timer(&mut self, name: &str, tags: &str, timer: &Timer) {
        for part in &timer.percentiles {
            self.percentile(name, tags, part);
        }
        let per_second = timer.count / self.seconds;
        self.statistics(Kind::Timer, name, tags, |number| match number {
            Number::Std => Some(timer.std),
            Number::Upper => Some(timer.upper),
            Number::Lower => Some(timer.lower),
            Number::Count => Some(timer.count),
            Number::PerSecond => Some(per_second),
            Number::Sum => Some(timer.sum),
            Number::SumSquares => Some(timer.sum_squares),
            Number::Mean => Some(timer.mean),
            Number::Median => Some(timer.median),
            Number::Last => None,
        });
    }

    fn percentile(&mut self, name: &str, tags: &str, part: &Percentile) {
        let values = [part.count as f64, part.mean, part.bound, part.sum, part.sum_squares];
        for (statistic, value) in percentile_names(part.percent).iter().zip(values) {
            self.add(TIMERS, name, &format!(".{statistic}"), tags, value);
        }
    }
}

/// `path value seconds` and a newline for each point.
pub fn plaintext(points: &[Point]) -> Vec<u8> {
    let mut text = String::with_capacity(points.len() * 64);
    for point in points {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} {}", point.path, number(point.value), point.at);
    }
    text.into_bytes()
}

/// Bytes of one pickle above which the next one begins; carbon closes the connection above 1 MiB.
const PICKLE_BYTES_MAX: usize = 256 * 1024;

/// Lists `[(path, (seconds, value)), …]` as pickles of protocol 2, each behind its length in four bytes. Only
/// opcodes for lists, tuples, text and numbers, which carbon's careful reader lets in.
pub fn pickles(points: &[Point]) -> Vec<u8> {
    let mut frames = Vec::with_capacity(points.len() * 80);
    let mut points = points.iter().peekable();
    while points.peek().is_some() {
        let start = frames.len();
        frames.extend_from_slice(&[0; 4]);
        frames.extend_from_slice(b"\x80\x02](");
        while let Some(point) = points.next_if(|_| frames.len() - start < PICKLE_BYTES_MAX) {
            pickle(&mut frames, point);
        }
        frames.extend_from_slice(b"e.");
        let length = (frames.len() - start - 4) as u32;
        frames[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    frames
}

fn pickle(frame: &mut Vec<u8>, point: &Point) {
    frame.push(b'X');
    frame.extend_from_slice(&(point.path.len() as u32).to_le_bytes());
    frame.extend_from_slice(point.path.as_bytes());
    match i32::try_from(point.at) {
        Ok(at) => {
            frame.push(b'J');
            frame.extend_from_slice(&at.to_le_bytes());
        }
        Err(_) => {
            frame.extend_from_slice(b"\x8a\x08");
            frame.extend_from_slice(&point.at.to_le_bytes());
        }
    }
    frame.push(b'G');
    frame.extend_from_slice(&point.value.to_be_bytes());
    frame.extend_from_slice(b"\x86\x86");
}
