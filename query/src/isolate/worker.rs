//! The process of a worker: from its first instruction to its last query.
use super::frame::{self, BYTES_MAX_TO_WORKER, Frame, Kind};
use super::messages::{Done, Failed, Query, Setup};
use super::remote::{Line, Remote};
use super::{confine, text};
use crate::engine::Engine;
use crate::error::{Error, Kind as ErrorKind};
use crate::hot::Source;
use crate::result::ResultRows;
use crate::scanned::scanned;
use metlog_schemas::hot::Decoder;
use object_store::ObjectStore;
use object_store::path::Path;
use serde_json::Value;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Frames that wait to be written.
const FRAMES_MAX: usize = 4;

/// Most threads that plan and run a query.
const THREADS_MAX: usize = 8;

/// How often it is told what was read so far.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// How long a worker waits after a query until nothing of it runs any more.
const QUIET_WAIT: Duration = Duration::from_millis(100);

/// A store, and where in it the tables' folders lie.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// Where in it.
    pub prefix: Path,
}

/// Runs this process as a worker, whose standard input is the channel to its server, until the server is gone.
/// `open` makes a store of what [`super::Launch`] has of it. To be called first, before there are other threads.
///
/// # Errors
/// Where it was not started by a server, or cannot be confined.
pub fn run_worker(open: impl FnOnce(&Value) -> Result<Opened, String>, decoder: Decoder) -> io::Result<()> {
    confine::begin()?;
    let channel = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut input = BufReader::new(channel.try_clone()?);
    let setup: Setup = frame::read(&mut input, BYTES_MAX_TO_WORKER)?.value()?;
    let config = setup.config();
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let (out, frames) = mpsc::channel(FRAMES_MAX);
    let line = Arc::new(Line::new(out));
    spawn("channel-out", move || end(write_frames(channel, frames)))?;
    let source = setup.has_hot.then(|| Arc::new(Remote { line: Arc::clone(&line), decoder }) as Arc<dyn Source>);
    let opened = open(&setup.store).map_err(|message| Error::new(ErrorKind::Storage, message));
    let engine = opened.and_then(|Opened { store, prefix }| Engine::with_source(config.clone(), store, prefix, source));
    let little = confine::cap(config.memory_bytes)?;
    let (queries, received) = mpsc::unbounded_channel();
    let settled = Arc::clone(&line);
    spawn("channel-in", move || end(read_frames(input, &settled, &queries)))?;
    runtime.block_on(serve(engine.map(Arc::new), received, &line, little))
}

fn runtime() -> io::Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(confine::BLOCKING_THREADS_MAX)
        .thread_stack_size(confine::STACK_BYTES)
        .thread_name("query")
        .enable_all()
        .build()
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// The channel is closed: nobody waits for anything any more, whatever still runs.
fn end(_: io::Result<()>) {
    std::process::exit(0);
}

fn write_frames(channel: UnixStream, mut frames: mpsc::Receiver<Frame>) -> io::Result<()> {
    let mut out = BufWriter::new(channel);
    while let Some(frame) = frames.blocking_recv() {
        frame::write(&mut out, &frame)?;
        if frames.is_empty() {
            out.flush()?;
        }
    }
    Ok(())
}

fn read_frames(mut input: impl io::Read, line: &Line, queries: &mpsc::UnboundedSender<Query>) -> io::Result<()> {
    loop {
        let frame = frame::read(&mut input, BYTES_MAX_TO_WORKER)?;
        match frame.kind {
            Kind::Query => queries.send(frame.value()?).map_err(|_| io::ErrorKind::BrokenPipe)?,
            _ => line.settle(frame),
        }
    }
}

async fn serve(
    engine: Result<Arc<Engine>, Error>,
    mut received: mpsc::UnboundedReceiver<Query>,
    line: &Arc<Line>,
    little: u64,
) -> io::Result<()> {
    let engine = match engine {
        Ok(engine) => engine,
        Err(error) => {
            line.send(Frame::json(Kind::Failed, 0, &Failed::new(error, false))?).await?;
            // The server ends it.
            return std::future::pending().await;
        }
    };
    line.send(Frame::new(Kind::Ready, 0, Vec::new())).await?;
    while let Some(query) = received.recv().await {
        let (outcome, has_run) = run(&engine, query, line).await;
        // What goes on running, keeps much memory or is broken ends with the process.
        let is_broken = outcome.as_ref().is_err_and(|error| error.kind == ErrorKind::Internal);
        let is_calm = !has_run || (is_quiet() && confine::data_bytes()? <= little);
        let is_clean = is_calm && !is_broken;
        let last = match outcome {
            Ok(()) => Frame::json(Kind::Done, 0, &Done { is_clean })?,
            Err(error) => Frame::json(Kind::Failed, 0, &Failed::new(error, is_clean))?,
        };
        line.send(last).await?;
    }
    Ok(())
}

/// Runs a query on a task of its own, so that a panic is an error too. With the outcome, whether it may have left
/// something that runs.
async fn run(engine: &Arc<Engine>, query: Query, line: &Arc<Line>) -> (Result<(), Error>, bool) {
    let (engine, line) = (Arc::clone(engine), Arc::clone(line));
    let mut task = JoinSet::new();
    task.spawn(async move {
        match engine.query_within(&query.sql, &query.rights, query.time, query.is_strict).await {
            Ok(mut rows) if query.is_only_planned => {
                rows.leave_out_rows();
                (write(rows, &query, engine.config().memory_bytes, &line).await, true)
            }
            Ok(rows) => (write(rows, &query, engine.config().memory_bytes, &line).await, true),
            Err(error) => {
                let has_run = error.kind == ErrorKind::Timeout;
                (Err(error), has_run)
            }
        }
    });
    let broken = || Error::new(ErrorKind::Internal, "the query failed inside the server; see its log");
    match task.join_next().await {
        Some(Ok(outcome)) => outcome,
        // What it said is on stderr; the server keeps that.
        Some(Err(_)) | None => (Err(broken()), true),
    }
}

/// Writes the rows of a query and, where that is wanted, what was read meanwhile.
async fn write(rows: ResultRows, query: &Query, bytes_max: usize, line: &Line) -> Result<(), Error> {
    // What was pruned depends on rows that a reader of some loggers does not see.
    if !query.is_live || query.rights.is_restricted() {
        return text::write(rows, query, bytes_max, line).await;
    }
    let plan = rows.plan();
    let tell = async || {
        let frame = Frame::json(Kind::Progress, 0, &scanned(&plan));
        let sent = match frame {
            Ok(frame) => line.send(frame).await,
            Err(error) => Err(error),
        };
        sent.map_err(|error| Error::new(ErrorKind::Internal, format!("the server is gone: {error}")))
    };
    let mut writing = std::pin::pin!(text::write(rows, query, bytes_max, line));
    let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            written = &mut writing => {
                tell().await?;
                return written;
            }
            _ = ticks.tick() => tell().await?,
        }
    }
}

/// Waits a moment until no thread of the runtime has anything to do. Blocking, which nobody minds: this is the only
/// thing that the main thread has to do. Connections of the store's client stay, as tasks that wait.
fn is_quiet() -> bool {
    let metrics = tokio::runtime::Handle::current().metrics();
    // Odd while a thread is parked.
    let is_parked = |thread| metrics.worker_park_unpark_count(thread) % 2 == 1;
    let began = std::time::Instant::now();
    while !(0..metrics.num_workers()).all(is_parked) {
        if began.elapsed() > QUIET_WAIT {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}
