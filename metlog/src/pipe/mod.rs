//! The pipe: what the callers of one process put in, and its sender thread takes out.
//!
//! A caller holds the mutex for as long as it takes to copy one message, and makes no system call, with two
//! exceptions: it wakes the sender thread when that sleeps, and when half of the pool is full. The sender
//! thread looks every [`TICK`], or sooner the more traffic there is, and sleeps while there is none. It never holds the mutex
//! while it sends.
mod clock;
mod current;
mod drain;
mod fork;
mod heartbeat;
mod lane;
mod send;

pub(crate) use current::Pipes;
pub(crate) use fork::generation;

use crate::config::Settings;
use crate::origin::Origin;
use crate::outcome::{Outcome, Stats};
use clock::Clock;
use lane::{Lane, Lines};
use metlog_wire::v1::{DoesNotFit, Draft, Encoder, Ping, Probe, SpanDraft};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the sender thread looks while there is traffic: well within the 100 ms that are promised.
const TICK: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Life {
    Running,
    /// The sender thread sends what is left, then ends.
    Closing,
    Closed,
    /// There is no sender thread, though nobody closed.
    Failed,
}

/// What callers and the sender thread tell each other.
#[derive(Debug)]
struct Control {
    life: Life,
    /// The sender thread waits without limit; who sets this to false must wake it.
    asleep: bool,
    /// The sender thread should not wait for its tick.
    urgent: bool,
    flush_wanted: u64,
    flush_done: u64,
    stats: Stats,
}

#[derive(Debug)]
struct State {
    /// `None`: nowhere to send to, or closed.
    messages: Option<Lane<Encoder>>,
    statsd: Option<Lane<Lines>>,
    control: Control,
    clock: Clock,
}

/// What one process sends through.
#[derive(Debug)]
pub(crate) struct Pipe {
    generation: u64,
    state: Mutex<State>,
    wake: Condvar,
    done: Condvar,
    filtered: AtomicU64,
}

impl Control {
    fn new() -> Control {
        let stats = Stats::default();
        Control { life: Life::Running, asleep: false, urgent: false, flush_wanted: 0, flush_done: 0, stats }
    }

    #[cold]
    fn drop_one(&mut self, outcome: Outcome) -> Outcome {
        self.stats.dropped += 1;
        self.stats.oversize += u64::from(outcome == Outcome::Oversize);
        outcome
    }

    #[cold]
    fn refuse(&mut self) -> Outcome {
        if self.life == Life::Failed { self.drop_one(Outcome::Dropped) } else { Outcome::Off }
    }

    /// True if the sender thread must be woken for what was just put in.
    fn must_wake(&mut self, urgent: bool) -> bool {
        let news = urgent && !self.urgent;
        self.urgent |= urgent;
        std::mem::replace(&mut self.asleep, false) | news
    }
}

/// What is left out of a span that fits no datagram.
#[derive(Debug, Clone, Copy)]
enum Shorter {
    Events,
    Links,
    Attributes,
}

impl Shorter {
    /// False: there is none.
    fn leave_out(self, span: &mut SpanDraft<'_>) -> bool {
        let (part, at) = match self {
            Shorter::Attributes => (&mut span.attributes, 0),
            Shorter::Events => (&mut span.events, 1),
            Shorter::Links => (&mut span.links, 2),
        };
        let Some(left_out) = part.take().filter(|part| !part.is_empty()) else { return false };
        span.dropped[at] = span.dropped[at].saturating_add(left_out.len());
        true
    }
}

impl Pipe {
    /// A pipe of this process and its sender thread. Where no thread can be had, every message is dropped.
    fn start(settings: &Settings, generation: u64) -> Arc<Pipe> {
        let (state, sender) = drain::prepare(settings, Origin::of_this_process());
        let pipe = Arc::new(Pipe {
            generation,
            state: Mutex::new(state),
            wake: Condvar::new(),
            done: Condvar::new(),
            filtered: AtomicU64::new(0),
        });
        sender.spawn(pipe.clone());
        pipe
    }

    /// Encodes a message straight into the datagram that will carry it, with this timestamp, or else that of now.
    #[inline]
    pub fn push<'t, 'f, T, F>(
        &self,
        timestamp: Option<i64>,
        mut draft: Draft<'_>,
        tokens: impl Fn() -> T,
        fields: impl Fn() -> F,
    ) -> Outcome
    where
        T: ExactSizeIterator<Item = &'t str> + Clone,
        F: ExactSizeIterator<Item = (&'f str, &'f str)> + Clone,
    {
        let ticks = clock::ticks(); // of now, whenever the mutex is had
        let mut guard = self.lock();
        let State { messages, control, clock, .. } = &mut *guard;
        let (Some(lane), Life::Running) = (messages, control.life) else { return control.refuse() };
        let now = clock.micros(ticks);
        draft.timestamp = timestamp.unwrap_or(now);
        let mut pushed = lane.current.push(now, &draft, tokens(), fields());
        let mut urgent = false;
        if pushed == Err(DoesNotFit { never: false }) {
            if !lane.rotate() {
                return control.drop_one(Outcome::Dropped);
            }
            urgent = lane.is_urgent();
            pushed = lane.current.push(now, &draft, tokens(), fields());
        }
        self.finish(guard, urgent, pushed, |stats| stats.queued += 1)
    }

