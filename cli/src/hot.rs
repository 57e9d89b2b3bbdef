//! The rows that a running listener still holds, as the read side asks for them. Writer and reader do not know each
//! other; here they meet.
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::FutureExt;
use futures::future::BoxFuture;
use metlog_listener::Listener;
use metlog_query::{ColdSegment, Decoder, Hot, HotRows};
use std::io;
use std::sync::Arc;

/// A listener of this process.
pub struct HotListener(pub Listener);

impl Hot for HotListener {
    fn rows(&self) -> BoxFuture<'_, Result<HotRows, ArrowError>> {
        let listener = self.0.clone();
        // It waits for a lock and copies rows: not for a thread that serves connections.
        let rows = tokio::task::spawn_blocking(move || listener.hot());
        async move {
            let rows = rows.await.map_err(|error| ArrowError::ExternalError(Box::new(error)))??;
            let metlog_listener::HotRows { listener, first_segment, tables, cold } = rows;
            let cold = cold.into_iter().map(|segment| Arc::new(Cold(segment)) as Arc<dyn ColdSegment>).collect();
            Ok(HotRows { listener, first_segment, tables, cold })
        }
        .boxed()
    }

    fn senders(&self) -> Result<RecordBatch, ArrowError> {
        self.0.senders_batch()
    }
}

struct Cold(metlog_listener::ColdSegment);

impl ColdSegment for Cold {
    fn description(&self) -> String {
        self.0.description()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
}

/// Decodes segments of the listener's journal.
pub fn decoder() -> Decoder {
    Arc::new(metlog_listener::ColdSegment::decode)
}
