//! Results of the mesh as they stand in a datagram: what a pair came to in an interval, and single probes. Both are read in
//! place and written from what is borrowed, so one type serves both sides.
use super::encoder::Room;
use super::{Header, Refusal, name_bytes, text_bytes, unzigzag, utf8, varint, zigzag};
use nom::{IResult, Parser};

/// This bit of a frame's flags, without that of spans, says that it is a result of the mesh.
pub(super) const FRAME_PING: u8 = 0b1000_0000;
const PING_SINGLE: u8 = 0b0000_0001;
const FLAGS_KNOWN: u8 = FRAME_PING | PING_SINGLE;
const PROBE_RTT: u64 = 1;
const PROBE_HOST_LATE: u64 = 2;
const PROBE_FLAGS: u64 = PROBE_RTT | PROBE_HOST_LATE;

/// Who was probed, by whom, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The probing node; each name at most [`NAME_BYTES_MAX`](crate::limits::NAME_BYTES_MAX) bytes.
    pub source: &'a str,
    /// Its zone; may be empty, as may the other zone and both racks.
    pub source_zone: &'a str,
    /// Its rack.
    pub source_rack: &'a str,
    /// The probed node.
    pub target: &'a str,
    /// Its zone.
    pub target_zone: &'a str,
    /// Its rack.
    pub target_rack: &'a str,
    /// The kind of probe: `udp`, `tcp`, …
    pub kind: &'a str,
}

/// What a pair came to, with one kind of probe, in an interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ping<'a> {
    /// Start of the interval, µs since 1970 UTC.
    pub timestamp: i64,
    /// How long it was, µs.
    pub interval: u64,
    /// Who and how.
    pub pair: Pair<'a>,
    /// Bytes of a probe's payload.
    pub payload_bytes: u64,
    /// Source port; 0 if there were several or none.
    pub source_port: u64,
    /// Number of the interval since the agent started.
    pub sequence: u64,
    /// Probes sent.
    pub sent: u64,
    /// Probes that were replied to.
    pub received: u64,
    /// Probes, or for `tcp` connections, of which something was lost on the way there.
    pub lost_forward: u64,
    /// As `lost_forward`, on the way back.
    pub lost_reverse: u64,
    /// As `lost_forward`, nobody knows where.
    pub lost_unknown: u64,
    /// Probes that came to nothing in time.
    pub timeouts: u64,
    /// Probes that were refused: the host is there, and nobody listens.
    pub refused: u64,
    /// SYNs that the kernel sent again.
    pub syn_retransmits: u64,
    /// Probes that one of the two hosts itself made late.
    pub host_late: u64,
    /// Round trips that were measured: not those of late probes, and of connections that had to send a SYN again.
    pub rtt_count: u64,
    /// Shortest round trip, µs; 0 with the others if there is none.
    pub rtt_min: u64,
    /// Longest round trip, µs.
    pub rtt_max: u64,
    /// Sum of the round trips, µs.
    pub rtt_sum: u64,
    /// A DDSketch of the round trips in µs, as in `metrics`; empty if there are none.
    pub sketch: &'a [u8],
}

/// A single probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Probe<'a> {
    /// When it was sent, µs since 1970 UTC.
    pub timestamp: i64,
    /// Who and how.
    pub pair: Pair<'a>,
    /// Bytes of its payload.
    pub payload_bytes: u64,
    /// Source port; 0 if it has none.
    pub source_port: u64,
    /// The interval that it belongs to, as [`Ping::sequence`].
    pub sequence: u64,
    /// Its place in the interval's train, from 0.
    pub number: u64,
    /// What became of it: `received`, `lost_forward`, `lost_reverse`, `lost_unknown`, `refused` or `failed`.
    pub outcome: &'a str,
    /// Round trip, µs; `None`: not measured.
    pub rtt: Option<u64>,
    /// SYNs that the kernel sent again.
    pub syn_retransmits: u64,
    /// One of the two hosts made it late.
    pub host_late: bool,
    /// How late the source was, µs.
    pub source_late: u64,
    /// How late the target was, µs; 0 if that is not known.
    pub target_late: u64,
}

impl Pair<'_> {
    fn put(&self, room: &mut Room<'_>) -> Option<()> {
        [self.source, self.source_zone, self.source_rack, self.target, self.target_zone, self.target_rack, self.kind]
            .into_iter()
            .try_for_each(|name| room.name(name))
    }
}

impl Ping<'_> {
    /// Writes it without its frame's length. `None`: it does not fit.
    pub(super) fn put(&self, opened_at: i64, room: &mut Room<'_>) -> Option<()> {
        room.byte(FRAME_PING)?;
        room.varint(zigzag(self.timestamp.saturating_sub(opened_at)))?;
        self.pair.put(room)?;
        let numbers = [
            self.interval,
            self.payload_bytes,
            self.source_port,
            self.sequence,
            self.sent,
            self.received,
            self.lost_forward,
            self.lost_reverse,
            self.lost_unknown,
            self.timeouts,
            self.refused,
            self.syn_retransmits,
            self.host_late,
            self.rtt_count,
            self.rtt_min,
            self.rtt_max,
            self.rtt_sum,
            self.sketch.len() as u64,
        ];
        numbers.into_iter().try_for_each(|number| room.varint(number))?;
        room.bytes(self.sketch)
    }
}

