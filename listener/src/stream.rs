//! statsd over TCP, for senders that must not lose: where the journal is full we stop reading, and they wait.
use crate::journal::record::Kind;
use crate::road::{Road, Taken};
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Connections at a time; further ones are closed at once.
const CONNECTIONS_MAX: usize = 1_024;
/// A line longer than this is refused and ends its connection.
const LINE_BYTES_MAX: usize = 64 * 1024;
const READ_TIMEOUT: Duration = Duration::from_millis(100);
/// At the end what the kernel already took is still read, from a sender that never pauses so long.
const LAST_READS: Duration = Duration::from_millis(500);

/// Accepts connections until told to end; waits for those that are open. They share one worker.
pub fn accept(road: &Arc<Road>, worker: usize, listener: &TcpListener, end: &Arc<AtomicBool>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let open = Arc::new(AtomicUsize::new(0));
    while !end.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, peer)) if open.load(Ordering::Relaxed) < CONNECTIONS_MAX => {
                let (road, end, open) = (road.clone(), end.clone(), open.clone());
                open.fetch_add(1, Ordering::Relaxed);
                let counted = open.clone();
                let spawned = std::thread::Builder::new().name("statsd-tcp".into()).spawn(move || {
                    if let Err(error) = lines(&road, worker, stream, &end) {
                        tracing::debug!("statsd over TCP from {peer}: {error}");
                    }
                    open.fetch_sub(1, Ordering::Relaxed);
                });
                if spawned.is_err() {
                    counted.fetch_sub(1, Ordering::Relaxed);
                }
            }
            Ok((_, peer)) => tracing::warn!("too many connections: {peer} is turned away"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    while open.load(Ordering::Relaxed) > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Takes whole lines; what is left without an end of line when the sender closes is a line too. What is left when we
/// or an error end it may be half a line, and is refused: it could be read as another value. What the journal does
/// not take is offered again, and not read further.
fn lines(road: &Road, worker: usize, mut stream: TcpStream, end: &AtomicBool) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    let mut buffer = vec![0; 2 * LINE_BYTES_MAX];
    let mut held = 0;
    let mut give_up_at = None;
    loop {
        let ends = end.load(Ordering::Relaxed);
        let late = ends && Instant::now() >= *give_up_at.get_or_insert_with(|| Instant::now() + LAST_READS);
        match stream.read(&mut buffer[held..]) {
            Ok(0) => {
                take(road, worker, &buffer[..held], end);
                return Ok(());
            }
            Ok(bytes) => held += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if ends {
                    return refuse(road, &buffer[..held], "line_cut_off");
                }
                continue;
            }
            Err(error) => {
                refuse(road, &buffer[..held], "line_cut_off")?;
                return Err(error);
            }
        }
        let whole = buffer[..held].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        take(road, worker, &buffer[..whole], end);
        buffer.copy_within(whole..held, 0);
        held -= whole;
        if held > LINE_BYTES_MAX {
            return refuse(road, &buffer[..held], "line_too_long");
        }
        if late {
            return refuse(road, &buffer[..held], "line_cut_off");
        }
    }
}

/// A line that is not whole is counted, and ends the connection.
fn refuse(road: &Road, line: &[u8], reason: &'static str) -> io::Result<()> {
    if line.is_empty() {
        return Ok(());
    }
    road.reject(reason);
    Err(io::Error::new(io::ErrorKind::InvalidData, reason))
}

/// Offers lines until they are taken; at the end they are taken or dropped, and counted.
fn take(road: &Road, worker: usize, lines: &[u8], end: &AtomicBool) {
    if lines.is_empty() {
        return;
    }
    while road.offer(worker, Kind::Statsd, lines) == Taken::Dropped {
        if end.load(Ordering::Relaxed) {
            road.take(worker, Kind::Statsd, [lines].into_iter());
            return;
        }
        std::thread::sleep(READ_TIMEOUT);
    }
}
