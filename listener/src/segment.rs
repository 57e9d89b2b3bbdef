//! Segments in memory: what each came to, who still needs it, and which rows are not in the store yet.
use crate::ledger::Receipts;
use crate::replay::Sealed;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use metlog_schemas::tables::metrics_rows;
use metlog_schemas::window::{Metric, MetricData, Window};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// What a segment came to, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Rows of `messages`; `None` where they are only in the journal.
    pub rows: Option<Vec<RecordBatch>>,
    /// Windows that closed in it; `None` likewise.
    pub windows: Option<Vec<Arc<Window>>>,
    /// Rows of `metrics`, of those windows.
    pub metrics: Vec<RecordBatch>,
    /// Messages in `rows`.
    pub messages: u64,
    /// statsd values in `windows`.
    pub values: u64,
}

impl Content {
    /// Nothing yet, and in memory.
    pub fn empty() -> Content {
        Content { rows: Some(Vec::new()), windows: Some(Vec::new()), ..Content::default() }
    }

    /// Of these, in memory.
    ///
    /// # Errors
    /// Where Arrow refuses the windows' rows, which would be a defect.
    pub fn of(rows: Vec<RecordBatch>, windows: Vec<Arc<Window>>) -> Result<Content, ArrowError> {
        let mut content = Content::empty();
        rows.into_iter().for_each(|batch| content.add_rows(batch));
        for window in windows {
            content.add_window(window)?;
        }
        Ok(content)
    }

    /// Adds rows of `messages`.
    pub fn add_rows(&mut self, batch: RecordBatch) {
        self.messages += batch.num_rows() as u64;
        self.rows.get_or_insert_default().push(batch);
    }

    /// Adds a window.
    ///
    /// # Errors
    /// Where Arrow refuses its rows, which would be a defect.
    pub fn add_window(&mut self, window: Arc<Window>) -> Result<(), ArrowError> {
        let rows = metrics_rows([&*window])?;
        if rows.num_rows() > 0 {
            self.metrics.push(rows);
        }
        self.values += window.values;
        self.windows.get_or_insert_default().push(window);
        Ok(())
    }

    /// True while rows and windows are in memory.
    pub fn is_resident(&self) -> bool {
        self.rows.is_some() && self.windows.is_some()
    }

    /// Bytes in memory, about.
    pub fn memory(&self) -> usize {
        let batches = self.rows.iter().flatten().chain(&self.metrics);
        let windows = self.windows.iter().flatten().map(|window| window_bytes(window));
        batches.map(RecordBatch::get_array_memory_size).chain(windows).sum()
    }

    /// Keeps only the counts.
    pub fn evict(&mut self) {
        (self.rows, self.windows) = (None, None);
        self.metrics.clear();
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
    /// Bytes of its file, once sealed.
    pub bytes: u64,
}

/// All segments, oldest first; the last one is written.
#[derive(Debug)]
pub struct Segments {
    /// Never empty once the road is open.
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

    /// Messages and closed values that are not in the store.
    pub fn held(&self) -> u64 {
        self.unstored().map(|segment| segment.content.messages + segment.content.values).sum()
    }

    /// Takes out the segments that every sink has; their files may go.
    pub fn take_retired(&mut self) -> Vec<Segment> {
        let done = self.receipts.sinks.values().min().copied();
        let retired = |segment: &Segment| segment.sealed.is_some() && done.is_some_and(|done| segment.number <= done);
        let mut taken = Vec::new();
        while self.list.front().is_some_and(retired) {
            taken.extend(self.list.pop_front());
        }
        taken
    }

    /// Keeps sealed segments' rows in memory only up to `memory_bytes`, the newest first.
    pub fn evict(&mut self, memory_bytes: usize) {
        let mut used = 0;
        for segment in self.list.iter_mut().rev().filter(|segment| segment.sealed.is_some()) {
            if !segment.content.is_resident() {
                continue;
            }
            used += segment.content.memory();
            if used > memory_bytes {
                segment.content.evict();
            }
        }
    }
}
