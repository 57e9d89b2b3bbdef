//! What the pipeline has of the budget of memory: measured every few ms, and made smaller where it is too much. Rows that
//! are kept for queries go first, then the segment that is written is sealed early, and then intake refuses.
use super::Pipeline;
use crate::clock::Now;
use metlog_schemas::budget::{Budget, Use};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// Rows of the segment that is written, at which it is sealed, as a multiple of `roll_bytes`: what is decoded may be
/// larger than what came.
const MEMORY_FACTOR: u64 = 4;
/// Where it cannot be sealed, nothing more is taken from so many times that on.
const OVER_FACTOR: u64 = 4;
/// But not less than so much.
const MEMORY_BYTES_MIN: u64 = 64 << 20;
/// Of what the budget leaves for rows, this part may be in the segment that is written …
const SEAL_PART: u64 = 4;
/// … but for less than this it is not sealed early.
const SEAL_BYTES_MIN: u64 = 8 << 20;
/// About what a sender takes.
const SENDER_BYTES: u64 = 512;
/// How long a refusal is a problem, µs.
const RECENT: i64 = 10_000_000;

/// What must be remembered.
#[derive(Debug)]
pub(super) struct Memory {
    pub budget: Budget,
    /// Nothing more is taken: what is decoded takes too much, and nothing of it can go.
    pub is_over: AtomicBool,
    /// Refusals up to the last look, and when there was one last, steady µs.
    refused: AtomicU64,
    refused_at: AtomicI64,
}

impl Memory {
    pub fn new(budget: Budget) -> Memory {
        Memory { budget, is_over: AtomicBool::new(false), refused: 0.into(), refused_at: i64::MIN.into() }
    }
}

impl Pipeline {
    /// Measures what the pipeline has. `rows` are those of the segment that is written; true where it must be sealed.
    pub(super) fn measure(&self, now: Now, rows: u64) -> bool {
        let budget = &self.memory.budget;
        let (series, senders) =
            self.with_ordered(|ordered| (ordered.aggregator.memory_bytes() as u64, ordered.senders.count() as u64));
        budget.measured(Use::Rows, rows);
        budget.measured(Use::Series, series);
        budget.measured(Use::Senders, senders * SENDER_BYTES);
        let measured_here = rows.saturating_add(budget.used_by(Use::Waiting));
        let others = budget.used().saturating_sub(measured_here);
        let for_rows = budget.bytes_max().saturating_sub(others);
        let usual = (self.config.journal.roll_bytes * MEMORY_FACTOR).max(MEMORY_BYTES_MIN);
        let limit = usual.min((for_rows / SEAL_PART).max(SEAL_BYTES_MIN));
        if budget.used() > budget.bytes_max() {
            self.segments.lock().evict(usize::try_from(for_rows.saturating_sub(rows)).unwrap_or(usize::MAX));
        }
        let waiting = self.segments.lock().resident_bytes() as u64;
        budget.measured(Use::Waiting, waiting);
        let is_over = rows >= usual * OVER_FACTOR || budget.used() > budget.bytes_max();
        self.memory.is_over.store(is_over, Ordering::Relaxed);
        match is_over {
            true => self.failing.memory.began("messages are dropped: the budget of memory is used up"),
            false => self.failing.memory.ended(),
        }
        self.note_refusals(now);
        rows >= limit
    }

    fn note_refusals(&self, now: Now) {
        let refused = Use::ALL.iter().map(|of| self.memory.budget.refused(*of)).sum();
        if self.memory.refused.swap(refused, Ordering::Relaxed) != refused {
            self.memory.refused_at.store(now.steady, Ordering::Relaxed);
        }
    }

    /// What was refused for lack of memory just now, in words.
    pub(super) fn memory_problem(&self) -> Option<String> {
        let at = self.memory.refused_at.load(Ordering::Relaxed);
        if at == i64::MIN || self.now().steady - at > RECENT {
            return None;
        }
        let budget = &self.memory.budget;
        let uses = Use::ALL.iter().map(|of| format!("{} {} MiB", of.name(), budget.used_by(*of) >> 20));
        let uses = uses.collect::<Vec<_>>().join(", ");
        Some(format!(
            "the budget of memory ({} MiB) was used up in the last few seconds: {uses}",
            budget.bytes_max() >> 20
        ))
    }
}
