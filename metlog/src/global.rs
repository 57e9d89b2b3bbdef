//! The client of the whole process: functions that may be called from anywhere, before and after `init` too.
use crate::client::{Client, Emitter};
use crate::config::{Config, ConfigError};
use crate::message::MessageBuilder;
use crate::outcome::{Outcome, Stats};
use crate::slot::Slot;
use crate::statsd::{Number, Statsd, Timer};
use crate::trace::{Context, Entered, Span, To};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

static EMITTER: Slot<Emitter> = Slot::empty();

/// Keeps the process's client; when it is dropped, everything queued is sent and later calls return
/// [`Outcome::Off`].
#[derive(Debug)]
#[must_use = "dropping the guard closes the client at once"]
pub struct Guard {
    client: Client,
}

impl Guard {
    /// The same client, to pass it on. While a clone of it exists, dropping the guard does not close it, but
    /// flushes.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let newest = EMITTER.get();
        if newest.is_some_and(|newest| std::ptr::eq(newest, Arc::as_ptr(self.client.emitter()))) {
            EMITTER.replace(newest, None);
        }
        if self.client.is_shared() {
            self.client.flush();
        }
    }
}

/// Sets up the client of this process. Called again, it replaces the one before, which its own guard still
/// flushes.
///
/// # Errors
/// If the configuration is invalid; then nothing has changed.
pub fn init(config: Config) -> Result<Guard, ConfigError> {
    let client = Client::new(config)?;
    while !EMITTER.replace(EMITTER.get(), Some(client.emitter().clone())) {}
    Ok(Guard { client })
}

#[inline]
pub(crate) fn emitter() -> Option<&'static Emitter> {
    EMITTER.get()
}

/// Begins a span and enters it until the guard is dropped, which ends and sends it: a child of the span that this thread is
/// in, or else the root of a trace.
///
/// ```
/// let span = metlog::span("work");
/// span.attribute("size", 7);
/// ```
pub fn span(name: &str) -> Entered<'static> {
    start_span(name).entered()
}

/// As [`span`], as a child of a context, which usually came with a request; `None`: the root of a new trace.
pub fn span_of(parent: Option<&Context>, name: &str) -> Entered<'static> {
    start_span_of(parent, name).entered()
}

/// Begins a span without entering it, to be passed on: a child of the span that this thread is in, or else a root.
pub fn start_span(name: &str) -> Span {
    Span::start_here(To::Global, name)
}

/// As [`start_span`], as a child of a context; `None`: the root of a new trace.
pub fn start_span_of(parent: Option<&Context>, name: &str) -> Span {
    Span::start(To::Global, parent, name)
}

fn on_statsd(call: impl FnOnce(&Statsd) -> Outcome) -> Outcome {
    emitter().map_or(Outcome::Off, |emitter| Statsd::on(&emitter.statsd, call))
}

/// Sends a message with the configured type, logger and severity.
///
/// ```
/// metlog::send(["browserid", "login"], "user 25");
/// ```
#[inline]
pub fn send<S: AsRef<str>>(tokens: impl AsRef<[S]>, payload: impl AsRef<str>) -> Outcome {
    emitter().map_or(Outcome::Off, |emitter| emitter.send(tokens.as_ref(), payload.as_ref()))
}

/// A message builder that sets type, logger, severity, tokens, fields or timestamp before sending.
///
/// ```
/// use metlog::Severity;
/// metlog::message("bad password").of_type("login").severity(Severity::WARNING).field("userid", 25).send();
/// ```
pub fn message(payload: &str) -> MessageBuilder<'_> {
    MessageBuilder::new(emitter(), payload)
}

/// Adds one to a counter.
pub fn incr(name: &str) -> Outcome {
    count(name, 1)
}

/// Adds one to a counter, sampled at `rate`; the listener scales it up again.
pub fn incr_with_rate(name: &str, rate: f64) -> Outcome {
    count_with_rate(name, 1, rate)
}

/// Adds to a counter, or subtracts from it.
pub fn count(name: &str, increment: impl Number) -> Outcome {
    count_with_rate(name, increment, 1.0)
}

/// As [`count`], sampled at `rate`; the listener scales it up again.
pub fn count_with_rate(name: &str, increment: impl Number, rate: f64) -> Outcome {
    on_statsd(|statsd| statsd.count(name, increment.value(), rate))
}

/// Sets a gauge, also to a negative value.
pub fn gauge(name: &str, value: impl Number) -> Outcome {
    gauge_with_rate(name, value, 1.0)
}

/// As [`gauge`], sampled at `rate`.
pub fn gauge_with_rate(name: &str, value: impl Number, rate: f64) -> Outcome {
    on_statsd(|statsd| statsd.gauge(name, value.value(), rate))
}

/// Adds to a gauge, or subtracts from it.
pub fn gauge_delta(name: &str, delta: impl Number) -> Outcome {
    on_statsd(|statsd| statsd.gauge_delta(name, delta.value()))
}

/// Records a duration. Sent in milliseconds with three decimals.
pub fn timing(name: &str, elapsed: Duration) -> Outcome {
    timing_with_rate(name, elapsed, 1.0)
}

/// As [`timing`], sampled at `rate`; the listener scales the count up again.
pub fn timing_with_rate(name: &str, elapsed: Duration, rate: f64) -> Outcome {
    emitter().map_or(Outcome::Off, |emitter| emitter.timing(name, elapsed, rate))
}

/// Adds a member to a set; the listener counts distinct members.
pub fn set(name: &str, member: impl Display) -> Outcome {
    set_with_rate(name, member, 1.0)
}

/// As [`set`], sampled at `rate`. A count of distinct members cannot be scaled up.
pub fn set_with_rate(name: &str, member: impl Display, rate: f64) -> Outcome {
    on_statsd(|statsd| statsd.set(name, &member, rate))
}

/// Measures the time until the guard is dropped.
///
/// ```
/// let timer = metlog::timer("login.time");
/// // the work
/// drop(timer);
/// ```
pub fn timer(name: &str) -> Timer<'_> {
    timer_with_rate(name, 1.0)
}

/// As [`timer`], sampled at `rate`. Calls that are not sampled do not even read the clock.
pub fn timer_with_rate(name: &str, rate: f64) -> Timer<'_> {
    Timer::start(emitter(), name, rate)
}

/// Measures the duration of a closure.
///
/// ```
/// let sum = metlog::time("addition", || 1 + 1);
/// assert_eq!(sum, 2);
/// ```
pub fn time<R>(name: &str, run: impl FnOnce() -> R) -> R {
    let _timer = timer(name);
    run()
}

/// Cadence's client over our queue, for what is not here: tags, histograms, distributions. `None`: no
/// [`init`], or `statsd = false`. Only with the cargo feature `cadence`.
#[cfg(feature = "cadence")]
pub fn statsd() -> Option<&'static cadence::StatsdClient> {
    emitter()?.statsd.as_ref().map(Statsd::cadence)
}

/// Waits until everything queued so far has been sent, at most for [`CLOSE_WAIT`](crate::CLOSE_WAIT). Returns false
/// if it has not. A service does not need it: dropping the guard does the same.
pub fn flush() -> bool {
    emitter().is_none_or(|emitter| emitter.pipes.flush(crate::CLOSE_WAIT))
}

/// The counts of the process's client in this process; all zero without one.
pub fn stats() -> Stats {
    emitter().map_or(Stats::default(), |emitter| emitter.pipes.current().stats())
}
