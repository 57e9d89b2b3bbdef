//! The time of a message, for a third of what the system's clock takes; that was a third of a whole `send`.
//!
//! Where Linux takes its own time from the processor's tick counter, so does this: for [`REACH_NANOS`] after a reading of
//! the system's clock, the ticks since then tell the time. The sender thread measures in each of its rounds how long a
//! tick is. So a clock that was set, or a machine that slept, is noticed with the next reading. Everywhere else each
//! time is read from the system's clock.
use crate::origin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// After so long, the system's clock is read again.
const REACH_NANOS: u64 = 1_000_000;
/// A reading during which so much time passed was interrupted, and is not gone by.
const INTERRUPTED_NANOS: u64 = 2_000;
/// A tick is measured over no less: then what a reading itself takes is nothing.
const MEASURED_NANOS: u64 = 10_000_000;
/// What Linux takes its time from.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Linux says that the counter runs evenly, and alike on all processors.
static COUNTS: AtomicBool = AtomicBool::new(false);

/// The processor's tick counter; 0 where it does not tell the time.
#[inline]
pub(super) fn ticks() -> u64 {
    if COUNTS.load(Ordering::Relaxed) { counter() } else { 0 }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn counter() -> u64 {
    // SAFETY: it only reads a register. Every x86-64 processor has it, and where it is forbidden, the system's clock,
    // which reads it too, is forbidden as well: `COUNTS` is only set where Linux takes its time from it.
    #[allow(unsafe_code)]
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> u64 {
    0
}

/// The time by the ticks since the last reading of the system's clock.
#[derive(Debug, Default)]
pub(super) struct Clock {
    read_at: u64,
    read_nanos: i64,
    tick: Tick,
}

/// How long a tick is. The default is for where that is not known: it reaches nowhere.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Tick {
    /// Nanoseconds, in parts of 2³².
    length: u64,
    /// Ticks in [`REACH_NANOS`].
    reach: u64,
    /// Ticks in [`INTERRUPTED_NANOS`].
    interrupted: u64,
}

impl Tick {
    fn new(nanos: u64, ticks: u64) -> Option<Tick> {
        let length = u64::try_from((u128::from(nanos) << 32) / u128::from(ticks.max(1))).ok()?;
        let ticks_in = |nanos: u64| (nanos << 32) / length;
        (length > 0).then(|| Tick { length, reach: ticks_in(REACH_NANOS), interrupted: ticks_in(INTERRUPTED_NANOS) })
    }
}

impl Clock {
    /// The time at `ticks`, which was read a moment ago, in µs since 1970 UTC.
    #[inline]
    pub fn micros(&mut self, ticks: u64) -> i64 {
        let ahead = ticks.wrapping_sub(self.read_at);
        if ahead >= self.tick.reach {
            return self.read();
        }
        (self.read_nanos + ((ahead * self.tick.length) >> 32) as i64) / 1_000
    }

    #[cold]
    fn read(&mut self) -> i64 {
        let before = ticks();
        let nanos = origin::nanos();
        let took = ticks().wrapping_sub(before);
        if took < self.tick.interrupted {
            (self.read_at, self.read_nanos) = (before + took / 2, nanos);
        }
        nanos / 1_000
    }

    /// Goes by ticks of this length from the next reading on.
    pub fn set_tick(&mut self, tick: Tick) {
        self.tick = tick;
    }
}

/// Measures how long a tick is.
#[derive(Debug)]
pub(super) struct Measure {
    /// The last moment, and the ticks then.
    from: (Instant, u64),
}

impl Measure {
    /// Asks Linux whether the counter tells the time.
    pub fn new() -> Measure {
        let counts = cfg!(all(target_arch = "x86_64", target_os = "linux"))
            && std::fs::read_to_string(CLOCK_SOURCE).is_ok_and(|source| source.trim_end() == "tsc");
        COUNTS.store(counts, Ordering::Relaxed);
        Measure { from: Measure::sample() }
    }

    /// A moment and the ticks then: of a few, the one that took least, which was not interrupted.
    fn sample() -> (Instant, u64) {
        let mut best = (u64::MAX, Instant::now(), 0);
        for _ in 0..8 {
            let (before, now) = (ticks(), Instant::now());
            let took = ticks().wrapping_sub(before);
            if took < best.0 {
                best = (took, now, before);
            }
        }
        (best.1, best.2)
    }

    /// The length of a tick since it was last asked for, where that is long enough ago.
    pub fn tick(&mut self) -> Option<Tick> {
        let (now, ticks) = Measure::sample();
        let nanos = u64::try_from(now.duration_since(self.from.0).as_nanos()).ok()?;
        let passed = ticks.wrapping_sub(self.from.1);
        if nanos < MEASURED_NANOS || passed == 0 {
            return None;
        }
        self.from = (now, ticks);
        Tick::new(nanos, passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: ten milliseconds of times by ticks, between times by the system's clock.
    /// Guarantees: where the counter tells the time, it tells the same, but for what a reading takes.
    #[test]
    fn it_tells_the_systems_time() {
        let mut measure = Measure::new();
        let mut clock = Clock::default();
        assert!((origin::now()..=origin::now() + 1_000_000).contains(&clock.micros(ticks())), "nothing measured yet");
        std::thread::sleep(std::time::Duration::from_millis(20));
        let tick = measure.tick();
        assert_eq!(tick.is_some(), COUNTS.load(Ordering::Relaxed), "measured where the counter tells the time");
        clock.set_tick(tick.unwrap_or_default());
        let end = Instant::now() + std::time::Duration::from_millis(10);
        while Instant::now() < end {
            let before = origin::now();
            let time = clock.micros(ticks());
            let after = origin::now();
            assert!((before - 20..=after + 20).contains(&time), "{before} {time} {after}");
        }
    }

    #[test]
    fn it_goes_by_ticks_for_as_long_as_it_reaches() {
        let tick = Tick::new(1_000_000, 3_000_000).unwrap();
        let mut clock = Clock { read_at: 7, read_nanos: 5_000_000_000, tick };
        assert_eq!(clock.micros(7), 5_000_000);
        assert_eq!(clock.micros(7 + 3_000), 5_000_000, "a third of a nanosecond was cut off each tick");
        assert_eq!(clock.micros(7 + 3_003), 5_000_001);
        for beyond in [6, 7 + 3_000_100, u64::MAX] {
            let mut clock = Clock { read_at: 7, read_nanos: 5_000_000_000, tick };
            assert!(clock.micros(beyond) > 1_700_000_000_000_000, "{beyond} ticks are before it, or too far");
        }
    }

    #[test]
    fn a_tick_of_no_length_is_none() {
        assert_eq!(Tick::new(0, 5), None);
        assert_eq!(Tick::new(u64::MAX, 0), None);
    }
}
