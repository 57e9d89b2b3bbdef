//! A memory of the last hour of the listener's state: since when something is wrong, and how counts moved.
//!
//! It lives in this process only. A server that was just started knows nothing of before.
use crate::live::{Live, Status};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// How often the state is looked at.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// Samples that are kept: an hour.
const SAMPLES_MAX: usize = 720;

/// Longest part of a problem's text that tells it from others: numbers in it change while it is the same problem.
const KEY_CHARACTERS_MAX: usize = 200;

/// Counts of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// µs since 1970 UTC.
    pub at: i64,
    /// As in the ledger.
    pub received: u64,
    /// As in the ledger.
    pub stored: u64,
    /// Dropped, set aside, lost, dropped by clients and by the kernel: not what was rejected, which is a sender's mistake.
    pub losses: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
}

#[derive(Debug, Default)]
struct Seen {
    samples: VecDeque<Sample>,
    /// Each problem that there is, and when it was first seen.
    problems: BTreeMap<String, i64>,
    /// When a loss was last counted.
    last_loss: Option<i64>,
}

/// The memory. Clones of its `Arc` are the same one.
#[derive(Debug, Default)]
pub struct Watch {
    seen: Mutex<Seen>,
}

impl Watch {
    /// Watches a listener for as long as anybody holds the result. Needs a runtime.
    pub fn start(live: &Arc<dyn Live>) -> Arc<Watch> {
        let watch = Arc::new(Watch::default());
        tokio::spawn(look_again_and_again(Arc::downgrade(&watch), Arc::downgrade(live)));
        watch
    }

    /// Takes a state that was seen at a time.
    pub fn note(&self, status: &Status, now: i64) {
        let mut seen = self.lock();
        let keys: Vec<String> = status.problems.iter().map(|problem| key(problem)).collect();
        seen.problems.retain(|known, _| keys.contains(known));
        for key in keys {
            seen.problems.entry(key).or_insert(now);
        }
        let sample = sample(status, now);
        if seen.samples.back().is_some_and(|before| sample.losses > before.losses) {
            seen.last_loss = Some(now);
        }
        seen.samples.push_back(sample);
        if seen.samples.len() > SAMPLES_MAX {
            seen.samples.pop_front();
        }
    }

    /// When a problem that is still there was first seen.
    pub fn since(&self, problem: &str) -> Option<i64> {
        self.lock().problems.get(&key(problem)).copied()
    }

    /// When a loss was last counted; `None` if there was none since the start.
    pub fn last_loss(&self) -> Option<i64> {
        self.lock().last_loss
    }

    /// All samples, the oldest first.
    pub fn samples(&self) -> Vec<Sample> {
        self.lock().samples.iter().copied().collect()
    }

    /// A count each second between samples.
    pub fn rates(&self, count: impl Fn(&Sample) -> u64) -> Vec<f64> {
        let samples = self.samples();
        let pairs = samples.iter().zip(samples.iter().skip(1));
        pairs
            .filter(|(a, b)| b.at > a.at)
            .map(|(a, b)| count(b).saturating_sub(count(a)) as f64 / ((b.at - a.at) as f64 / 1e6))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look_again_and_again(watch: Weak<Watch>, live: Weak<dyn Live>) {
    loop {
        let (Some(watch), Some(live)) = (watch.upgrade(), live.upgrade()) else { return };
        // It waits for locks of the pipeline: not on a thread that serves connections.
        let looked =
            tokio::task::spawn_blocking(move || watch.note(&live.status(), chrono::Utc::now().timestamp_micros()));
        if let Err(error) = looked.await {
            tracing::error!(%error, "the state could not be looked at");
        }
        tokio::time::sleep(SAMPLE_INTERVAL).await;
    }
}

fn sample(status: &Status, at: i64) -> Sample {
    let ledger = &status.ledger;
    Sample {
        at,
        received: ledger.received,
        stored: ledger.stored,
        losses: ledger.losses().iter().sum(),
        journal_bytes: status.journal.bytes,
    }
}

/// A problem without its numbers.
fn key(problem: &str) -> String {
    problem.chars().filter(|c| !c.is_ascii_digit()).take(KEY_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Ledger;

    fn status(received: u64, lost: u64, problems: &[&str]) -> Status {
        let ledger = Ledger { received, lost, ..Ledger::default() };
        Status { ledger, problems: problems.iter().map(|&problem| problem.to_owned()).collect(), ..Status::default() }
    }

    #[test]
    fn a_problem_is_known_since_it_began() {
        let watch = Watch::default();
        watch.note(&status(0, 0, &["graphite: refused, attempt 1"]), 1_000);
        watch.note(&status(0, 0, &["graphite: refused, attempt 2", "another"]), 2_000);
        assert_eq!(watch.since("graphite: refused, attempt 3"), Some(1_000));
        assert_eq!(watch.since("another"), Some(2_000));
        watch.note(&status(0, 0, &[]), 3_000);
        watch.note(&status(0, 0, &["another"]), 4_000);
        assert_eq!((watch.since("graphite: refused, attempt 3"), watch.since("another")), (None, Some(4_000)));
    }

    #[test]
    fn rates_are_differences_and_losses_are_dated() {
        let watch = Watch::default();
        for (at, received, lost) in [(0, 0, 5), (2_000_000, 100, 5), (3_000_000, 100, 7), (3_000_000, 100, 7)] {
            watch.note(&status(received, lost, &[]), at);
        }
        assert_eq!(watch.rates(|sample| sample.received), [50.0, 0.0]);
        assert_eq!(watch.last_loss(), Some(3_000_000), "what was lost before the start is not dated");
    }

    #[test]
    fn the_memory_is_bounded() {
        let watch = Watch::default();
        (0..2 * SAMPLES_MAX as i64).for_each(|at| watch.note(&Status::default(), at));
        assert_eq!((watch.samples().len(), watch.samples()[0].at), (SAMPLES_MAX, SAMPLES_MAX as i64));
    }
}
