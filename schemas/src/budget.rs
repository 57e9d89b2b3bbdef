//! One budget of memory that everything draws on which grows with what comes from outside.
//!
//! What can be refused is **reserved** before it is taken, for as long as the [`Reservation`] lives. What cannot be refused
//! any more, because it is accepted already, is **measured** now and then: it leaves less to be reserved, and whoever
//! measures it sees to it that it shrinks.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What memory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Buffers of sockets and connections of lines.
    Intake,
    /// Bodies of requests, and what is made of them.
    Requests,
    /// Rows of the segment that is written.
    Rows,
    /// Rows that wait for the store.
    Waiting,
    /// Series, and values of the open window.
    Series,
    /// Senders of datagrams.
    Senders,
    /// Rows that readers of live messages have not taken yet.
    Live,
    /// Processes of queries, and results on the way to their readers.
    Queries,
}

impl Use {
    /// All of them.
    pub const ALL: [Use; 8] =
        [Use::Intake, Use::Requests, Use::Rows, Use::Waiting, Use::Series, Use::Senders, Use::Live, Use::Queries];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Use::Intake => "intake",
            Use::Requests => "requests",
            Use::Rows => "rows",
            Use::Waiting => "waiting",
            Use::Series => "series",
            Use::Senders => "senders",
            Use::Live => "live",
            Use::Queries => "queries",
        }
    }
}

#[derive(Debug)]
struct Inner {
    bytes_max: u64,
    /// By [`Use`]; what is reserved and measured.
    used: [AtomicU64; Use::ALL.len()],
    refused: [AtomicU64; Use::ALL.len()],
    /// Only one at a time reserves, so that two do not take the same bytes.
    reserving: Mutex<()>,
}

/// The budget. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

impl Default for Budget {
    /// One that refuses nothing.
    fn default() -> Budget {
        Budget::new(u64::MAX)
    }
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes_max: u64) -> Budget {
        let (used, refused, reserving) = (Default::default(), Default::default(), Mutex::default());
        Budget(Arc::new(Inner { bytes_max, used, refused, reserving }))
    }

    /// Takes bytes, and gives them back when the reservation is dropped; `None`, and counted, if so many are not left.
    pub fn reserve(&self, of: Use, bytes: u64) -> Option<Reservation> {
        let mut reservation = Reservation { budget: self.clone(), of, bytes: 0 };
        reservation.grow(bytes).then_some(reservation)
    }

    /// Notes how much there is of something that is measured. It has no reservations.
    pub fn measured(&self, of: Use, bytes: u64) {
        self.0.used[of as usize].store(bytes, Ordering::Relaxed);
    }

    /// Counts something that is refused for lack of memory, and has no reservation.
    pub fn refuse(&self, of: Use) {
        self.0.refused[of as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How large it is, in bytes.
    pub fn bytes_max(&self) -> u64 {
        self.0.bytes_max
    }

    /// Bytes that something has.
    pub fn used_by(&self, of: Use) -> u64 {
        self.0.used[of as usize].load(Ordering::Relaxed)
    }

    /// Bytes of everything; what is measured can be more than there is.
    pub fn used(&self) -> u64 {
        Use::ALL.iter().map(|of| self.used_by(*of)).fold(0, u64::saturating_add)
    }

    /// How often something was refused.
    pub fn refused(&self, of: Use) -> u64 {
        self.0.refused[of as usize].load(Ordering::Relaxed)
    }
}

/// Bytes that are taken until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    of: Use,
    bytes: u64,
}

impl Reservation {
    /// Bytes that it is for.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes more, until it is for so many bytes; false, counted and unchanged, if they are not left.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let inner = &self.budget.0;
        let _one = inner.reserving.lock().unwrap_or_else(PoisonError::into_inner);
        if more > 0 && self.budget.used().saturating_add(more) > inner.bytes_max {
            self.budget.refuse(self.of);
            return false;
        }
        inner.used[self.of as usize].fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        true
    }

    /// Gives back what is beyond so many bytes.
    pub fn shrink(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.budget.0.used[self.of as usize].fetch_sub(less, Ordering::Relaxed);
        self.bytes -= less;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_comes_back_and_what_is_measured_leaves_less() {
        let budget = Budget::new(100);
        let mut first = budget.reserve(Use::Requests, 40).unwrap();
        budget.measured(Use::Rows, 30);
        assert!(budget.reserve(Use::Queries, 31).is_none());
        assert!(!first.grow(71) && first.grow(70) && first.bytes() == 70);
        assert_eq!((budget.used(), budget.used_by(Use::Requests)), (100, 70));
        assert_eq!((budget.refused(Use::Queries), budget.refused(Use::Requests)), (1, 1));
        first.shrink(10);
        let second = budget.reserve(Use::Queries, 60).unwrap();
        budget.measured(Use::Rows, 1_000);
        assert!(budget.reserve(Use::Live, 1).is_none(), "more is measured than there is");
        drop((first, second));
        budget.measured(Use::Rows, 0);
        assert_eq!(budget.used(), 0);
        assert!(Budget::default().reserve(Use::Live, u64::MAX / 2).is_some());
    }

    #[test]
    fn two_never_take_the_same_bytes() {
        let budget = Budget::new(1_000);
        let taken = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1_000).filter_map(|_| budget.reserve(Use::Live, 7)).collect::<Vec<_>>()))
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!((taken.len(), budget.used()), (142, 994));
        drop(taken);
        assert_eq!(budget.used(), 0);
    }
}
