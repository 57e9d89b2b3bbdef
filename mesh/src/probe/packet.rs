//! Datagrams of probes: what a prober and a responder send each other. Numbers are little-endian.
//!
//! A *train* is a number of probes of one pair, one after the other. Each is replied to. After the train the prober asks once how
//! many the responder had, so that it knows which way the others were lost. A response is never longer than what asked for it:
//! nobody can be flooded by forging a source address.
//!
//! | bytes | content |
//! |---|---|
//! | 4 | `MLP1` |
//! | 1 | kind: 1 probe, 2 reply, 3 query, 4 report |
//! | 1 | number of probes in the train, 1 to 64 |
//! | 1 | number of this probe, from 0; 0 in queries and reports |
//! | 1 | 0 |
//! | 8 | the prober: random, another for each process |
//! | 8 | the train: counts from 0 |
//! | 8 | replies and reports: a bit for each probe that the responder has received |
//! | 4 for each | replies: one, reports: one for each probe: ns from receiving it to replying; all bits set: not known |
use std::time::Duration;

/// Most probes of a train: one bit each.
pub const TRAIN_MAX: u8 = 64;
/// Shortest payload of a probe: its reply has to fit into as much.
pub const PAYLOAD_BYTES_MIN: usize = HEADER_BYTES + 8 + 4;

const MAGIC: [u8; 4] = *b"MLP1";
const HEADER_BYTES: usize = 24;
const UNKNOWN: u32 = u32::MAX;

/// What a datagram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks for a reply.
    Probe,
    /// To a probe.
    Reply,
    /// Asks for a report.
    Query,
    /// On a train.
    Report,
}

/// The first bytes of each datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What it is.
    pub kind: Kind,
    /// Probes in the train.
    pub count: u8,
    /// Which of them.
    pub number: u8,
    /// Who probes.
    pub prober: u64,
    /// Which train.
    pub train: u64,
}

/// What the responder says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// A bit for each probe that it has received.
    pub received: u64,
    /// How long each took there, or the one that is replied to; `None`: not known.
    pub stays: Vec<Option<Duration>>,
}

/// How long a query has to be for a train of so many probes, so that the report is no longer.
fn report_bytes(count: u8) -> usize {
    HEADER_BYTES + 8 + 4 * usize::from(count)
}

fn write_head(head: Head, bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.extend_from_slice(&MAGIC);
    let kind = match head.kind {
        Kind::Probe => 1,
        Kind::Reply => 2,
        Kind::Query => 3,
        Kind::Report => 4,
    };
    bytes.extend_from_slice(&[kind, head.count, head.number, 0]);
    bytes.extend_from_slice(&head.prober.to_le_bytes());
    bytes.extend_from_slice(&head.train.to_le_bytes());
}

fn write_stay(stay: Option<Duration>, bytes: &mut Vec<u8>) {
    let nanos = stay.and_then(|stay| u32::try_from(stay.as_nanos()).ok()).unwrap_or(UNKNOWN);
    bytes.extend_from_slice(&nanos.to_le_bytes());
}

/// Writes a probe of so many bytes.
pub fn write_probe(head: Head, payload_bytes: usize, bytes: &mut Vec<u8>) {
    write_head(Head { kind: Kind::Probe, ..head }, bytes);
    bytes.resize(payload_bytes.max(PAYLOAD_BYTES_MIN), 0);
}

/// Writes the reply to a probe, as long as that was.
pub fn write_reply(head: Head, received: u64, stay: Option<Duration>, payload_bytes: usize, bytes: &mut Vec<u8>) {
    write_head(Head { kind: Kind::Reply, ..head }, bytes);
    bytes.extend_from_slice(&received.to_le_bytes());
    write_stay(stay, bytes);
    bytes.resize(payload_bytes, 0);
}

/// Writes the query about a train.
pub fn write_query(head: Head, bytes: &mut Vec<u8>) {
    write_head(Head { kind: Kind::Query, number: 0, ..head }, bytes);
    bytes.resize(report_bytes(head.count), 0);
}

