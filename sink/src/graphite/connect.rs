//! The connection to carbon: kept open, looked at before each use, and repaired by saying again what the last
//! one may have swallowed.
//!
//! TCP tells a writer nothing of what was read. Three things stand in for that: the peer's closing is seen before
//! each write; the kernel gives a connection up whose bytes the peer's kernel does not acknowledge within the
//! write timeout; and what was written lately is kept, and written again first on the next connection. A point
//! that arrives twice overwrites itself.
use super::config::Config;
use crate::SinkError;
use bytes::Bytes;
use socket2::SockRef;
use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long written lines are kept, counted back from the last successful write. Longer than the kernel waits for an
/// acknowledgement, and longer than a healthy carbon leaves bytes unread.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Maximum bytes kept; the oldest are dropped first.
const KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub struct Connection {
    address: String,
    connect_timeout: Duration,
    write_timeout: Duration,
    stream: Option<TcpStream>,
    /// Written on this connection or an earlier one, and possibly not read.
    kept: VecDeque<(Instant, Bytes)>,
}

impl Connection {
    /// Connects on the first write.
    pub fn new(config: &Config) -> Connection {
        Connection {
            address: config.address.clone(),
            connect_timeout: config.connect_timeout,
            write_timeout: config.write_timeout,
            stream: None,
            kept: VecDeque::new(),
        }
    }

    /// Connects if no connection is open; the next write uses it.
    pub async fn open(&mut self) -> Result<(), SinkError> {
        self.stream = match self.stream.take().filter(is_open) {
            Some(stream) => Some(stream),
            None => Some(self.connect().await?),
        };
        Ok(())
    }

    /// Writes all of it, or fails if there is no progress within the timeouts; then nothing counts as written.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), SinkError> {
        // Taken out, so that a write that fails or is given up on leaves no connection that ends inside a line.
        let mut stream = match self.stream.take().filter(is_open) {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        self.write_to(&mut stream, &bytes).await?;
        self.stream = Some(stream);
        self.keep(bytes, Instant::now());
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        !self.stream.as_ref().is_some_and(is_open)
    }

    async fn write_to(&self, stream: &mut TcpStream, bytes: &[u8]) -> Result<(), SinkError> {
        let failed = |said: &dyn std::fmt::Display| SinkError::retry(format!("write to {}: {said}", self.address));
        let mut rest = bytes;
        while !rest.is_empty() {
            // Each part has its own timeout: a large write may take long, but must make progress.
            match timeout(self.write_timeout, stream.write(rest)).await {
                Ok(Ok(0)) => return Err(failed(&"closed")),
                Ok(written) => rest = &rest[written.map_err(|error| failed(&error))?..],
                Err(_) => return Err(failed(&format!("no progress within {:?}", self.write_timeout))),
            }
        }
        Ok(())
    }

    /// Opens a connection and re-sends the kept lines on it.
    async fn connect(&mut self) -> Result<TcpStream, SinkError> {
        let failed = |said: &dyn std::fmt::Display| SinkError::retry(format!("connect to {}: {said}", self.address));
        let connecting = timeout(self.connect_timeout, TcpStream::connect(&self.address)).await;
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("timed out after {:?}", self.connect_timeout));
        let mut stream = connecting.unwrap_or_else(|_| Err(late())).map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        #[cfg(target_os = "linux")]
        SockRef::from(&stream).set_tcp_user_timeout(Some(self.write_timeout)).map_err(|error| failed(&error))?;
        let repeated: Vec<u8> = self.kept.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        if !repeated.is_empty() {
            tracing::info!(bytes = repeated.len(), "graphite: re-sending lines that the last connection may have lost");
            self.write_to(&mut stream, &repeated).await?;
        }
        Ok(stream)
    }

    fn keep(&mut self, bytes: Bytes, now: Instant) {
        self.kept.push_back((now, bytes));
        let mut total: usize = self.kept.iter().map(|(_, bytes)| bytes.len()).sum();
        let too_old = |at: &Instant| now.duration_since(*at) > KEPT_FOR;
        while let Some((at, bytes)) = self.kept.front()
            && (too_old(at) || total > KEPT_BYTES_MAX)
        {
            total -= bytes.len();
            self.kept.pop_front();
        }
    }
}

/// Asks the kernel itself: the runtime may not have heard yet. Carbon never says anything, so readable means closed;
/// what some other server says is left unread.
fn is_open(stream: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    match SockRef::from(stream).peek(&mut byte) {
        Ok(count) => count > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}
