//! Connects over TCP: each from a new port, measured by the kernel, and ended without a trace.
//!
//! The other side says how often it had to send its SYN-ACK again. So it is known which way a SYN was lost: had the target never
//! seen it, it has sent nothing again.
use super::outcome::{HOST_LATE_MIN, Outcome, Single};
use super::socket::wall_nanos;
use super::tcp_info::{TcpInfo, tcp_info};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a prober sends first: the responder then says what it knows.
pub const GREETING: [u8; 4] = *b"MLT1";
/// The greeting again, and retransmits of the accepting side, a `u32` in little-endian order.
pub const RESPONSE_BYTES: usize = 8;

/// Connects, and says what became of it. `late`: how late it is already.
pub async fn connect(to: SocketAddr, limit: Duration, late: Duration) -> Single {
    let sent_at = i64::try_from(wall_nanos() / 1_000).unwrap_or(i64::MAX);
    let single = Single { sent_at, source_late: late, ..Single::default() };
    match begin(to) {
        Ok(socket) => finish(socket, limit, single).await,
        Err(error) => Single { outcome: of_error(&error), ..single },
    }
}

fn begin(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Ended by a reset: a port in TIME_WAIT for each probe would be many.
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => TcpStream::from_std(socket.into()),
    }
}

async fn finish(mut socket: TcpStream, limit: Duration, single: Single) -> Single {
    let started = Instant::now();
    let port = socket.local_addr().map_or(0, |from| from.port());
    let single = Single { source_port: port, ..single };
    let is_writable = timeout(limit, socket.writable()).await;
    let source_late = single.source_late.max(started.elapsed().saturating_sub(limit));
    let info = tcp_info(&socket).unwrap_or(TcpInfo { rtt_micros: 0, retransmits: 0 });
    let single = Single { source_late, syn_retransmits: info.retransmits, ..single };
    if is_writable.is_err() {
        return single;
    }
    if let Ok(Some(error)) = socket.take_error() {
        return Single { outcome: of_error(&error), ..single };
    }
    let connected_in = started.elapsed();
    let asked = Instant::now();
    let said = timeout(limit.saturating_sub(connected_in).max(HOST_LATE_MIN), ask(&mut socket)).await;
    let rtt = Duration::from_micros(info.rtt_micros.into());
    // Whatever the response took longer than the handshake, the target's process took.
    let target_late = asked.elapsed().saturating_sub(rtt);
    let said = said.ok().and_then(Result::ok);
    Single {
        outcome: Outcome::Received,
        lost_on_the_way: direction(info, said, connected_in),
        rtt: (info.retransmits == 0).then_some(rtt),
        target_late,
        ..single
    }
}

/// Which way a connection lost a SYN, if it did.
///
/// The target's count says it: SYN-ACKs sent again went unheard. Where the target says nothing, the round trip tells: it is the
/// whole time if the first SYN-ACK was lost, since the SYN's time stamp comes back; else it is that of the last SYN.
fn direction(info: TcpInfo, target: Option<u32>, connected_in: Duration) -> Option<Outcome> {
    let is_reverse = match target {
        Some(retransmits) => retransmits > 0,
        None => Duration::from_micros(info.rtt_micros.into()) * 2 >= connected_in,
    };
    let way = if is_reverse { Outcome::LostReverse } else { Outcome::LostForward };
    (info.retransmits > 0).then_some(way)
}

/// Asks what the other side knows: its retransmits.
async fn ask(socket: &mut TcpStream) -> io::Result<u32> {
    socket.write_all(&GREETING).await?;
    let mut response = [0; RESPONSE_BYTES];
    socket.read_exact(&mut response).await?;
    match response.split_first_chunk::<4>() {
        Some((&GREETING, rest)) => Ok(rest.first_chunk().map_or(0, |count| u32::from_le_bytes(*count))),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn of_error(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Outcome::Refused,
        _ => Outcome::LostUnknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of Linux 6.18 that were measured: SYNs lost, and SYN-ACKs lost.
    #[test]
    fn the_direction_is_known_with_and_without_the_targets_count() {
        let info = |rtt_micros, retransmits| TcpInfo { rtt_micros, retransmits };
        let second = Duration::from_millis(1_020);
        assert_eq!(direction(info(48, 0), Some(0), Duration::from_micros(300)), None);
        for (target, known) in [(Some(0), Some(2)), (None, None)] {
            assert_eq!(direction(info(1_000, 1), target, second), Some(Outcome::LostForward));
            assert_eq!(direction(info(1_024_000, 1), known, second), Some(Outcome::LostReverse));
        }
        assert_eq!(direction(info(2_048_000, 2), None, second * 2), Some(Outcome::LostReverse));
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_refuses() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let single = connect(free, Duration::from_secs(5), Duration::ZERO).await;
        assert_eq!((single.outcome, single.rtt), (Outcome::Refused, None));
        assert!(single.source_port > 0);
    }

    /// Guarantees: a target whose kernel connects and whose process does not respond is late, and not lost.
    #[tokio::test]
    async fn a_process_that_stands_still_is_late_and_not_lost() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let single = connect(silent.local_addr().unwrap(), Duration::from_millis(60), Duration::ZERO).await;
        assert_eq!(single.outcome, Outcome::Received);
        assert!(single.is_host_late() && single.network_rtt().is_none(), "{single:?}");
    }
}
