//! When which peer is probed: each pair at its own phase of the wall clock's intervals, so that intervals of all agents are the same
//! ones, and probes are spread over them.
use crate::plan::{PAIR_INTERVAL_MIN, phase};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Until when nothing is due, if there is no peer.
const IDLE: Duration = Duration::from_secs(3_600);

/// A round that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Whom.
    pub target: String,
    /// Start of the interval, µs since 1970 UTC.
    pub interval_start: i64,
    /// Counts the rounds of the pair since it is known.
    pub sequence: u64,
    /// How late it is.
    pub late: Duration,
}

#[derive(Debug)]
struct Peer {
    phase: Duration,
    sequence: u64,
    /// The interval of the last round, counted from 1970.
    last: u64,
    /// The entry of the heap that counts.
    due: Instant,
}

/// Who is due next.
#[derive(Debug)]
pub struct Schedule {
    own: String,
    interval: Duration,
    peers: HashMap<String, Peer>,
    due: BinaryHeap<Reverse<(Instant, String)>>,
}

impl Schedule {
    /// Nobody is due.
    pub fn new(own: &str) -> Schedule {
        Schedule { own: own.to_owned(), interval: IDLE, peers: HashMap::new(), due: BinaryHeap::new() }
    }

    /// Probes exactly these from now on, each once in an interval.
    pub fn set(&mut self, targets: &[&str], interval: Duration, now: (Instant, SystemTime)) {
        let interval = interval.max(PAIR_INTERVAL_MIN);
        let has_changed = interval != self.interval;
        self.interval = interval;
        self.peers.retain(|name, _| targets.contains(&name.as_str()));
        for target in targets {
            let is_known = self.peers.contains_key(*target);
            if is_known && !has_changed {
                continue;
            }
            let phase = phase(&self.own, target, interval);
            let peer =
                self.peers.entry((*target).to_owned()).or_insert(Peer { phase, sequence: 0, last: 0, due: now.0 });
            peer.phase = phase;
            peer.last = 0;
            self.plan((*target).to_owned(), now);
        }
    }

    /// The peers that are probed.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// When the next round is due.
    pub fn next(&self, now: Instant) -> Instant {
        self.due.peek().map_or(now + IDLE, |Reverse((due, _))| *due)
    }

    /// Takes a round that is due.
    pub fn take(&mut self, now: (Instant, SystemTime)) -> Option<Round> {
        loop {
            let Reverse((due, _)) = self.due.peek()?;
            if *due > now.0 {
                return None;
            }
            let Reverse((due, target)) = self.due.pop()?;
            // One of a peer that has gone, or whose plan has changed, is none.
            let Some(peer) = self.peers.get_mut(&target).filter(|peer| peer.due == due) else { continue };
            let sequence = peer.sequence;
            peer.sequence += 1;
            let interval_start = i64::try_from(u128::from(peer.last) * self.interval.as_micros()).unwrap_or(i64::MAX);
            let round = Round { target: target.clone(), interval_start, sequence, late: now.0 - due };
            self.plan(target, now);
            return Some(round);
        }
    }

