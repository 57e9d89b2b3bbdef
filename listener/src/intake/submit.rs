//! Intake that answers: many requests at a time, each judged item by item, answered when what it brought is on disk.
//!
//! One sync serves all that wait (`pipeline/sync.rs`). What cannot be taken now is refused with the time to come back.
use super::admission::Admitted;
use crate::pipeline::{Pipeline, Source, Taken};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Bytes of all requests at a time.
const BYTES_MAX: usize = 64 << 20;
/// Workers of the pipeline that serve requests, side by side.
pub const WORKERS: usize = 2;
/// When to come back where too many came at once.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// When to come back where the journal is full, or the disk refuses.
const FULL_WAIT: Duration = Duration::from_secs(10);

/// What a request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Items that are on disk.
    pub accepted: u64,
    /// Items that were refused for good: which, from 0, and why.
    pub rejected: Vec<(usize, &'static str)>,
}

/// Why nothing of a request was taken. It may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// Too many requests at a time.
    Busy(Duration),
    /// The journal has no room, or the disk refuses.
    Full(Duration),
    /// The listener is stopping.
    Stopping,
}

/// Where requests are handed in. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Submit {
    pipeline: Arc<Pipeline>,
    /// The first worker that serves requests.
    first_worker: usize,
    next_worker: Arc<AtomicUsize>,
    memory: Arc<Semaphore>,
    end: Arc<AtomicBool>,
}

impl Submit {
    pub(crate) fn new(pipeline: Arc<Pipeline>, first_worker: usize, end: Arc<AtomicBool>) -> Submit {
        let memory = Arc::new(Semaphore::new(BYTES_MAX));
        Submit { pipeline, first_worker, next_worker: Arc::default(), memory, end }
    }

    /// Judges the items, journals those that are good, and returns when they are on disk. All of them are taken, or
    /// none. `code` says what they are, as of a journal record.
    ///
    /// # Errors
    /// [`Unavailable`]; nothing of the request is counted then.
    pub async fn submit(&self, code: u8, items: Vec<Vec<u8>>, source: Source) -> Result<Submitted, Unavailable> {
        if self.end.load(Ordering::Relaxed) {
            return Err(Unavailable::Stopping);
        }
        let bytes = items.iter().map(|item| item.len() + 16).sum::<usize>().max(1);
        let permits = u32::try_from(bytes.min(BYTES_MAX)).unwrap_or(u32::MAX);
        let _memory = self.memory.clone().try_acquire_many_owned(permits).map_err(|_| Unavailable::Busy(BUSY_WAIT))?;
        let this = self.clone();
        let journaled = tokio::task::spawn_blocking(move || this.journal(code, &items, source)).await;
        let (submitted, position) = journaled.map_err(|_| Unavailable::Stopping)??;
        if !self.pipeline.synced(position).wait().await {
            return Err(Unavailable::Stopping);
        }
        Ok(submitted)
    }

    /// Journals what is good; what it came to, and where it ends.
    fn journal(&self, code: u8, items: &[Vec<u8>], source: Source) -> Result<(Submitted, u64), Unavailable> {
        let mut rejected = Vec::new();
        let mut good = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            match self.pipeline.judge(code, item) {
                Some(reason) => rejected.push((at, reason)),
                None => good.push((item.as_slice(), source)),
            }
        }
        let accepted = good.len() as u64;
        let worker = self.first_worker + self.next_worker.fetch_add(1, Ordering::Relaxed) % WORKERS;
        let mut position = 0;
        if !good.is_empty() {
            match self.pipeline.offer(worker, code, good.into_iter()) {
                Taken::Journaled(end) => position = end,
                Taken::Dropped => return Err(Unavailable::Full(FULL_WAIT)),
            }
        }
        for (at, reason) in &rejected {
            self.pipeline.reject(reason, 1, source, &items[*at]);
        }
        Ok((Submitted { accepted, rejected }, position))
    }
}

impl Pipeline {
    /// The reason for which an item would be rejected, before it is journaled; `None`: it is good.
    pub fn judge(&self, code: u8, item: &[u8]) -> Option<&'static str> {
        match self.admission().admit(code, item, true) {
            Admitted::Refused(reasons) => Some(reasons.first().map_or("empty", |(reason, _)| reason)),
            Admitted::AsItIs | Admitted::Rewritten { .. } => None,
        }
    }
}
