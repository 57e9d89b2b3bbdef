//! Intake that answers: many requests at a time, each judged item by item, answered when what it brought is on disk.
//!
//! One sync serves all that wait (`pipeline/sync.rs`). What cannot be taken now is refused with the time to come back.
use super::admission::Admitted;
use crate::pipeline::{Pipeline, Source, Taken};
use crate::sampling::Sampling;
use axum::Router;
use metlog_schemas::budget::{Reservation, Use};
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of all requests at a time.
const BYTES_MAX: usize = 64 << 20;
/// Longest item: what a datagram can carry.
const ITEM_BYTES_MAX: usize = 65_536;
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

/// What a request that is journaled as a whole comes to, once it is on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whole {
    /// Of what it brought, so many were accepted.
    pub accepted: u64,
    /// Refused for good, by reason.
    pub rejected: Vec<(Cow<'static, str>, u64)>,
}

/// Memory of a request, as far as it was granted. It is given back when this is dropped.
#[derive(Debug)]
pub struct Room {
    submit: Submit,
    permit: OwnedSemaphorePermit,
    reservation: Reservation,
}

impl Room {
    /// Makes sure that it is for so many bytes at least.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] where others have what is left.
    pub fn reach(&mut self, bytes: usize) -> Result<(), Unavailable> {
        let more = bytes.min(BYTES_MAX).saturating_sub(self.permit.num_permits());
        if more > 0 {
            self.permit.merge(self.submit.permit(more)?);
            if !self.reservation.grow(self.permit.num_permits() as u64) {
                return Err(Unavailable::Busy(BUSY_WAIT));
            }
        }
        Ok(())
    }
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
    sampling: Arc<Sampling>,
    /// What is read at the addresses where Zipkin's clients send.
    reads: Arc<OnceLock<Router>>,
}

impl Submit {
    pub(crate) fn new(
        pipeline: Arc<Pipeline>,
        first_worker: usize,
        end: Arc<AtomicBool>,
        sampling: Arc<Sampling>,
    ) -> Submit {
        let memory = Arc::new(Semaphore::new(BYTES_MAX));
        Submit { pipeline, first_worker, next_worker: Arc::default(), memory, end, sampling, reads: Arc::default() }
    }

    /// What Zipkin's clients read where they send; none until somebody serves it.
    pub fn reads(&self) -> Option<&Router> {
        self.reads.get()
    }

    /// Serves what they read. The first routes count.
    pub(crate) fn serve_reads(&self, routes: Router) {
        let _ = self.reads.set(routes);
    }

    /// Judges the items, journals those that are good, and returns when they are on disk. All of them are taken, or
    /// none. `code` says what they are, as of a journal record; `room` is given back when the answer is known.
    ///
    /// # Errors
    /// [`Unavailable`]; nothing of the request is counted then.
    pub async fn submit(
        &self,
        code: u8,
        items: Vec<Vec<u8>>,
        source: Source,
        room: Room,
    ) -> Result<Submitted, Unavailable> {
        self.journaled(code, items, source, room, false).await
    }

    /// Likewise, from those who need no signature: they have shown that they may.
    ///
    /// # Errors
    /// As [`Submit::submit`].
    pub async fn submit_authorised(
        &self,
        code: u8,
        items: Vec<Vec<u8>>,
        source: Source,
        room: Room,
    ) -> Result<Submitted, Unavailable> {
        self.journaled(code, items, source, room, true).await
    }

    async fn journaled(
        &self,
        code: u8,
        items: Vec<Vec<u8>>,
        source: Source,
        room: Room,
        is_authorised: bool,
    ) -> Result<Submitted, Unavailable> {
        let this = self.clone();
        // The room is kept while it is journaled, also where whoever asks hangs up.
        let journal = move || (this.journal(code, &items, source, is_authorised), room);
        let journaled = tokio::task::spawn_blocking(journal).await;
        let (journaled, room) = journaled.map_err(|_| Unavailable::Stopping)?;
        let (submitted, position) = journaled?;
        if !self.pipeline.synced(position).wait().await {
            return Err(Unavailable::Full(FULL_WAIT));
        }
        drop(room);
        Ok(submitted)
    }

