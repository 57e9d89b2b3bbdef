//! What is made beside intake: rows of windows that are over and states of segments by one thread, in their order; files
//! by another, so that a slow disk holds up no window. A simulation does both step by step.
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
/// How long nothing is done before a thread looks whether it shall end.
const REST: Duration = Duration::from_millis(50);
/// Where the journal takes more than this part of its budget, states of segments in its midst are not kept: they can be
/// made again from an earlier one. Every so many are kept all the same, so that this is quick.
const STATES_PART: u64 = 4;
const STATES_KEPT_EVERY: u64 = 16;

/// What the thread of windows knows.
#[derive(Debug)]
pub(super) struct Background {
    closer: Closer,
}

impl Background {
    pub fn new(closer: Closer) -> Background {
        Background { closer }
    }
}

/// Work for the processor, in the order of windows and cuts.
#[derive(Debug)]
enum Item {
    /// Rows of a window that closed in a segment.
    Close(u64, Closing),
    /// The state at a segment's begin.
    State(u64, Box<(Cut, Senders)>),
}

/// Work for the disk.
#[derive(Debug)]
enum File {
    /// A state is written.
    State(u64, Box<StateAt>),
    /// A state of so many bytes is written; the first record of its segment must be on disk too.
    Confirm(u64, u64),
    /// The file of a segment is made.
    Prepare(u64),
}

/// What there is to do, oldest first.
#[derive(Debug)]
pub(super) struct Work {
    items: Queue<Item>,
    files: Queue<File>,
}

#[derive(Debug)]
struct Queue<T> {
    list: Ranked<VecDeque<T>>,
    woken: (Mutex<bool>, Condvar),
}

impl<T> Queue<T> {
    fn new() -> Queue<T> {
        Queue { list: Ranked::new(Rank::Work, VecDeque::new()), woken: Default::default() }
    }

    fn push(&self, item: T) {
        self.list.lock().push_back(item);
        *self.woken.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.woken.1.notify_all();
    }

    fn pop(&self) -> Option<T> {
        self.list.lock().pop_front()
    }

    fn rest(&self, at_most: Duration) {
        let woken = self.woken.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.woken.1.wait_timeout_while(woken, at_most, |woken| !*woken);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl Default for Work {
    fn default() -> Self {
        Work { items: Queue::new(), files: Queue::new() }
    }
}

impl Work {
    /// Rows of a window are to be made.
    pub fn close(&self, segment: u64, closing: Closing) {
        self.items.push(Item::Close(segment, closing));
    }

    /// The state at a segment's begin is to be made and written.
    pub fn state(&self, segment: u64, cut: Cut, senders: Senders) {
        self.items.push(Item::State(segment, Box::new((cut, senders))));
    }

    /// The file of a segment is to be made.
    pub fn prepare(&self, segment: u64) {
        self.files.push(File::Prepare(segment));
    }
}

impl Pipeline {
    /// Makes rows and states, and waits a moment where there are none to make.
    pub fn make(&self) {
        if !self.make_once() {
            self.work.items.rest(REST);
        }
    }

    /// Makes files, and waits a moment where there are none to make.
    pub fn write(&self) {
        match self.write_once() {
            Ok(true) => (),
            Ok(false) => self.work.files.rest(REST),
            Err(error) => {
                self.failing.seal.began(format_args!("the next segment cannot be prepared: {error}"));
                std::thread::sleep(AGAIN);
            }
        }
    }

    /// Makes the next rows or state; false where there is nothing to make.
    pub fn make_once(&self) -> bool {
        let mut background = self.background.lock();
        match self.work.items.pop() {
            None => return false,
            Some(Item::Close(segment, closing)) => self.make_rows(&mut background, segment, closing),
            Some(Item::State(segment, parts)) => {
                let (cut, senders) = *parts;
                let state = StateAt { aggregate: background.closer.state(&cut), senders };
                self.work.files.push(File::State(segment, Box::new(state)));
            }
        }
        true
    }

    /// Makes the next file; false where there is none to make.
    ///
    /// # Errors
    /// Where the disk refuses; it is tried again.
    pub fn write_once(&self) -> io::Result<bool> {
        let folder = self.journal_folder();
        match self.work.files.pop() {
            None => return Ok(false),
            Some(File::State(segment, state)) => {
                match self.reserve.with(|| state_file::write(&folder, segment, &state)) {
                    Ok(bytes) => {
                        // So that the next one can be written on a full disk too.
                        self.reserve.want(2 * bytes);
                        self.confirm(segment, bytes);
                    }
                    Err(error) => return self.again(File::State(segment, state), error),
                }
            }
            Some(File::Confirm(segment, bytes)) => self.confirm(segment, bytes),
            Some(File::Prepare(segment)) => match self.reserve.with(|| Spare::new(&folder, segment)) {
                Ok(spare) => self.sealing.prepared(spare),
                Err(error) => return self.again(File::Prepare(segment), error),
            },
        }
        self.failing.seal.ended();
        Ok(true)
    }

    fn again(&self, file: File, error: io::Error) -> io::Result<bool> {
        self.work.files.list.lock().push_back(file);
        Err(error)
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

    /// A state is on disk. It counts once the first record of its segment is there too: until then a power cut would
    /// leave the segment before as the only one that knows the state.
    fn confirm(&self, number: u64, bytes: u64) {
        if !self.sync() {
            self.work.files.list.lock().push_back(File::Confirm(number, bytes));
            std::thread::sleep(REST);
            return;
        }
        let mut segments = self.segments.lock();
        if let Some(segment) = segments.get(number) {
            segment.has_state = true;
            segment.bytes += bytes;
            self.journal.lock().added(bytes);
        }
        drop(segments);
        self.thin_out_states(number);
        self.retire();
    }

    /// The state of the segment before goes where room is scarce.
    fn thin_out_states(&self, number: u64) {
        let before = number - 1;
        let is_tight = self.journal.lock().total_bytes() > self.config.journal.budget_bytes / STATES_PART;
        if !is_tight || before.is_multiple_of(STATES_KEPT_EVERY) {
            return;
        }
        let path: PathBuf = state_file::path(&self.journal_folder(), before);
        let mut segments = self.segments.lock();
        // The first is needed as it is: nothing before it could make its state again.
        let is_first = segments.list.front().is_none_or(|first| first.number >= before);
        let Some(segment) = segments.get(before).filter(|segment| segment.has_state && !is_first) else { return };
        let Ok(bytes) = path.metadata().map(|file| file.len()) else { return };
        if std::fs::remove_file(&path).is_ok() {
            segment.has_state = false;
            segment.bytes -= bytes.min(segment.bytes);
            self.journal.lock().removed(bytes);
        }
    }
}
