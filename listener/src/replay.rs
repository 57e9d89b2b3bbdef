//! Reading a segment back: from its begin, record by record, to the rows and windows that it came to.
use crate::aggregate::{Aggregator, Closer, Closing};
use crate::journal::begin::Begin;
use crate::journal::record::{Framing, HEADER_BYTES, Read, Record, code, length_of, read};
use crate::journal::state_file::{self, StateAt};
use crate::journal::{self, v01};
use crate::ledger::Totals;
use crate::ordered::{self, Ordered};
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use metlog_schemas::format::{self, Decoded, Scratch};
use metlog_schemas::table::{Table, TableMap, metrics_rows};
use metlog_schemas::window::Window;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Rows are cut into batches of about this many, or of this many bytes of text.
const ROWS_PER_BATCH: usize = 32 * 1024;
const BYTES_PER_BATCH: usize = 16 << 20;
/// Most bytes of a file that are read to find its first record.
const BEGIN_BYTES_MAX: u64 = 1 << 30;

/// Where a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// End of the window that was open then, µs; the windows before it closed in the segment.
    pub until: i64,
    /// The number of that window.
    pub serial: u64,
    /// It was sealed by a start.
    pub by_start: bool,
}

/// How a segment begins.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its first record.
    pub begin: Begin,
    /// The state, where version 0.1 wrote it into that record.
    pub state: Option<Box<StateAt>>,
    /// When that was written, µs.
    pub begun_at: i64,
}

/// Where rows go as they are read back.
pub trait Keep {
    /// Takes a batch.
    fn rows(&mut self, table: Table, batch: RecordBatch);
    /// Takes a window that closed, with its rows of `metrics`, if it has any.
    fn window(&mut self, window: Arc<Window>, rows: RecordBatch);
}

/// Everything in memory.
#[derive(Debug, Default)]
pub struct Kept {
    /// Rows of every table; those of `metrics` are of the windows.
    pub rows: TableMap<Vec<RecordBatch>>,
    /// Windows that closed, oldest first.
    pub windows: Vec<Arc<Window>>,
}

impl Keep for Kept {
    fn rows(&mut self, table: Table, batch: RecordBatch) {
        self.rows[table].push(batch);
    }
    fn window(&mut self, window: Arc<Window>, rows: RecordBatch) {
        self.windows.push(window);
        if rows.num_rows() > 0 {
            self.rows[Table::Metrics].push(rows);
        }
    }
}

/// Nothing: for who wants the state at the end.
#[derive(Debug)]
pub struct Nothing;

impl Keep for Nothing {
    fn rows(&mut self, _: Table, _: RecordBatch) {}
    fn window(&mut self, _: Arc<Window>, _: RecordBatch) {}
}

/// What is known at the end of a segment.
#[derive(Debug)]
pub struct Replayed {
    /// The state at its end.
    pub ordered: Ordered,
    /// Makes rows of the windows that close from then on.
    pub closer: Closer,
    /// Counts of everything up to its end.
    pub totals: Totals,
    /// Rows, and values of windows that closed.
    pub facts: u64,
    /// Where records are corrupt, in bytes from the beginning of the file.
    pub corrupt: Vec<Range<usize>>,
    /// Where records of a newer program are.
    pub unknown: Vec<Range<usize>>,
    /// Where a record was cut off at the end, if one was.
    pub torn_at: Option<usize>,
    /// When its last record was received.
    pub last_received_at: i64,
}

impl Replayed {
    /// Its state, to go on from.
    pub fn state(&mut self) -> StateAt {
        let aggregate = self.closer.state(&self.ordered.aggregator.cut());
        StateAt { aggregate, senders: self.ordered.senders.clone() }
    }

    /// Closes the open window for the one that `now` is in.
    ///
    /// # Errors
    /// Where Arrow refuses its rows, which would be a defect.
    pub fn close_window(&mut self, now: i64, keep: &mut dyn Keep) -> io::Result<()> {
        let closing = self.ordered.aggregator.close(now);
        self.closed(closing, keep)
    }

    fn closed(&mut self, closing: Closing, keep: &mut dyn Keep) -> io::Result<()> {
        let Some(window) = self.closer.close(closing, self.ordered.aggregator.percentiles()) else { return Ok(()) };
        let rows = metrics_rows([&window]).map_err(defect)?;
        self.facts += window.values;
        keep.window(Arc::new(window), rows);
        Ok(())
    }
}

/// Reads how a segment begins; `None` where that cannot be read.
///
/// # Errors
/// Where the file cannot be read.
pub fn head(path: &Path) -> io::Result<Option<Head>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(16).read_to_end(&mut bytes)?;
    let Some((_, start)) = Framing::of(&bytes) else { return Ok(None) };
    file.by_ref().take((start + HEADER_BYTES - bytes.len()) as u64).read_to_end(&mut bytes)?;
    let length = bytes.get(start..).and_then(length_of).unwrap_or_default() as u64;
    let rest = (start as u64 + length).saturating_sub(bytes.len() as u64);
    file.take(rest.min(BEGIN_BYTES_MAX)).read_to_end(&mut bytes)?;
    Ok(first_record(&bytes).map(|(head, ..)| head))
}

