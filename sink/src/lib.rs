//! Sinks: where batches go. A sink knows its own place and nothing of the journal, SQL or the other sinks.
use arrow::array::RecordBatch;
use futures::future::BoxFuture;
use metlog_schemas::window::Window;
use std::sync::Arc;
use std::time::Duration;

/// What one journal segment came to. The same id always brings the same content.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Who took it in; fit for a path (`metlog_schemas::object_path::is_listener_name`).
    pub listener: Arc<str>,
    /// The journal segment that it was made from.
    pub segment: u64,
    /// Rows of the table `messages`, in the order in which they came.
    pub messages: Vec<RecordBatch>,
    /// The windows that closed in it, oldest first.
    pub windows: Vec<Arc<Window>>,
}

/// What the caller should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The place is unavailable and the batch is still ours: try again, not before this long.
    Retry(Option<Duration>),
    /// Trying again cannot help: set the batch aside and tell a human.
    SetAside,
}

/// Why a batch was not written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    /// What to do about it.
    pub next: Next,
    /// What happened, for a human.
    pub message: String,
}

/// What a sink did with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Messages (or metrics) that are over there.
    pub written: u64,
    /// Messages that were refused for good and now lie in the sink's folder of refused documents.
    pub set_aside: u64,
}

/// A place that batches are handed over to.
///
/// * `Ok`: the whole batch is over there, or what was refused for good is set aside; the caller may forget it.
/// * `Err`: part of it may be over there; writing the same batch again does no harm and adds nothing twice.
/// * A sink never blocks the thread and gives up in bounded time: what takes longer is an error to retry.
pub trait Sink: Send {
    /// Its name in the configuration, in metrics and in receipts.
    fn name(&self) -> &'static str;
    /// Hands a batch over.
    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>>;
}
