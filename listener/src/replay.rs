//! Reading a segment back: from its checkpoint, record by record, to the rows and windows that it came to.
use crate::journal::record::{FILE_MAGIC, HEADER_BYTES, Kind, Read, Record, read};
use crate::ledger::Totals;
use crate::state::{Checkpoint, Decoding, Ordered};
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use metlog_schemas::window::Window;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Rows are cut into batches of about this many, or of this many bytes of text.
const ROWS_PER_BATCH: usize = 32 * 1024;
const BYTES_PER_BATCH: usize = 64 << 20;

/// Where a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// End of the window that was open then, µs; the windows before it closed in the segment.
    pub until: i64,
    /// It was sealed by a start: then the last of them closed late and alone, without those of the time between.
    pub by_start: bool,
}

/// What a segment came to.
#[derive(Debug)]
pub struct Replayed {
    /// Rows of `messages`.
    pub rows: Vec<RecordBatch>,
    /// Windows that closed in it.
    pub windows: Vec<Arc<Window>>,
    /// The state at its end.
    pub ordered: Ordered,
    /// Counts of everything up to its end.
    pub totals: Totals,
    /// Where records are corrupt, in bytes from the beginning of the file.
    pub corrupt: Vec<Range<usize>>,
    /// Where a record was cut off at the end, if one was.
    pub torn_at: Option<usize>,
    /// When its last record was received.
    pub last_received_at: i64,
}

/// Reads the checkpoint at the beginning of a segment file and the time it was written; `None` where there is
/// none that can be read.
///
/// # Errors
/// Where the file cannot be read.
pub fn checkpoint(path: &Path) -> io::Result<Option<(Checkpoint, i64)>> {
    let mut file = fs::File::open(path)?;
    let mut head = vec![0; FILE_MAGIC.len() + HEADER_BYTES];
    if file.read_exact(&mut head).is_err() {
        return Ok(None);
    }
    let length = head[FILE_MAGIC.len() + 4..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    file.take(u64::from(length)).read_to_end(&mut head)?;
    Ok(first_record(&head))
}

fn first_record(segment: &[u8]) -> Option<(Checkpoint, i64)> {
    match read(segment.strip_prefix(&FILE_MAGIC)?)? {
        Read::Record(Record { kind: Kind::Checkpoint, payload, received_at }, _) => {
            Checkpoint::decode(payload).map(|checkpoint| (checkpoint, received_at))
        }
        _ => None,
    }
}

/// Reads a whole segment. `sealed`: `None` where it never was. `path` only names it in errors.
///
/// # Errors
/// Where it is no segment, its checkpoint cannot be read, or Arrow refuses the rows.
pub fn replay(path: &Path, bytes: &[u8], sealed: Option<Sealed>) -> io::Result<Replayed> {
    let bad = || format!("{}: not a journal segment of this version, or its checkpoint is corrupt", path.display());
    let (begun, begun_at) = first_record(bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, bad()))?;
    let mut replayed = Replayed {
        rows: Vec::new(),
        windows: Vec::new(),
        totals: begun.totals.clone(),
        ordered: begun.ordered(begun_at),
        corrupt: Vec::new(),
        torn_at: None,
        last_received_at: begun_at,
    };
    let mut decoding = Decoding::default();
    let mut at = FILE_MAGIC.len();
    while let Some(found) = read(&bytes[at..]) {
        at += match found {
            Read::Record(record, length) => {
                replayed.apply(&record, &mut decoding)?;
                length
            }
            Read::Corrupt(region) => {
                replayed.corrupt.push(at..at + region.len());
                region.len()
            }
            Read::Torn(length) => {
                replayed.torn_at = Some(at);
                length
            }
        };
    }
    replayed.finish(decoding, sealed)
}

fn defect(error: ArrowError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Replayed {
    fn apply(&mut self, record: &Record<'_>, decoding: &mut Decoding) -> io::Result<()> {
        if record.kind == Kind::Checkpoint {
            return Ok(());
        }
        self.close_until(record.received_at);
        self.last_received_at = record.received_at;
        decoding.enter(record, &mut self.ordered);
        if decoding.decode(record) {
            decoding.settle(&mut self.ordered);
        }
        if decoding.rows.len() >= ROWS_PER_BATCH || decoding.rows.text_bytes() >= BYTES_PER_BATCH {
            self.rows.push(decoding.rows.finish().map_err(defect)?);
        }
        Ok(())
    }

    /// Windows close one after the other as they did when the segment was written.
    fn close_until(&mut self, moment: i64) {
        while self.ordered.aggregator.window_end() <= moment {
            let end = self.ordered.aggregator.window_end();
            self.windows.extend(self.ordered.aggregator.close(end).map(Arc::new));
        }
    }

    fn finish(mut self, mut decoding: Decoding, sealed: Option<Sealed>) -> io::Result<Replayed> {
        match sealed {
            Some(Sealed { until, by_start: true }) if self.ordered.aggregator.window_end() < until => {
                self.windows.extend(self.ordered.aggregator.close(until - 1).map(Arc::new));
            }
            Some(Sealed { until, .. }) => self.close_until(until - 1),
            None => (),
        }
        if !decoding.rows.is_empty() {
            self.rows.push(decoding.rows.finish().map_err(defect)?);
        }
        let corrupt = self.corrupt.len() as u64;
        decoding.totals.received += corrupt;
        decoding.totals.corrupt_records += corrupt;
        self.totals.add(&decoding.totals);
        Ok(self)
    }
}
