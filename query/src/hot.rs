//! Rows that are not stored yet: where they come from ([`Hot`]), and the view that a plan reads
//! them through ([`Moment`]), which is the same whether they lie in this process or are fetched from the server's.
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::FutureExt;
use futures::future::BoxFuture;
use metlog_schemas::hot::{ColdSegment, Decoder, HotRows};
use metlog_schemas::table::{Table, TableMap};
use std::io;
use std::sync::Arc;

/// Where hot rows are found: a running listener.
pub trait Hot: Send + Sync + 'static {
    /// The rows of all tables that are not stored, as of now.
    fn rows(&self) -> BoxFuture<'_, Result<HotRows, ArrowError>>;
    /// One row a sender: see `senders_schema` in the listener.
    fn senders(&self) -> Result<RecordBatch, ArrowError>;
}

/// Rows of all tables.
pub(crate) type TableRows = TableMap<Vec<RecordBatch>>;

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
        self.rows.batches[table].iter().map(RecordBatch::num_rows).collect()
    }

    fn cold(&self) -> usize {
        self.rows.cold.len()
    }

    fn rows(&self, place: Place, columns: Arc<[usize]>) -> BoxFuture<'_, Result<RecordBatch, ArrowError>> {
        futures::future::ready(cut(&self.rows, place, &columns)).boxed()
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
    let left = segment.bytes()?.saturating_sub(offset);
    let mut bytes = vec![0; left.min(CHUNK_BYTES as u64) as usize];
    let read = segment.read_at(&mut bytes, offset)?;
    bytes.truncate(read);
    Ok(bytes)
}

pub(crate) fn missing(what: &str) -> ArrowError {
    ArrowError::InvalidArgumentError(format!("no such {what} among the hot rows"))
}

/// Rows of a batch.
pub(crate) fn cut(rows: &HotRows, place: Place, columns: &[usize]) -> Result<RecordBatch, ArrowError> {
    let batch = rows.batches[place.table].get(place.batch).ok_or_else(|| missing("batch"))?;
    let left = batch.num_rows().checked_sub(place.from).ok_or_else(|| missing("row"))?;
    batch.project(columns).map(|batch| batch.slice(place.from, left.min(place.rows_max)))
}
