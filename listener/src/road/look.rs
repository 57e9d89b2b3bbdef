//! What can be seen of the road from outside: rows that are not stored yet, and the ledger.
use super::{Road, lock};
use crate::cold::ColdSegment;
use crate::ledger::Ledger;
use arrow::error::ArrowError;
use metlog_schemas::tables::Table;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

impl Road {
    /// Rows that are not in the store, with the first segment that they are of, and the segments whose rows must be
    /// read back.
    ///
    /// # Errors
    /// None at present; room for those of Arrow.
    pub fn hot(self: &Arc<Self>) -> Result<crate::HotRows, ArrowError> {
        let mut segments = lock(&self.segments);
        self.cut(&mut segments, 1, 0);
        let (mut messages, mut metrics, mut cold) = (Vec::new(), Vec::new(), Vec::new());
        for segment in segments.unstored() {
            match &segment.content.rows {
                Some(rows) => {
                    messages.extend(rows.iter().cloned());
                    metrics.extend(segment.content.metrics.iter().cloned());
                }
                None => cold.push(ColdSegment::open(&segment.path, segment.sealed)),
            }
        }
        Ok(crate::HotRows {
            listener: self.config.name.as_str().into(),
            first_segment: segments.first_without(segments.store),
            tables: vec![(Table::Messages, messages), (Table::Metrics, metrics)],
            cold,
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
