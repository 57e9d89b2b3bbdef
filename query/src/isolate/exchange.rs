//! One query over one worker: its requests for hot rows are served, its result is passed on as fast as it is read.
use super::frame::{Frame, Kind};
use super::messages::{Begin, BytesOf, Done, Failed, RowsOf, Taken, to_ipc};
use super::pool::Pool;
use super::process::Worker;
use super::turns::Turn;
use crate::error::{Error, Kind as ErrorKind};
use crate::hot::{self, Place, chunk, missing};
use crate::result::{batch_bytes, too_late};
use crate::scanned::Scanned;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use metlog_schemas::hot::HotRows;
use metlog_schemas::table::Table;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// How much later than its time a query may notice that by itself.
const GRACE: Duration = Duration::from_millis(500);

/// Chunks of a result that the server holds besides the one that it is about to pass on.
const CHUNKS_MAX: usize = 2;

/// A reader that takes nothing for so long no longer holds up others.
const STALL_TIME: Duration = Duration::from_secs(1);

/// Longest transfer of a result, counted from the query's beginning, beyond the query's own time.
const TRANSFER_TIME_MAX: Duration = Duration::from_secs(600);

/// Bytes of hot rows in one reply, about.
const REPLY_BYTES: usize = 1 << 20;

/// The result of a query, as it comes.
pub(crate) struct Reply {
    pub(crate) begin: Begin,
    pub(crate) chunks: mpsc::Receiver<Vec<u8>>,
    /// True once the last chunk is among them.
    pub(crate) is_complete: Arc<AtomicBool>,
    /// Why it is cut off, where that is known, once there are no more chunks.
    pub(crate) failure: Arc<OnceLock<Error>>,
}

/// Runs the exchange on a task of its own, and waits for the beginning of the result.
///
/// # Errors
/// Where there is no result.
pub(crate) async fn start(
    pool: Arc<Pool>,
    worker: Worker,
    turn: Turn,
    until: Instant,
    progress: watch::Sender<Scanned>,
) -> Result<Reply, Error> {
    let (body, chunks) = mpsc::channel(CHUNKS_MAX);
    let (head, begun) = oneshot::channel();
    let is_complete = Arc::new(AtomicBool::new(false));
    let failure = Arc::new(OnceLock::new());
    let exchange = Exchange {
        pool,
        worker,
        turn,
        until: until + GRACE,
        given_up: until + TRANSFER_TIME_MAX,
        head: Some(head),
        body,
        is_complete: Arc::clone(&is_complete),
        failure: Arc::clone(&failure),
        progress,
        left: None,
        hot: None,
    };
    tokio::spawn(exchange.run());
    // `chunks` goes with this future where nobody waits any more, and that ends the exchange.
    match begun.await {
        Ok(begin) => Ok(Reply { begin: begin?, chunks, is_complete, failure }),
        Err(_) => Err(Error::new(ErrorKind::Internal, "the query was never begun")),
    }
}

struct Exchange {
    pool: Arc<Pool>,
    worker: Worker,
    turn: Turn,
    /// When the worker is killed. Time that is spent waiting for the reader does not count.
    until: Instant,
    given_up: Instant,
    head: Option<oneshot::Sender<Result<Begin, Error>>>,
    body: mpsc::Sender<Vec<u8>>,
    is_complete: Arc<AtomicBool>,
    failure: Arc<OnceLock<Error>>,
    progress: watch::Sender<Scanned>,
    /// Bytes of the result that are yet to be passed on, where its length is known. After the last one nobody reads
    /// any more.
    left: Option<u64>,
    /// The rows that the query sees.
    hot: Option<HotRows>,
}

/// How an exchange ended.
enum Outcome {
    /// The worker has answered; true where it can take another query.
    Answered(bool),
    /// The worker has an error to tell; likewise.
    Failed(Error, bool),
    /// The channel is closed or makes no sense.
    Broken(io::Error),
    /// It took too long.
    TooLate,
    /// Nobody waits for the result any more.
    Left,
    /// The reader does not read.
    Stalled,
}

