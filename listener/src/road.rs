//! The road: from a socket's batch through the journal into rows and windows, in the one order that matters.
//!
//! Locks are taken in this order: gate, slot, journal, ordered, totals; and segments before slots. A worker
//! holds the **gate** for reading from before its append until all of it is applied; whoever closes a window
//! or seals a segment holds it for writing, and so finds everything applied. While the gate is held for
//! reading the open window cannot change, so a record's time is put inside of it: that makes a window exactly
//! what the journal says it is, live and when read back.
mod failing;
mod look;
mod serve;

pub use serve::ClosedWindows;

use failing::Failing;

use crate::admission::Admission;
use crate::config::Config;
use crate::journal::record::{Builder, Kind};
use crate::journal::{Journal, Refused};
use crate::ledger::Totals;
use crate::replay::Sealed;
use crate::reserve::Reserve;
use crate::segment::{Content, Segment, Segments};
use crate::state::{Checkpoint, Decoding, Ordered};
use arrow::array::RecordBatch;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, watch};

/// Rows wait in their slot until there are this many, or until somebody asks for them.
const SLOT_ROWS_MAX: usize = 16 * 1024;
/// Likewise, bytes of text.
const SLOT_BYTES_MAX: usize = 4 << 20;
/// With so many nobody waits for the next tick.
const TAKE_BYTES_MAX: usize = 64 << 20;

/// How long until a segment that could not be sealed is tried again.
pub const SEAL_AGAIN: Duration = Duration::from_secs(1);

/// A stream is not read when the budget has less room than this.
const FULL_MARGIN_BYTES: u64 = 256 * 1024;

/// What became of a batch of datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Journaled, or refused by itself.
    Journaled,
    /// The disk or its budget refused it: it is counted as dropped.
    Dropped,
}

/// What one worker owns.
#[derive(Debug, Default)]
struct Slot {
    builder: Builder,
    decoding: Decoding,
    /// Messages that must be journaled as another kind than they came.
    moved: Vec<Vec<u8>>,
}

/// Everything between the sockets and the sinks.
#[derive(Debug)]
pub struct Road {
    config: Config,
    admission: Admission,
    gate: RwLock<()>,
    slots: Vec<Mutex<Slot>>,
    journal: Mutex<Journal>,
    ordered: Mutex<Ordered>,
    totals: Mutex<Totals>,
    /// Counts that no journal record holds yet.
    unjournaled: Mutex<Totals>,
    segments: Mutex<Segments>,
    /// Held while receipts are written, which takes as long as the disk does.
    acknowledging: Mutex<()>,
    reserve: Reserve,
    /// End of the open window, µs.
    window_end: AtomicI64,
    /// When the segment that is written was begun, µs.
    begun_at: AtomicI64,
    /// Changes whenever a sink may have something to do.
    progress: watch::Sender<u64>,
    rows: broadcast::Sender<RecordBatch>,
    failing: Failing,
    /// Not before this moment is a segment sealed, µs.
    seal_after: AtomicI64,
    kernel_dropped: AtomicU64,
}

/// µs since 1970 UTC.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// A lock whose holder panicked is still good: every change under it is whole or counted.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was found on the disk at the start.
#[derive(Debug)]
pub struct Found {
    /// The journal, open for writing.
    pub journal: Journal,
    /// State at its beginning.
    pub checkpoint: Checkpoint,
    /// Older segments and the new one.
    pub segments: Segments,
    /// What a full disk gives up.
    pub reserve: Reserve,
}

impl Road {
    /// A road with so many workers that goes on from what was found.
    pub fn new(config: Config, workers: usize, found: Found, now: i64) -> Road {
        let totals = found.checkpoint.totals.clone();
        let ordered = found.checkpoint.ordered(now);
        Road {
            admission: Admission::new(&config),
            reserve: found.reserve,
            acknowledging: Mutex::default(),
            gate: RwLock::new(()),
            slots: (0..workers).map(|_| Mutex::default()).collect(),
            journal: Mutex::new(found.journal),
            window_end: AtomicI64::new(ordered.aggregator.window_end()),
            ordered: Mutex::new(ordered),
            totals: Mutex::new(totals),
            unjournaled: Mutex::default(),
            segments: Mutex::new(found.segments),
            begun_at: AtomicI64::new(now),
            progress: watch::Sender::new(0),
            rows: broadcast::Sender::new(1_024),
            failing: Failing::default(),
            seal_after: AtomicI64::new(0),
            kernel_dropped: AtomicU64::new(0),
            config,
        }
    }

