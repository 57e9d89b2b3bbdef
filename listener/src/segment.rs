//! Segments in memory: what each came to, who still needs it, and which rows are not in the store yet.
use crate::ledger::Receipts;
use crate::replay::{Keep, Sealed};
use arrow::array::RecordBatch;
use metlog_schemas::table::{Table, TableMap};
use metlog_schemas::window::{Metric, MetricData, Window};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// What a segment came to, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Rows of every table; `None` if they are only in the journal.
    pub rows: Option<TableMap<Vec<RecordBatch>>>,
    /// Windows that closed in it, for sinks that take windows; `None` likewise.
    pub windows: Option<Vec<Arc<Window>>>,
    /// Rows, and values of its windows, as the ledger counts them: known also where they are not in memory.
    pub facts: u64,
    /// About how much memory all of it takes.
    pub memory_bytes: usize,
}

impl Content {
    /// Nothing yet, and in memory.
    pub fn empty() -> Content {
        Content { rows: Some(TableMap::default()), windows: Some(Vec::new()), ..Content::default() }
    }

    /// In the journal only; so many facts.
    pub fn cold(facts: u64) -> Content {
        Content { facts, ..Content::default() }
    }

    /// Adds rows, each a fact.
    pub fn add_rows(&mut self, table: Table, batch: RecordBatch) {
        self.facts += batch.num_rows() as u64;
        self.put(table, batch);
    }

    /// Adds a window with its rows. Its facts are its values.
    pub fn add_window(&mut self, window: Arc<Window>, rows: RecordBatch) {
        self.facts += window.values;
        self.memory_bytes += window_bytes(&window);
        if let Some(windows) = &mut self.windows {
            windows.push(window);
        }
        if rows.num_rows() > 0 {
            self.put(Table::Metrics, rows);
        }
    }

    fn put(&mut self, table: Table, batch: RecordBatch) {
        self.memory_bytes += batch.get_array_memory_size();
        if let Some(rows) = &mut self.rows {
            rows[table].push(batch);
        }
    }

    /// True while rows and windows are in memory.
    pub fn is_resident(&self) -> bool {
        self.rows.is_some() && self.windows.is_some()
    }

    /// Keeps only the counts.
    pub fn evict(&mut self) {
        (self.rows, self.windows, self.memory_bytes) = (None, None, 0);
    }
}

/// Content while it fits into so much memory, and from then on only its counts.
#[derive(Debug)]
pub struct Bounded {
    /// What was kept.
    pub content: Content,
    /// Most memory.
    pub bytes_max: usize,
}

impl Keep for Bounded {
    fn rows(&mut self, table: Table, batch: RecordBatch) {
        self.content.add_rows(table, batch);
        self.check();
    }

    fn window(&mut self, window: Arc<Window>, rows: RecordBatch) {
        self.content.add_window(window, rows);
        self.check();
    }
}

impl Bounded {
    fn check(&mut self) {
        if self.content.memory_bytes > self.bytes_max {
            self.content.evict();
        }
    }
}

/// Idle series are in it too, for Graphite. Names and tags are shared with the aggregator.
fn window_bytes(window: &Window) -> usize {
    let row = |row: &Metric| {
        size_of::<Metric>()
            + match &row.data {
                MetricData::Timer(Some(timer)) => {
                    size_of_val(&**timer) + timer.sketch.len() + timer.percentiles.len() * 64
                }
                _ => 0,
            }
    };
    window.rows.iter().map(row).sum()
}

/// One segment that some sink still needs, or that is written.
#[derive(Debug)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// Its file.
    pub path: PathBuf,
    /// What it came to.
    pub content: Content,
    /// Where it ends; `None` while it is written.
    pub sealed: Option<Sealed>,
    /// Bytes of its file, once sealed, and of its state.
    pub bytes: u64,
    /// Windows that are over and whose rows are being made.
    pub closing: usize,
    /// Values in them.
    pub closing_values: u64,
    /// The state at its begin is on disk, so it can be read back without the segment before it.
    pub has_state: bool,
}

impl Segment {
    /// One that is begun.
    pub fn new(number: u64, path: PathBuf) -> Segment {
        let content = Content::empty();
        Segment { number, path, content, sealed: None, bytes: 0, closing: 0, closing_values: 0, has_state: false }
    }

    /// True if all of it is known: it may be handed to sinks.
    pub fn is_whole(&self) -> bool {
        self.sealed.is_some() && self.closing == 0
    }

    fn held(&self) -> u64 {
        self.content.facts + self.closing_values
    }
}

/// All segments, oldest first; the last one is written.
#[derive(Debug)]
pub struct Segments {
    /// Never empty once the pipeline is open.
    pub list: VecDeque<Segment>,
    /// How far the sinks are.
    pub receipts: Receipts,
    /// The sink whose receipt makes a message *stored*.
    pub store: &'static str,
}

impl Segments {
    /// The segment that is written.
    pub fn active(&mut self) -> Option<&mut Segment> {
        self.list.back_mut()
    }

    /// The segment of a number.
    pub fn get(&mut self, number: u64) -> Option<&mut Segment> {
        self.list.iter_mut().find(|segment| segment.number == number)
    }

    /// The first segment that a sink has no receipt for.
    pub fn first_without(&self, sink: &str) -> u64 {
        self.receipts.sinks.get(sink).map_or(0, |last| last + 1)
    }

    /// Segments whose content is not in the store.
    pub fn unstored(&self) -> impl Iterator<Item = &Segment> {
        let first = self.first_without(self.store);
        self.list.iter().filter(move |segment| segment.number >= first)
    }

    /// Rows, and values of windows that are over, that are not in the store.
    pub fn held(&self) -> u64 {
        self.unstored().map(Segment::held).sum()
    }

    /// Takes out the segments that every sink has; their files may go. One stays as long as the state at the begin of
    /// the next is not on disk: it would have to be read back for that.
    pub fn take_retired(&mut self) -> Vec<Segment> {
        let Some(done) = self.receipts.sinks.values().min().copied() else { return Vec::new() };
        let may_go = self.list.iter().take_while(|segment| segment.is_whole() && segment.number <= done).count();
        let count = (1..=may_go).rev().find(|count| self.list.get(*count).is_some_and(|next| next.has_state));
        self.list.drain(..count.unwrap_or_default()).collect()
    }

    /// About how much memory sealed segments take.
    pub fn resident_bytes(&self) -> usize {
        self.list.iter().filter(|segment| segment.sealed.is_some()).map(|segment| segment.content.memory_bytes).sum()
    }

    /// Keeps sealed segments' rows in memory only up to `memory_bytes`, the newest first.
    pub fn evict(&mut self, memory_bytes: usize) {
        let mut used = 0;
        for segment in self.list.iter_mut().rev().filter(|segment| segment.is_whole()) {
            if segment.content.is_resident() {
                used += segment.content.memory_bytes;
                if used > memory_bytes {
                    segment.content.evict();
                }
            }
        }
    }
}
