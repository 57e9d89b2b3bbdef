//! Time: the wall clock, which labels, and a clock that never jumps, which decides when something is due.
use std::fmt::Debug;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// µs since 1970 UTC, as the system says. It may be set, forwards and backwards.
    pub wall: i64,
    /// µs since some moment. It never goes back, and never jumps.
    pub steady: i64,
}

/// Where time is asked for.
pub trait Clock: Send + Sync + Debug {
    /// This moment.
    fn now(&self) -> Now;
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { wall: wall(), steady: self.started.elapsed().as_micros() as i64 }
    }
}

/// µs since 1970 UTC.
pub fn wall() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}
