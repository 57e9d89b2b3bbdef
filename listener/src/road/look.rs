//! What can be seen of the road from outside: rows that are not stored yet, and the ledger.
use super::{Road, lock};
use crate::ledger::Ledger;
use crate::replay;
use crate::segment::{Content, Segment};
use arrow::error::ArrowError;
use metlog_schemas::tables::Table;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Reads a file from its beginning without moving its cursor: it is shared.
fn read_whole(file: &std::fs::File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, 0)?;
    Ok(bytes)
}

impl Road {
    /// Rows of a table that are not in the store, with the first segment that they are of, and the segments
    /// whose rows must be read back.
    ///
    /// # Errors
    /// None at present; room for those of Arrow.
    pub fn hot(self: &Arc<Self>, table: Table) -> Result<crate::HotRows, ArrowError> {
        let mut segments = lock(&self.segments);
        self.cut(&mut segments, 1, 0);
        let mut hot = crate::HotRows {
            listener: self.config.name.as_str().into(),
            first_segment: segments.first_without(segments.store),
            batches: Vec::new(),
            cold: Vec::new(),
        };
        for segment in segments.unstored() {
            match (&segment.content.rows, table) {
                (Some(rows), Table::Messages) => hot.batches.extend(rows.iter().cloned()),
                (Some(_), Table::Metrics) => hot.batches.extend(segment.content.metrics.iter().cloned()),
                (None, _) => hot.cold.push(self.cold(segment, table)),
            }
        }
        Ok(hot)
    }

    fn cold(&self, segment: &Segment, table: Table) -> crate::ColdSegment {
        // Opened now: the file may be gone from its folder when the query comes to it, its bytes are not.
        let (path, sealed) = (segment.path.clone(), segment.sealed);
        let file = std::fs::File::open(&path);
        Arc::new(move || {
            let bytes = file.as_ref().map_err(|error| io::Error::other(error.to_string())).and_then(read_whole);
            let replayed = bytes
                .and_then(|bytes| replay::replay(&path, &bytes, sealed))
                .map_err(|error| ArrowError::IoError(error.to_string(), error))?;
            match table {
                Table::Messages => Ok(replayed.rows),
                Table::Metrics => Ok(Content::of(Vec::new(), replayed.windows)?.metrics),
            }
        })
    }

    /// The ledger, exact at one moment.
    pub fn ledger(&self) -> Ledger {
        let _gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut segments = lock(&self.segments);
        self.cut(&mut segments, 1, 0);
        let ordered = lock(&self.ordered);
        let totals = lock(&self.totals);
        Ledger {
            received: totals.received,
            rejected: totals.rejected(),
            dropped: totals.dropped,
            stored: segments.receipts.stored,
            set_aside: segments.receipts.set_aside + totals.corrupt_records,
            held: segments.held() + ordered.aggregator.open_values(),
            rejected_by_reason: totals.rejected.iter().map(|(reason, n)| (reason.to_string(), *n)).collect(),
            lost: ordered.senders.lost(),
            dropped_by_clients: ordered.senders.dropped(),
            dropped_by_kernel: self.kernel_dropped.load(Ordering::Relaxed),
        }
    }
}
