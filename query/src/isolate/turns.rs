//! Whose turn it is: so many queries run at a time, and others wait. A query whose reader does not read gives its turn
//! to the next one; of those, too, there are only so many, with only so much memory, and the one that has waited
//! longest has to go.
use metlog_schemas::budget::Reservation;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

pub(crate) struct Turns {
    running: Arc<Semaphore>,
    stalled: Mutex<VecDeque<Stalled>>,
    stalled_max: usize,
    /// Memory of all that are stalled, in bytes.
    stalled_bytes_max: u64,
    next: AtomicU64,
}

/// A query whose reader does not read.
struct Stalled {
    id: u64,
    /// Memory of its worker.
    bytes: u64,
    pushed_out: Arc<Notify>,
}

/// A query's turn. It is over when this is dropped.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    permit: Option<OwnedSemaphorePermit>,
    id: u64,
    /// Told when the query has to go.
    pub(crate) pushed_out: Arc<Notify>,
    /// Memory of the query.
    pub(crate) held: Option<Reservation>,
}

impl Turns {
    /// So many that run, and as many again that wait for their readers, unless those hold more than this memory.
    pub(crate) fn new(concurrency: usize, stalled_bytes_max: u64) -> Arc<Turns> {
        let concurrency = concurrency.max(1);
        Arc::new(Turns {
            running: Arc::new(Semaphore::new(concurrency)),
            stalled: Mutex::default(),
            stalled_max: concurrency,
            stalled_bytes_max,
            next: AtomicU64::new(0),
        })
    }

    /// Waits for a turn; none where there is none in time.
    pub(crate) async fn take(self: &Arc<Turns>, until: Instant) -> Option<Turn> {
        let permit = timeout_at(until, Arc::clone(&self.running).acquire_owned()).await.ok()?.ok()?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        Some(Turn { turns: Arc::clone(self), permit: Some(permit), id, pushed_out: Arc::default(), held: None })
    }
}

impl Turn {
    /// Lets another query run: this one waits for its reader, and its worker has so many bytes of memory meanwhile.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        if self.permit.take().is_none() {
            return;
        }
        if let Some(held) = &mut self.held {
            held.shrink(bytes);
        }
        let mut stalled = self.turns.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        stalled.push_back(Stalled { id: self.id, bytes, pushed_out: Arc::clone(&self.pushed_out) });
        let is_over = |stalled: &VecDeque<Stalled>| {
            let bytes: u64 = stalled.iter().map(|stalled| stalled.bytes).sum();
            stalled.len() > self.turns.stalled_max || bytes > self.turns.stalled_bytes_max
        };
        // The last one may stay, however large it is: its own limit bounds it.
        while stalled.len() > 1 && is_over(&stalled) {
            if let Some(longest) = stalled.pop_front() {
                longest.pushed_out.notify_one();
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut stalled = self.turns.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        stalled.retain(|stalled| stalled.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[tokio::test]
    async fn queries_wait_for_their_turn() {
        let turns = Turns::new(1, u64::MAX);
        let first = turns.take(soon()).await.unwrap();
        assert!(turns.take(soon()).await.is_none());
        drop(first);
        assert!(turns.take(soon()).await.is_some());
    }

    /// Guarantees: whoever waits for a reader holds nobody up, and of those there are only so many.
    #[tokio::test]
    async fn who_waits_for_a_reader_gives_its_turn_back_and_at_last_goes() {
        let turns = Turns::new(1, u64::MAX);
        let mut first = turns.take(soon()).await.unwrap();
        first.give_back(1);
        let mut second = turns.take(soon()).await.unwrap();
        assert!(first.pushed_out.notified().now_or_never().is_none());
        second.give_back(1);
        assert!(first.pushed_out.notified().now_or_never().is_some());
        assert!(second.pushed_out.notified().now_or_never().is_none());
        drop(second);
        let mut third = turns.take(soon()).await.unwrap();
        third.give_back(1);
        assert!(third.pushed_out.notified().now_or_never().is_none());
    }

    /// Guarantees: memory of those that wait for a reader is bounded.
    #[tokio::test]
    async fn who_waits_for_a_reader_with_much_memory_goes_sooner() {
        let turns = Turns::new(3, 100);
        let mut waiting = Vec::new();
        for bytes in [60, 30, 20, 500] {
            let mut turn = turns.take(soon()).await.unwrap();
            turn.give_back(bytes);
            waiting.push(turn);
        }
        let went = |turn: &Turn| turn.pushed_out.notified().now_or_never().is_some();
        assert_eq!(waiting.iter().map(went).collect::<Vec<_>>(), [true, true, true, false]);
        let mut small = turns.take(soon()).await.unwrap();
        small.give_back(1);
        assert!(went(&waiting[3]) && !went(&small));
    }
}