impl Exchange {
    async fn run(mut self) {
        let outcome = self.serve().await;
        let counts = &self.pool.counts;
        let count = |count: &AtomicU64| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let mut is_clean = false;
        let error = match outcome {
            Outcome::Answered(clean) => {
                is_clean = clean;
                self.is_complete.store(true, Ordering::Release);
                None
            }
            Outcome::Failed(error, clean) => {
                is_clean = clean;
                Some(error)
            }
            Outcome::Broken(error) => {
                tracing::debug!(%error, "the channel to a worker");
                let error = self.worker.why_it_ended().await;
                count(if error.kind == ErrorKind::Limit { &counts.over_memory } else { &counts.broken });
                let pool = Arc::clone(&self.pool);
                fail(self.head, &self.failure, error);
                return pool.keep_one_ready();
            }
            Outcome::TooLate => {
                count(&counts.timed_out);
                Some(too_late(self.pool.config.query.time_max))
            }
            Outcome::Left => {
                count(&counts.left);
                None
            }
            Outcome::Stalled => {
                count(&counts.readers_dropped);
                tracing::warn!("a result is dropped, since its reader does not read");
                None
            }
        };
        let is_broken = error.as_ref().is_some_and(|error| error.kind == ErrorKind::Internal);
        if let Some(error) = error {
            fail(self.head, &self.failure, error);
        }
        if is_clean {
            return self.pool.give_back(self.worker);
        }
        if is_broken {
            count(&self.pool.counts.broken);
            self.worker.end_broken().await;
        } else {
            drop(self.worker);
        }
        self.pool.keep_one_ready();
    }

    async fn serve(&mut self) -> Outcome {
        loop {
            let frame = tokio::select! {
                biased;
                () = self.body.closed(), if self.left != Some(0) => return Outcome::Left,
                frame = timeout_at(self.until, self.worker.receive()) => frame,
            };
            let frame = match frame {
                Err(_) => return Outcome::TooLate,
                Ok(Err(error)) => return Outcome::Broken(error),
                Ok(Ok(frame)) => frame,
            };
            let outcome = match frame.kind {
                Kind::Begin => frame.value().map(|begin: Begin| {
                    self.left = begin.length;
                    if let Some(head) = self.head.take() {
                        // Whoever asked may be gone by now.
                        let _ = head.send(Ok(begin));
                    }
                    None
                }),
                Kind::Progress => frame.value().map(|scanned: Scanned| {
                    self.progress.send_replace(scanned);
                    None
                }),
                Kind::Body => Ok(self.pass_on(frame.payload).await),
                Kind::Done => frame.value::<Done>().map(|done| Some(Outcome::Answered(done.is_clean))),
                Kind::Failed => frame.value::<Failed>().map(|failed| {
                    let is_clean = failed.is_clean;
                    Some(Outcome::Failed(failed.error(), is_clean))
                }),
                _ => self.reply(&frame).await.map(|()| None),
            };
            match outcome {
                Ok(None) => (),
                Ok(Some(outcome)) => return outcome,
                Err(error) => return Outcome::Broken(error),
            }
        }
    }

    /// Passes a chunk on, when there is room for it.
    async fn pass_on(&mut self, chunk: Vec<u8>) -> Option<Outcome> {
        let began = Instant::now();
        let permit = match timeout(STALL_TIME, self.body.reserve()).await {
            Ok(permit) => permit,
            Err(_) => {
                self.turn.give_back(self.worker.memory_bytes());
                let last = (began + self.pool.config.reader_wait).min(self.given_up);
                tokio::select! {
                    permit = timeout_at(last, self.body.reserve()) => match permit {
                        Ok(permit) => permit,
                        Err(_) => return Some(Outcome::Stalled),
                    },
                    () = self.turn.pushed_out.notified() => return Some(Outcome::Stalled),
                }
            }
        };
        let Ok(permit) = permit else { return Some(Outcome::Left) };
        self.left = self.left.map(|left| left.saturating_sub(chunk.len() as u64));
        permit.send(chunk);
        self.until += began.elapsed();
        None
    }

