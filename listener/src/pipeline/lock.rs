//! Locks that know their order: taking one out of order panics where assertions are on, in every test.
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// All locks of the pipeline, in the order in which they may be taken: the holder of one may take only later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// What makes rows of closed windows and states of segments: held for as long as that takes.
    Background,
    /// Held while receipts are written, which takes as long as the disk does.
    Acknowledging,
    /// The gate: shared from before an append until all of it is applied; alone while a window is closed or a segment
    /// is sealed.
    Gate,
    /// Segments and receipts.
    Segments,
    /// The file of the next segment.
    Spare,
    /// What a worker owns; no worker takes another's while it holds its own.
    Slot,
    /// The journal.
    Journal,
    /// Senders and the open window.
    Ordered,
    /// Counts.
    Totals,
    /// Counts that no journal record holds yet.
    Unjournaled,
    /// What the background has to do.
    Work,
}

thread_local! {
    /// A bit for each rank that this thread holds.
    static HELD: Cell<u32> = const { Cell::new(0) };
}

/// That a rank is held.
#[derive(Debug)]
pub struct Held(Rank);

impl Held {
    #[track_caller]
    fn take(rank: Rank) -> Held {
        if cfg!(debug_assertions) {
            let held = HELD.get();
            assert!(held >> rank as u32 == 0, "{rank:?} is taken while a later lock is held: {held:#b}");
            HELD.set(held | 1 << rank as u32);
        }
        Held(rank)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            HELD.set(HELD.get() & !(1 << self.0 as u32));
        }
    }
}

/// A mutex with its rank. Where its holder panicked it is still good: every change under it is whole or counted.
#[derive(Debug)]
pub struct Ranked<T> {
    rank: Rank,
    inner: Mutex<T>,
}

/// A lock that is held.
#[derive(Debug)]
pub struct Guard<'l, T> {
    inner: MutexGuard<'l, T>,
    _held: Held,
}

impl<T> Ranked<T> {
    /// Around a value.
    pub const fn new(rank: Rank, value: T) -> Ranked<T> {
        Ranked { rank, inner: Mutex::new(value) }
    }

    /// Waits for it.
    #[track_caller]
    pub fn lock(&self) -> Guard<'_, T> {
        let held = Held::take(self.rank);
        Guard { inner: self.inner.lock().unwrap_or_else(PoisonError::into_inner), _held: held }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// The gate; see [`Rank::Gate`].
#[derive(Debug, Default)]
pub struct Gate(RwLock<()>);

impl Gate {
    /// With others.
    #[track_caller]
    pub fn share(&self) -> (Held, RwLockReadGuard<'_, ()>) {
        let held = Held::take(Rank::Gate);
        (held, self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Alone: everything that was appended is applied.
    #[track_caller]
    pub fn alone(&self) -> (Held, RwLockWriteGuard<'_, ()>) {
        let held = Held::take(Rank::Gate);
        (held, self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_taken_in_their_order() {
        let (journal, ordered) = (Ranked::new(Rank::Journal, 1), Ranked::new(Rank::Ordered, 2));
        let first = journal.lock();
        assert_eq!(*first + *ordered.lock(), 3);
        drop(first);
        drop((journal.lock(), 0));
    }

    #[test]
    #[should_panic(expected = "Journal is taken while a later lock is held")]
    fn a_wrong_order_is_seen() {
        let (journal, ordered) = (Ranked::new(Rank::Journal, ()), Ranked::new(Rank::Ordered, ()));
        let _second = ordered.lock();
        let _first = journal.lock();
    }
}
