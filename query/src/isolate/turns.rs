//! Whose turn it is: so many queries run at a time, and others wait. A query whose reader does not read gives its turn
//! to the next one; of those, too, there are only so many, and the one that has waited longest has to go.
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

pub(crate) struct Turns {
    running: Arc<Semaphore>,
    stalled: Mutex<VecDeque<(u64, Arc<Notify>)>>,
    stalled_max: usize,
    next: AtomicU64,
}

/// A query's turn. It is over when this is dropped.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    permit: Option<OwnedSemaphorePermit>,
    id: u64,
    /// Told when the query has to go.
    pub(crate) pushed_out: Arc<Notify>,
}

impl Turns {
    /// So many that run, and as many again that wait for their readers.
    pub(crate) fn new(concurrency: usize) -> Arc<Turns> {
        let concurrency = concurrency.max(1);
        Arc::new(Turns {
            running: Arc::new(Semaphore::new(concurrency)),
            stalled: Mutex::default(),
            stalled_max: concurrency,
            next: AtomicU64::new(0),
        })
    }

    /// Waits for a turn; none where there is none in time.
    pub(crate) async fn take(self: &Arc<Turns>, until: Instant) -> Option<Turn> {
        let permit = timeout_at(until, Arc::clone(&self.running).acquire_owned()).await.ok()?.ok()?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        Some(Turn { turns: Arc::clone(self), permit: Some(permit), id, pushed_out: Arc::default() })
    }
}

impl Turn {
    /// Lets another query run: this one waits for its reader.
    pub(crate) fn give_back(&mut self) {
        if self.permit.take().is_none() {
            return;
        }
        let mut stalled = self.turns.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        stalled.push_back((self.id, Arc::clone(&self.pushed_out)));
        if stalled.len() > self.turns.stalled_max
            && let Some((_, longest)) = stalled.pop_front()
        {
            longest.notify_one();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut stalled = self.turns.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        stalled.retain(|(id, _)| *id != self.id);
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
        let turns = Turns::new(1);
        let first = turns.take(soon()).await.unwrap();
        assert!(turns.take(soon()).await.is_none());
        drop(first);
        assert!(turns.take(soon()).await.is_some());
    }

    /// Guarantees: whoever waits for a reader holds nobody up, and of those there are only so many.
    #[tokio::test]
    async fn who_waits_for_a_reader_gives_its_turn_back_and_at_last_goes() {
        let turns = Turns::new(1);
        let mut first = turns.take(soon()).await.unwrap();
        first.give_back();
        let mut second = turns.take(soon()).await.unwrap();
        assert!(first.pushed_out.notified().now_or_never().is_none());
        second.give_back();
        assert!(first.pushed_out.notified().now_or_never().is_some());
        assert!(second.pushed_out.notified().now_or_never().is_none());
        drop(second);
        let mut third = turns.take(soon()).await.unwrap();
        third.give_back();
        assert!(third.pushed_out.notified().now_or_never().is_none());
    }
}
