//! Echo requests of ICMP, which the target's kernel replies to: where this process may send them without a privilege.
use super::outcome::{Outcome, Single};
use super::socket::{Event, Stamped, wall_nanos};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// What says that a process may not.
pub const NOT_ALLOWED: &str =
    "this process may not send ICMP: its group has to be within net.ipv4.ping_group_range, such as \"0 2147483647\"";
const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
/// Type, code, checksum, id and sequence; the kernel fills in the checksum and the id.
const HEADER_BYTES: usize = 8;

/// Sends one, and says what became of it.
///
/// # Errors
/// If this process may not, in words: [`NOT_ALLOWED`].
pub async fn echo(to: SocketAddr, payload_bytes: usize, timeout: Duration, late: Duration) -> io::Result<Single> {
    let socket = Stamped::icmp(to.is_ipv4()).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => io::Error::new(error.kind(), NOT_ALLOWED),
        _ => error,
    })?;
    let mut bytes = vec![0; HEADER_BYTES + payload_bytes];
    bytes[0] = if to.is_ipv4() { ECHO_REQUEST_V4 } else { ECHO_REQUEST_V6 };
    let at = wall_nanos();
    let single =
        Single { sent_at: i64::try_from(at / 1_000).unwrap_or(i64::MAX), source_late: late, ..Single::default() };
    if socket.send(&bytes, SocketAddr::new(to.ip(), 0)).is_err() {
        return Ok(single);
    }
    let (mut left, mut came) = (None, None);
    let reply = async {
        while came.is_none() {
            let heard = socket.events(|event| match event {
                Event::Sent(_, stamp) => left = Some(stamp),
                // The kernel hands over replies to this socket only.
                Event::Received(_, from, stamp) if from.ip() == to.ip() => {
                    came = Some(stamp.unwrap_or_else(wall_nanos))
                }
                Event::Received(..) => {}
            });
            if heard.await.is_err() {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(timeout, reply).await;
    let Some(came) = came else { return Ok(single) };
    let rtt = came.checked_sub(left.unwrap_or(at)).map(Duration::from_nanos).filter(|rtt| *rtt <= timeout);
    Ok(Single { outcome: Outcome::Received, rtt, ..single })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: an echo comes back measured, or it is said why none can be sent.
    #[tokio::test]
    async fn an_echo_comes_back_or_it_is_said_why_not() {
        let to = ([127, 0, 0, 1], 5_570).into();
        match echo(to, 56, Duration::from_secs(10), Duration::ZERO).await {
            Ok(single) => assert_eq!((single.outcome, single.rtt.is_some()), (Outcome::Received, true)),
            Err(error) => assert_eq!(error.to_string(), NOT_ALLOWED),
        }
    }
}
