//! The handles that `metrics` hands out: each call is one statsd value.
use crate::outcome::Outcome;
use crate::statsd::{Form, Quantity, clean};
use crate::trace::To;
use metrics::{CounterFn, GaugeFn, HistogramFn, Key, Unit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What a histogram's values are multiplied by to be milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale(u8);

impl Scale {
    pub const SECONDS: Scale = Scale(0);
    const FACTORS: [f64; 4] = [1e3, 1.0, 1e-3, 1e-6];
    /// No time: sent as it is.
    const PLAIN: u8 = 4;

    pub fn of(unit: Unit) -> Scale {
        Scale(match unit {
            Unit::Seconds => 0,
            Unit::Milliseconds => 1,
            Unit::Microseconds => 2,
            Unit::Nanoseconds => 3,
            _ => Scale::PLAIN,
        })
    }

    pub fn code(self) -> u8 {
        self.0
    }

    /// Milliseconds, to the nanosecond: a product of floats has digits that were never measured. `None`: it is no time.
    fn millis(code: u8, value: f64) -> Option<f64> {
        let millis = value * Scale::FACTORS.get(usize::from(code))?;
        let whole = (millis * 1e6).round() / 1e6;
        Some(if whole.is_finite() { whole } else { millis })
    }
}

/// The text around a value, without the configured prefix, which is the client's.
#[derive(Debug)]
pub(super) struct Line {
    to: To,
    /// `name:`
    head: String,
    /// Empty, or `|#key:value,…`
    tags: String,
}

impl Line {
    pub fn new(to: To, key: &Key) -> Line {
        let mut tags = String::new();
        for label in key.labels() {
            tags.push_str(if tags.is_empty() { "|#" } else { "," });
            tags.push_str(&clean(label.key(), ",:|"));
            tags.push(':');
            tags.push_str(&clean(label.value(), ",|"));
        }
        Line { to, head: format!("{}:", clean(&key.name().replace("::", "."), ":|@#")), tags }
    }

    fn send(&self, value: Quantity, form: Form) -> Outcome {
        let sent = self
            .to
            .with(|emitter| emitter.statsd.as_ref().map(|statsd| statsd.send(form, &self.head, value, &self.tags)));
        sent.flatten().unwrap_or(Outcome::Off)
    }

    fn is_timed(&self, name: &str) -> bool {
        self.to.with(|emitter| emitter.is_timed(name)).unwrap_or_default()
    }
}

/// A counter.
#[derive(Debug)]
pub(super) struct Count {
    line: Line,
    /// All that it was increased by: what an absolute value is compared with.
    total: AtomicU64,
    /// It is found again by the next use of its name.
    is_kept: bool,
}

impl Count {
    pub fn new(line: Line, is_kept: bool) -> Count {
        Count { line, total: AtomicU64::new(0), is_kept }
    }
}

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.total.fetch_add(value, Ordering::Relaxed);
        self.line.send(Quantity::Unsigned(value), Form::Count);
    }

    fn absolute(&self, value: u64) {
        if !self.is_kept {
            // Nobody knows what it was before: its whole value would be counted again and again.
            self.line.to.with(|emitter| emitter.pipes.current().count_dropped());
            return;
        }
        let before = self.total.fetch_max(value, Ordering::Relaxed);
        let Some(grown) = value.checked_sub(before).filter(|&grown| grown > 0) else { return };
        if self.line.send(Quantity::Unsigned(grown), Form::Count) != Outcome::Queued {
            // The next absolute value says it again.
            self.total.fetch_sub(grown, Ordering::Relaxed);
        }
    }
}

/// A gauge.
#[derive(Debug)]
pub(super) struct Level(Line);

impl Level {
    pub fn new(line: Line) -> Level {
        Level(line)
    }
}

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        self.0.send(Quantity::Float(value), Form::Delta);
    }

    fn decrement(&self, value: f64) {
        self.0.send(Quantity::Float(-value), Form::Delta);
    }

    fn set(&self, value: f64) {
        self.0.send(Quantity::Float(value), Form::Gauge);
    }
}

/// A histogram.
#[derive(Debug)]
pub(super) struct Times {
    line: Line,
    /// As `disabled_timers` has it.
    name: String,
    scale: Arc<AtomicU8>,
}

impl Times {
    pub fn new(line: Line, name: &str, scale: Arc<AtomicU8>) -> Times {
        Times { line, name: name.to_owned(), scale }
    }
}

impl HistogramFn for Times {
    fn record(&self, value: f64) {
        if !self.line.is_timed(&self.name) {
            return;
        }
        match Scale::millis(self.scale.load(Ordering::Relaxed), value) {
            // A negative time is no timer's, but a histogram may hold it.
            Some(millis) if !millis.is_sign_negative() || millis.is_nan() => {
                self.line.send(Quantity::Float(millis), Form::Millis)
            }
            Some(millis) => self.line.send(Quantity::Float(millis), Form::Histogram),
            None => self.line.send(Quantity::Float(value), Form::Histogram),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_milliseconds() {
        let millis = |unit, value| Scale::millis(Scale::of(unit).code(), value);
        assert_eq!(millis(Unit::Seconds, 0.0123), Some(12.3), "not 12.299999999999999");
        assert_eq!(millis(Unit::Milliseconds, 0.5), Some(0.5));
        assert_eq!(millis(Unit::Microseconds, 1_234.0), Some(1.234));
        assert_eq!(millis(Unit::Nanoseconds, 7.0), Some(0.000_007));
        assert_eq!(millis(Unit::Seconds, 1e300), Some(1e303));
        assert_eq!(millis(Unit::Bytes, 7.0), None);
    }
}
