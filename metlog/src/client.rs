//! The client: what applications call, for one configuration.
use crate::config::{Config, ConfigError, Settings};
use crate::message::MessageBuilder;
use crate::outcome::{Outcome, Stats};
use crate::pipe::Pipes;
use crate::statsd::{Number, Statsd, Timer};
use crate::trace::{self, Context, Entered, Span, To};
use metlog_wire::v1::{Draft, Ping, Probe};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// How long dropping the last [`Client`] or the guard of [`init`](crate::init) waits for the queue to empty.
pub const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// A client that is not global. Clones are cheap and share everything; when the last one is dropped, everything
/// queued is sent, within [`CLOSE_WAIT`].
///
/// No call blocks, panics or fails, whatever the state of network and listener. A forked child may continue to
/// use it: the child gets a queue, a sender thread and an identity of its own with its first call.
///
/// ```
/// use metlog::{Client, Config, Destination, Outcome};
///
/// let (destination, captured) = Destination::capture();
/// let client = Client::new(Config::default().destination(destination).statsd(false))?;
/// assert_eq!(client.send(["browserid", "login"], "user 25"), Outcome::Queued);
/// client.flush();
/// assert_eq!(captured.messages()[0].tokens, ["browserid", "login"]);
/// # Ok::<(), metlog::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    owner: Arc<Owner>,
}

/// Closes the pipe when the last client is dropped.
#[derive(Debug)]
struct Owner {
    emitter: Arc<Emitter>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.emitter.pipes.close(CLOSE_WAIT);
    }
}

/// What a call needs; the functions of the crate's root reach it without a [`Client`].
#[derive(Debug)]
pub(crate) struct Emitter {
    pub(crate) settings: Arc<Settings>,
    pub(crate) pipes: Arc<Pipes>,
    /// `None`: `statsd = false`.
    pub(crate) statsd: Option<Statsd>,
    /// No filter is set.
    unfiltered: bool,
}

impl Emitter {
    #[inline]
    pub fn send<S: AsRef<str>>(&self, tokens: &[S], payload: &str) -> Outcome {
        let (severity, r#type) = (self.settings.severity, self.settings.r#type.as_str());
        let draft = Draft { severity, r#type, payload, ..Draft::default() };
        self.emit(None, draft, || tokens.iter().map(S::as_ref), std::iter::empty)
    }

    /// `timestamp`: `None` for now.
    #[inline]
    pub fn emit<'t, T, F>(
        &self,
        timestamp: Option<i64>,
        draft: Draft<'_>,
        tokens: impl Fn() -> T,
        fields: impl Fn() -> F,
    ) -> Outcome
    where
        T: ExactSizeIterator<Item = &'t str> + Clone,
        F: ExactSizeIterator<Item = (&'t str, &'t str)> + Clone,
    {
        let pipe = self.pipes.current();
        if !self.unfiltered && !self.settings.filters.passes(draft.r#type, draft.severity) {
            pipe.count_filtered();
            return Outcome::Filtered;
        }
        if trace::is_in_use()
            && let Some(ids) = trace::ids_of_current()
        {
            return pipe.push(timestamp, draft, tokens, || WithIds { fields: fields(), ids: ids.fields(), next: 0 });
        }
        pipe.push(timestamp, draft, tokens, fields)
    }
}

/// Fields, and behind them the ids of the span that a message is sent in.
#[derive(Clone)]
struct WithIds<'i, F> {
    fields: F,
    ids: [(&'i str, &'i str); 2],
    next: usize,
}

impl<'i, 'f: 'i, F: ExactSizeIterator<Item = (&'f str, &'f str)>> Iterator for WithIds<'i, F> {
    type Item = (&'i str, &'i str);

