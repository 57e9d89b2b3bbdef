//! The read side: SQL over hot and stored rows.
//!
//! An [`Engine`] plans a question against one snapshot: the rows that a running listener still holds
//! ([`Hot`]) and the objects of the warehouse. [`router`] answers over HTTP, [`mod@format`] writes answers out.
//!
//! **Invariants.** Read only. Nothing but the object store that it was given is ever opened: no file, no
//! environment variable, no address that stands in a query. Each query is bounded in time, rows and memory.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod answer;
mod depth;
mod engine;
mod error;
mod expansion;
pub mod format;
mod functions;
mod held;
mod hints;
mod hot;
mod http;
mod partition;
mod prepare;
mod rows;
mod snapshot;
mod strays;
#[cfg(test)]
mod tests;
mod warehouse;
mod wording;

pub use answer::Answer;
pub use engine::{Config, Engine};
pub use error::{Error, Kind};
pub use http::router;
pub use prepare::SQL_BYTES_MAX;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::future::BoxFuture;
use metlog_schemas::tables::Table;
use std::sync::Arc;

/// Rows of one table that are not in the store yet, as of one moment.
#[derive(Clone)]
pub struct HotRows {
    /// Whose rows these are.
    pub listener: Arc<str>,
    /// Rows of segments from this one on are here; objects of this listener from this segment on must not
    /// be read as well, whether or not the store already has them.
    pub first_segment: u64,
    /// Rows in memory.
    pub batches: Vec<RecordBatch>,
    /// Segments whose rows must be read back from the journal; each call decodes one (blocking, CPU bound).
    pub cold: Vec<ColdSegment>,
}

/// Decodes a journal segment's rows of the table that was asked for.
pub type ColdSegment = Arc<dyn Fn() -> Result<Vec<RecordBatch>, ArrowError> + Send + Sync>;

/// Where hot rows are found: a running listener.
pub trait Hot: Send + Sync + 'static {
    /// The rows of `table` that are not stored, as of now.
    fn rows(&self, table: Table) -> BoxFuture<'_, Result<HotRows, ArrowError>>;
    /// One row a sender: see `senders_schema` in the listener.
    fn senders(&self) -> Result<RecordBatch, ArrowError>;
}