    /// Takes a span that has ended. One that fits no datagram is sent without its events, then without its links, and at
    /// last without its attributes: what it lacks is counted in it.
    pub fn push_span(&self, span: &SpanDraft<'_>) -> Outcome {
        let ticks = clock::ticks();
        let mut guard = self.lock();
        let State { messages, control, clock, .. } = &mut *guard;
        let (Some(lane), Life::Running) = (messages, control.life) else { return control.refuse() };
        let now = clock.micros(ticks);
        let mut urgent = false;
        let mut pushed = lane.current.push_span(now, span);
        if pushed == Err(DoesNotFit { never: false }) {
            if !lane.rotate() {
                return control.drop_one(Outcome::Dropped);
            }
            urgent = lane.is_urgent();
            pushed = lane.current.push_span(now, span);
        }
        let mut shorter = *span;
        for part in [Shorter::Events, Shorter::Links, Shorter::Attributes] {
            if pushed.is_err() && part.leave_out(&mut shorter) {
                pushed = lane.current.push_span(now, &shorter);
            }
        }
        self.finish(guard, urgent, pushed, |stats| stats.queued += 1)
    }

    /// Takes a result of the mesh.
    pub fn push_ping(&self, ping: &Ping<'_>) -> Outcome {
        self.push_frame(|encoder, now| encoder.push_ping(now, ping))
    }

    /// Takes a single probe of the mesh.
    pub fn push_probe(&self, probe: &Probe<'_>) -> Outcome {
        self.push_frame(|encoder, now| encoder.push_probe(now, probe))
    }

    /// Takes what fits a datagram or does not.
    fn push_frame(&self, push: impl Fn(&mut Encoder, i64) -> Result<(), DoesNotFit>) -> Outcome {
        let ticks = clock::ticks();
        let mut guard = self.lock();
        let State { messages, control, clock, .. } = &mut *guard;
        let (Some(lane), Life::Running) = (messages, control.life) else { return control.refuse() };
        let now = clock.micros(ticks);
        let mut urgent = false;
        let mut pushed = push(&mut lane.current, now);
        if pushed == Err(DoesNotFit { never: false }) {
            if !lane.rotate() {
                return control.drop_one(Outcome::Dropped);
            }
            urgent = lane.is_urgent();
            pushed = push(&mut lane.current, now);
        }
        self.finish(guard, urgent, pushed, |stats| stats.queued += 1)
    }

    /// Takes one statsd value, in parts: a line, or the two lines of a negative gauge.
    pub fn push_statsd(&self, parts: &[&str]) -> Outcome {
        let mut guard = self.lock();
        let State { statsd, control, .. } = &mut *guard;
        let (Some(lane), Life::Running) = (statsd, control.life) else { return control.refuse() };
        let mut pushed = lane.current.push(parts);
        let mut urgent = false;
        if pushed == Err(DoesNotFit { never: false }) {
            if !lane.rotate() {
                return control.drop_one(Outcome::Dropped);
            }
            urgent = lane.is_urgent();
            pushed = lane.current.push(parts);
        }
        self.finish(guard, urgent, pushed, |stats| stats.statsd_queued += 1)
    }

    /// Counts what became of a push and wakes the sender thread where that is due, after unlocking.
    #[inline]
    fn finish(
        &self,
        mut guard: MutexGuard<'_, State>,
        urgent: bool,
        pushed: Result<(), DoesNotFit>,
        count: impl Fn(&mut Stats),
    ) -> Outcome {
        let control = &mut guard.control;
        let outcome = match pushed {
            Ok(()) => {
                count(&mut control.stats);
                Outcome::Queued
            }
            Err(_) => control.drop_one(Outcome::Oversize),
        };
        let wake = control.must_wake(urgent);
        drop(guard);
        if wake {
            self.wake.notify_one();
        }
        outcome
    }

    /// Counts a message that a filter kept back.
    pub fn count_filtered(&self) {
        self.filtered.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a value that cannot be said in statsd.
    pub fn count_dropped(&self) -> Outcome {
        self.lock().control.drop_one(Outcome::Dropped)
    }

    pub fn stats(&self) -> Stats {
        Stats { filtered: self.filtered.load(Ordering::Relaxed), ..self.lock().control.stats }
    }

    /// Waits until what was put in before has been sent, at most for `limit`. False: it has not.
    pub fn flush(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        if state.control.life != Life::Running {
            return state.control.life == Life::Closed;
        }
        state.control.flush_wanted += 1;
        let wanted = state.control.flush_wanted;
        self.hurry(&mut state.control);
        let waiting = |control: &Control| control.flush_done < wanted && control.life < Life::Closed;
        self.wait(state, limit, waiting).control.flush_done >= wanted
    }

    /// Takes nothing more, and waits until all has been sent, at most for `limit`. False: it has not.
    pub fn close(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        if state.control.life == Life::Running {
            state.control.life = Life::Closing;
        }
        self.hurry(&mut state.control);
        self.wait(state, limit, |control| control.life == Life::Closing).control.life == Life::Closed
    }

    /// Not `wait_timeout_while`: after a panic of some caller that ends with the first wake-up, whatever it is for.
    fn wait<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        limit: Duration,
        waiting: impl Fn(&Control) -> bool,
    ) -> MutexGuard<'s, State> {
        let until = Instant::now() + limit;
        while waiting(&state.control) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn hurry(&self, control: &mut Control) {
        control.urgent = true;
        control.asleep = false;
        self.wake.notify_one();
    }

    /// A panic of another caller (of its `AsRef`, say) leaves no half message: the encoder cuts it off.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
