//! The sender thread: takes full datagrams out of a pipe, numbers them and sends them.
use super::clock::{Clock, Measure};
use super::heartbeat::{CLOSING_PAUSES, Schedule};
use super::lane::{Datagram, Lane, Lines};
use super::send::Outlet;
use super::{Control, Life, Pipe, State, TICK};
use crate::config::Settings;
use crate::origin::{self, Origin};
use crate::outcome::Stats;
use metlog_wire::v1::Encoder;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Datagrams taken out under one lock.
const BATCH_DATAGRAMS: usize = 16;
/// Ticks without traffic after which the thread sleeps until it is woken.
const QUIET_TICKS: u32 = 5;
/// The sender thread comes back when this share of the datagrams is full, if traffic goes on as it was. Then it comes by its
/// own timer, and no caller pays for waking it: that takes as long as a thousand messages where the processor slept.
const SHARE_AIMED: f64 = 0.125;
/// It does not come more often than this.
const TICK_MIN: Duration = Duration::from_millis(1);

/// A kind of datagram: where it waits, how it is sent and what counts it.
trait Traffic: Datagram + Sized {
    fn lane(state: &mut State) -> &mut Option<Lane<Self>>;
    fn sent(stats: &mut Stats) -> &mut u64;
    fn send(bytes: &[u8], outlet: &mut Outlet) -> bool;
}

impl Traffic for Encoder {
    fn lane(state: &mut State) -> &mut Option<Lane<Encoder>> {
        &mut state.messages
    }

    fn sent(stats: &mut Stats) -> &mut u64 {
        &mut stats.datagrams
    }

    fn send(bytes: &[u8], outlet: &mut Outlet) -> bool {
        outlet.send_messages(bytes)
    }
}

impl Traffic for Lines {
    fn lane(state: &mut State) -> &mut Option<Lane<Lines>> {
        &mut state.statsd
    }

    fn sent(stats: &mut Stats) -> &mut u64 {
        &mut stats.statsd_datagrams
    }

    fn send(bytes: &[u8], outlet: &mut Outlet) -> bool {
        outlet.send_lines(bytes)
    }
}

/// What the sender thread owns.
pub(super) struct Sender {
    messages: Option<Drain<Encoder>>,
    statsd: Option<Drain<Lines>>,
    heartbeats: Schedule,
}

/// The two ends of a pipe.
pub(super) fn prepare(settings: &Settings, origin: Origin) -> (State, Sender) {
    let encoder = || {
        let (hostname, logger) = (&settings.hostname, &settings.logger);
        Encoder::new(settings.datagram_bytes, origin.sender, origin.pid, hostname, logger, settings.key.clone())
    };
    let with_messages = (!settings.destinations.is_empty()).then(|| {
        let (lane, spare) = Lane::new(settings.message_datagrams, encoder);
        (lane, Drain::new(spare, settings.destinations.iter().cloned().map(Outlet::new).collect()))
    });
    let with_statsd = settings.statsd.as_ref().map(|statsd| {
        let (lane, spare) = Lane::new(statsd.datagrams, || Lines::new(statsd.datagram_bytes));
        (lane, Drain::new(spare, vec![Outlet::new(statsd.destination.clone())]))
    });
    let (messages, message_drain) = with_messages.unzip();
    let (statsd, statsd_drain) = with_statsd.unzip();
    let state = State { messages, statsd, control: Control::new(), clock: Clock::default() };
    (state, Sender { messages: message_drain, statsd: statsd_drain, heartbeats: Schedule::default() })
}

/// Until [`SHARE_AIMED`] is full, where `share` was in the time that `elapsed`.
fn next_pause(share: f64, elapsed: Duration) -> Duration {
    if share > 0.0 { elapsed.min(8 * TICK).mul_f64(SHARE_AIMED / share).clamp(TICK_MIN, TICK) } else { TICK }
}

enum Tick {
    Sent {
        /// The share of the datagrams that were full, of the kind that had more.
        share: f64,
    },
    Nothing,
    /// The pipe was closing and is empty.
    Last,
}

impl Sender {
    /// Runs in a thread of its own. Where there is none to be had, the pipe knows at once.
    pub fn spawn(mut self, pipe: Arc<Pipe>) {
        let ends = Ends(pipe);
        let run = move || {
            // By reference to the whole, so that the closure owns `ends` and drops it when it is dropped.
            let Ends(pipe) = &ends;
            let (mut quiet, mut measure) = (0, Measure::new());
            let (mut pause, mut last) = (TICK, Instant::now());
            loop {
                pipe.rest(quiet >= QUIET_TICKS, pause, self.heartbeats.pause(Instant::now()));
                let now = Instant::now();
                let elapsed = now - std::mem::replace(&mut last, now);
                pause = TICK;
                match self.tick(pipe, &mut measure) {
                    Tick::Sent { share } => {
                        quiet = 0;
                        pause = next_pause(share, elapsed);
                    }
                    Tick::Nothing => quiet += 1,
                    Tick::Last => return self.end(pipe),
                }
            }
        };
        // On an error the closure is dropped, and with it `Ends`.
        drop(std::thread::Builder::new().name("metlog-sender".into()).spawn(run));
    }

