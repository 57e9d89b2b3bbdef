//! What is made beside intake, in its order: rows of windows that are over, states of segments, the next segment's
//! file. One thread does it; a simulation does it step by step.
use super::Pipeline;
use super::lock::{Rank, Ranked};
use crate::aggregate::{Closer, Closing, Cut};
use crate::journal::Spare;
use crate::journal::state_file::{self, StateAt};
use crate::senders::Senders;
use metlog_schemas::table::metrics_rows;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long until what failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long nothing is done before the thread looks whether it shall end.
const REST: Duration = Duration::from_millis(50);

/// What the background knows.
#[derive(Debug)]
pub(super) struct Background {
    closer: Closer,
    folder: PathBuf,
}

impl Background {
    pub fn new(closer: Closer, folder: PathBuf) -> Background {
        Background { closer, folder }
    }
}

/// Something to do.
#[derive(Debug)]
enum Item {
    /// Rows of a window that closed in a segment.
    Close(u64, Closing),
    /// The state at a segment's begin.
    State(u64, Box<(Cut, Senders)>),
    /// The same, made and not written yet.
    Write(u64, Box<StateAt>),
    /// The file of a segment.
    Prepare(u64),
}

/// What there is to do, oldest first.
#[derive(Debug)]
pub(super) struct Work {
    queue: Ranked<VecDeque<Item>>,
    woken: (Mutex<bool>, Condvar),
}

impl Default for Work {
    fn default() -> Self {
        Work { queue: Ranked::new(Rank::Work, VecDeque::new()), woken: Default::default() }
    }
}

impl Work {
    /// Rows of a window are pending.
    pub fn close(&self, segment: u64, closing: Closing) {
        self.push(Item::Close(segment, closing));
    }

    /// A state is pending.
    pub fn state(&self, segment: u64, cut: Cut, senders: Senders) {
        self.push(Item::State(segment, Box::new((cut, senders))));
    }

    /// A file is pending.
    pub fn prepare(&self, segment: u64) {
        self.push(Item::Prepare(segment));
    }

    fn push(&self, item: Item) {
        self.queue.lock().push_back(item);
        *self.woken.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.1.notify_all();
    }

    fn pop(&self) -> Option<Item> {
        self.queue.lock().pop_front()
    }

    fn rest(&self, at_most: Duration) {
        let woken = self.woken.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.woken.1.wait_timeout_while(woken, at_most, |woken| !*woken);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl Pipeline {
    /// Does what there is to do, and waits a moment where there is nothing.
    pub fn work(&self) {
        match self.work_once() {
            Ok(true) => (),
            Ok(false) => self.work.rest(REST),
            Err(error) => {
                self.failing.seal.began(format_args!("the next segment cannot be prepared: {error}"));
                self.work.rest(AGAIN);
            }
        }
    }

    /// Runs the next task; false if there is none.
    ///
    /// # Errors
    /// Where the disk refuses; it is done again.
    pub fn work_once(&self) -> io::Result<bool> {
        let mut background = self.background.lock();
        let Some(item) = self.work.pop() else { return Ok(false) };
        match item {
            Item::Close(segment, closing) => self.make_rows(&mut background, segment, closing),
            Item::State(segment, parts) => {
                let (cut, senders) = *parts;
                let state = StateAt { aggregate: background.closer.state(&cut), senders };
                self.write_state(&background, segment, Box::new(state))?;
            }
            Item::Write(segment, state) => self.write_state(&background, segment, state)?,
            Item::Prepare(segment) => {
                let made = self.reserve.with(|| Spare::new(&background.folder, segment));
                match made {
                    Ok(spare) => {
                        self.sealing.prepared(spare);
                        self.failing.seal.ended();
                    }
                    Err(error) => {
                        self.work.queue.lock().push_back(Item::Prepare(segment));
                        return Err(error);
                    }
                }
            }
        }
        Ok(true)
    }

    fn make_rows(&self, background: &mut Background, segment: u64, closing: Closing) {
        let values = closing.values();
        let percentiles = &self.config.statsd_windows.percentiles;
        let window = background.closer.close(closing, percentiles).map(Arc::new);
        let rows = window.as_ref().map(|window| metrics_rows([&**window]));
        let mut segments = self.segments.lock();
        let Some(segment) = segments.get(segment) else { return };
        segment.closing -= 1;
        segment.closing_values -= values;
        match (window, rows) {
            (Some(window), Some(Ok(rows))) => segment.content.add_window(window, rows),
            (Some(_), Some(Err(error))) => tracing::error!("a window cannot become rows: {error}"),
            _ => (),
        }
        drop(segments);
        self.progress();
    }

    fn write_state(&self, background: &Background, segment: u64, state: Box<StateAt>) -> io::Result<()> {
        let bytes = match self.reserve.with(|| state_file::write(&background.folder, segment, &state)) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.work.queue.lock().push_back(Item::Write(segment, state));
                return Err(error);
            }
        };
        // So that the next one can be written on a full disk too.
        self.reserve.want(2 * bytes);
        let mut segments = self.segments.lock();
        if let Some(segment) = segments.get(segment) {
            segment.has_state = true;
            segment.bytes += bytes;
            self.journal.lock().added(bytes);
        }
        drop(segments);
        self.retire();
        Ok(())
    }
}
