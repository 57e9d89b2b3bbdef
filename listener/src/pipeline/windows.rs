//! When a window is over: by the steady clock, so that setting the wall clock neither stops nor multiplies windows. The
//! wall clock only labels them.
use super::Pipeline;
use crate::aggregate::Aggregator;
use crate::clock::Now;
use std::sync::atomic::{AtomicI64, Ordering};

/// A wall clock that is behind a window's end by less than this part of its length is one that drifts, not one that
/// was set.
const DRIFT_PART: i64 = 2;

/// When the open window is over.
#[derive(Debug)]
pub(super) struct WindowClock {
    /// Steady µs.
    due: AtomicI64,
}

impl WindowClock {
    pub fn new(aggregator: &Aggregator, now: Now) -> WindowClock {
        let clock = WindowClock { due: AtomicI64::new(0) };
        clock.began(aggregator, now);
        clock
    }

    /// A window began: it ends by the wall clock as long as that is not set, but after two lengths at most.
    fn began(&self, aggregator: &Aggregator, now: Now) {
        let left = (aggregator.window_end() - now.wall).clamp(0, 2 * aggregator.window_length());
        self.due.store(now.steady + left, Ordering::Relaxed);
    }

    fn is_due(&self, now: Now) -> bool {
        now.steady >= self.due.load(Ordering::Relaxed)
    }
}

/// The time that the next window is of: the wall clock's, or the end of the last window where the clock drifts.
fn label(wall: i64, end: i64, length: i64) -> i64 {
    if wall < end && end - wall < length / DRIFT_PART { end } else { wall }
}

impl Pipeline {
    /// Closes the open window where it is over. What it came to is made beside; this takes microseconds.
    pub fn close_window_if_due(&self) {
        if self.window.is_due(self.now()) {
            let _gate = self.gate.alone();
            self.close_window_gated(self.now());
        }
    }

    /// As [`Pipeline::close_window_if_due`]; the gate is held alone.
    pub(super) fn close_window_gated(&self, now: Now) {
        if !self.window.is_due(now) {
            return;
        }
        let mut segments = self.segments.lock();
        let mut journal = self.journal.lock();
        let mut ordered = self.ordered.lock();
        let aggregator = &mut ordered.aggregator;
        let at = label(now.wall, aggregator.window_end(), aggregator.window_length());
        let closing = aggregator.close(at);
        self.window.began(aggregator, now);
        journal.window_began(aggregator.window_end(), aggregator.window_serial(), now.wall);
        if let Some(active) = segments.active() {
            active.closing += 1;
            active.closing_values += closing.values();
            self.work.close(active.number, closing);
        }
    }

    /// Values in the open window and in those whose rows are being made.
    pub fn open_values(&self) -> u64 {
        let segments = self.segments.lock();
        let closing: u64 = segments.list.iter().map(|segment| segment.closing_values).sum();
        closing + self.ordered.lock().aggregator.open_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_drifts_never_repeats_a_window() {
        assert_eq!(label(9_999_990, 10_000_000, 10_000_000), 10_000_000);
        assert_eq!(label(10_000_010, 10_000_000, 10_000_000), 10_000_010);
        assert_eq!(label(1_000_000, 10_000_000, 10_000_000), 1_000_000, "one that was set back is believed");
        assert_eq!(label(99_000_000, 10_000_000, 10_000_000), 99_000_000);
    }
}
