//! Results as rows in the server's own process, for interfaces that make a response of their own: the page, Jaeger,
//! Graphite.
//!
//! **Invariant.** A result is held as a whole, so it is bounded: by the rows of the pool's configuration, and by
//! [`BYTES_MAX`]. Whoever needs more of it asks for less at a time.
use super::{Pool, Query, Reply};
use crate::error::{Error, Kind};
use crate::scanned::Scanned;
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::watch;

/// Most bytes of a result in Arrow's stream format.
pub const BYTES_MAX: usize = 64 << 20;

/// A result.
#[derive(Debug, Clone)]
pub struct Batches {
    /// The columns, even where there are no rows.
    pub schema: SchemaRef,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
    /// Why it has a part of the rows only, where it does.
    pub partial: Option<String>,
}

impl Batches {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// A result as it comes. Dropping it ends the query.
pub struct Streamed {
    reply: Reply,
    decoder: StreamDecoder,
    buffer: Buffer,
    /// The columns.
    pub schema: SchemaRef,
    /// Why it has a part of the rows only, where it does.
    pub partial: Option<String>,
    first: Option<RecordBatch>,
    bytes: usize,
}

impl Streamed {
    /// Begins to read: up to the columns, which come before all rows.
    async fn new(reply: Reply) -> Result<Streamed, Error> {
        let partial = reply.begin.partial.clone();
        let schema = SchemaRef::new(arrow::datatypes::Schema::empty());
        let (decoder, buffer) = (StreamDecoder::new(), Buffer::default());
        let mut streamed = Streamed { reply, decoder, buffer, schema, partial, first: None, bytes: 0 };
        streamed.first = streamed.read_until(|decoder| decoder.schema().is_some()).await?;
        let schema = streamed.decoder.schema();
        streamed.schema = schema.ok_or_else(|| Error::new(Kind::Internal, "the result has no columns"))?;
        Ok(streamed)
    }

    /// The next rows; none after the last.
    ///
    /// # Errors
    /// Why it is cut off.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, Error> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Result<Option<RecordBatch>, Error> {
        self.read_until(|_| false).await
    }

    /// The next rows, or none where there is enough without them.
    async fn read_until(&mut self, is_enough: impl Fn(&StreamDecoder) -> bool) -> Result<Option<RecordBatch>, Error> {
        loop {
            if let Some(batch) = self.decoder.decode(&mut self.buffer).map_err(|error| unreadable(&error))? {
                return Ok(Some(batch));
            }
            if is_enough(&self.decoder) {
                return Ok(None);
            }
            match self.reply.chunks.recv().await {
                Some(chunk) => {
                    self.bytes += chunk.len();
                    self.buffer = Buffer::from_vec(chunk);
                }
                None if self.reply.is_complete.load(Ordering::Acquire) => {
                    self.decoder.finish().map_err(|error| unreadable(&error))?;
                    return Ok(None);
                }
                None => {
                    let failure = self.reply.failure.get().cloned();
                    return Err(failure.unwrap_or_else(|| Error::new(Kind::Internal, "the result is cut off")));
                }
            }
        }
    }
}

impl Pool {
    /// Runs a query of [`Query::batches`] and waits for all of its result. Dropping this future ends the query.
    ///
    /// # Errors
    /// Every kind; [`Kind::Limit`] where the result is longer than [`BYTES_MAX`].
    pub async fn batches(self: &Arc<Pool>, query: Query) -> Result<Batches, Error> {
        let mut streamed = Streamed::new(self.ask(query).await?).await?;
        let mut batches = Vec::new();
        while let Some(batch) = streamed.next().await? {
            batches.push(batch);
            if streamed.bytes > BYTES_MAX {
                let message = format!("the result has more than {} MiB; ask for less of it at a time", BYTES_MAX >> 20);
                return Err(Error::new(Kind::Limit, message));
            }
        }
        Ok(Batches { schema: streamed.schema, batches, partial: streamed.partial })
    }

    /// Runs a query of [`Query::streamed`]. What was read so far is told to `progress`, also before there are rows.
    /// Dropping this future, or the result, ends the query.
    ///
    /// # Errors
    /// Every kind.
    pub async fn stream(self: &Arc<Pool>, query: Query, progress: watch::Sender<Scanned>) -> Result<Streamed, Error> {
        Streamed::new(self.ask_watched(query, progress).await?).await
    }
}

fn unreadable(error: &ArrowError) -> Error {
    Error::new(Kind::Internal, format!("a worker's result: {error}"))
}