/// Writes a report.
pub fn write_report(head: Head, heard: &Heard, bytes: &mut Vec<u8>) {
    write_head(Head { kind: Kind::Report, number: 0, ..head }, bytes);
    bytes.extend_from_slice(&heard.received.to_le_bytes());
    for at in 0..usize::from(head.count) {
        write_stay(heard.stays.get(at).copied().flatten(), bytes);
    }
}

/// Reads the first bytes; `None`: it is none of ours, or shorter than it may be.
pub fn read_head(bytes: &[u8]) -> Option<Head> {
    let head = bytes.get(..HEADER_BYTES).filter(|head| head.starts_with(&MAGIC))?;
    let (count, number) = (head[5], head[6]);
    let (kind, least) = match head[4] {
        1 => (Kind::Probe, PAYLOAD_BYTES_MIN),
        2 => (Kind::Reply, PAYLOAD_BYTES_MIN),
        3 => (Kind::Query, report_bytes(count)),
        4 => (Kind::Report, report_bytes(count)),
        _ => return None,
    };
    let is_whole = bytes.len() >= least && (1..=TRAIN_MAX).contains(&count) && number < count;
    let number_of = |at: usize| head.get(at..at + 8).and_then(|part| part.try_into().ok()).map(u64::from_le_bytes);
    is_whole.then_some(Head { kind, count, number, prober: number_of(8)?, train: number_of(16)? })
}

/// Reads what the responder says in a reply or report whose head was read.
pub fn read_heard(head: Head, bytes: &[u8]) -> Option<Heard> {
    let rest = bytes.get(HEADER_BYTES..)?;
    let (received, rest) = rest.split_first_chunk::<8>()?;
    let stays = if head.kind == Kind::Report { usize::from(head.count) } else { 1 };
    let stay = |part: &[u8]| {
        let nanos = part.first_chunk().map(|nanos| u32::from_le_bytes(*nanos)).filter(|nanos| *nanos != UNKNOWN)?;
        Some(Duration::from_nanos(nanos.into()))
    };
    Some(Heard { received: u64::from_le_bytes(*received), stays: rest.chunks_exact(4).take(stays).map(stay).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Guarantees: what is written is read, and a response is never longer than what asked for it.
        #[test]
        fn what_is_written_is_read(
            count in 1..=TRAIN_MAX, number in any::<u8>(), prober in any::<u64>(), train in any::<u64>(),
            received in any::<u64>(), payload in 0..1_400_usize,
            stays in prop::collection::vec(prop::option::of(0..u32::MAX), 64),
        ) {
            let head = Head { kind: Kind::Probe, count, number: number % count, prober, train };
            let stays: Vec<_> = stays.iter().map(|stay| stay.map(|nanos| Duration::from_nanos(nanos.into()))).collect();
            let (mut asked, mut said) = (Vec::new(), Vec::new());
            write_probe(head, payload, &mut asked);
            prop_assert_eq!(read_head(&asked), Some(head));
            write_reply(head, received, stays[0], asked.len(), &mut said);
            prop_assert_eq!(said.len(), asked.len());
            let reply = read_head(&said).unwrap();
            prop_assert_eq!(reply, Head { kind: Kind::Reply, ..head });
            prop_assert_eq!(read_heard(reply, &said), Some(Heard { received, stays: stays[..1].to_vec() }));
            write_query(head, &mut asked);
            let heard = Heard { received, stays: stays[..usize::from(count)].to_vec() };
            write_report(read_head(&asked).unwrap(), &heard, &mut said);
            prop_assert_eq!(said.len(), asked.len());
            prop_assert_eq!(read_heard(read_head(&said).unwrap(), &said), Some(heard));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0..6_u8) {
            let mut bytes = bytes;
            if bytes.len() > 5 {
                bytes[..4].copy_from_slice(&MAGIC);
                bytes[4] = kind;
            }
            if let Some(head) = read_head(&bytes) {
                read_heard(head, &bytes);
            }
        }
    }
}
