//! A batch of datagrams: admitted, journaled, applied.
use super::{Pipeline, Source};
use crate::intake::admission::{Admission, Admitted};
use crate::journal::Refused;
use crate::journal::begin::Context;
use crate::journal::record::{Builder, Record};
use crate::ledger::Totals;
use crate::ordered;
use metlog_schemas::budget::Use;
use metlog_schemas::format::{self, Decoded, Scratch};
use std::sync::atomic::Ordering;

/// Text of rows in a slot at which nobody waits for the next tick.
const TAKE_BYTES_MAX: usize = 64 << 20;
/// Rows wait in their slot until there are this many, or until somebody asks for them.
pub(super) const SLOT_ROWS_MAX: usize = 16 * 1024;
/// Likewise, bytes of text.
pub(super) const SLOT_BYTES_MAX: usize = 4 << 20;
/// A stream is not read, and requests are refused, when the budget has less room than this.
const FULL_MARGIN_BYTES: u64 = 256 * 1024;

/// Decides on a datagram, given its code and whether room is scarce.
type Admits = fn(&Admission, u8, &[u8], bool) -> Admitted;

/// What became of a batch of datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// In the journal up to this position, or refused by itself, and counted: see [`Pipeline::synced`].
    Journaled(u64),
    /// The disk or its budget refused it: it is counted as dropped, or, where it was offered, not at all.
    Dropped,
}

/// What one worker owns.
#[derive(Debug)]
pub(super) struct Slot {
    builder: Builder,
    pub decoded: Decoded,
    scratch: Scratch,
    /// Of each datagram of the record, where it came from.
    sources: Vec<Source>,
    /// Messages that must be journaled in another format than they came in.
    moved: Vec<(u8, Vec<u8>)>,
}

impl Slot {
    pub fn new(context: &Context) -> Slot {
        Slot {
            builder: Builder::default(),
            decoded: Decoded::default(),
            scratch: context.scratch(),
            sources: Vec::new(),
            moved: Vec::new(),
        }
    }

    fn record(&self) -> Option<Record<'_>> {
        self.builder.record()
    }

    /// Messages in the record.
    fn messages(&self) -> u64 {
        self.record().map_or(0, |record| record.datagrams().map(|datagram| format::count(record.code, datagram)).sum())
    }
}

