//! The worker's view of the hot rows: they stay in the server, and come over the channel as the plan reads them.
use super::frame::{Frame, Kind};
use super::messages::{BytesOf, RowsOf, Taken, from_ipc};
use crate::hot::{Moment, Place, Source, TableRows, missing};
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::FutureExt;
use futures::future::BoxFuture;
use metlog_schemas::hot::Decoder;
use metlog_schemas::table::Table;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Waits for the payload of a reply, or for why there is none.
type Waiting = oneshot::Sender<Result<Vec<u8>, String>>;

/// The worker's end of the channel.
pub(crate) struct Line {
    out: mpsc::Sender<Frame>,
    requests: Mutex<HashMap<u32, Waiting>>,
    next: AtomicU32,
}

impl Line {
    pub(crate) fn new(out: mpsc::Sender<Frame>) -> Line {
        Line { out, requests: Mutex::default(), next: AtomicU32::new(1) }
    }

    /// Waits until there is room.
    ///
    /// # Errors
    /// Where the server is gone.
    pub(crate) async fn send(&self, frame: Frame) -> io::Result<()> {
        self.out.send(frame).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Hands a reply over to whoever waits for it.
    pub(crate) fn settle(&self, frame: Frame) {
        let waiting = self.requests.lock().unwrap_or_else(PoisonError::into_inner).remove(&frame.id);
        let Some(waiting) = waiting else { return };
        let reply = match frame.kind {
            Kind::Reply => Ok(frame.payload),
            _ => Err(String::from_utf8_lossy(&frame.payload).into_owned()),
        };
        // It may have been cancelled.
        let _ = waiting.send(reply);
    }

    async fn request(&self, kind: Kind, value: &impl serde::Serialize) -> Result<Vec<u8>, ArrowError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        self.send(Frame::json(kind, id, value)?).await?;
        let gone = |_| ArrowError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        reply.await.map_err(gone)?.map_err(ArrowError::ComputeError)
    }
}

/// The hot rows of the server.
pub(crate) struct Remote {
    pub(crate) line: Arc<Line>,
    pub(crate) decoder: Decoder,
}

impl Source for Remote {
    fn take(&self) -> BoxFuture<'_, Result<Arc<dyn Moment>, ArrowError>> {
        async move {
            let taken = self.line.request(Kind::Take, &()).await?;
            let taken = serde_json::from_slice(&taken).map_err(|error| ArrowError::JsonError(error.to_string()))?;
            let moment = RemoteMoment { line: Arc::clone(&self.line), decoder: Arc::clone(&self.decoder), taken };
            Ok(Arc::new(moment) as Arc<dyn Moment>)
        }
        .boxed()
    }

    fn senders(&self) -> BoxFuture<'_, Result<RecordBatch, ArrowError>> {
        async move { from_ipc(&self.line.request(Kind::Senders, &()).await?) }.boxed()
    }
}

struct RemoteMoment {
    line: Arc<Line>,
    decoder: Decoder,
    taken: Taken,
}

impl Moment for RemoteMoment {
    fn listener(&self) -> &str {
        &self.taken.listener
    }

    fn first_segment(&self) -> u64 {
        self.taken.first_segment
    }

    fn batches(&self, table: Table) -> Vec<usize> {
        let found = self.taken.tables.iter().find(|(name, _)| name == table.name());
        found.map(|(_, batches)| batches.clone()).unwrap_or_default()
    }

    fn cold(&self) -> usize {
        self.taken.cold.len()
    }

    fn rows(&self, place: Place, columns: Arc<[usize]>) -> BoxFuture<'_, Result<RecordBatch, ArrowError>> {
        let Place { table, batch, from, rows_max } = place;
        let rows = RowsOf { table: table.name().to_owned(), batch, from, rows_max, columns: columns.to_vec() };
        async move { from_ipc(&self.line.request(Kind::Rows, &rows).await?) }.boxed()
    }

    fn decode(&self, cold: usize) -> BoxFuture<'_, Result<TableRows, ArrowError>> {
        async move {
            let description = self.taken.cold.get(cold).cloned().ok_or_else(|| missing("segment"))?;
            let mut bytes = Vec::new();
            loop {
                let request = BytesOf { segment: cold, offset: bytes.len() as u64 };
                let chunk = self.line.request(Kind::Bytes, &request).await?;
                if chunk.is_empty() {
                    break;
                }
                bytes.extend_from_slice(&chunk);
            }
            let decoder = Arc::clone(&self.decoder);
            // Away from the threads that answer.
            let decoded = tokio::task::spawn_blocking(move || decoder(&description, &bytes));
            decoded.await.map_err(|error| ArrowError::ExternalError(Box::new(error)))?
        }
        .boxed()
    }
}
