//! The pipeline: from a socket's batch through the journal into rows and windows, in the one order that matters.
//!
//! A worker shares the **gate** from before its append until all of it is applied; whoever closes a window or seals a
//! segment has it alone, and so finds everything applied. Nothing that takes long is done behind the gate: rows of
//! windows, states of segments and the next segment's file are made by the background (`background`), and nobody waits
//! for a disk to sync but who asked for that (`sync`).
//!
//! | file | owns |
//! |---|---|
//! | `admit` | a batch of datagrams: admitted, journaled, applied |
//! | `windows` | when a window is over |
//! | `seal` | when a segment is, and the switch to the next |
//! | `background` | what is made beside intake |
//! | `sync` | what is on disk for sure |
//! | `serve` | what sinks are given, and what becomes of a segment that they have |
//! | `look` | what can be seen from outside |
//! | `memory` | its part of the budget of memory |
//! | `lock` | the order of locks |
mod admit;
mod background;
mod failing;
mod live;
mod lock;
mod look;
mod memory;
mod rejects;
mod seal;
mod serve;
mod sync;
mod windows;

pub use admit::Taken;
pub use live::{Live, LiveEvent, LiveRows};
pub use rejects::{Rejected, Source};
pub use serve::{ClosedWindows, batch_of};

use crate::aggregate::Closer;
use crate::clock::{Clock, Now};
use crate::config::Config;
use crate::intake::admission::Admission;
use crate::journal::Journal;
use crate::journal::reserve::Reserve;
use crate::ledger::Totals;
use crate::ordered::Ordered;
use crate::segment::Segments;
use admit::Slot;
use background::{Background, Work};
use failing::Failing;
use lock::{Gate, Rank, Ranked};
use rejects::Rejects;
use seal::Sealing;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use sync::Syncing;
use tokio::sync::watch;
use windows::WindowClock;

/// Everything between the sockets and the sinks.
#[derive(Debug)]
pub struct Pipeline {
    config: Config,
    clock: Arc<dyn Clock>,
    admission: Admission,
    gate: Gate,
    slots: Vec<Ranked<Slot>>,
    journal: Ranked<Journal>,
    ordered: Ranked<Ordered>,
    totals: Ranked<Totals>,
    /// Counts that no journal record holds yet.
    unjournaled: Ranked<Totals>,
    segments: Ranked<Segments>,
    acknowledging: Ranked<()>,
    background: Ranked<Background>,
    work: Work,
    reserve: Reserve,
    window: WindowClock,
    sealing: Sealing,
    syncing: Syncing,
    /// Changes whenever a sink may have something to do.
    progress: watch::Sender<u64>,
    live: live::Broadcast,
    failing: Failing,
    memory: memory::Memory,
    rejects: Rejects,
    kernel_dropped: AtomicU64,
}

/// What was found on the disk at the start.
#[derive(Debug)]
pub struct Found {
    /// The journal, open for writing.
    pub journal: Journal,
    /// State at its beginning.
    pub ordered: Ordered,
    /// Makes rows of its windows.
    pub closer: Closer,
    /// Counts up to it.
    pub totals: Totals,
    /// Older segments and the new one.
    pub segments: Segments,
    /// What a full disk gives up.
    pub reserve: Reserve,
}

impl Pipeline {
    /// A pipeline with so many workers that goes on from what was found.
    pub fn new(config: Config, workers: usize, found: Found, clock: Arc<dyn Clock>) -> Pipeline {
        let now = clock.now();
        let context = found.ordered.context.clone();
        let next = found.journal.segment() + 1;
        let pipeline = Pipeline {
            admission: Admission::new(&config),
            reserve: found.reserve,
            gate: Gate::default(),
            slots: (0..workers).map(|_| Ranked::new(Rank::Slot, Slot::new(&context))).collect(),
            window: WindowClock::new(&found.ordered.aggregator, now),
            journal: Ranked::new(Rank::Journal, found.journal),
            ordered: Ranked::new(Rank::Ordered, found.ordered),
            totals: Ranked::new(Rank::Totals, found.totals),
            unjournaled: Ranked::new(Rank::Unjournaled, Totals::default()),
            segments: Ranked::new(Rank::Segments, found.segments),
            acknowledging: Ranked::new(Rank::Acknowledging, ()),
            background: Ranked::new(Rank::Background, Background::new(found.closer)),
            work: Work::default(),
            sealing: Sealing::new(now),
            syncing: Syncing::default(),
            progress: watch::Sender::new(0),
            live: live::Broadcast::new(config.budget.clone()),
            failing: Failing::default(),
            memory: memory::Memory::new(config.budget.clone()),
            rejects: Rejects::default(),
            kernel_dropped: AtomicU64::new(0),
            clock,
            config,
        };
        pipeline.work.prepare(next);
        pipeline
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What may be journaled at all.
    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn journal_folder(&self) -> PathBuf {
        self.config.data.join("journal")
    }

    fn progress(&self) {
        self.progress.send_modify(|n| *n += 1);
    }

    /// Changes whenever a sink may have something to do.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// Rows as they arrive, for live subscribers.
    pub fn subscribe(&self) -> Live {
        self.live.subscribe()
    }

    /// True while the disk or its budget refuses.
    pub fn is_failing(&self) -> bool {
        self.failing.append.is()
    }

    /// What goes wrong at the moment, in words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.failing.problems(self.now().steady);
        problems.extend(self.memory_problem());
        problems
    }

    /// True where messages were lost just now: refused by the disk or dropped by the kernel.
    pub fn is_losing(&self) -> bool {
        self.failing.append.is() || self.failing.memory.is() || self.failing.is_losing(self.now().steady)
    }

    /// The kernel dropped more datagrams at a socket of ours.
    pub fn kernel_dropped(&self, socket: &str, datagrams: u64) {
        if datagrams > 0 {
            self.kernel_dropped.fetch_add(datagrams, Ordering::Relaxed);
            self.failing.kernel_dropped(socket, datagrams, self.now().steady);
        }
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
