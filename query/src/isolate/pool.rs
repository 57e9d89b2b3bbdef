//! The workers of a server: started when they are needed, kept while they are, and one always ready.
use super::exchange::{self, Reply};
use super::frame::{Frame, Kind};
use super::messages::{Failed, Query, Setup};
use super::process::Worker;
use super::turns::Turns;
use crate::engine::Config;
use crate::error::{Error, Kind as ErrorKind};
use crate::hot::Hot;
use crate::result::too_late;
use crate::scanned::Scanned;
use metlog_schemas::budget::{Budget, Reservation, Use};
use serde_json::Value;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// Longest start of a worker.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// A worker that has had nothing to do for so long ends, if it is not the last.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);

/// How often a query looks whether there is memory for it.
const MEMORY_AGAIN: Duration = Duration::from_millis(50);

/// What a query may take beyond twice its memory: what its process has of its own, and its result under way.
const PROCESS_BYTES: u64 = 64 << 20;

/// What a query is to have in the budget of memory, where its own part of it is `memory_bytes`.
pub(crate) fn reserved_bytes(memory_bytes: usize) -> u64 {
    2 * memory_bytes as u64 + PROCESS_BYTES
}

/// The largest [`Config::memory_bytes`] at which one query has no more than `bytes` of the budget.
pub fn memory_within(bytes: u64) -> usize {
    usize::try_from(bytes.saturating_sub(PROCESS_BYTES) / 2).unwrap_or(usize::MAX)
}

/// How often idle workers are looked after.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// How to start a worker.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program, which then calls [`super::run_worker`].
    pub program: PathBuf,
    /// Its arguments. Everybody on the machine can read them.
    pub arguments: Vec<OsString>,
    /// Variables that it has besides the server's.
    pub environment: Vec<(String, String)>,
    /// What it needs to open the store; it gets that over the channel.
    pub store: Value,
}

/// The bounds of a pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Those of each query, and how many run at a time.
    pub query: Config,
    /// A reader that takes nothing of its result for so long is dropped.
    pub reader_wait: Duration,
    /// What the processes of queries share with the rest of the server.
    pub budget: Budget,
}

impl Default for PoolConfig {
    fn default() -> PoolConfig {
        PoolConfig { query: Config::default(), reader_wait: Duration::from_secs(30), budget: Budget::default() }
    }
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) started: AtomicU64,
    pub(crate) timed_out: AtomicU64,
    pub(crate) over_memory: AtomicU64,
    pub(crate) broken: AtomicU64,
    pub(crate) left: AtomicU64,
    pub(crate) readers_dropped: AtomicU64,
}

/// Runs SQL in processes of their own.
pub struct Pool {
    pub(crate) config: PoolConfig,
    launch: Launch,
    pub(crate) hot: Option<Arc<dyn Hot>>,
    idle: Mutex<Vec<Worker>>,
    turns: Arc<Turns>,
    pub(crate) counts: Counts,
}

impl Pool {
    /// A pool that starts its first worker at once, in the background. Needs the runtime that it will run on.
    pub fn new(config: PoolConfig, launch: Launch, hot: Option<Arc<dyn Hot>>) -> Arc<Pool> {
        // All that wait for readers may hold what one query may use.
        let turns = Turns::new(config.query.concurrency, config.query.memory_bytes as u64);
        let pool = Arc::new(Pool { config, launch, hot, idle: Mutex::default(), turns, counts: Counts::default() });
        pool.keep_one_ready();
        tokio::spawn(look_after(Arc::downgrade(&pool)));
        pool
    }

    /// What is counted, as Prometheus reads it.
    pub fn metrics_text(&self) -> String {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { started, timed_out, over_memory, broken, left, readers_dropped } = &self.counts;
        let mut text = format!(
            "# TYPE metlog_query_workers_started_total counter\nmetlog_query_workers_started_total {}\n",
            count(started)
        );
        text.push_str("# TYPE metlog_query_workers_ended_total counter\n");
        for (reason, ended) in [("time", timed_out), ("memory", over_memory), ("broken", broken), ("left", left)] {
            text.push_str(&format!("metlog_query_workers_ended_total{{reason=\"{reason}\"}} {}\n", count(ended)));
        }
        text.push_str(&format!(
            "# TYPE metlog_query_readers_dropped_total counter\nmetlog_query_readers_dropped_total {}\n",
            count(readers_dropped)
        ));
        text
    }