/// The head of a segment, how it is framed, and where what follows the head begins.
fn first_record(segment: &[u8]) -> Option<(Head, Framing, usize)> {
    let (framing, start) = Framing::of(segment)?;
    let Read::Record(Record { code, payload, received_at }, length) = read(framing, &segment[start..])? else {
        return None;
    };
    let (begin, state) = match code {
        code::BEGIN => (Begin::decode(payload)?, None),
        code::CHECKPOINT => v01::checkpoint(payload).map(|(begin, state)| (begin, Some(Box::new(state))))?,
        _ => return None,
    };
    Some((Head { begin, state, begun_at: received_at }, framing, start + length))
}

/// The state at the begin of a segment: from its own first record, from the file beside it, or from the segment before
/// it, read back. `None` where it is nowhere.
///
/// # Errors
/// Where a file cannot be read.
pub fn state_at(folder: &Path, segment: u64) -> io::Result<Option<StateAt>> {
    let Some(head) = head(&journal::path(folder, segment))? else { return Ok(None) };
    if let Some(state) = head.state {
        return Ok(Some(*state));
    }
    if let Some(state) = state_file::read(folder, segment) {
        return Ok(Some(state));
    }
    // Back to one that has it; then forwards, so that many without do not nest.
    let mut from = segment;
    let mut state = loop {
        let Some(before) = from.checked_sub(1) else { return Ok(None) };
        let Ok(Some(head)) = self::head(&journal::path(folder, before)) else { return Ok(None) };
        from = before;
        match head.state.map(|state| *state).or_else(|| state_file::read(folder, before)) {
            Some(state) => break state,
            None => continue,
        }
    };
    while from < segment {
        let next = self::head(&journal::path(folder, from + 1))?.map(|head| head.begin.sealed());
        let bytes = fs::read(journal::path(folder, from))?;
        state = replay(&bytes, state, next, &mut Nothing)?.state();
        from += 1;
    }
    Ok(Some(state))
}

/// Reads a whole segment of a folder. `sealed`: `None` where it never was.
///
/// # Errors
/// Where it is no segment, or its begin or its state cannot be read.
pub fn segment(folder: &Path, number: u64, sealed: Option<Sealed>, keep: &mut dyn Keep) -> io::Result<Replayed> {
    segment_from(folder, number, sealed, Missing::IsAnError, keep)
}

/// What a state that is nowhere means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The segment cannot be read as it was written.
    IsAnError,
    /// Series and senders begin anew: at a start, where nothing better is to be had.
    BeginsAnew,
}

/// As [`segment`].
///
/// # Errors
/// As [`segment`].
pub fn segment_from(
    folder: &Path,
    number: u64,
    sealed: Option<Sealed>,
    missing: Missing,
    keep: &mut dyn Keep,
) -> io::Result<Replayed> {
    let path = journal::path(folder, number);
    let bytes = fs::read(&path)?;
    // It may be written, and the segment before it removed, between two looks.
    let state = match state_at(folder, number)? {
        None => state_file::read(folder, number),
        found => found,
    };
    let state = match (state, missing) {
        (Some(state), _) => state,
        (None, Missing::BeginsAnew) => StateAt::default(),
        (None, Missing::IsAnError) => {
            let lost = format!("{}: the state at its begin is missing", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, lost));
        }
    };
    replay(&bytes, state, sealed, keep)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The state in a segment's own first record, where version 0.1 wrote it.
pub fn state_in(segment: &[u8]) -> Option<StateAt> {
    first_record(segment)?.0.state.map(|state| *state)
}

/// Whole records of a segment.
pub fn count_records(bytes: &[u8]) -> u64 {
    let Some((framing, mut at)) = Framing::of(bytes) else { return 0 };
    let mut count = 0;
    while let Some(found) = read(framing, &bytes[at..]) {
        at += match found {
            Read::Record(_, length) => {
                count += 1;
                length
            }
            Read::Corrupt(region) => region.len(),
            Read::Torn(length) => length,
        };
    }
    count
}

/// Reads a whole segment, from the state at its begin.
///
/// # Errors
/// Where it is no segment, its begin cannot be read, or Arrow refuses the rows.
pub fn replay(bytes: &[u8], state: StateAt, sealed: Option<Sealed>, keep: &mut dyn Keep) -> io::Result<Replayed> {
    let bad = "not a journal segment of this version, or its beginning is corrupt";
    let (head, framing, start) = first_record(bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, bad))?;
    let Begin { context, totals, window_end, window_serial, .. } = head.begin;
    let now = if window_end > 0 { window_end - 1 } else { head.begun_at };
    let (mut aggregator, closer) =
        Aggregator::new(context.windows.clone(), context.hostname.clone(), state.aggregate, now);
    aggregator.set_window_serial(window_serial);
    if framing.is_v1() {
        aggregator.without_bounds();
    }
    let ordered = Ordered { senders: state.senders, aggregator, context, is_v1: framing.is_v1() };
    let (corrupt, unknown) = (Vec::new(), Vec::new());
    let last_received_at = head.begun_at;
    let replayed = Replayed { ordered, closer, totals, facts: 0, corrupt, unknown, torn_at: None, last_received_at };
    let mut reading = Reading::new(replayed, framing, keep);
    let mut at = start;
    while let Some(found) = read(framing, &bytes[at..]) {
        at += match found {
            Read::Record(record, length) => {
                reading.record(&record, at..at + length)?;
                length
            }
            Read::Corrupt(region) => {
                reading.replayed.corrupt.push(at..at + region.len());
                region.len()
            }
            Read::Torn(length) => {
                reading.replayed.torn_at = Some(at);
                length
            }
        };
    }
    reading.finish(sealed)
}

