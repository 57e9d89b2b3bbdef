//! statsd values: cadence's client over our queue, so that no call makes a system call. Cadence's types are public only
//! with the cargo feature `cadence`.
//!
//! Cadence writes each line into a `String` of its own, and has no signed gauge deltas, negative gauges,
//! fractional timers or sets of texts. So our calls hand it lines of ours (its `Metric` trait is made for
//! that), which live on the stack; its own calls go through the same sink.
mod line;
mod number;
mod sample;
mod timer;
#[cfg(feature = "metrics")]
mod value;

pub use number::Number;
#[cfg(feature = "metrics")]
pub(crate) use number::Quantity;
pub use timer::Timer;
#[cfg(feature = "metrics")]
pub(crate) use value::{Form, clean};

use crate::client::Emitter;
use crate::outcome::Outcome;
use crate::pipe::Pipes;
use cadence::ext::MetricBackend;
use cadence::{MetricSink, StatsdClient};
use line::Line;
#[cfg(not(feature = "metrics"))]
use number::Quantity;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The statsd side of a client, where it is on.
#[derive(Debug)]
pub(crate) struct Statsd {
    cadence: StatsdClient,
    /// Empty, or ends in a dot.
    prefix: String,
    pipes: Arc<Pipes>,
}

/// What cadence writes to: the queue of the process that asks.
#[derive(Debug)]
struct QueueSink {
    pipes: Arc<Pipes>,
}

impl MetricSink for QueueSink {
    /// 0 bytes where the line waits: nothing was written yet. An error kind stands for each other outcome;
    /// such an error does not allocate.
    fn emit(&self, lines: &str) -> io::Result<usize> {
        match self.pipes.current().push_statsd(&[lines]) {
            Outcome::Queued => Ok(0),
            Outcome::Oversize => Err(io::ErrorKind::InvalidInput.into()),
            Outcome::Off => Err(io::ErrorKind::NotConnected.into()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&self) -> io::Result<()> {
        let flushed = self.pipes.flush(crate::CLOSE_WAIT);
        if flushed { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

fn outcome_of(error: &cadence::MetricError) -> Outcome {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput) => Outcome::Oversize,
        Some(io::ErrorKind::NotConnected) => Outcome::Off,
        _ => Outcome::Dropped,
    }
}

impl Statsd {
    /// `prefix` is empty or ends in a dot.
    pub fn new(prefix: &str, pipes: Arc<Pipes>) -> Statsd {
        let cadence = StatsdClient::from_sink(prefix, QueueSink { pipes: pipes.clone() });
        Statsd { cadence, prefix: prefix.to_owned(), pipes }
    }

    #[cfg(feature = "cadence")]
    pub fn cadence(&self) -> &StatsdClient {
        &self.cadence
    }

    /// The call, or [`Outcome::Off`] where statsd is off: that costs one comparison.
    #[inline]
    pub fn on(statsd: &Option<Statsd>, call: impl FnOnce(&Statsd) -> Outcome) -> Outcome {
        statsd.as_ref().map_or(Outcome::Off, call)
    }

    #[cfg(feature = "tower")]
    pub fn incr(&self, name: &str) -> Outcome {
        self.count(name, Quantity::Unsigned(1), 1.0)
    }

    pub fn count(&self, name: &str, increment: Quantity, rate: f64) -> Outcome {
        if !number::is_finite(&increment) {
            return self.pipes.current().count_dropped();
        }
        if !sample::takes(rate) {
            return Outcome::SampledOut;
        }
        self.say(name, &increment, "c", rate)
    }

    /// The sampling is decided. Whole µs, so that no float has digits that were never measured.
    pub fn timed(&self, name: &str, elapsed: Duration, rate: f64) -> Outcome {
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.say(name, &Quantity::Float(micros as f64 / 1_000.0), "ms", rate)
    }

    /// A sign makes a value a delta for every statsd since etsy's, so a negative gauge is set to 0 first; both
    /// lines are in one datagram, or neither is.
    pub fn gauge(&self, name: &str, value: Quantity, rate: f64) -> Outcome {
        if !number::is_finite(&value) {
            return self.pipes.current().count_dropped();
        }
        if !sample::takes(rate) {
            return Outcome::SampledOut;
        }
        let mut line = Line::default();
        if number::is_negative(&value) {
            line.add(&self.prefix, name, &0, "g", 1.0);
        }
        line.add(&self.prefix, name, &value, "g", 1.0);
        self.hand_over(&line)
    }

    pub fn gauge_delta(&self, name: &str, delta: Quantity) -> Outcome {
        if !number::is_finite(&delta) {
            return self.pipes.current().count_dropped();
        }
        let mut line = Line::default();
        if number::is_negative(&delta) {
            line.add(&self.prefix, name, &delta, "g", 1.0);
        } else {
            line.add(&self.prefix, name, &format_args!("+{delta}"), "g", 1.0);
        }
        self.hand_over(&line)
    }

    pub fn set(&self, name: &str, member: &dyn Display, rate: f64) -> Outcome {
        if !sample::takes(rate) {
            return Outcome::SampledOut;
        }
        let mut line = Line::default();
        line.add_member(&self.prefix, name, member);
        self.hand_over(&line)
    }

    /// One line, whose sampling is decided.
    fn say(&self, name: &str, value: &dyn Display, kind: &str, rate: f64) -> Outcome {
        let mut line = Line::default();
        line.add(&self.prefix, name, value, kind, rate);
        self.hand_over(&line)
    }

    fn hand_over(&self, line: &Line) -> Outcome {
        match self.cadence.send_metric(line) {
            Ok(()) => Outcome::Queued,
            Err(error) => outcome_of(&error),
        }
    }
}

impl Emitter {
    /// `disabled_timers` says which names are not timed.
    pub(crate) fn is_timed(&self, name: &str) -> bool {
        let settings = &self.settings;
        self.statsd.is_some()
            && !settings.all_timers_disabled
            && (settings.disabled_timers.is_empty() || !settings.disabled_timers.contains(name))
    }

    pub(crate) fn timing(&self, name: &str, elapsed: Duration, rate: f64) -> Outcome {
        if !self.is_timed(name) {
            return Outcome::Off;
        }
        if !sample::takes(rate) {
            return Outcome::SampledOut;
        }
        self.timed(name, elapsed, rate)
    }

    fn timed(&self, name: &str, elapsed: Duration, rate: f64) -> Outcome {
        Statsd::on(&self.statsd, |statsd| statsd.timed(name, elapsed, rate))
    }
}

#[cfg(test)]
mod tests;
