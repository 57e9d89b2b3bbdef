//! When a segment is sealed, and the switch to the next: prepared outside, done in microseconds.
use super::Pipeline;
use super::admit::{SLOT_BYTES_MAX, SLOT_ROWS_MAX};
use crate::clock::Now;
use crate::journal::begin::Begin;
use crate::journal::{self, Spare};
use crate::segment::{Segment, Segments};
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

/// How long until a segment that could not be sealed is tried again.
const SEAL_AGAIN: i64 = 1_000_000;
/// What sealing must remember.
#[derive(Debug)]
pub(super) struct Sealing {
    /// The file of the next segment, once it is made.
    spare: super::Ranked<Option<Spare>>,
    /// When the segment that is written was begun, steady µs.
    begun_at: AtomicI64,
    /// Not before this moment is a segment sealed, steady µs.
    after: AtomicI64,
}

impl Sealing {
    pub fn new(now: Now) -> Sealing {
        Sealing {
            spare: super::Ranked::new(super::Rank::Spare, None),
            begun_at: AtomicI64::new(now.steady),
            after: AtomicI64::new(i64::MIN),
        }
    }

    /// The file of the next segment is made.
    pub fn prepared(&self, spare: Spare) {
        *self.spare.lock() = Some(spare);
    }
}

impl Pipeline {
    /// What has to be done now and then: close the window, seal the segment where it is old or large, cut rows
    /// into batches, journal counts. Called every few ms.
    pub fn tick(&self) {
        self.close_window_if_due();
        let now = self.now();
        if self.is_seal_due(now) && now.steady >= self.sealing.after.load(Ordering::Relaxed) {
            // A failure is noted where it happens.
            let _ = self.seal();
        }
        {
            let watched = self.live.has_readers();
            let _gate = self.gate.share();
            self.cut(&mut self.segments.lock(), if watched { 1 } else { SLOT_ROWS_MAX }, SLOT_BYTES_MAX);
        }
        self.journal_counts();
        if self.is_failing() && !self.is_full() {
            self.probe();
        }
    }

    fn is_seal_due(&self, now: Now) -> bool {
        let roll = &self.config.journal;
        let (memory, has_content) = self.content();
        let is_large = self.measure(now, memory);
        if is_large || self.journal.lock().bytes() >= roll.roll_bytes {
            return true;
        }
        let is_old = now.steady - self.sealing.begun_at.load(Ordering::Relaxed) >= roll.roll_after.as_micros() as i64;
        is_old && has_content
    }

    /// Memory of the segment that is written, and whether there is anything in it.
    fn content(&self) -> (u64, bool) {
        let (mut memory, mut has_content) = (0, false);
        for slot in &self.slots {
            let rows = &slot.lock().decoded.rows;
            memory += rows.text_bytes();
            has_content |= !rows.is_empty();
        }
        if let Some(active) = self.segments.lock().active() {
            memory += active.content.memory_bytes;
            has_content |= active.content.facts + active.closing_values > 0;
        }
        (memory as u64, has_content)
    }

    /// Counts of what never reached a record are journaled too, so that a kill does not forget them.
    fn journal_counts(&self) {
        // Taken inside the gate: the begin of a segment in between would count them a second time.
        let _gate = self.gate.share();
        let counts = std::mem::take(&mut *self.unjournaled.lock());
        if !counts.is_empty() && self.append_counts(&counts).is_err() {
            self.unjournaled.lock().add(&counts);
        }
    }

    /// Moves rows from the slots to the segment that is written, from slots that hold at least that much.
    pub(super) fn cut(&self, segments: &mut Segments, rows_min: usize, bytes_min: usize) {
        let Some(active) = segments.active() else { return };
        for slot in &self.slots {
            let rows = &mut slot.lock().decoded.rows;
            let (count, bytes) = (rows.len(), rows.text_bytes());
            if count == 0 || (count < rows_min && bytes < bytes_min) {
                continue;
            }
            let batches = match rows.batches() {
                Ok(batches) => batches,
                Err(error) => {
                    tracing::error!("rows cannot become a batch: {error}");
                    continue;
                }
            };
            for (table, batch) in batches {
                let Some(batch) = batch else { continue };
                self.live.send(table, &batch);
                active.content.add_rows(table, batch);
            }
        }
    }

    /// Seals the segment that is written and begins the next.
    ///
    /// # Errors
    /// Where the next file is not made yet, or cannot be written; the old one is still written.
    pub fn seal(&self) -> io::Result<()> {
        let sealed = self.switch();
        match &sealed {
            Ok(()) => self.failing.seal.ended(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
            Err(error) => {
                self.sealing.after.store(self.now().steady + SEAL_AGAIN, Ordering::Relaxed);
                self.failing.seal.began(format_args!("the journal's segment cannot be sealed: {error}"));
            }
        }
        sealed
    }

    fn switch(&self) -> io::Result<()> {
        let _gate = self.gate.alone();
        let now = self.now();
        self.close_window_gated(now);
        let mut segments = self.segments.lock();
        let Some(spare) = self.sealing.spare.lock().take() else { return Err(io::ErrorKind::WouldBlock.into()) };
        self.cut(&mut segments, 1, 0);
        let mut journal = self.journal.lock();
        let mut ordered = self.ordered.lock();
        let begin = Begin {
            context: ordered.context.clone(),
            by_start: false,
            totals: self.totals.lock().clone(),
            open_values: ordered.aggregator.open_values(),
            window_end: ordered.aggregator.window_end(),
            window_serial: ordered.aggregator.window_serial(),
            receipts: segments.receipts.clone(),
        };
        let bytes = journal.bytes();
        if let Err((spare, error)) = journal.switch(spare, &begin, now.wall) {
            drop((ordered, journal));
            self.sealing.prepared(spare);
            return Err(error);
        }
        let (cut, senders, number) = (ordered.aggregator.cut(), ordered.senders.clone(), journal.segment());
        drop((ordered, journal));
        // They are in the totals, which the begin holds.
        self.unjournaled.lock().clone_from(&crate::ledger::Totals::default());
        if let Some(active) = segments.active() {
            active.sealed = Some(begin.sealed());
            active.bytes += bytes;
        }
        segments.list.push_back(Segment::new(number, journal::path(&self.journal_folder(), number)));
        segments.evict(self.config.memory_bytes);
        self.sealing.begun_at.store(now.steady, Ordering::Relaxed);
        self.work.state(number, cut, senders);
        self.work.prepare(number + 1);
        drop(segments);
        self.progress();
        Ok(())
    }
}