fn defect(error: ArrowError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

struct Reading<'k> {
    replayed: Replayed,
    framing: Framing,
    scratch: Scratch,
    decoded: Decoded,
    counted: Totals,
    keep: &'k mut dyn Keep,
}

impl<'k> Reading<'k> {
    fn new(replayed: Replayed, framing: Framing, keep: &'k mut dyn Keep) -> Reading<'k> {
        let scratch = replayed.ordered.context.scratch();
        Reading { replayed, framing, scratch, decoded: Decoded::default(), counted: Totals::default(), keep }
    }

    fn record(&mut self, record: &Record<'_>, place: Range<usize>) -> io::Result<()> {
        match record.code {
            code::BEGIN | code::CHECKPOINT => return Ok(()),
            code::TALLY => self.counted.add(&v01::tally(record.payload).unwrap_or_default()),
            code::COUNTS => self.counted.add(&serde_json::from_slice(record.payload).unwrap_or_default()),
            code::WINDOW => {
                let Some((end, rest)) = record.payload.split_first_chunk() else { return Ok(()) };
                let Some(serial) = rest.first_chunk() else { return Ok(()) };
                return self.window_began(i64::from_le_bytes(*end), u64::from_le_bytes(*serial));
            }
            code if format::name(code).is_none() => {
                self.replayed.unknown.push(place);
                return Ok(());
            }
            _ => return self.datagrams(record),
        }
        Ok(())
    }

    /// The window that was open is over, and the one that ends at `end` is open.
    fn window_began(&mut self, end: i64, serial: u64) -> io::Result<()> {
        if self.replayed.ordered.aggregator.window_serial() == serial {
            return Ok(());
        }
        let closing = self.replayed.ordered.aggregator.close_into(end, serial);
        self.replayed.closed(closing, self.keep)
    }

    fn datagrams(&mut self, record: &Record<'_>) -> io::Result<()> {
        if self.framing.is_v1() {
            self.close_until(record.received_at)?;
        }
        self.replayed.last_received_at = record.received_at;
        ordered::enter(record, &mut self.replayed.ordered, &mut self.scratch, &mut self.decoded);
        if ordered::decode(record, &mut self.scratch, &mut self.decoded) {
            ordered::settle(record, &mut self.replayed.ordered, &mut self.decoded);
        }
        self.counted.count(&std::mem::take(&mut self.decoded.counts));
        self.decoded.rejects.clear();
        if self.decoded.rows.len() >= ROWS_PER_BATCH || self.decoded.rows.text_bytes() >= BYTES_PER_BATCH {
            self.cut()?;
        }
        Ok(())
    }

    fn cut(&mut self) -> io::Result<()> {
        for (table, batch) in self.decoded.rows.batches().map_err(defect)? {
            if let Some(batch) = batch {
                self.replayed.facts += batch.num_rows() as u64;
                self.keep.rows(table, batch);
            }
        }
        Ok(())
    }

    /// Version 0.1: windows close one after the other by the time of records.
    fn close_until(&mut self, moment: i64) -> io::Result<()> {
        while self.replayed.ordered.aggregator.window_end() <= moment {
            let end = self.replayed.ordered.aggregator.window_end();
            self.replayed.close_window(end, self.keep)?;
        }
        Ok(())
    }

    fn finish(mut self, sealed: Option<Sealed>) -> io::Result<Replayed> {
        let open_until = self.replayed.ordered.aggregator.window_end();
        match sealed {
            Some(Sealed { until, serial, .. }) if !self.framing.is_v1() => self.window_began(until, serial)?,
            // Then the last of them closed late and alone, without those of the time between.
            Some(Sealed { until, by_start: true, .. }) if open_until < until => {
                self.replayed.close_window(until - 1, self.keep)?;
            }
            Some(Sealed { by_start: true, .. }) => (),
            Some(Sealed { until, .. }) => self.close_until(until - 1)?,
            None => (),
        }
        self.cut()?;
        let (corrupt, unknown) = (self.replayed.corrupt.len() as u64, self.replayed.unknown.len() as u64);
        self.counted.received += corrupt + unknown;
        self.counted.corrupt_records += corrupt;
        self.counted.unknown_records += unknown;
        self.replayed.totals.add(&self.counted);
        Ok(self.replayed)
    }
}

impl Begin {
    /// Where the segment before it ends.
    pub fn sealed(&self) -> Sealed {
        Sealed { until: self.window_end, serial: self.window_serial, by_start: self.by_start }
    }
}