    /// Begins to run a query. Dropping the reply, or this future, ends the query.
    ///
    /// # Errors
    /// Every kind.
    pub(crate) async fn ask(self: &Arc<Pool>, query: Query) -> Result<Reply, Error> {
        self.ask_watched(query, watch::Sender::default()).await
    }

    /// Likewise; what was read so far is told to `progress`.
    ///
    /// # Errors
    /// Every kind.
    pub(crate) async fn ask_watched(
        self: &Arc<Pool>,
        mut query: Query,
        progress: watch::Sender<Scanned>,
    ) -> Result<Reply, Error> {
        let time_max = self.config.query.time_max;
        let until = Instant::now() + time_max;
        let mut turn = self.turns.take(until).await.ok_or_else(|| too_late(time_max))?;
        turn.held = Some(self.memory(until).await.ok_or_else(no_memory)?);
        let mut worker = timeout_at(until, self.worker()).await.map_err(|_| too_late(time_max))??;
        query.time = until.saturating_duration_since(Instant::now());
        let sent = match Frame::json(Kind::Query, 0, &query) {
            Ok(frame) => worker.send(&frame).await,
            Err(error) => Err(error),
        };
        sent.map_err(|error| internal(&format!("a worker does not listen: {error}")))?;
        exchange::start(Arc::clone(self), worker, turn, until, progress).await
    }

    /// Waits for memory; none where there is none in time.
    async fn memory(&self, until: Instant) -> Option<Reservation> {
        let bytes = reserved_bytes(self.config.query.memory_bytes);
        loop {
            if let Some(reserved) = self.config.budget.reserve(Use::Queries, bytes) {
                return Some(reserved);
            }
            timeout_at(until, tokio::time::sleep(MEMORY_AGAIN)).await.ok()?;
        }
    }

    /// An idle worker, or a new one.
    async fn worker(&self) -> Result<Worker, Error> {
        while let Some(worker) = self.pop() {
            if !worker.has_ended() {
                return Ok(worker);
            }
        }
        self.start().await
    }

    fn pop(&self) -> Option<Worker> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Takes a worker back that has nothing left of its query.
    pub(crate) fn give_back(&self, mut worker: Worker) {
        worker.idle_since = Instant::now();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }

    /// Starts a worker in the background where none is idle.
    pub(crate) fn keep_one_ready(self: &Arc<Pool>) {
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            if !pool.idle.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                return;
            }
            match pool.start().await {
                Ok(worker) => pool.give_back(worker),
                Err(error) => tracing::warn!(%error, "no worker for queries could be started"),
            }
        });
    }

    async fn start(&self) -> Result<Worker, Error> {
        let start = async {
            let mut worker = Worker::start(&self.launch).await.map_err(|error| not_started(&error))?;
            let setup = Setup::new(&self.config.query, self.launch.store.clone(), self.hot.is_some());
            let setup = Frame::json(Kind::Setup, 0, &setup).map_err(|error| not_started(&error))?;
            worker.send(&setup).await.map_err(|error| not_started(&error))?;
            match worker.receive().await {
                Ok(frame) if frame.kind == Kind::Ready => Ok(worker),
                Ok(frame) => match frame.value::<Failed>() {
                    Ok(failed) => Err(failed.error()),
                    Err(error) => Err(not_started(&error)),
                },
                Err(_) => Err(worker.why_it_ended().await),
            }
        };
        self.counts.started.fetch_add(1, Ordering::Relaxed);
        timeout(START_TIME_MAX, start).await.map_err(|_| internal("a worker did not start in time"))?
    }
}

fn no_memory() -> Error {
    let message = "the server has no memory for another query now: ask again later, or raise `memory` in [limits]";
    Error::new(ErrorKind::Timeout, message)
}

fn not_started(error: &std::io::Error) -> Error {
    internal(&format!("no process for the query: {error}"))
}

fn internal(message: &str) -> Error {
    Error::new(ErrorKind::Internal, message)
}

/// Ends those that have been idle for long, but for the last.
async fn look_after(pool: std::sync::Weak<Pool>) {
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|worker| !worker.has_ended());
        // The first ones are those that were needed least.
        while idle.len() > 1 && idle[0].idle_since.elapsed() > IDLE_TIME_MAX {
            drop(idle.remove(0));
        }
    }
}