    /// Answers a request of the worker.
    async fn reply(&mut self, frame: &Frame) -> io::Result<()> {
        let reply = match self.requested(frame).await {
            Ok(payload) => Frame::new(Kind::Reply, frame.id, payload),
            Err(error) => Frame::new(Kind::Refusal, frame.id, error.to_string().into_bytes()),
        };
        self.worker.send(&reply).await
    }

    async fn requested(&mut self, frame: &Frame) -> Result<Vec<u8>, ArrowError> {
        let hot = self.pool.hot.clone().ok_or_else(|| missing("listener"))?;
        match frame.kind {
            Kind::Take => {
                // On a task of its own, so that a panic is an error as well.
                let taken = tokio::spawn(async move {
                    let rows = hot.rows().await?;
                    // Files are looked at: not for a thread that serves connections.
                    let described = tokio::task::spawn_blocking(move || (describe(&rows), rows));
                    described.await.map_err(|error| ArrowError::ExternalError(Box::new(error)))
                });
                let taken = taken.await.map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
                let (description, taken) = taken?;
                self.hot = Some(taken);
                serde_json::to_vec(&description).map_err(|error| ArrowError::JsonError(error.to_string()))
            }
            Kind::Rows => {
                let rows: RowsOf = frame.value()?;
                let hot = self.hot.as_ref().ok_or_else(|| missing("moment"))?;
                to_ipc(&cut(hot, &rows)?)
            }
            Kind::Bytes => {
                let BytesOf { segment, offset } = frame.value()?;
                let hot = self.hot.as_ref().ok_or_else(|| missing("moment"))?;
                let segment = hot.cold.get(segment).cloned().ok_or_else(|| missing("segment"))?;
                let read = tokio::task::spawn_blocking(move || chunk(&*segment, offset));
                Ok(read.await.map_err(|error| ArrowError::ExternalError(Box::new(error)))??)
            }
            Kind::Senders => {
                let senders = tokio::task::spawn_blocking(move || to_ipc(&hot.senders()?));
                senders.await.map_err(|error| ArrowError::ExternalError(Box::new(error)))?
            }
            _ => Err(missing("request")),
        }
    }
}

/// Tells whoever asked. After the first byte the result is cut off, and why is for those who look.
fn fail(head: Option<oneshot::Sender<Result<Begin, Error>>>, failure: &OnceLock<Error>, error: Error) {
    match head {
        Some(head) => drop(head.send(Err(error))),
        None => {
            tracing::warn!(%error, "a result is cut off");
            let _ = failure.set(error);
        }
    }
}

fn describe(hot: &HotRows) -> Taken {
    let rows = |table: Table| hot.batches[table].iter().map(RecordBatch::num_rows).collect();
    Taken {
        listener: hot.listener.to_string(),
        first_segment: hot.first_segment,
        tables: Table::ALL.into_iter().map(|table| (table.name().to_owned(), rows(table))).collect(),
        cold: hot.cold.iter().map(|segment| segment.description()).collect(),
    }
}

/// The rows that are asked for, or the first of them where they are long.
fn cut(hot: &HotRows, rows: &RowsOf) -> Result<RecordBatch, ArrowError> {
    let table = Table::from_name(&rows.table).ok_or_else(|| missing("table"))?;
    let place = Place { table, batch: rows.batch, from: rows.from, rows_max: rows.rows_max };
    let mut batch = hot::cut(hot, place, &rows.columns)?;
    while batch.num_rows() > 1 && batch_bytes(&batch) > REPLY_BYTES {
        batch = batch.slice(0, batch.num_rows().div_ceil(2));
    }
    Ok(batch)
}