    fn next(&mut self) -> Option<Self::Item> {
        self.fields.next().or_else(|| {
            let id = self.ids.get(self.next).copied();
            self.next += 1;
            id
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.fields.len() + self.ids.len().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl<'i, 'f: 'i, F: ExactSizeIterator<Item = (&'f str, &'f str)>> ExactSizeIterator for WithIds<'i, F> {}

impl Client {
    /// A client and its sender thread. Nothing is looked up and no socket opened before the first message.
    ///
    /// # Errors
    /// A configuration that cannot be. A thread or a network that is not there is no error: messages are
    /// dropped and counted.
    pub fn new(config: Config) -> Result<Client, ConfigError> {
        let settings = Arc::new(config.settings()?);
        let pipes = Arc::new(Pipes::start(settings.clone()));
        let statsd = settings.statsd.as_ref().map(|statsd| Statsd::new(&statsd.prefix, pipes.clone()));
        let unfiltered = settings.filters.is_empty();
        let emitter = Arc::new(Emitter { settings, pipes, statsd, unfiltered });
        Ok(Client { owner: Arc::new(Owner { emitter }) })
    }

    pub(crate) fn emitter(&self) -> &Arc<Emitter> {
        &self.owner.emitter
    }

    /// True if another clone will close it.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.owner) > 1
    }

    /// Sends a message with the configured type, logger and severity.
    #[inline]
    pub fn send<S: AsRef<str>>(&self, tokens: impl AsRef<[S]>, payload: impl AsRef<str>) -> Outcome {
        self.emitter().send(tokens.as_ref(), payload.as_ref())
    }

    /// A message to be given type, logger, severity, tokens, fields or timestamp before it is sent.
    pub fn message<'a>(&'a self, payload: &'a str) -> MessageBuilder<'a> {
        MessageBuilder::new(Some(self.emitter()), payload)
    }

    /// Begins a span and enters it until the guard is dropped, which ends and sends it: a child of the span that this thread
    /// is in, or else the root of a trace.
    pub fn span(&self, name: &str) -> Entered<'static> {
        self.start_span(name).entered()
    }

    /// As [`Client::span`], as a child of a context, which usually came with a request; `None`: the root of a new trace.
    pub fn span_of(&self, parent: Option<&Context>, name: &str) -> Entered<'static> {
        self.start_span_of(parent, name).entered()
    }

    /// Begins a span without entering it, to be passed on: a child of the span that this thread is in, or else a root.
    pub fn start_span(&self, name: &str) -> Span {
        Span::start_here(self.to(), name)
    }

    /// As [`Client::start_span`], as a child of a context; `None`: the root of a new trace.
    pub fn start_span_of(&self, parent: Option<&Context>, name: &str) -> Span {
        Span::start(self.to(), parent, name)
    }

    pub(crate) fn to(&self) -> To {
        To::Client(Arc::downgrade(self.emitter()))
    }

    /// Sends a result of the mesh. No filter applies.
    pub fn ping(&self, ping: &Ping<'_>) -> Outcome {
        self.emitter().pipes.current().push_ping(ping)
    }

    /// Sends a single probe of the mesh. No filter applies.
    pub fn probe(&self, probe: &Probe<'_>) -> Outcome {
        self.emitter().pipes.current().push_probe(probe)
    }

    /// Adds one to a counter.
    pub fn incr(&self, name: &str) -> Outcome {
        self.count(name, 1)
    }

    /// Adds one to a counter, at a share `rate` of the calls; the listener scales it up again.
    pub fn incr_with_rate(&self, name: &str, rate: f64) -> Outcome {
        self.count_with_rate(name, 1, rate)
    }

    /// Adds to a counter, or takes from it.
    pub fn count(&self, name: &str, increment: impl Number) -> Outcome {
        self.count_with_rate(name, increment, 1.0)
    }

    /// As [`Client::count`], at a share `rate` of the calls; the listener scales it up again.
    pub fn count_with_rate(&self, name: &str, increment: impl Number, rate: f64) -> Outcome {
        Statsd::on(&self.emitter().statsd, |statsd| statsd.count(name, increment.value(), rate))
    }

    /// Sets a gauge, also to a negative value.
    pub fn gauge(&self, name: &str, value: impl Number) -> Outcome {
        self.gauge_with_rate(name, value, 1.0)
    }

    /// As [`Client::gauge`], at a share `rate` of the calls.
    pub fn gauge_with_rate(&self, name: &str, value: impl Number, rate: f64) -> Outcome {
        Statsd::on(&self.emitter().statsd, |statsd| statsd.gauge(name, value.value(), rate))
    }

    /// Adds to a gauge, or takes from it.
    pub fn gauge_delta(&self, name: &str, delta: impl Number) -> Outcome {
        Statsd::on(&self.emitter().statsd, |statsd| statsd.gauge_delta(name, delta.value()))
    }

    /// Says how long something took. Sent in milliseconds with three decimals.
    pub fn timing(&self, name: &str, elapsed: Duration) -> Outcome {
        self.timing_with_rate(name, elapsed, 1.0)
    }

    /// As [`Client::timing`], at a share `rate` of the calls; the listener scales the count up again.
    pub fn timing_with_rate(&self, name: &str, elapsed: Duration, rate: f64) -> Outcome {
        self.emitter().timing(name, elapsed, rate)
    }

    /// Adds a member to a set, of which the listener counts the distinct ones.
    pub fn set(&self, name: &str, member: impl Display) -> Outcome {
        self.set_with_rate(name, member, 1.0)
    }

    /// As [`Client::set`], at a share `rate` of the calls. A count of distinct members cannot be scaled up.
    pub fn set_with_rate(&self, name: &str, member: impl Display, rate: f64) -> Outcome {
        Statsd::on(&self.emitter().statsd, |statsd| statsd.set(name, &member, rate))
    }

    /// Takes the time until the guard is dropped.
    pub fn timer<'a>(&'a self, name: &'a str) -> Timer<'a> {
        self.timer_with_rate(name, 1.0)
    }

    /// As [`Client::timer`], at a share `rate` of the calls. The others do not even read the clock.
    pub fn timer_with_rate<'a>(&'a self, name: &'a str, rate: f64) -> Timer<'a> {
        Timer::start(Some(self.emitter()), name, rate)
    }

    /// Takes the time of a closure.
    pub fn time<R>(&self, name: &str, run: impl FnOnce() -> R) -> R {
        let _timer = self.timer(name);
        run()
    }

    /// Cadence's client over our queue, for what is not here: tags, histograms, distributions. `None`:
    /// `statsd = false`. Its calls do not block either, but allocate. Only with the cargo feature `cadence`.
    #[cfg(feature = "cadence")]
    pub fn statsd(&self) -> Option<&cadence::StatsdClient> {
        self.emitter().statsd.as_ref().map(Statsd::cadence)
    }

    /// Waits until what was put in before has been sent, at most for [`CLOSE_WAIT`]. False: it has not. The
    /// only call that waits, besides the end of the last client; a service has no need of it.
    pub fn flush(&self) -> bool {
        self.emitter().pipes.flush(CLOSE_WAIT)
    }

    /// The counts of this client in this process.
    pub fn stats(&self) -> Stats {
        self.emitter().pipes.current().stats()
    }
}

#[cfg(test)]
mod tests;
