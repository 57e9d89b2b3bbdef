//! The rows that a listener holds and that are not stored yet: what the write side passes to the read side.
use crate::table::TableMap;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Rows of all tables that are not in the store, as of one moment.
#[derive(Clone)]
pub struct HotRows {
    /// Whose rows these are.
    pub listener: Arc<str>,
    /// All rows of segments from this one on are here; the store may have some of them too, so objects of this
    /// listener from this segment on must not be read as well.
    pub first_segment: u64,
    /// Rows in memory.
    pub batches: TableMap<Vec<RecordBatch>>,
    /// Segments whose rows must be read back from the journal.
    pub cold: Vec<Arc<dyn ColdSegment>>,
}

/// A journal segment whose rows are not in memory: bytes that a [`Decoder`] turns into rows, in this process or in
/// another one. They stay readable as long as this value exists.
pub trait ColdSegment: Send + Sync {
    /// What a decoder must know besides the bytes.
    fn description(&self) -> String;

    /// Size in bytes.
    ///
    /// # Errors
    /// What the file system says.
    fn bytes(&self) -> io::Result<u64>;

    /// Reads some bytes from `offset` on; none at the end. Blocking.
    ///
    /// # Errors
    /// What the file system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// Decodes the bytes of a [`ColdSegment`] into rows, given its description: blocking and CPU-bound.
pub type Decoder = Arc<dyn Fn(&str, &[u8]) -> Result<TableMap<Vec<RecordBatch>>, ArrowError> + Send + Sync>;

impl fmt::Debug for HotRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (listener, first_segment, cold) = (&self.listener, self.first_segment, self.cold.len());
        let mut hot = f.debug_struct("HotRows");
        hot.field("listener", listener).field("first_segment", &first_segment).field("cold", &cold);
        for (table, batches) in self.batches.iter() {
            hot.field(table.name(), &batches.iter().map(RecordBatch::num_rows).sum::<usize>());
        }
        hot.finish()
    }
}
