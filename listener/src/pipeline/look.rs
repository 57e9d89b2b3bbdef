//! What can be seen of the pipeline from outside: rows that are not stored yet, the ledger, states.
use super::{Pipeline, Rejected};
use crate::cold::Cold;
use crate::ledger::{Ledger, Receipts, Totals};
use crate::ordered::Ordered;
use arrow::array::RecordBatch;
use metlog_schemas::hot::{ColdSegment, HotRows};
use metlog_schemas::table::TableMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Pipeline {
    /// Rows of all tables that are not in the store, of one moment, with the first segment that they are of, and the
    /// segments whose rows must be read back.
    pub fn hot(&self) -> HotRows {
        let mut segments = self.segments.lock();
        self.cut(&mut segments, 1, 0);
        let mut batches: TableMap<Vec<RecordBatch>> = TableMap::default();
        let mut cold = Vec::new();
        for segment in segments.unstored() {
            match &segment.content.rows {
                Some(rows) => rows.iter().for_each(|(table, rows)| batches[table].extend(rows.iter().cloned())),
                None => cold.push(Arc::new(Cold::open(&self.journal_folder(), segment)) as Arc<dyn ColdSegment>),
            }
        }
        let first_segment = segments.first_without(segments.store);
        HotRows { listener: self.config.name.as_str().into(), first_segment, batches, cold }
    }

    /// The ledger, exact at one moment.
    pub fn ledger(&self) -> Ledger {
        let _gate = self.gate.alone();
        let segments = self.segments.lock();
        let rows: usize = self.slots.iter().map(|slot| slot.lock().decoded.rows.len()).sum();
        let ordered = self.ordered.lock();
        let totals = self.totals.lock();
        Ledger {
            received: totals.received + segments.receipts.recovered_more,
            rejected: totals.rejected(),
            dropped: totals.dropped,
            stored: segments.receipts.stored,
            set_aside: segments.receipts.set_aside + totals.corrupt_records + totals.unknown_records
                - segments.receipts.recovered_records.min(totals.unknown_records),
            missing: segments.receipts.missing,
            held: segments.held() + rows as u64 + ordered.aggregator.open_values(),
            rejected_by_reason: totals.rejected.iter().map(|(reason, n)| (reason.to_string(), *n)).collect(),
            lost: ordered.senders.lost(),
            dropped_by_clients: ordered.senders.dropped(),
            dropped_by_kernel: self.kernel_dropped.load(Ordering::Relaxed),
        }
    }

    /// Looks at the ordered state.
    pub fn with_ordered<T>(&self, look: impl FnOnce(&Ordered) -> T) -> T {
        look(&self.ordered.lock())
    }

    /// Looks at the counts.
    pub fn totals(&self) -> Totals {
        self.totals.lock().clone()
    }

    /// A sample of what was rejected, the newest first.
    pub fn rejected(&self) -> Vec<Rejected> {
        self.rejects.kept()
    }

    /// Bytes of the journal, segments in it, the segment that is written, and the receipts.
    pub fn journal_state(&self) -> (u64, usize, u64, Receipts) {
        let segments = self.segments.lock();
        let journal = self.journal.lock();
        (journal.total_bytes(), segments.list.len(), journal.segment(), segments.receipts.clone())
    }

    /// For each sink, the sealed segments that it has not had, and when the oldest of them was sealed at the latest,
    /// µs since 1970.
    pub fn backlog(&self) -> Vec<(String, (u64, Option<i64>))> {
        let segments = self.segments.lock();
        let waiting = |last: u64| {
            let sealed = segments.list.iter().filter(move |segment| segment.number > last);
            let sealed: Vec<i64> = sealed.filter_map(|segment| segment.sealed.map(|sealed| sealed.until)).collect();
            (sealed.len() as u64, sealed.first().copied())
        };
        segments.receipts.sinks.iter().map(|(sink, last)| (sink.clone(), waiting(*last))).collect()
    }
}
