//! The rows that a running listener still holds, as the read side asks for them. Writer and reader do not know each
//! other; here they meet.
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::FutureExt;
use futures::future::BoxFuture;
use metlog_listener::{HotRows, Listener};
use metlog_query::{Decoder, Hot};
use std::sync::Arc;

/// A listener of this process.
pub struct HotListener(pub Listener);

impl Hot for HotListener {
    fn rows(&self) -> BoxFuture<'_, Result<HotRows, ArrowError>> {
        let listener = self.0.clone();
        // It waits for a lock and copies rows: not for a thread that serves connections.
        let rows = tokio::task::spawn_blocking(move || listener.hot());
        async move { rows.await.map_err(|error| ArrowError::ExternalError(Box::new(error))) }.boxed()
    }

    fn senders(&self) -> Result<RecordBatch, ArrowError> {
        self.0.senders_batch()
    }
}

/// Decodes segments of the listener's journal.
pub fn decoder() -> Decoder {
    Arc::new(metlog_listener::decode_segment)
}