    /// What it was told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes what a socket gave: checks, journals and applies it. `worker` below the number of workers.
    pub fn take<'d>(&self, worker: usize, kind: Kind, datagrams: impl Iterator<Item = &'d [u8]>) -> Taken {
        self.admit(worker, kind, datagrams, true)
    }

    /// As [`Road::take`], for a source that can wait: what is not journaled is not counted either, and may be
    /// offered again.
    pub fn offer(&self, worker: usize, kind: Kind, datagram: &[u8]) -> Taken {
        if self.is_full() || (self.is_failing() && !self.probe()) {
            return Taken::Dropped;
        }
        self.admit(worker, kind, std::iter::once(datagram), false)
    }

    /// `or_drop`: what the journal refuses is counted as dropped.
    fn admit<'d>(&self, worker: usize, kind: Kind, datagrams: impl Iterator<Item = &'d [u8]>, or_drop: bool) -> Taken {
        if now() >= self.window_end.load(Ordering::Relaxed) {
            self.close_windows();
        }
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = self.slots.get(worker) else { return Taken::Dropped };
        let mut slot_guard = lock(slot);
        let slot = &mut *slot_guard;
        slot.builder.begin(kind);
        let mut refused = Totals::default();
        for datagram in datagrams {
            self.admission.admit(kind, datagram, &mut slot.builder, &mut slot.moved, &mut refused);
        }
        let mut taken = if slot.builder.is_empty() { Taken::Journaled } else { self.journal(slot) };
        if taken == Taken::Dropped && or_drop {
            refused.drop(self.admission.count(&slot.builder));
        } else if taken == Taken::Dropped {
            slot.moved.clear();
            return taken;
        }
        if !slot.moved.is_empty() {
            let nothing_yet = slot.builder.is_empty();
            slot.builder.begin(Kind::Metlog);
            slot.moved.drain(..).for_each(|message| slot.builder.datagram(&message));
            if self.journal(slot) == Taken::Dropped {
                if nothing_yet && !or_drop {
                    return Taken::Dropped;
                }
                refused.drop(self.admission.count(&slot.builder));
                taken = if or_drop { Taken::Dropped } else { Taken::Journaled };
            }
        }
        let mut counted = std::mem::take(&mut slot.decoding.totals);
        if !refused.is_empty() {
            counted.add(&refused);
            lock(&self.unjournaled).add(&refused);
        }
        lock(&self.totals).add(&counted);
        let is_large = slot.decoding.rows.text_bytes() >= TAKE_BYTES_MAX;
        drop(slot_guard);
        if is_large {
            // More of the same would not fit into one batch.
            self.cut(&mut lock(&self.segments), SLOT_ROWS_MAX, SLOT_BYTES_MAX);
        }
        taken
    }

    /// Counts something that came and is refused before it is a datagram.
    pub fn reject(&self, reason: &'static str) {
        let mut refused = Totals::default();
        refused.reject(reason, 1);
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        lock(&self.unjournaled).add(&refused);
        lock(&self.totals).add(&refused);
    }

    /// Tries whether the journal takes a record again, and notes it where it does.
    fn probe(&self) -> bool {
        if self.reserve.is_given_up() {
            self.reserve.restore_at_times();
        }
        if self.reserve.is_given_up() {
            return false;
        }
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let works = self.tally(&Totals::default());
        if works {
            self.failing.append.ended();
        }
        works
    }

    /// Appends the slot's record and applies it.
    fn journal(&self, slot: &mut Slot) -> Taken {
        let Slot { builder, decoding, .. } = slot;
        if self.reserve.is_given_up() {
            self.failing.append.began("messages are dropped: the disk is full");
            return Taken::Dropped;
        }
        let mut journal = lock(&self.journal);
        if let Err(error) = self.append(&mut journal, builder) {
            drop(journal);
            self.failing.append.began(format_args!("messages are dropped: {error}"));
            return Taken::Dropped;
        }
        // The next lock is taken before the first is given back: what is appended first is entered first.
        let mut ordered = lock(&self.ordered);
        drop(journal);
        self.failing.append.ended();
        let Some(record) = builder.record() else { return Taken::Journaled };
        decoding.enter(&record, &mut ordered);
        drop(ordered);
        if decoding.decode(&record) {
            decoding.settle(&mut lock(&self.ordered));
        }
        Taken::Journaled
    }

    /// Appends a record with the time of now: inside the open window, and never back in time, whatever the clock does.
    fn append(&self, journal: &mut Journal, builder: &mut Builder) -> Result<(), Refused> {
        let latest = self.window_end.load(Ordering::Relaxed) - 1;
        let received_at = now().max(journal.last_received_at()).min(latest);
        journal.append(builder, received_at)
    }

    /// Journals counts of what never reached a record; the gate is held. False: it was refused.
    fn tally(&self, counts: &Totals) -> bool {
        let mut builder = Builder::default();
        builder.begin(Kind::Tally);
        builder.raw(&postcard::to_allocvec(counts).unwrap_or_default());
        self.append(&mut lock(&self.journal), &mut builder).is_ok()
    }

    /// Closes every window whose end has passed.
    pub fn close_windows(&self) {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.close_windows_gated(now());
    }

    fn close_windows_gated(&self, now: i64) {
        let mut ordered = lock(&self.ordered);
        let mut closed = Vec::new();
        while ordered.aggregator.window_end() <= now {
            let end = ordered.aggregator.window_end();
            closed.extend(ordered.aggregator.close(end).map(Arc::new));
        }
        self.window_end.store(ordered.aggregator.window_end(), Ordering::Relaxed);
        drop(ordered);
        if closed.is_empty() {
            return;
        }
        if let Some(active) = lock(&self.segments).active() {
            for window in closed {
                if let Err(error) = active.content.add_window(window) {
                    tracing::error!("a window cannot become rows: {error}");
                }
            }
        }
        self.progress();
    }

    /// What has to be done now and then: close windows, seal the segment where it is old or large, cut rows
    /// into batches, journal counts. Called every few ms.
    pub fn tick(&self) {
        let now = now();
        if now >= self.window_end.load(Ordering::Relaxed) {
            self.close_windows();
        }
        let (bytes, begun_at) = (lock(&self.journal).bytes(), self.begun_at.load(Ordering::Relaxed));
        let old = now - begun_at >= self.config.journal.roll_after.as_micros() as i64;
        let due = bytes >= self.config.journal.roll_bytes || (old && self.has_content());
        if due && now >= self.seal_after.load(Ordering::Relaxed) {
            // A failure is noted where it happens.
            let _ = self.seal();
        } else {
            let watched = self.rows.receiver_count() > 0;
            self.cut(&mut lock(&self.segments), if watched { 1 } else { SLOT_ROWS_MAX }, SLOT_BYTES_MAX);
        }
        self.journal_counts();
        if self.is_failing() && !self.is_full() {
            self.probe();
        }
    }

    fn has_content(&self) -> bool {
        let waiting = self.slots.iter().any(|slot| !lock(slot).decoding.rows.is_empty());
        waiting
            || lock(&self.segments).active().is_some_and(|active| active.content.messages + active.content.values > 0)
    }

    /// Counts of what never reached a record are journaled too, so that a kill does not forget them.
    fn journal_counts(&self) {
        // Taken inside the gate: a checkpoint in between would count them a second time.
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let counts = std::mem::take(&mut *lock(&self.unjournaled));
        if !counts.is_empty() && !self.tally(&counts) {
            lock(&self.unjournaled).add(&counts);
        }
    }

    /// Moves rows from the slots to the segment that is written, from slots that hold at least that much.
    fn cut(&self, segments: &mut Segments, rows_min: usize, bytes_min: usize) {
        let Some(active) = segments.active() else { return };
        for slot in &self.slots {
            let rows = &mut lock(slot).decoding.rows;
            if rows.is_empty() || (rows.len() < rows_min && rows.text_bytes() < bytes_min) {
                continue;
            }
            match rows.finish() {
                Ok(batch) => {
                    if self.rows.receiver_count() > 0 {
                        let _ = self.rows.send(batch.clone());
                    }
                    active.content.add_rows(batch);
                }
                Err(error) => tracing::error!("rows cannot become a batch: {error}"),
            }
        }
    }

    /// Seals the segment that is written and begins the next.
    ///
    /// # Errors
    /// Where the next file cannot be made; the old one is still written.
    pub fn seal(&self) -> io::Result<()> {
        let sealed = self.seal_now();
        match &sealed {
            Ok(()) => self.failing.seal.ended(),
            Err(error) => {
                self.seal_after.store(now() + SEAL_AGAIN.as_micros() as i64, Ordering::Relaxed);
                self.failing.seal.began(format_args!("the journal's segment cannot be sealed: {error}"));
            }
        }
        sealed
    }

    fn seal_now(&self) -> io::Result<()> {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        self.close_windows_gated(now);
        let mut segments = lock(&self.segments);
        self.cut(&mut segments, 1, 0);
        let mut journal = lock(&self.journal);
        let ordered = lock(&self.ordered);
        let checkpoint = Checkpoint::of(&ordered, lock(&self.totals).clone()).encode().map_err(io::Error::other)?;
        let bytes = journal.bytes();
        self.reserve.with(|| journal.roll(&checkpoint, now))?;
        // They are in the totals, which the checkpoint holds.
        lock(&self.unjournaled).clone_from(&Totals::default());
        if let Some(active) = segments.active() {
            active.sealed = Some(Sealed { until: ordered.aggregator.window_end(), by_start: false });
            active.bytes = bytes;
        }
        let (number, path) = (journal.segment(), self.path(journal.segment()));
        segments.list.push_back(Segment { number, path, content: Content::empty(), sealed: None, bytes: 0 });
        segments.evict(self.config.memory_bytes);
        self.begun_at.store(now, Ordering::Relaxed);
        drop((ordered, journal, segments));
        self.progress();
        Ok(())
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.config.data.join("journal").join(crate::journal::file_name(segment))
    }

    fn progress(&self) {
        self.progress.send_modify(|n| *n += 1);
    }

    /// Changes whenever a sink may have something to do.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// Rows of `messages` as they come, for whoever listens live.
    pub fn subscribe(&self) -> broadcast::Receiver<RecordBatch> {
        self.rows.subscribe()
    }

    /// Syncs what was written since the last call.
    pub fn sync(&self) {
        let files = lock(&self.journal).take_unsynced();
        let mut all = true;
        for file in files {
            if let Err(error) = file.sync_data() {
                self.failing.sync.began(format_args!("the journal cannot be synced: {error}"));
                lock(&self.journal).sync_failed(file);
                all = false;
            }
        }
        if all {
            self.failing.sync.ended();
        }
    }

    /// Values in the open window.
    pub fn open_values(&self) -> u64 {
        lock(&self.ordered).aggregator.open_values()
    }

    /// Looks at the ordered state.
    pub fn with_ordered<T>(&self, look: impl FnOnce(&Ordered) -> T) -> T {
        look(&lock(&self.ordered))
    }

    /// Looks at the counts.
    pub fn totals(&self) -> Totals {
        lock(&self.totals).clone()
    }

    /// Bytes of the journal, segments in it, the segment that is written, and the receipts.
    pub fn journal_state(&self) -> (u64, usize, u64, crate::ledger::Receipts) {
        let segments = lock(&self.segments);
        let journal = lock(&self.journal);
        (journal.total_bytes(), segments.list.len(), journal.segment(), segments.receipts.clone())
    }

    /// True where the journal has no room for another large batch.
    pub fn is_full(&self) -> bool {
        lock(&self.journal).total_bytes() + FULL_MARGIN_BYTES > self.config.journal.budget_bytes
    }

    /// True while the disk or its budget refuses.
    pub fn is_failing(&self) -> bool {
        self.failing.append.is()
    }

    /// What goes wrong with the journal at the moment, in words.
    pub fn problems(&self) -> Vec<String> {
        self.failing.problems()
    }

    /// The kernel dropped more datagrams at a socket of ours.
    pub fn kernel_dropped(&self, datagrams: u64) {
        self.kernel_dropped.fetch_add(datagrams, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
