//! Rows that are not stored yet: what a listener hands over ([`Hot`], [`HotRows`]), and the view that a plan reads
//! them through ([`Moment`]), which is the same whether they lie in this process or are fetched from the server's.
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::FutureExt;
use futures::future::BoxFuture;
use metlog_schemas::tables::Table;
use std::io;
use std::sync::Arc;

/// Rows of several tables.
pub type TableRows = Vec<(Table, Vec<RecordBatch>)>;

/// The rows of all tables that are not in the store, as of one moment.
#[derive(Clone)]
pub struct HotRows {
    /// Whose rows these are.
    pub listener: Arc<str>,
    /// Rows of segments from this one on are here; objects of this listener from this segment on must not
    /// be read as well, whether or not the store already has them.
    pub first_segment: u64,
    /// Rows in memory. A table without rows need not be there.
    pub tables: TableRows,
    /// Segments whose rows must be read back from the journal.
    pub cold: Vec<Arc<dyn ColdSegment>>,
}

/// A journal segment whose rows are not in memory. Its bytes stay readable as long as this value lives.
pub trait ColdSegment: Send + Sync {
    /// What a [`Decoder`] must know besides the bytes.
    fn description(&self) -> String;

    /// Bytes of the segment.
    ///
    /// # Errors
    /// What the file system says.
    fn len(&self) -> io::Result<u64>;

    /// True where the segment has no bytes.
    ///
    /// # Errors
    /// As [`ColdSegment::len`].
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|bytes| bytes == 0)
    }

    /// Reads some bytes from `offset` on; none at the end. Blocking.
    ///
    /// # Errors
    /// What the file system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// Decodes the bytes of a journal segment, given its [`ColdSegment::description`]. Blocking, CPU bound.
pub type Decoder = Arc<dyn Fn(&str, &[u8]) -> Result<TableRows, ArrowError> + Send + Sync>;

/// Where hot rows are found: a running listener.
pub trait Hot: Send + Sync + 'static {
    /// The rows of all tables that are not stored, as of now.
    fn rows(&self) -> BoxFuture<'_, Result<HotRows, ArrowError>>;
    /// One row a sender: see `senders_schema` in the listener.
    fn senders(&self) -> Result<RecordBatch, ArrowError>;
}

/// Where an engine gets hot rows from.
pub(crate) trait Source: Send + Sync {
    /// All that is hot now.
    fn take(&self) -> BoxFuture<'_, Result<Arc<dyn Moment>, ArrowError>>;
    /// One row a sender.
    fn senders(&self) -> BoxFuture<'_, Result<RecordBatch, ArrowError>>;
}

/// The hot rows of one moment, to be read piece by piece.
pub(crate) trait Moment: Send + Sync {
    /// Whose rows these are.
    fn listener(&self) -> &str;
    /// See [`HotRows::first_segment`].
    fn first_segment(&self) -> u64;
    /// The number of rows in each batch of a table.
    fn batches(&self, table: Table) -> Vec<usize>;
    /// How many segments are cold.
    fn cold(&self) -> usize;
    /// Columns of some rows of a batch: from row `from` on at least one and at most `rows_max`.
    fn rows(&self, place: Place, columns: Arc<[usize]>) -> BoxFuture<'_, Result<RecordBatch, ArrowError>>;
    /// All rows of a cold segment.
    fn decode(&self, cold: usize) -> BoxFuture<'_, Result<TableRows, ArrowError>>;
}

/// Rows of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) table: Table,
    pub(crate) batch: usize,
    pub(crate) from: usize,
    pub(crate) rows_max: usize,
}

/// Hot rows of this very process.
pub(crate) struct Here {
    pub(crate) hot: Arc<dyn Hot>,
    pub(crate) decoder: Decoder,
}

impl Source for Here {
    fn take(&self) -> BoxFuture<'_, Result<Arc<dyn Moment>, ArrowError>> {
        async move {
            let moment = HereAt { rows: self.hot.rows().await?, decoder: Arc::clone(&self.decoder) };
            Ok(Arc::new(moment) as Arc<dyn Moment>)
        }
        .boxed()
    }

    fn senders(&self) -> BoxFuture<'_, Result<RecordBatch, ArrowError>> {
        futures::future::ready(self.hot.senders()).boxed()
    }
}

struct HereAt {
    rows: HotRows,
    decoder: Decoder,
}

impl Moment for HereAt {
    fn listener(&self) -> &str {
        &self.rows.listener
    }

    fn first_segment(&self) -> u64 {
        self.rows.first_segment
    }

    fn batches(&self, table: Table) -> Vec<usize> {
        self.rows.of(table).map(RecordBatch::num_rows).collect()
    }

    fn cold(&self) -> usize {
        self.rows.cold.len()
    }

    fn rows(&self, place: Place, columns: Arc<[usize]>) -> BoxFuture<'_, Result<RecordBatch, ArrowError>> {
        futures::future::ready(self.rows.cut(place, &columns)).boxed()
    }

    fn decode(&self, cold: usize) -> BoxFuture<'_, Result<TableRows, ArrowError>> {
        let segment = self.rows.cold.get(cold).cloned();
        let decoder = Arc::clone(&self.decoder);
        async move {
            let segment = segment.ok_or_else(|| missing("segment"))?;
            // Away from the threads that answer.
            let decoded = tokio::task::spawn_blocking(move || {
                let mut bytes = Vec::new();
                while read_more(&*segment, &mut bytes)? {}
                decoder(&segment.description(), &bytes)
            });
            decoded.await.map_err(|error| ArrowError::ExternalError(Box::new(error)))?
        }
        .boxed()
    }
}

/// Bytes of a segment that are read at a time.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// Reads the next chunk; false at the end.
fn read_more(segment: &dyn ColdSegment, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let chunk = chunk(segment, bytes.len() as u64)?;
    bytes.extend_from_slice(&chunk);
    Ok(!chunk.is_empty())
}

/// The bytes of a segment from `offset` on, as many as are read at a time; none at its end.
pub(crate) fn chunk(segment: &dyn ColdSegment, offset: u64) -> io::Result<Vec<u8>> {
    let left = segment.len()?.saturating_sub(offset);
    let mut bytes = vec![0; left.min(CHUNK_BYTES as u64) as usize];
    let read = segment.read_at(&mut bytes, offset)?;
    bytes.truncate(read);
    Ok(bytes)
}

pub(crate) fn missing(what: &str) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("no such {what} among the hot rows"))
}

impl HotRows {
    /// The batches of a table.
    pub(crate) fn of(&self, table: Table) -> impl Iterator<Item = &RecordBatch> {
        self.tables.iter().filter(move |(of, _)| *of == table).flat_map(|(_, batches)| batches)
    }

    /// Rows of a batch.
    pub(crate) fn cut(&self, place: Place, columns: &[usize]) -> Result<RecordBatch, ArrowError> {
        let batch = self.of(place.table).nth(place.batch).ok_or_else(|| missing("batch"))?;
        let left = batch.num_rows().checked_sub(place.from).ok_or_else(|| missing("row"))?;
        batch.project(columns).map(|batch| batch.slice(place.from, left.min(place.rows_max)))
    }
}
