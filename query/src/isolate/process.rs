//! One worker as the server sees it: a process, its end of the channel, and how it ended.
use super::confine;
use super::frame::{self, BYTES_MAX_TO_SERVER, Frame};
use super::pool::Launch;
use crate::error::{Error, Kind};
use nix::sys::signal::Signal;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

/// What is kept of a worker's last words.
const WORDS_BYTES_MAX: usize = 4 << 10;

/// How long to wait for the end of a worker whose channel is closed.
const END_WAIT: Duration = Duration::from_secs(2);

/// How a worker ended.
#[derive(Debug, Clone)]
struct End {
    status: Option<ExitStatus>,
    /// The end of what it wrote to stderr.
    words: String,
}

/// A worker. Dropping it kills the process.
pub(crate) struct Worker {
    channel: BufReader<UnixStream>,
    /// Its number, as the system knows it.
    process: u32,
    child: Arc<Mutex<Child>>,
    end: watch::Receiver<Option<End>>,
    /// Since when it has had nothing to do.
    pub(crate) idle_since: Instant,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended is not there to be killed.
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }
}

impl Worker {
    /// Starts a process; it is not ready yet.
    ///
    /// # Errors
    /// Where the system has no room for it.
    pub(crate) async fn start(launch: &Launch) -> io::Result<Worker> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.arguments).envs(launch.environment.iter().cloned());
        // Where memory is at its end there is none to read symbols into.
        command.env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::piped());
        // What a terminal sends to the server is not for its workers.
        command.arg0("metlog").process_group(0);
        let (started, is_started) = oneshot::channel();
        let (ended, end) = watch::channel(None);
        // The process ends with the thread that started it; so that stays as long as the process does.
        std::thread::Builder::new().name("query-worker".into()).spawn(move || watch_over(command, started, &ended))?;
        let child = is_started.await.map_err(|_| io::Error::other("the thread of a worker ended"))??;
        let channel = BufReader::new(UnixStream::from_std(ours)?);
        let process = child.lock().unwrap_or_else(PoisonError::into_inner).id();
        Ok(Worker { channel, process, child, end, idle_since: Instant::now() })
    }

    pub(crate) async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        frame::send(&mut self.channel, frame).await
    }

    /// The next frame. After it is cancelled, the worker is of no more use.
    pub(crate) async fn receive(&mut self) -> io::Result<Frame> {
        frame::receive(&mut self.channel, BYTES_MAX_TO_SERVER).await
    }

    /// Memory of its own, in bytes: `RssAnon`. 0 where it has ended.
    pub(crate) fn memory_bytes(&self) -> u64 {
        confine::status_bytes(&self.process.to_string(), "RssAnon").unwrap_or_default()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.end.borrow().is_some()
    }

    async fn wait(&mut self) -> End {
        let end = timeout(END_WAIT, self.end.wait_for(Option::is_some)).await;
        let end = end.ok().and_then(|end| end.ok()?.clone());
        end.unwrap_or(End { status: None, words: String::new() })
    }

    /// Kills it, and tells what it said last: a query met a defect.
    pub(crate) async fn end_broken(mut self) {
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
        let words = self.wait().await.words;
        tracing::error!(words, "a query failed in a way that it must not");
    }

    /// Why its channel is closed, for whoever waits for a result.
    pub(crate) async fn why_it_ended(mut self) -> Error {
        let End { status, words } = self.wait().await;
        let is_killed = status.and_then(|status| status.signal()) == Some(Signal::SIGKILL as i32);
        let status = status.map_or_else(|| "it did not end".to_owned(), |status| status.to_string());
        let (kind, message) = match () {
            () if words.contains("memory allocation of") || words.contains("Cannot allocate memory") || is_killed => {
                (Kind::Limit, "the query needed more than its memory: ask for less")
            }
            () if words.contains("overflowed its stack") => (Kind::Limit, "the query is nested too deep"),
            () => (Kind::Internal, "the query ended its process; see the server's log"),
        };
        match kind {
            Kind::Internal => tracing::error!(status, words, "a query ended its process"),
            _ => tracing::info!(status, words, "a query ended its process"),
        }
        Error::new(kind, message)
    }
}

/// Starts the process, keeps the end of what it says, and waits for its end.
fn watch_over(
    mut command: Command,
    started: oneshot::Sender<io::Result<Arc<Mutex<Child>>>>,
    ended: &watch::Sender<Option<End>>,
) {
    let spawned = command.spawn();
    // Its end of the channel is open here as well; were it to stay so, its death would not be seen.
    drop(command);
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return drop(started.send(Err(error))),
    };
    let stderr = child.stderr.take();
    let child = Arc::new(Mutex::new(child));
    if started.send(Ok(Arc::clone(&child))).is_err() {
        // Nobody waits for it any more.
        let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }
    let words = stderr.map(last_words).unwrap_or_default();
    let status = child.lock().unwrap_or_else(PoisonError::into_inner).wait().ok();
    ended.send_replace(Some(End { status, words }));
}

/// Reads to the end, and keeps the last of it.
fn last_words(mut stderr: impl Read) -> String {
    let mut words: Vec<u8> = Vec::new();
    let mut more = [0; WORDS_BYTES_MAX];
    while let Ok(read @ 1..) = stderr.read(&mut more) {
        words.extend_from_slice(&more[..read]);
        let surplus = words.len().saturating_sub(WORDS_BYTES_MAX);
        words.drain(..surplus);
    }
    String::from_utf8_lossy(&words).trim().to_owned()
}