    /// Sends all that waits. What comes in meanwhile waits for the next tick, so that this one ends.
    fn tick(&mut self, pipe: &Pipe, measure: &mut Measure) -> Tick {
        let mut state = pipe.lock();
        let (flush, closing) = (state.control.flush_wanted, state.control.life == Life::Closing);
        let asked = closing || flush > state.control.flush_done;
        let messages = Waiting::take(&mut state, &mut self.messages);
        let statsd = Waiting::take(&mut state, &mut self.statsd);
        drop(state);
        // First, so that the messages' datagrams tell what was dropped here.
        if let Some(drain) = &mut self.statsd {
            drain.run(pipe, statsd);
        }
        if let Some(drain) = &mut self.messages {
            drain.run(pipe, messages);
            if asked {
                drain.announce_dropped(pipe);
            }
            if drain.has_heartbeats() && !closing {
                let now = Instant::now();
                match (asked, messages.any()) {
                    (true, _) => self.heartbeats.after_flush(now),
                    (false, true) => self.heartbeats.after_traffic(now),
                    (false, false) => (),
                }
                if self.heartbeats.take_due(now) {
                    drain.send_heartbeat(pipe);
                }
            }
        }
        let rate = measure.rate();
        let mut state = pipe.lock();
        state.control.flush_done = flush;
        if let Some(rate) = rate {
            state.clock.set_rate(rate);
        }
        drop(state);
        pipe.done.notify_all();
        match (closing, messages.any() || statsd.any()) {
            (true, _) => Tick::Last,
            (false, true) => Tick::Sent { share: messages.share.max(statsd.share) },
            (false, false) => Tick::Nothing,
        }
    }

    /// The last heartbeats, after everything was sent.
    fn end(&mut self, pipe: &Pipe) {
        let Some(drain) = self.messages.as_mut().filter(|drain| drain.has_heartbeats()) else { return };
        for pause in CLOSING_PAUSES {
            std::thread::sleep(*pause);
            drain.send_heartbeat(pipe);
        }
    }
}

/// What a lane held when the tick began.
#[derive(Clone, Copy, Default)]
struct Waiting {
    full: usize,
    /// Of all datagrams.
    share: f64,
    /// The datagram that was being written is now the spare.
    spare: bool,
}

impl Waiting {
    fn take<D: Traffic>(state: &mut State, drain: &mut Option<Drain<D>>) -> Waiting {
        let (Some(lane), Some(drain)) = (D::lane(state), drain) else { return Waiting::default() };
        let spare = !lane.current.is_empty();
        if spare {
            std::mem::swap(&mut lane.current, &mut drain.spare);
        }
        Waiting { full: lane.full.len(), share: lane.share(), spare }
    }

    fn any(self) -> bool {
        self.full > 0 || self.spare
    }
}

/// One kind of datagram, as the sender thread sees it.
struct Drain<D> {
    /// Changes places with the datagram that is being written, so that one can always be taken.
    spare: D,
    batch: Vec<D>,
    gate: Gate,
}

/// Numbers datagrams and hands them to each destination.
struct Gate {
    outlets: Vec<Outlet>,
    /// Of the next datagram.
    sequence: u64,
    /// The count of dropped messages that the last datagram carried.
    announced_dropped: u64,
    /// Since they were last added to the pipe's counts.
    send_errors: u64,
    /// Likewise, values whose datagram was refused and has no number that would tell.
    dropped: u64,
}

impl Gate {
    fn send<D: Traffic>(&mut self, datagram: &mut D, dropped: u64) {
        let bytes = datagram.seal(self.sequence, dropped);
        let refused = self.outlets.iter_mut().map(|outlet| u64::from(!D::send(bytes, outlet))).sum::<u64>();
        self.send_errors += refused;
        self.dropped += refused * datagram.unnumbered();
        datagram.clear();
        self.sequence += 1;
        self.announced_dropped = dropped;
    }
}

impl<D: Traffic> Drain<D> {
    fn new(spare: D, outlets: Vec<Outlet>) -> Drain<D> {
        let gate = Gate { outlets, sequence: 0, announced_dropped: 0, send_errors: 0, dropped: 0 };
        Drain { spare, batch: Vec::with_capacity(BATCH_DATAGRAMS), gate }
    }

