//! The heartbeat: a datagram without messages in which a silent sender repeats how many datagrams it has sent.
//!
//! Without it the loss of a sender's last datagrams would not show before its next one, if there is one. The
//! heartbeat has no sequence number of its own, so it may be sent and lost any number of times. Its three values
//! follow those of an ordinary header, where a reader of before passes over them: that reader sees an empty
//! datagram 0 of the sender [`HEARTBEAT_SENDER`], for which it counts no message, no loss and nothing rejected.
use super::Header;
use nom::{Parser, number::complete as number};

/// Stands in a heartbeat's header in the place of the sender, with the sequence number 0.
pub const HEARTBEAT_SENDER: u64 = 0;

/// What a heartbeat says of its sender. Hostname, logger, pid and key id are in the [`Header`], as in any datagram;
/// its `opened_at` is when the heartbeat was made.
///
/// For a listener: ask for [`Datagram::heartbeat`](super::Datagram::heartbeat) before the sequence number in the header
/// is looked at, which is not this sender's. All numbers below `next` were sent: those that have not come are lost, until
/// they come out of order. It may come again, late, or before datagrams that it counts; so it never takes a number back,
/// and is never a duplicate. As with any datagram, one whose signature is required and wrong is refused first, and a
/// replay window applies where the sender is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// The sender, as in the headers of its other datagrams.
    pub sender: u64,
    /// The sequence number of its next datagram: how many it has sent so far.
    pub next: u64,
    /// Messages and statsd values that it has dropped since it started, as [`Header::dropped`].
    pub dropped: u64,
}

impl Heartbeat {
    /// Reads what follows the last value of a header; `None` if the datagram is an ordinary one.
    pub(super) fn read(header: &Header<'_>, rest: &[u8], frames: &[u8]) -> Option<Heartbeat> {
        if header.sender != HEARTBEAT_SENDER || header.sequence != 0 || !frames.is_empty() {
            return None;
        }
        let mut values = (number::le_u64::<_, nom::error::Error<&[u8]>>, number::le_u64, number::le_u64);
        let (_, (sender, next, dropped)) = values.parse(rest).ok()?;
        Some(Heartbeat { sender, next, dropped })
    }

    /// Writes it behind the last value of a header.
    pub(super) fn write(self, header: &mut Vec<u8>) {
        for value in [self.sender, self.next, self.dropped] {
            header.extend_from_slice(&value.to_le_bytes());
        }
    }
}
