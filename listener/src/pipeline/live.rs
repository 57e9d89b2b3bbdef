//! Rows as they arrive, for whoever looks on: readers that are too slow miss some, and learn how many of each table.
use arrow::array::RecordBatch;
use metlog_schemas::table::{Table, TableMap};
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
    /// Rows of each table that were given to anybody.
    rows: TableMap<AtomicU64>,
}

#[derive(Debug, Clone)]
struct Sent {
    rows: LiveRows,
    /// Rows of each table that were sent before.
    before: TableMap<u64>,
}

impl Broadcast {
    pub(super) fn new() -> Broadcast {
        Broadcast { sender: broadcast::Sender::new(LIVE_BATCHES), rows: TableMap::default() }
    }

    pub(super) fn has_readers(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Only one at a time may send: the order of the counts is that of the batches.
    pub(super) fn send(&self, table: Table, batch: &RecordBatch) {
        if self.has_readers() {
            let before = self.counts();
            self.rows[table].fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            let _ = self.sender.send(Sent { rows: LiveRows { table, batch: batch.clone() }, before });
        }
    }

    pub(super) fn subscribe(&self) -> Live {
        let receiver = self.sender.subscribe();
        Live { receiver, seen: self.counts(), lagged: 0, pending: None }
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
    /// Batches that it missed, and has not said yet.
    lagged: u64,
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
                Ok(Sent { rows, before }) => {
                    let seen = self.seen;
                    self.seen = before;
                    self.seen[rows.table] += rows.batch.num_rows() as u64;
                    if self.lagged == 0 {
                        return Some(LiveEvent::Rows(rows));
                    }
                    self.pending = Some(rows);
                    let missed = TableMap::of(|table| before[table].saturating_sub(seen[table]));
                    return Some(LiveEvent::Missed { batches: std::mem::take(&mut self.lagged), rows: missed });
                }
                Err(RecvError::Lagged(batches)) => self.lagged += batches,
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
        let broadcast = Broadcast::new();
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
