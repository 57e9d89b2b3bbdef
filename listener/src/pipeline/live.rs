//! Rows as they arrive, for whoever looks on: readers that are too slow miss some, and learn how many of each table.
use arrow::array::RecordBatch;
use metlog_schemas::budget::{Budget, Reservation, Use};
use metlog_schemas::table::{Table, TableMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Batches of rows that wait for somebody who listens live; who is slower misses some.
const LIVE_BATCHES: usize = 64;

/// Rows of a table as they came.
#[derive(Debug, Clone)]
pub struct LiveRows {
    /// The table.
    pub table: Table,
    /// The rows.
    pub batch: RecordBatch,
}

/// What a reader of live rows learns.
#[derive(Debug, Clone)]
pub enum LiveEvent {
    /// Rows.
    Rows(LiveRows),
    /// It was too slow for these.
    Missed {
        /// Batches of rows, of whatever table.
        batches: u64,
        /// Rows of each table.
        rows: TableMap<u64>,
    },
}

/// Gives rows to all readers.
#[derive(Debug)]
pub(super) struct Broadcast {
    sender: broadcast::Sender<Sent>,
    /// Rows of each table that were for somebody.
    rows: TableMap<AtomicU64>,
    /// Batches that were for somebody.
    batches: AtomicU64,
    budget: Budget,
}

#[derive(Debug, Clone)]
struct Sent {
    rows: LiveRows,
    /// Rows of each table that were sent before.
    before: TableMap<u64>,
    /// Batches before it.
    batches_before: u64,
    /// Memory of the rows, until the last reader has taken them.
    _room: Arc<Reservation>,
}

impl Broadcast {
    pub(super) fn new(budget: Budget) -> Broadcast {
        let sender = broadcast::Sender::new(LIVE_BATCHES);
        Broadcast { sender, rows: TableMap::default(), batches: 0.into(), budget }
    }

    pub(super) fn has_readers(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Only one at a time may send: the order of the counts is that of the batches.
    pub(super) fn send(&self, table: Table, batch: &RecordBatch) {
        if self.has_readers() {
            let before = self.counts();
            self.rows[table].fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            let batches_before = self.batches.fetch_add(1, Ordering::Relaxed);
            // What there is no memory for is missed by everybody, and the next batch says so.
            let Some(room) = self.budget.reserve(Use::Live, batch.get_array_memory_size() as u64) else { return };
            let rows = LiveRows { table, batch: batch.clone() };
            let _ = self.sender.send(Sent { rows, before, batches_before, _room: Arc::new(room) });
        }
    }

    pub(super) fn subscribe(&self) -> Live {
        let receiver = self.sender.subscribe();
        let batches_seen = self.batches.load(Ordering::Relaxed);
        Live { receiver, seen: self.counts(), batches_seen, pending: None }
    }

    fn counts(&self) -> TableMap<u64> {
        TableMap::of(|table| self.rows[table].load(Ordering::Relaxed))
    }
}

/// A reader of live rows.
#[derive(Debug)]
pub struct Live {
    receiver: broadcast::Receiver<Sent>,
    /// Rows of each table that were sent up to where it has read.
    seen: TableMap<u64>,
    /// Batches up to where it has read.
    batches_seen: u64,
    pending: Option<LiveRows>,
}

impl Live {
    /// The next rows, or what was missed before them; none when the listener has stopped. Nothing is lost where the
    /// future is dropped.
    pub async fn next(&mut self) -> Option<LiveEvent> {
        if let Some(rows) = self.pending.take() {
            return Some(LiveEvent::Rows(rows));
        }
        loop {
            match self.receiver.recv().await {
                Ok(Sent { rows, before, batches_before, .. }) => {
                    let seen = self.seen;
                    let missed_batches = batches_before.saturating_sub(self.batches_seen);
                    self.batches_seen = batches_before + 1;
                    self.seen = before;
                    self.seen[rows.table] += rows.batch.num_rows() as u64;
                    if missed_batches == 0 {
                        return Some(LiveEvent::Rows(rows));
                    }
                    self.pending = Some(rows);
                    let missed = TableMap::of(|table| before[table].saturating_sub(seen[table]));
                    return Some(LiveEvent::Missed { batches: missed_batches, rows: missed });
                }
                // The next one says how many.
                Err(RecvError::Lagged(_)) => (),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metlog_schemas::rows::Rows;
    use metlog_schemas::wire::Message;

    fn messages(count: usize) -> RecordBatch {
        let mut rows = Rows::default();
        (0..count).for_each(|_| rows.push_message(&Message::default(), 0));
        rows.finish().unwrap()
    }

    #[tokio::test]
    async fn a_slow_reader_learns_how_many_rows_it_missed() {
        let broadcast = Broadcast::new(Budget::default());
        broadcast.send(Table::Messages, &messages(1_000));
        assert!(!broadcast.has_readers());
        let (mut slow, mut fast) = (broadcast.subscribe(), broadcast.subscribe());
        let empty = RecordBatch::new_empty(Table::Metrics.schema());
        for at in 0..LIVE_BATCHES + 10 {
            broadcast.send(Table::Messages, &messages(at));
            broadcast.send(Table::Metrics, &empty);
            let Some(LiveEvent::Rows(rows)) = fast.next().await else { panic!("nothing is missed") };
            assert_eq!(rows.batch.num_rows(), at);
            assert!(matches!(fast.next().await, Some(LiveEvent::Rows(rows)) if rows.table == Table::Metrics));
        }
        let Some(LiveEvent::Missed { batches, rows }) = slow.next().await else { panic!("it is too slow") };
        let kept = LIVE_BATCHES / 2;
        let missed = LIVE_BATCHES + 10 - kept;
        assert_eq!(batches as usize, 2 * missed);
        assert_eq!(rows[Table::Messages] as usize, (0..missed).sum::<usize>());
        assert_eq!(rows[Table::Metrics], 0);
        let mut left = 0;
        while let Ok(Some(event)) = tokio::time::timeout(std::time::Duration::ZERO, slow.next()).await {
            let LiveEvent::Rows(rows) = event else { panic!("nothing more is missed") };
            left += rows.batch.num_rows();
        }
        assert_eq!(left, (missed..LIVE_BATCHES + 10).sum::<usize>());
        drop(broadcast);
        assert!(slow.next().await.is_none());
    }
}
