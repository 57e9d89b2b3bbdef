//! From a window to points, and from points to what carbon reads. Names and numbers are those of etsy's statsd
//! (`backends/graphite.js`, `lib/process_metrics.js`).
//!
//! Deliberately absent: `statsd.timestamp_lag` and `processing_time`, which tell of a flush timer and a thread
//! that windows by the clock do not have.
use super::config::Config;
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
    prefix: String,
    at: i64,
    seconds: f64,
    legacy: bool,
}

impl Points {
    fn new(window: &Window, config: &Config) -> Points {
        let mut prefix = config.prefix.replace("{hostname}", &clean(&window.hostname).replace('.', "_"));
        if !prefix.is_empty() && !prefix.ends_with('.') {
            prefix.push('.');
        }
        let seconds = window.length as f64 / SECOND as f64;
        Points { made: Vec::new(), prefix, at: window.end.div_euclid(SECOND), seconds, legacy: config.legacy_namespace }
    }

    fn add(&mut self, namespace: &str, name: &str, suffix: &str, tags: &str, value: f64) {
        let path = [&self.prefix, namespace, name, suffix, tags].concat();
        self.made.push(Point { path, value, at: self.at });
    }

    fn metric(&mut self, row: &Metric) {
        let tags = tags(&row.tags);
        match &row.data {
            MetricData::Counter { count } => self.counter(&row.name, &tags, *count),
            MetricData::Gauge { value } => self.add("stats.gauges.", &row.name, "", &tags, *value),
            MetricData::Set { count } => self.add("stats.sets.", &row.name, ".count", &tags, *count as f64),
            MetricData::Timer(None) => {
                self.add("stats.timers.", &row.name, ".count", &tags, 0.0);
                self.add("stats.timers.", &row.name, ".count_ps", &tags, 0.0);
            }
            MetricData::Timer(Some(timer)) => self.timer(&row.name, &tags, timer),
        }
    }

    fn counter(&mut self, name: &str, tags: &str, count: f64) {
        let rate = count / self.seconds;
        if self.legacy {
            self.add("stats.", name, "", tags, rate);
            self.add("stats_counts.", name, "", tags, count);
        } else {
            self.add("stats.counters.", name, ".rate", tags, rate);
            self.add("stats.counters.", name, ".count", tags, count);
        }
    }

    fn timer(&mut self, name: &str, tags: &str, timer: &Timer) {
        for part in &timer.percentiles {
            self.percentile(name, tags, part);
        }
        for (suffix, value) in [
            (".std", timer.std),
            (".upper", timer.upper),
            (".lower", timer.lower),
            (".count", timer.count),
            (".count_ps", timer.count / self.seconds),
            (".sum", timer.sum),
            (".sum_squares", timer.sum_squares),
            (".mean", timer.mean),
            (".median", timer.median),
        ] {
            self.add("stats.timers.", name, suffix, tags, value);
        }
    }

    fn percentile(&mut self, name: &str, tags: &str, part: &Percentile) {
        let percent = number(part.percent).replacen('.', "_", 1).replacen('-', "top", 1);
        let bound = if part.percent > 0.0 { "upper" } else { "lower" };
        for (statistic, value) in [
            ("count", part.count as f64),
            ("mean", part.mean),
            (bound, part.bound),
            ("sum", part.sum),
            ("sum_squares", part.sum_squares),
        ] {
            self.add("stats.timers.", name, &format!(".{statistic}_{percent}"), tags, value);
        }
    }
}

/// `;key=value` for each. Carbon refuses a line with an empty tag or value, so a tag that came without a value
/// has the value `true`, and what is empty after cleaning is `_`.
fn tags(tags: &[(String, String)]) -> String {
    let filled = |text: String| if text.is_empty() { "_".to_owned() } else { text };
    let mut path = String::new();
    for (key, value) in tags {
        let key = filled(clean(key).replace([';', '='], "_"));
        let value = if value.is_empty() { "true".to_owned() } else { filled(clean(value).replace(';', "_")) };
        path.extend([";", &key, "=", &value]);
    }
    path
}

/// What statsd makes of a name: `_` for a run of white space, `-` for a slash, and nothing for what is left
/// besides letters, digits and `_ - . ; =`.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut in_space = false;
    for character in text.chars() {
        let is_space = character.is_whitespace();
        match character {
            _ if is_space && in_space => (),
            _ if is_space => clean.push('_'),
            '/' => clean.push('-'),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' | ';' | '=' => clean.push(character),
            _ => (),
        }
        in_space = is_space;
    }
    clean
}

/// A number as JavaScript prints it: the shortest digits that read back the same, with an exponent from 1e21 on
/// and below 1e-6.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if size >= 1e21 {
        format!("{value:e}").replace('e', "e+")
    } else if size < 1e-6 {
        format!("{value:e}")
    } else {
        format!("{value}")
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
