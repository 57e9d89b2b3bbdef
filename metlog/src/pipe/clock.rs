//! The time of a message, for a third of what the system's clock takes; that was a third of a whole `send`.
//!
//! Where Linux takes its own time from the processor's tick counter, so does this: within [`REACH_NANOS`] of a reading of
//! the system's clock, the ticks between them tell the time. The sender thread measures in each of its rounds how long a
//! tick is. So a clock that was set is noticed after 1 ms of traffic. Everywhere else each time is read from the system's
//! clock. Between one reading and the next, times may go back by a fraction of a µs.
use crate::origin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

/// So far from a reading, the system's clock is read again.
const REACH_NANOS: u64 = 1_000_000;
/// A reading that took such a share of the reach, 2 µs, was interrupted, and is not gone by.
const INTERRUPTED_SHARE: u64 = 500;
/// A tick is measured over no less: then what a reading itself takes is nothing.
const MEASURED_NANOS: u64 = 10_000_000;
/// Lengths that a tick can have, from an eighth of a nanosecond. Others are measured where the counter and the clock did not
/// both run: while the machine slept.
const LENGTHS: std::ops::Range<u64> = 1 << 29..1 << 38;
/// What Linux takes its time from.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Whether Linux says that the counter runs evenly, and alike on all processors. It is asked once in a process, so that no
/// clock has ticks now and none then. No `OnceLock`: a forked child might inherit one that is being filled.
static COUNTS: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;

/// The processor's tick counter; 0 where it does not tell the time, or that is not known yet.
#[inline]
pub(super) fn ticks() -> u64 {
    if COUNTS.load(Ordering::Relaxed) == YES { counter() } else { 0 }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn counter() -> u64 {
    // SAFETY: it only reads a register. Every x86-64 processor has it, and where it is forbidden, the system's clock,
    // which reads it too, is forbidden as well: it is only read where Linux takes its time from it.
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
#[derive(Debug)]
pub(super) struct Clock {
    read_at: u64,
    read_nanos: i64,
    rate: Rate,
}

impl Default for Clock {
    /// As far from every count as can be: it must be read first.
    fn default() -> Self {
        Clock { read_at: 1 << 63, read_nanos: 0, rate: Rate::default() }
    }
}

/// How long a tick is. The default is for where that is not known: it reaches nowhere.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// Nanoseconds of a tick, in parts of 2³².
    length: u64,
    /// Ticks in [`REACH_NANOS`].
    reach: u64,
}

impl Rate {
    /// Of so many ticks in so much time; `None` if that cannot be.
    fn new(nanos: u64, ticks: u64) -> Option<Rate> {
        let length = u64::try_from((u128::from(nanos) << 32) / u128::from(ticks.max(1))).ok()?;
        LENGTHS.contains(&length).then(|| Rate { length, reach: (REACH_NANOS << 32) / length })
    }
}

impl Clock {
    /// The time at `ticks`, in µs since 1970 UTC. They may be from before the last reading: who waits for a mutex has
    /// read the counter already.
    #[inline]
    pub fn micros(&mut self, ticks: u64) -> i64 {
        let ahead = ticks.wrapping_sub(self.read_at).cast_signed();
        if ahead.unsigned_abs() >= self.rate.reach {
            return self.read();
        }
        (self.read_nanos + ((ahead * self.rate.length.cast_signed()) >> 32)) / 1_000
    }

    #[cold]
    fn read(&mut self) -> i64 {
        let before = ticks();
        let nanos = origin::nanos();
        let took = ticks().wrapping_sub(before);
        if before != 0 && took < self.rate.reach / INTERRUPTED_SHARE {
            (self.read_at, self.read_nanos) = (before.wrapping_add(took / 2), nanos);
        }
        nanos / 1_000
    }

    /// Goes by ticks of this length from now on.
    pub fn set_rate(&mut self, rate: Rate) {
        self.rate = rate;
    }
}

/// Measures how long a tick is.
#[derive(Debug)]
pub(super) struct Measure {
    /// The last moment, and the ticks then.
    from: (Instant, u64),
}

impl Measure {
    /// Asks Linux whether the counter tells the time, where nobody did before.
    pub fn new() -> Measure {
        if COUNTS.load(Ordering::Relaxed) == UNKNOWN {
            let counts = cfg!(all(target_arch = "x86_64", target_os = "linux"))
                && std::fs::read_to_string(CLOCK_SOURCE).is_ok_and(|source| source.trim_end() == "tsc");
            let answer = if counts { YES } else { NO };
            // Where two ask at once, the first answer stays.
            let _ = COUNTS.compare_exchange(UNKNOWN, answer, Ordering::Relaxed, Ordering::Relaxed);
        }
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
    pub fn rate(&mut self) -> Option<Rate> {
        let (now, ticks) = Measure::sample();
        let nanos = u64::try_from(now.duration_since(self.from.0).as_nanos()).ok()?;
        if nanos < MEASURED_NANOS {
            return None;
        }
        let passed = ticks.wrapping_sub(self.from.1);
        self.from = (now, ticks);
        Rate::new(nanos, passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn clock() -> Clock {
        Clock { read_at: 3_000_000, read_nanos: 5 * SECOND, rate: Rate::new(1_000_000, 3_000_000).unwrap() }
    }

    /// Scenario: ten milliseconds of times by ticks, between times by the system's clock.
    /// Guarantees: where the counter tells the time, it tells the same, but for what a reading takes.
    #[test]
    fn it_tells_the_systems_time() {
        let mut measure = Measure::new();
        let mut clock = Clock::default();
        assert!((origin::now()..=origin::now() + 1_000_000).contains(&clock.micros(ticks())), "nothing measured yet");
        std::thread::sleep(std::time::Duration::from_millis(20));
        let rate = measure.rate();
        assert_eq!(rate.is_some(), ticks() != 0, "measured where the counter tells the time");
        clock.set_rate(rate.unwrap_or_default());
        let end = Instant::now() + std::time::Duration::from_millis(10);
        while Instant::now() < end {
            let before = origin::now();
            let time = clock.micros(ticks());
            let after = origin::now();
            assert!((before - 5..=after + 5).contains(&time), "{before} {time} {after}");
        }
    }

    #[test]
    fn it_goes_by_ticks_as_far_as_it_reaches() {
        assert_eq!(clock().micros(3_000_000), 5_000_000);
        assert_eq!(clock().micros(3_003_003), 5_000_001);
        assert_eq!(clock().micros(3_000_000 - 3_003), 4_999_998, "before the reading, rounded down");
        for beyond in [0, 6_000_100, 1 << 63, u64::MAX] {
            assert!(clock().micros(beyond) > 1_700_000_000_000_000, "{beyond} is too far");
        }
    }

    /// Guarantees: a message that read no ticks, since nobody knew yet that they count, is not of 1970.
    #[test]
    fn what_was_never_read_is_not_gone_by() {
        for ticks in [0, 1, u64::MAX] {
            let mut clock = Clock { rate: clock().rate, ..Clock::default() };
            assert!(clock.micros(ticks) > 1_700_000_000_000_000, "{ticks}");
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_none() {
        for (nanos, ticks) in [(0, 5), (u64::MAX, 0), (20_000_000, 8 * 3_600 * 3_000_000_000), (20_000_000, u64::MAX)] {
            assert_eq!(Rate::new(nanos, ticks), None, "{ticks} ticks in {nanos} ns");
        }
    }
}
