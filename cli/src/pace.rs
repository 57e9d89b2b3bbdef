//! How fast: when the next of many messages may leave, so that a rate is kept. Time is an argument.
use std::time::Duration;

/// Waits shorter than this are saved up: sleeping for them costs more than they are worth.
const WAIT_MIN: Duration = Duration::from_millis(2);

/// A rate that is kept from a start onwards. What falls behind is made up for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    per_second: u64,
}

impl Pace {
    /// `per_second` 0: as fast as it goes.
    pub fn new(per_second: u64) -> Pace {
        Pace { per_second }
    }

    /// How long to wait before the next leaves, where `sent` have left within `elapsed`.
    pub fn wait(&self, sent: u64, elapsed: Duration) -> Option<Duration> {
        if self.per_second == 0 {
            return None;
        }
        let due = Duration::from_secs_f64(sent as f64 / self.per_second as f64);
        due.checked_sub(elapsed).filter(|wait| *wait >= WAIT_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ahead_of_its_rate_waits() {
        let pace = Pace::new(1_000);
        let milliseconds = Duration::from_millis;
        assert_eq!(pace.wait(100, milliseconds(40)), Some(milliseconds(60)));
        assert_eq!(pace.wait(100, milliseconds(99)), None, "too short to sleep for");
        assert_eq!(pace.wait(100, milliseconds(500)), None);
        assert_eq!(Pace::new(0).wait(u64::MAX, Duration::ZERO), None);
    }
}
