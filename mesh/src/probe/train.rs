//! A train on the prober's side: what was sent, what came back, and what that says of each probe.
use super::outcome::{Outcome, Single};
use super::packet::{Head, Heard, Kind};
use std::time::{Duration, Instant};

/// More of a round trip than the clock that never steps saw of it: a clock was set meanwhile.
const STEP_MIN: Duration = Duration::from_millis(2);

/// One probe of it.
#[derive(Debug, Clone, Copy)]
struct Sent {
    /// When it was handed to the kernel, by the wall clock (ns) and by one that never steps.
    at: u64,
    since: Instant,
    /// When it left.
    left: Option<u64>,
    /// When the reply came, and how long that took by the clock that never steps.
    came: Option<(u64, Duration)>,
    stay: Option<Duration>,
    /// The kernel did not take it.
    is_refused: bool,
}

/// A train under way.
#[derive(Debug)]
pub struct Train {
    probes: Vec<Sent>,
    count: u8,
    /// What the responder said last, in a reply or report.
    received: u64,
    has_report: bool,
}

impl Train {
    /// One of so many probes.
    pub fn new(count: u8) -> Train {
        Train { probes: Vec::with_capacity(count.into()), count, received: 0, has_report: false }
    }

    /// The next probe was handed to the kernel, which took it or not.
    pub fn sent(&mut self, at: u64, since: Instant, is_taken: bool) {
        self.probes.push(Sent { at, since, left: None, came: None, stay: None, is_refused: !is_taken });
    }

    /// The kernel says when a probe left.
    pub fn left(&mut self, number: u8, stamp: u64) {
        if let Some(probe) = self.probes.get_mut(usize::from(number)) {
            probe.left = Some(stamp);
        }
    }

    /// The responder said something. True if there is nothing more to wait for: the last reply, or a report.
    pub fn heard(&mut self, head: Head, heard: &Heard, came: u64, now: Instant) -> bool {
        self.received |= heard.received;
        if head.kind == Kind::Report {
            self.has_report = true;
            for (probe, stay) in self.probes.iter_mut().zip(&heard.stays) {
                probe.stay = stay.or(probe.stay);
            }
            return true;
        }
        if let Some(probe) = self.probes.get_mut(usize::from(head.number))
            && probe.came.is_none()
        {
            probe.came = Some((came, now.saturating_duration_since(probe.since)));
            probe.stay = probe.stay.or(heard.stays.first().copied().flatten());
        }
        self.is_complete()
    }

    /// Each probe was replied to.
    fn is_complete(&self) -> bool {
        self.probes.len() == usize::from(self.count) && self.probes.iter().all(|probe| probe.came.is_some())
    }

    /// The responder has said what it has received.
    pub fn has_report(&self) -> bool {
        self.has_report
    }

    /// What became of each probe.
    ///
    /// Without a report, what the replies say is known: of what was sent before the last probe that was replied to.
    pub fn singles(&self, source_port: u16, source_late: Duration) -> Vec<Single> {
        let last = self.probes.iter().rposition(|probe| probe.came.is_some());
        let single = |(number, probe): (usize, &Sent)| {
            let is_known = self.has_report || last.is_some_and(|last| number < last);
            let outcome = match probe.came {
                Some(_) => Outcome::Received,
                None if self.received >> number & 1 == 1 => Outcome::LostReverse,
                None if probe.is_refused || is_known => Outcome::LostForward,
                None => Outcome::LostUnknown,
            };
            Single {
                sent_at: i64::try_from(probe.at / 1_000).unwrap_or(i64::MAX),
                source_port,
                outcome,
                rtt: probe.rtt(),
                source_late,
                target_late: probe.stay.unwrap_or_default(),
                ..Single::default()
            }
        };
        self.probes.iter().enumerate().map(single).collect()
    }
}

impl Sent {
    /// (t4 − t1) − (t3 − t2), if no clock was set meanwhile.
    fn rtt(&self) -> Option<Duration> {
        let ((came, elapsed), stay) = (self.came?, self.stay?);
        let round = Duration::from_nanos(came.checked_sub(self.left.unwrap_or(self.at))?);
        let rtt = round.checked_sub(stay)?;
        (round <= elapsed + STEP_MIN).then_some(rtt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000_000_000;

    fn train(count: u8) -> (Train, Instant) {
        let (mut train, since) = (Train::new(count), Instant::now());
        (0..count).for_each(|_| train.sent(START, since, true));
        (train, since)
    }

    fn head(kind: Kind, number: u8) -> Head {
        Head { kind, count: 4, number, prober: 1, train: 1 }
    }

    fn heard(received: u64, stay: u64) -> Heard {
        Heard { received, stays: vec![Some(Duration::from_nanos(stay)); 4] }
    }

    fn outcomes(train: &Train) -> Vec<Outcome> {
        train.singles(9, Duration::ZERO).iter().map(|single| single.outcome).collect()
    }

    /// Guarantees: with a report, the direction of each loss is known.
    #[test]
    fn a_report_tells_each_direction() {
        let (mut train, since) = train(4);
        assert_eq!(outcomes(&train), [Outcome::LostUnknown; 4]);
        train.heard(head(Kind::Reply, 0), &heard(0b0001, 5), START + 1, since);
        assert!(train.heard(head(Kind::Report, 0), &heard(0b0101, 5), START + 1, since));
        let expected = [Outcome::Received, Outcome::LostForward, Outcome::LostReverse, Outcome::LostForward];
        assert_eq!(outcomes(&train), expected);
    }

    /// Guarantees: without one, only what replies prove is said.
    #[test]
    fn replies_tell_what_was_before_them() {
        let (mut train, since) = train(4);
        train.heard(head(Kind::Reply, 2), &heard(0b0101, 5), START + 1, since);
        let expected = [Outcome::LostReverse, Outcome::LostForward, Outcome::Received, Outcome::LostUnknown];
        assert_eq!(outcomes(&train), expected);
    }

    #[test]
    fn a_train_ends_with_its_last_reply() {
        let (mut train, since) = train(2);
        assert!(!train.heard(head(Kind::Reply, 1), &heard(2, 5), START + 1, since));
        assert!(!train.heard(head(Kind::Reply, 1), &heard(2, 5), START + 1, since), "a reply that came twice");
        assert!(train.heard(head(Kind::Reply, 0), &heard(3, 5), START + 1, since));
    }

    /// Guarantees: the stay at the target is no round trip; what is negative or longer than it can have been is none.
    #[test]
    fn round_trips_are_of_the_network() {
        let rtt = |left: u64, came: u64, stay: u64, elapsed: Duration| {
            let (mut train, since) = train(1);
            train.left(0, START + left);
            train.heard(head(Kind::Reply, 0), &heard(1, stay), START + came, since + elapsed);
            train.singles(9, Duration::ZERO)[0].rtt
        };
        let short = Duration::from_micros(90);
        assert_eq!(rtt(1_000, 81_000, 30_000, short), Some(Duration::from_nanos(50_000)));
        assert_eq!(rtt(1_000, 21_000, 30_000, short), None, "negative");
        assert_eq!(rtt(81_000, 1_000, 0, short), None, "a clock was set back");
        assert_eq!(rtt(0, 3_600_000_000_000, 0, short), None, "a clock was set an hour ahead");
    }
}
