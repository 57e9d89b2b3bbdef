//! Lines over TCP and Unix stream sockets, for senders that must not lose: where the journal is full we stop reading, and
//! they wait.
use super::connections::{Limits, TurnedAway};
use super::tls::Tls;
use crate::pipeline::{Pipeline, Source, Taken};
use metlog_schemas::budget::Use;
use metlog_schemas::format;
use socket2::Socket;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A connection that sends nothing for this long is closed; sooner if there are many.
const IDLE: Duration = Duration::from_secs(600);
const IDLE_WHEN_MANY: Duration = Duration::from_secs(30);
/// A line longer than this is refused and ends its connection.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// What is read at a time: at first, and so where little comes. It grows up to two of the longest lines.
const BUFFER_BYTES_MIN: usize = 4 * 1024;
/// Of a connection's thread. Rules of privacy recurse into JSON, within half of it: see `metlog_json::nested`.
const STACK_BYTES: usize = 1 << 20;
/// What a connection may take: its buffer, and the part of its stack that is used.
const CONNECTION_BYTES: u64 = 2 * LINE_BYTES_MAX as u64 + (64 << 10);
const READ_TIMEOUT: Duration = Duration::from_millis(100);
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// At the end, data that the kernel has already received is still read, from a sender that never pauses this long.
const LAST_READS: Duration = Duration::from_millis(500);

/// Accepts connections until asked to stop, then waits for the open ones. They share one worker.
pub fn accept(
    pipeline: &Arc<Pipeline>,
    worker: usize,
    socket: &format::Socket,
    listener: &Socket,
    end: &Arc<AtomicBool>,
    tls: Option<&Tls>,
) -> io::Result<()> {
    let (code, name) = (socket.code, socket.name);
    listener.set_nonblocking(true)?;
    let open = Arc::new(AtomicUsize::new(0));
    let (most, turned_away) = (Limits::default().connections, TurnedAway::default());
    while !end.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, peer)) if open.load(Ordering::Relaxed) < most => {
                let Some(room) = pipeline.config().budget.reserve(Use::Intake, CONNECTION_BYTES) else {
                    turned_away.note(name, peer.as_socket());
                    continue;
                };
                let (pipeline, end, open) = (pipeline.clone(), end.clone(), open.clone());
                open.fetch_add(1, Ordering::Relaxed);
                let (counted, peer, tls) = (open.clone(), peer.as_socket(), tls.cloned());
                let thread = std::thread::Builder::new().name(name.into()).stack_size(STACK_BYTES);
                let spawned = thread.spawn(move || {
                    let many = || open.load(Ordering::Relaxed) > most / 2;
                    let _room = room;
                    let intake = Lines { pipeline: &pipeline, worker, code, source: peer, end: &end };
                    if let Err(error) = intake.serve(stream, tls.as_ref(), many) {
                        tracing::debug!("{name} from {peer:?}: {error}");
                    }
                    open.fetch_sub(1, Ordering::Relaxed);
                });
                if spawned.is_err() {
                    counted.fetch_sub(1, Ordering::Relaxed);
                }
            }
            Ok((_, peer)) => turned_away.note(name, peer.as_socket()),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    while open.load(Ordering::Relaxed) > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// One connection.
struct Lines<'p> {
    pipeline: &'p Pipeline,
    worker: usize,
    code: u8,
    source: Source,
    end: &'p AtomicBool,
}

impl Lines<'_> {
    /// Reads a connection to its end, over TLS where there is some.
    fn serve(&self, stream: Socket, tls: Option<&Tls>, many: impl Fn() -> bool) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        // A handshake writes, to a peer that may not read.
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        match tls {
            Some(tls) => self.read(tls.blocking(stream)?, many),
            None => self.read(stream, many),
        }
    }

    /// Takes whole lines; what is left without an end of line when the sender closes is a line too. What is left when we
    /// or an error end it may be half a line, and is refused: it could be read as another value. What the journal does
    /// not take is offered again, and not read further.
    ///
    /// `many`: whether there are so many connections that an idle one is in the way.
    fn read(&self, mut stream: impl Read, many: impl Fn() -> bool) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES_MIN];
        let mut held = 0;
        let mut give_up_at = None;
        let mut last_read = Instant::now();
        loop {
            let ends = self.end.load(Ordering::Relaxed);
            let late = ends && Instant::now() >= *give_up_at.get_or_insert_with(|| Instant::now() + LAST_READS);
            if held == buffer.len() {
                buffer.resize(2 * held, 0);
            }
            match stream.read(&mut buffer[held..]) {
                Ok(0) => {
                    self.take(&buffer[..held]);
                    return Ok(());
                }
                Ok(bytes) => {
                    held += bytes;
                    last_read = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    let idle = last_read.elapsed();
                    if ends || idle >= IDLE || (idle >= IDLE_WHEN_MANY && many()) {
                        return self.refuse(&buffer[..held], "line_cut_off");
                    }
                    continue;
                }
                Err(error) => {
                    self.refuse(&buffer[..held], "line_cut_off")?;
                    return Err(error);
                }
            }
            let whole = buffer[..held].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.take(&buffer[..whole]);
            buffer.copy_within(whole..held, 0);
            let was_full = held == buffer.len();
            held -= whole;
            // One that brings much is read in larger pieces, one that idles keeps little.
            if was_full && buffer.len() < 2 * LINE_BYTES_MAX {
                buffer.resize(2 * buffer.len(), 0);
            }
            if held > LINE_BYTES_MAX {
                return self.refuse(&buffer[..held], "line_too_long");
            }
            if late {
                return self.refuse(&buffer[..held], "line_cut_off");
            }
        }
    }

    /// A line that is not whole is counted, and ends the connection.
    fn refuse(&self, line: &[u8], reason: &'static str) -> io::Result<()> {
        if line.is_empty() {
            return Ok(());
        }
        self.pipeline.reject(reason, 1, self.source, line);
        Err(io::Error::new(io::ErrorKind::InvalidData, reason))
    }

    /// Offers lines until they are taken; at the end they are taken or dropped, and counted.
    fn take(&self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let lines = || std::iter::once((lines, self.source));
        while self.pipeline.offer(self.worker, self.code, lines()) == Taken::Dropped {
            if self.end.load(Ordering::Relaxed) {
                self.pipeline.take(self.worker, self.code, lines());
                return;
            }
            std::thread::sleep(READ_TIMEOUT);
        }
    }
}