impl Probe<'_> {
    /// As [`Ping::put`].
    pub(super) fn put(&self, opened_at: i64, room: &mut Room<'_>) -> Option<()> {
        room.byte(FRAME_PING | PING_SINGLE)?;
        room.varint(zigzag(self.timestamp.saturating_sub(opened_at)))?;
        self.pair.put(room)?;
        room.name(self.outcome)?;
        let flag = |present: bool, flag: u64| if present { flag } else { 0 };
        let flags = flag(self.rtt.is_some(), PROBE_RTT) | flag(self.host_late, PROBE_HOST_LATE);
        [flags, self.payload_bytes, self.source_port, self.sequence, self.number]
            .into_iter()
            .chain([self.rtt.unwrap_or_default(), self.syn_retransmits, self.source_late, self.target_late])
            .try_for_each(|number| room.varint(number))
    }
}

/// What such a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read<'a> {
    Ping(Ping<'a>),
    Probe(Probe<'a>),
}

/// Reads a frame with the bit [`FRAME_PING`]. Bytes that follow its last value are left alone.
pub(super) fn read<'a>(body: &'a [u8], header: &Header<'a>) -> Result<Read<'a>, Refusal> {
    let (flags, rest) = body.split_first().ok_or(Refusal::Truncated)?;
    if flags & !FLAGS_KNOWN != 0 {
        return Err(Refusal::UnknownVersion);
    }
    let read = if flags & PING_SINGLE == 0 { ping(rest, header) } else { probe(rest, header) };
    read.map_err(|_| Refusal::Truncated)?.1
}

type Parsed<'a, O> = IResult<&'a [u8], Result<O, Refusal>>;

/// So many varints.
fn numbers<const N: usize>(mut input: &[u8]) -> IResult<&[u8], [u64; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        (input, *number) = varint(input)?;
    }
    Ok((input, numbers))
}

fn pair(input: &[u8]) -> Parsed<'_, Pair<'_>> {
    let one = name_bytes;
    let (input, (source, source_zone, source_rack)) = (one, one, one).parse(input)?;
    let (input, (target, target_zone, target_rack, kind)) = (one, one, one, one).parse(input)?;
    let checked = || {
        Ok(Pair {
            source: utf8(source)?,
            source_zone: utf8(source_zone)?,
            source_rack: utf8(source_rack)?,
            target: utf8(target)?,
            target_zone: utf8(target_zone)?,
            target_rack: utf8(target_rack)?,
            kind: utf8(kind)?,
        })
    };
    Ok((input, checked()))
}

fn ping<'a>(input: &'a [u8], header: &Header<'a>) -> Parsed<'a, Read<'a>> {
    let (input, timestamp) = varint(input)?;
    let (input, pair) = pair(input)?;
    let (input, [interval, payload_bytes, source_port, sequence]) = numbers(input)?;
    let (input, [sent, received, lost_forward, lost_reverse, lost_unknown]) = numbers(input)?;
    let (input, [timeouts, refused, syn_retransmits, host_late]) = numbers(input)?;
    let (input, [rtt_count, rtt_min, rtt_max, rtt_sum]) = numbers(input)?;
    let (input, sketch) = text_bytes(input)?;
    let timestamp = header.opened_at.saturating_add(unzigzag(timestamp));
    let whole = |pair| Ping {
        timestamp,
        interval,
        pair,
        payload_bytes,
        source_port,
        sequence,
        sent,
        received,
        lost_forward,
        lost_reverse,
        lost_unknown,
        timeouts,
        refused,
        syn_retransmits,
        host_late,
        rtt_count,
        rtt_min,
        rtt_max,
        rtt_sum,
        sketch,
    };
    Ok((input, pair.map(|pair| Read::Ping(whole(pair)))))
}

fn probe<'a>(input: &'a [u8], header: &Header<'a>) -> Parsed<'a, Read<'a>> {
    let (input, timestamp) = varint(input)?;
    let (input, pair) = pair(input)?;
    let (input, outcome) = name_bytes(input)?;
    let (input, [flags, payload_bytes, source_port, sequence, number]) = numbers(input)?;
    let (input, [rtt, syn_retransmits, source_late, target_late]) = numbers(input)?;
    let checked = || {
        if flags & !PROBE_FLAGS != 0 {
            return Err(Refusal::UnknownVersion);
        }
        Ok(Read::Probe(Probe {
            timestamp: header.opened_at.saturating_add(unzigzag(timestamp)),
            pair: pair?,
            payload_bytes,
            source_port,
            sequence,
            number,
            outcome: utf8(outcome)?,
            rtt: (flags & PROBE_RTT != 0).then_some(rtt),
            syn_retransmits,
            host_late: flags & PROBE_HOST_LATE != 0,
            source_late,
            target_late,
        }))
    };
    Ok((input, checked()))
}