    /// Journals a request as a whole, and returns when it is on disk: all of it is taken, or nothing. What of it is
    /// refused for good is counted, and the result says so. `make` makes the bytes to journal, on a thread that may
    /// block; `code` says what they are.
    ///
    /// # Errors
    /// What `make` returns, or [`Unavailable`]; nothing of the request is counted then.
    pub async fn submit_whole<B, E>(
        &self,
        code: u8,
        source: Source,
        mut room: Room,
        make: impl FnOnce(&mut Room) -> Result<B, E> + Send + 'static,
    ) -> Result<Whole, E>
    where
        B: AsRef<[u8]>,
        E: From<Unavailable> + Send + 'static,
    {
        let this = self.clone();
        let journal = move || {
            let request = make(&mut room)?;
            let worker = this.first_worker + this.next_worker.fetch_add(1, Ordering::Relaxed) % WORKERS;
            let (taken, counted) = this.pipeline.offer_whole(worker, code, request.as_ref(), source);
            match taken {
                Taken::Journaled(position) => Ok((counted, position, room)),
                Taken::Dropped => Err(E::from(Unavailable::Full(FULL_WAIT))),
            }
        };
        let journaled = tokio::task::spawn_blocking(journal).await;
        // The room is kept until then: whoever stops waits for it.
        let (counted, position, _room) = journaled.map_err(|_| Unavailable::Stopping)??;
        if !self.pipeline.synced(position).wait().await {
            return Err(Unavailable::Full(FULL_WAIT).into());
        }
        Ok(Whole { accepted: counted.facts, rejected: counted.rejected.into_iter().collect() })
    }

    /// What clients are told to sample.
    pub(crate) fn sampling(&self) -> &Sampling {
        &self.sampling
    }

    /// Counts a request that is refused before anything of it is journaled.
    pub fn refuse(&self, reason: &'static str, source: Source, shown: &[u8]) {
        self.pipeline.reject(reason, 1, source, shown);
    }

    /// Counts messages that are refused before anything of them is journaled.
    pub fn refuse_many(&self, reason: &'static str, count: u64, source: Source) {
        self.pipeline.reject(reason, count, source, b"");
    }

    /// Room for a request of so many bytes, taken before its body is read. It can grow.
    ///
    /// # Errors
    /// [`Unavailable::Busy`] where others have it, [`Unavailable::Stopping`] at the end.
    pub fn begin(&self, bytes: usize) -> Result<Room, Unavailable> {
        let permit = self.permit(bytes)?;
        let reservation = self.pipeline.config().budget.reserve(Use::Requests, permit.num_permits() as u64);
        let reservation = reservation.ok_or(Unavailable::Busy(BUSY_WAIT))?;
        Ok(Room { submit: self.clone(), permit, reservation })
    }

    /// Waits until no request is under way any more.
    pub(crate) async fn finished(&self) {
        let _ = self.memory.acquire_many(BYTES_MAX as u32).await;
    }

    /// A part of [`BYTES_MAX`].
    fn permit(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Unavailable> {
        if self.end.load(Ordering::Relaxed) {
            return Err(Unavailable::Stopping);
        }
        let permits = u32::try_from(bytes.clamp(1, BYTES_MAX)).unwrap_or(u32::MAX);
        self.memory.clone().try_acquire_many_owned(permits).map_err(|_| Unavailable::Busy(BUSY_WAIT))
    }

    /// Journals what is good; what it came to, and where it ends.
    fn journal(
        &self,
        code: u8,
        items: &[Vec<u8>],
        source: Source,
        is_authorised: bool,
    ) -> Result<(Submitted, u64), Unavailable> {
        let mut rejected = Vec::new();
        let mut good = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let reason = if item.len() > ITEM_BYTES_MAX {
                Some("message_too_long")
            } else {
                self.pipeline.judge(code, item, is_authorised)
            };
            match reason {
                Some(reason) => rejected.push((at, reason)),
                None => good.push((item.as_slice(), source)),
            }
        }
        let accepted = good.len() as u64;
        let worker = self.first_worker + self.next_worker.fetch_add(1, Ordering::Relaxed) % WORKERS;
        let mut position = 0;
        if !good.is_empty() {
            let taken = match is_authorised {
                true => self.pipeline.offer_authorised(worker, code, good.into_iter()),
                false => self.pipeline.offer(worker, code, good.into_iter()),
            };
            match taken {
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
    pub fn judge(&self, code: u8, item: &[u8], is_authorised: bool) -> Option<&'static str> {
        let admitted = match is_authorised {
            true => self.admission().admit_authorised(code, item, true),
            false => self.admission().admit(code, item, true),
        };
        match admitted {
            Admitted::Refused(reasons) => Some(reasons.first().map_or("empty", |(reason, _)| reason)),
            Admitted::AsItIs | Admitted::Rewritten { .. } => None,
        }
    }
}