impl Pipeline {
    /// Takes what a socket gave: checks, journals and applies it. `worker` below the number of workers. What the
    /// journal refuses is counted as dropped.
    pub fn take<'d>(&self, worker: usize, code: u8, datagrams: impl Iterator<Item = (&'d [u8], Source)>) -> Taken {
        self.admit(worker, code, datagrams, true).0
    }

    /// As [`Pipeline::take`], for a source that can wait: what is not journaled is not counted either, and may be
    /// offered again.
    pub fn offer<'d>(&self, worker: usize, code: u8, datagrams: impl Iterator<Item = (&'d [u8], Source)>) -> Taken {
        if self.is_full() || (self.is_failing() && !self.probe()) {
            return Taken::Dropped;
        }
        self.admit(worker, code, datagrams, false).0
    }

    /// As [`Pipeline::offer`], from those who need no signature: they have shown that they may.
    pub fn offer_authorised<'d>(
        &self,
        worker: usize,
        code: u8,
        datagrams: impl Iterator<Item = (&'d [u8], Source)>,
    ) -> Taken {
        if self.is_full() || (self.is_failing() && !self.probe()) {
            return Taken::Dropped;
        }
        self.admit_by(worker, code, datagrams, false, Admission::admit_authorised).0
    }

    /// As [`Pipeline::offer`], one request as one datagram of any length; with it, what came of what is in it.
    pub fn offer_whole(&self, worker: usize, code: u8, request: &[u8], source: Source) -> (Taken, Totals) {
        if self.is_full() || (self.is_failing() && !self.probe()) {
            return (Taken::Dropped, Totals::default());
        }
        self.admit(worker, code, std::iter::once((request, source)), false)
    }

    fn admit<'d>(
        &self,
        worker: usize,
        code: u8,
        datagrams: impl Iterator<Item = (&'d [u8], Source)>,
        or_drop: bool,
    ) -> (Taken, Totals) {
        self.admit_by(worker, code, datagrams, or_drop, Admission::admit)
    }

    fn admit_by<'d>(
        &self,
        worker: usize,
        code: u8,
        datagrams: impl Iterator<Item = (&'d [u8], Source)>,
        or_drop: bool,
        admits: Admits,
    ) -> (Taken, Totals) {
        self.close_window_if_due();
        let Some(slot) = self.slots.get(worker) else { return (Taken::Dropped, Totals::default()) };
        let gate = self.gate.share();
        let mut slot = slot.lock();
        let mut refused = Totals::default();
        self.fill(&mut slot, code, datagrams, admits, &mut refused);
        let taken = self.journal_slot(&mut slot, or_drop, &mut refused);
        if taken == Taken::Dropped && !or_drop {
            // Offered again it will be refused again: once is enough.
            slot.moved.clear();
            slot.builder.shrink();
            return (Taken::Dropped, Totals::default());
        }
        slot.builder.shrink();
        let mut counted: Totals = std::mem::take(&mut slot.decoded.counts).into();
        self.count(&mut counted, &refused);
        let is_large = slot.decoded.rows.text_bytes() >= TAKE_BYTES_MAX;
        drop(slot);
        if is_large {
            // More of the same would not fit into one batch.
            self.cut(&mut self.segments.lock(), SLOT_ROWS_MAX, SLOT_BYTES_MAX);
        }
        drop(gate);
        (taken, counted)
    }

    /// Puts what is admitted into the slot's record.
    fn fill<'d>(
        &self,
        slot: &mut Slot,
        code: u8,
        datagrams: impl Iterator<Item = (&'d [u8], Source)>,
        admits: Admits,
        refused: &mut Totals,
    ) {
        slot.builder.begin(code);
        slot.sources.clear();
        let is_tight = self.is_tight();
        for (datagram, source) in datagrams {
            match admits(&self.admission, code, datagram, is_tight) {
                Admitted::AsItIs => slot.builder.datagram(datagram),
                Admitted::Rewritten { datagram: left, moved, rejected } => {
                    slot.moved.extend(moved);
                    self.refuse(&rejected, source, datagram, refused);
                    match left {
                        Some(left) => slot.builder.datagram(&left),
                        None => continue,
                    }
                }
                Admitted::Refused(rejected) => {
                    self.refuse(&rejected, source, datagram, refused);
                    continue;
                }
            }
            slot.sources.push(source);
        }
    }

    fn refuse(&self, rejected: &[(&'static str, u64)], source: Source, datagram: &[u8], refused: &mut Totals) {
        for (reason, messages) in rejected {
            refused.reject(reason, *messages);
            self.rejects.note(reason, source, self.admission.shown(datagram), self.now().wall);
        }
    }

    /// Journals and applies the slot's record, and those that its messages were moved to.
    fn journal_slot(&self, slot: &mut Slot, or_drop: bool, refused: &mut Totals) -> Taken {
        let mut taken = Taken::Journaled(0);
        let mut is_first = true;
        if !slot.builder.is_empty() {
            taken = self.journal(slot);
            is_first = false;
        }
        let mut moved = std::mem::take(&mut slot.moved).into_iter().peekable();
        while let Some((code, message)) = moved.next() {
            if taken == Taken::Dropped {
                if is_first || !or_drop {
                    return taken;
                }
                refused.drop(slot.messages());
            }
            slot.builder.begin(code);
            slot.sources.clear();
            slot.builder.datagram(&message);
            while let Some((_, message)) = moved.next_if(|(of, _)| *of == code) {
                slot.builder.datagram(&message);
            }
            let next = self.journal(slot);
            // What went before is journaled: the rest cannot be offered again without it.
            if next == Taken::Dropped && !is_first && !or_drop {
                refused.drop(slot.messages());
                return taken;
            }
            (taken, is_first) = (next, false);
        }
        if taken == Taken::Dropped && or_drop {
            refused.drop(slot.messages());
        }
        taken
    }

    /// Appends the slot's record and applies it.
    fn journal(&self, slot: &mut Slot) -> Taken {
        if self.reserve.is_given_up() {
            self.failing.append.began("messages are dropped: the disk is full");
            return Taken::Dropped;
        }
        if self.memory.is_over.load(Ordering::Relaxed) {
            self.memory.budget.refuse(Use::Rows);
            return Taken::Dropped;
        }
        let Slot { builder, decoded, scratch, .. } = slot;
        let received_at = self.now().wall;
        let mut journal = self.journal.lock();
        if let Err(error) = journal.append(builder, received_at) {
            drop(journal);
            self.failing.append.began(format_args!("messages are dropped: {error}"));
            return Taken::Dropped;
        }
        let position = journal.position();
        // The next lock is taken before the first is given back: what is appended first is entered first.
        let mut ordered = self.ordered.lock();
        drop(journal);
        self.failing.append.ended();
        let Some(record) = builder.record() else { return Taken::Journaled(position) };
        ordered::enter(&record, &mut ordered, scratch, decoded);
        drop(ordered);
        if ordered::decode(&record, scratch, decoded) {
            ordered::settle(&record, &mut self.ordered.lock(), decoded);
        }
        for reject in slot.decoded.rejects.drain(..) {
            let source = slot.sources.get(reject.index).copied().flatten();
            let shown = self.admission.shown(&reject.bytes);
            self.rejects.note(reject.reason, source, shown, received_at);
        }
        Taken::Journaled(position)
    }

    /// Adds counts; those of `refused` are in no journal record yet.
    fn count(&self, counted: &mut Totals, refused: &Totals) {
        if !refused.is_empty() {
            counted.add(refused);
            self.unjournaled.lock().add(refused);
        }
        if !counted.is_empty() {
            self.totals.lock().add(counted);
        }
    }

    /// Counts something that came and is refused before it is a datagram.
    pub fn reject(&self, reason: &'static str, messages: u64, source: Source, bytes: &[u8]) {
        let mut refused = Totals::default();
        refused.reject(reason, messages);
        let _gate = self.gate.share();
        self.count(&mut Totals::default(), &refused);
        self.rejects.note(reason, source, self.admission.shown(bytes), self.now().wall);
    }

    /// Tries whether the journal takes a record again, and notes it where it does.
    pub(super) fn probe(&self) -> bool {
        if self.reserve.is_given_up() {
            self.reserve.restore_at_times();
        }
        if self.reserve.is_given_up() {
            return false;
        }
        let _gate = self.gate.share();
        let works = self.append_counts(&Totals::default()).is_ok();
        if works {
            self.failing.append.ended();
        }
        works
    }

    /// Journals counts of what never reached a record; the gate is held.
    pub(super) fn append_counts(&self, counts: &Totals) -> Result<(), Refused> {
        let payload = serde_json::to_vec(counts).map_err(|error| Refused::Io(error.into()))?;
        let mut builder = Builder::of(crate::journal::record::code::COUNTS, &payload);
        let now = self.now().wall;
        self.journal.lock().append(&mut builder, now)
    }

    /// True where the journal has no room for another large batch.
    pub fn is_full(&self) -> bool {
        self.journal.lock().total_bytes() + FULL_MARGIN_BYTES > self.config.journal.budget_bytes
    }

    /// True where the journal is more than half full: then nothing is kept that will be rejected anyway.
    fn is_tight(&self) -> bool {
        self.journal.lock().total_bytes() > self.config.journal.budget_bytes / 2
    }
}

impl Admission {
    /// What may be shown of rejected bytes: nothing of a message that rules of privacy were not applied to.
    pub fn shown<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        if self.has_rules() { b"" } else { bytes }
    }
}

impl From<format::Counts> for Totals {
    fn from(counts: format::Counts) -> Totals {
        let mut totals = Totals::default();
        totals.count(&counts);
        totals
    }
}
