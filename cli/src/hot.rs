//! The rows that a running listener still holds, as the read side asks for them. Writer and reader do not know each
//! other; here they meet.
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::FutureExt;
use futures::future::BoxFuture;
use metlog_listener::Listener;
use metlog_query::{Hot, HotRows};
use metlog_schemas::table::Table;

/// A listener of this process.
pub struct HotListener(pub Listener);

impl Hot for HotListener {
    fn rows(&self, table: Table) -> BoxFuture<'_, Result<HotRows, ArrowError>> {
        let listener = self.0.clone();
        // It waits for a lock and copies rows: not for a thread that serves connections.
        let rows = tokio::task::spawn_blocking(move || listener.hot());
        async move {
            let rows = rows.await.map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
            let metlog_listener::HotRows { listener, first_segment, mut batches, cold } = rows;
            let of_table = |segment: metlog_listener::ColdSegment| -> metlog_query::ColdSegment {
                std::sync::Arc::new(move || Ok(std::mem::take(&mut segment()?[table])))
            };
            let cold = cold.into_iter().map(of_table).collect();
            Ok(HotRows { listener, first_segment, batches: std::mem::take(&mut batches[table]), cold })
        }
        .boxed()
    }

    fn senders(&self) -> Result<RecordBatch, ArrowError> {
        self.0.senders_batch()
    }
}