    /// The first time from now on at the peer's phase of an interval that it was not yet probed in, and never within
    /// [`PAIR_INTERVAL_MIN`] of when the last one was due, whatever the wall clock does.
    fn plan(&mut self, target: String, (now, wall): (Instant, SystemTime)) {
        let Some(peer) = self.peers.get_mut(&target) else { return };
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let (interval, phase) = (self.interval.as_nanos().max(1), peer.phase.as_nanos());
        let mut nth = wall.saturating_sub(phase).div_ceil(interval);
        if nth == u128::from(peer.last) {
            nth += 1;
        }
        let wait = (nth * interval + phase).saturating_sub(wall);
        let due = now + Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)).min(2 * self.interval);
        let earliest = if peer.sequence > 0 { peer.due + PAIR_INTERVAL_MIN } else { due };
        peer.last = u64::try_from(nth).unwrap_or(u64::MAX);
        peer.due = due.max(earliest);
        self.due.push(Reverse((peer.due, target)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that runs, and whose wall time may be set.
    struct Clock(Instant, Duration);

    impl Clock {
        fn at(&self, after: Duration) -> (Instant, SystemTime) {
            (self.0 + after, UNIX_EPOCH + self.1 + after)
        }
    }

    fn run(schedule: &mut Schedule, clock: &Clock, until: Duration, step: Duration) -> Vec<(Duration, Round)> {
        let (mut after, mut rounds) = (Duration::ZERO, Vec::new());
        while after < until {
            after += step;
            while let Some(round) = schedule.take(clock.at(after)) {
                rounds.push((after, round));
            }
        }
        rounds
    }

    const INTERVAL: Duration = Duration::from_secs(10);

    /// Guarantees: each pair once in each interval, at its phase, and rows begin at multiples of the interval.
    #[test]
    fn each_pair_has_its_turn_in_each_interval() {
        let clock = Clock(Instant::now(), Duration::from_millis(1_700_000_003_210));
        let mut schedule = Schedule::new("a");
        schedule.set(&["b", "c", "d"], INTERVAL, clock.at(Duration::ZERO));
        let rounds = run(&mut schedule, &clock, Duration::from_secs(100), Duration::from_millis(1));
        for target in ["b", "c", "d"] {
            let of: Vec<_> = rounds.iter().filter(|(_, round)| round.target == target).collect();
            assert!((10..=11).contains(&of.len()), "{}", of.len());
            for (nth, (at, round)) in of.iter().enumerate() {
                assert_eq!((round.sequence, round.interval_start % 10_000_000), (nth as u64, 0));
                let due = Duration::from_micros(round.interval_start as u64) + phase("a", target, INTERVAL);
                let wall = clock.1 + *at;
                assert!(wall >= due && wall - due <= Duration::from_millis(1), "{wall:?} {due:?}");
            }
            assert!(of.windows(2).all(|two| two[1].1.interval_start - two[0].1.interval_start == 10_000_000));
        }
    }

    /// Guarantees: whatever the wall clock does and whatever is asked for, a pair is never probed twice in a second.
    #[test]
    fn no_clock_and_no_configuration_pass_the_floor() {
        let begin = Instant::now();
        let mut schedule = Schedule::new("a");
        schedule.set(&["b"], Duration::from_millis(1), (begin, UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
        let mut last: Option<Duration> = None;
        for step in 0..20_000_u64 {
            let after = Duration::from_millis(step);
            // Set back and forth by hours, again and again.
            let wall = UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + step + (step % 7) * 3_600_000);
            while schedule.take((begin + after, wall)).is_some() {
                assert!(last.is_none_or(|last| after - last >= PAIR_INTERVAL_MIN), "{last:?} {after:?}");
                last = Some(after);
            }
        }
        assert!(last.is_some());
    }

    /// Guarantees: who has gone is not probed any more, and lateness is measured.
    #[test]
    fn who_goes_is_forgotten_and_lateness_is_known() {
        let clock = Clock(Instant::now(), Duration::from_secs(1_700_000_000));
        let mut schedule = Schedule::new("a");
        schedule.set(&["b", "c"], INTERVAL, clock.at(Duration::ZERO));
        schedule.set(&["c"], INTERVAL, clock.at(Duration::from_millis(1)));
        assert_eq!(schedule.peers(), 1);
        let late = Duration::from_millis(300);
        let mut after = Duration::ZERO;
        let mut next = |late: Duration, after: &mut Duration| loop {
            *after = (schedule.next(clock.0) - clock.0).max(*after) + late;
            if let Some(round) = schedule.take(clock.at(*after)) {
                break round;
            }
        };
        assert_eq!(next(Duration::ZERO, &mut after).target, "c");
        let round = next(late, &mut after);
        assert_eq!((round.target.as_str(), round.late), ("c", late));
    }
}
