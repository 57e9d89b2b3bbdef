//! Results as rows in the server's own process, for interfaces that make a response of their own: the page, Jaeger,
//! Graphite.
//!
//! **Invariant.** A result is held as a whole, so it is bounded: by the rows of the pool's configuration, and by
//! [`BYTES_MAX`]. Whoever needs more of it asks for less at a time.
use super::{Pool, Query};
use crate::error::{Error, Kind};
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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

impl Pool {
    /// Runs a query of [`Query::batches`] and waits for all of its result. Dropping this future ends the query.
    ///
    /// # Errors
    /// Every kind; [`Kind::Limit`] where the result is longer than [`BYTES_MAX`].
    pub async fn batches(self: &Arc<Pool>, query: Query) -> Result<Batches, Error> {
        let mut reply = self.ask(query).await?;
        let mut decoder = StreamDecoder::new();
        let (mut batches, mut bytes) = (Vec::new(), 0);
        while let Some(chunk) = reply.chunks.recv().await {
            bytes += chunk.len();
            if bytes > BYTES_MAX {
                let message = format!("the result has more than {} MiB; ask for less of it at a time", BYTES_MAX >> 20);
                return Err(Error::new(Kind::Limit, message));
            }
            let mut buffer = Buffer::from_vec(chunk);
            while !buffer.is_empty() {
                batches.extend(decoder.decode(&mut buffer).map_err(|error| unreadable(&error))?);
            }
        }
        if !reply.is_complete.load(Ordering::Acquire) {
            return Err(Error::new(Kind::Internal, "the result is cut off"));
        }
        decoder.finish().map_err(|error| unreadable(&error))?;
        let schema = decoder.schema().ok_or_else(|| Error::new(Kind::Internal, "the result has no columns"))?;
        Ok(Batches { schema, batches, partial: reply.begin.partial })
    }
}

fn unreadable(error: &ArrowError) -> Error {
    Error::new(Kind::Internal, format!("a worker's result: {error}"))
}
