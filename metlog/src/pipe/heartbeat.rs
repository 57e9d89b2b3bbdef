//! When the sender thread sends a heartbeat: time is an argument.
//!
//! Only a later datagram shows that one was lost. So a client that falls silent repeats how many datagrams it has sent,
//! soon at first and then seldom; and at once, and twice more, where it was asked to send everything.
use std::time::{Duration, Instant};

/// From one heartbeat to the next. Those up to [`AFTER_TRAFFIC`] are only sent after a flush.
const PAUSES: [Duration; 7] = [
    Duration::ZERO,
    Duration::from_millis(5),
    Duration::from_millis(15),
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];
const AFTER_FLUSH: usize = 0;
const AFTER_TRAFFIC: usize = 3;
/// A client that is closed sends one after each of these pauses: what the kernel drops, it drops in bursts.
pub(super) const CLOSING_PAUSES: &[Duration] = PAUSES.split_at(AFTER_TRAFFIC).0;

/// The heartbeats of one client.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// When the next one is due and which it is; `None` before the first traffic.
    next: Option<(Instant, usize)>,
}

impl Schedule {
    /// Datagrams with messages were sent.
    pub fn after_traffic(&mut self, now: Instant) {
        self.next = Some((now + PAUSES[AFTER_TRAFFIC], AFTER_TRAFFIC));
    }

    /// All that waited was sent for a caller of `flush`.
    pub fn after_flush(&mut self, now: Instant) {
        self.next = Some((now, AFTER_FLUSH));
    }

    /// True if one must be sent now; then the next one is due after a pause.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let Some((due, which)) = self.next.filter(|(due, _)| *due <= now) else { return false };
        let following = (which + 1).min(PAUSES.len() - 1);
        // Not from `due`: a machine that slept has nothing to catch up.
        self.next = Some((now.max(due) + PAUSES[following], following));
        true
    }

    /// How long the sender thread may sleep; `None`: until there is traffic.
    pub fn pause(&self, now: Instant) -> Option<Duration> {
        self.next.map(|(due, _)| due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The milliseconds, after `from`, of the first heartbeats.
    fn times(schedule: &mut Schedule, from: Instant, count: usize) -> Vec<u128> {
        let mut now = from;
        let next = |_| {
            now += schedule.pause(now).unwrap();
            assert!(schedule.take_due(now) && !schedule.take_due(now - Duration::from_nanos(1)));
            (now - from).as_millis()
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn soon_at_first_and_then_seldom() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        assert!(schedule.pause(now).is_none() && !schedule.take_due(now), "nothing was sent yet");
        schedule.after_traffic(now);
        assert!(!schedule.take_due(now));
        assert_eq!(times(&mut schedule, now, 5), [100, 1_100, 6_100, 36_100, 66_100]);
        schedule.after_traffic(now);
        assert_eq!(times(&mut schedule, now, 1), [100], "traffic begins it anew");
        schedule.after_flush(now);
        assert_eq!(times(&mut schedule, now, 6), [0, 5, 20, 120, 1_120, 6_120]);
        assert_eq!(CLOSING_PAUSES.iter().sum::<Duration>(), Duration::from_millis(20));
    }

    #[test]
    fn a_machine_that_slept_sends_one() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.after_traffic(now);
        let later = now + Duration::from_secs(86_400);
        assert!(schedule.take_due(later) && !schedule.take_due(later));
    }
}