    /// Sends what waits, oldest first; a datagram that was sent is free again.
    fn run(&mut self, pipe: &Pipe, waiting: Waiting) {
        let mut left = waiting.full;
        while left > 0 || !self.batch.is_empty() {
            // One lock a batch: those that were sent go back, and the next are taken.
            let mut state = pipe.lock();
            self.count(&mut state, self.batch.len());
            let dropped = state.control.stats.dropped;
            let Some(lane) = D::lane(&mut state) else { return };
            lane.free.append(&mut self.batch);
            let taken = left.min(BATCH_DATAGRAMS).min(lane.full.len());
            self.batch.extend(lane.full.drain(..taken));
            drop(state);
            self.batch.iter_mut().for_each(|datagram| self.gate.send(datagram, dropped));
            left = if taken == 0 { 0 } else { left - taken };
        }
        if waiting.spare {
            self.send_spare(pipe);
        }
    }

    /// Where no datagram has carried the newest count of dropped messages, one without messages does.
    fn announce_dropped(&mut self, pipe: &Pipe) {
        let dropped = pipe.lock().control.stats.dropped;
        if dropped != self.gate.announced_dropped {
            self.send_spare(pipe);
        }
    }

    fn send_spare(&mut self, pipe: &Pipe) {
        let dropped = pipe.lock().control.stats.dropped;
        self.gate.send(&mut self.spare, dropped);
        self.count(&mut pipe.lock(), 1);
    }

    fn count(&mut self, state: &mut State, datagrams: usize) {
        let stats = &mut state.control.stats;
        *D::sent(stats) += datagrams as u64;
        stats.send_errors += std::mem::take(&mut self.gate.send_errors);
        stats.dropped += std::mem::take(&mut self.gate.dropped);
    }
}

impl Drain<Encoder> {
    /// There was a datagram, and a network that may have lost it.
    fn has_heartbeats(&self) -> bool {
        self.gate.sequence > 0 && self.gate.outlets.iter().any(Outlet::is_network)
    }

    /// It is no datagram of messages: neither sending nor failing to send it is counted.
    fn send_heartbeat(&mut self, pipe: &Pipe) {
        let dropped = pipe.lock().control.stats.dropped;
        let bytes = self.spare.heartbeat(origin::now(), self.gate.sequence, dropped);
        self.gate.outlets.iter_mut().for_each(|outlet| outlet.send_heartbeat(&bytes));
    }
}

impl Pipe {
    /// The sender thread's pause, or, where it is `quiet`, until somebody puts something in, and then the pause, so that what comes close together shares a datagram. No longer than until the next heartbeat.
    fn rest(&self, quiet: bool, pause: Duration, heartbeat_in: Option<Duration>) {
        let mut state = self.lock();
        if quiet && state.is_idle() {
            state.control.asleep = true;
            let asleep = |state: &mut State| state.control.asleep;
            state = match heartbeat_in {
                None => self.wake.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner),
                Some(limit) => {
                    self.wake.wait_timeout_while(state, limit, asleep).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            if std::mem::take(&mut state.control.asleep) {
                return; // nobody woke it
            }
        }
        let limit = heartbeat_in.map_or(pause, |limit| limit.min(pause));
        let waited = self.wake.wait_timeout_while(state, limit, |state| !state.control.urgent);
        waited.unwrap_or_else(PoisonError::into_inner).0.control.urgent = false;
    }

    /// The sender thread is gone, or never came.
    pub(super) fn ended(&self) {
        let mut state = self.lock();
        let closed = state.control.life == Life::Closing;
        state.control.life = if closed { Life::Closed } else { Life::Failed };
        let freed = (state.messages.take(), state.statsd.take());
        drop(state);
        drop(freed);
        self.done.notify_all();
    }
}

impl State {
    fn is_idle(&self) -> bool {
        let empty =
            self.messages.as_ref().is_none_or(Lane::is_empty) && self.statsd.as_ref().is_none_or(Lane::is_empty);
        empty && self.control.life == Life::Running && self.control.flush_done == self.control.flush_wanted
    }
}

/// Tells the pipe that its sender thread has ended, however it ended.
struct Ends(Arc<Pipe>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_is_full_the_sooner_it_comes() {
        let ms = Duration::from_millis;
        assert_eq!(next_pause(0.0, TICK), TICK, "only the datagram that is being written");
        assert_eq!(next_pause(0.01, TICK), TICK);
        assert_eq!(next_pause(0.25, TICK), ms(10));
        assert_eq!(next_pause(0.125, ms(10)), ms(10), "steady traffic");
        assert_eq!(next_pause(1.0, ms(1)), TICK_MIN);
        assert_eq!(next_pause(1e-9, Duration::MAX), TICK);
    }
}
