//! Records of a journal segment, written and read: framed, numbered by kind, checksummed.
//!
//! A record is `magic u32, length u32, crc32c u32, kind u8, three zero bytes, received_at i64`, then `length`
//! bytes of payload; all numbers are little-endian, and the checksum covers everything after it. A payload of
//! datagrams is `length u32` and its bytes, again and again.

/// First bytes of every segment file: the format and its version.
pub const FILE_MAGIC: [u8; 8] = *b"METLOGJ1";
/// Begins every record, so that reading can go on after a corrupt one.
const RECORD_MAGIC: [u8; 4] = [0xF5, b'R', b'E', b'C'];
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 24;
const CHECKED_FROM: usize = 12;
/// Largest payload that is believed: far above what one append writes.
const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The state that everything after it builds on; the first record of a segment.
    Checkpoint,
    /// Datagrams of a Metlog socket.
    Metlog,
    /// Datagrams, or whole lines of a stream, of a statsd socket.
    Statsd,
    /// Counts of what was refused before it could be journaled.
    Tally,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Checkpoint, Kind::Metlog, Kind::Statsd, Kind::Tally];

    const fn code(self) -> u8 {
        match self {
            Kind::Checkpoint => 1,
            Kind::Metlog => 2,
            Kind::Statsd => 3,
            Kind::Tally => 4,
        }
    }
}

/// A record as it stands in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it holds.
    pub kind: Kind,
    /// When it was received, µs since 1970 UTC.
    pub received_at: i64,
    /// Its content.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// The datagrams of a payload of datagrams.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.payload;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (datagram, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Some(datagram)
        })
    }
}

/// A record being built in memory that is used again and again.
#[derive(Debug, Default)]
pub struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    /// Begins a record of a kind.
    pub fn begin(&mut self, kind: Kind) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&RECORD_MAGIC);
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(&[kind.code(), 0, 0, 0]);
        self.bytes.extend_from_slice(&[0; 8]);
    }

    /// Adds a datagram.
    pub fn datagram(&mut self, datagram: &[u8]) {
        self.bytes.extend_from_slice(&(datagram.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(datagram);
    }

    /// Adds bytes as they are.
    pub fn raw(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
    }

    /// True where nothing was added.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() <= HEADER_BYTES
    }

    /// The finished record.
    pub fn finish(&mut self, received_at: i64) -> &[u8] {
        let length = (self.bytes.len() - HEADER_BYTES) as u32;
        self.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        self.bytes[16..24].copy_from_slice(&received_at.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&self.bytes[4..8]), &self.bytes[CHECKED_FROM..]);
        self.bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }

    /// The record that [`Builder::finish`] finished.
    pub fn record(&self) -> Option<Record<'_>> {
        fields(&self.bytes)
    }
}

/// What stands at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// A whole record, and how many bytes it takes.
    Record(Record<'a>, usize),
    /// Bytes that are no record, up to the next whole one.
    Corrupt(&'a [u8]),
    /// Bytes that are no record, and no whole one follows: the write was cut off.
    Torn(usize),
}

/// What stands at the beginning of `bytes`; `None` at the end.
pub fn read(bytes: &[u8]) -> Option<Read<'_>> {
    if bytes.is_empty() {
        return None;
    }
    if let Some((record, length)) = whole(bytes) {
        return Some(Read::Record(record, length));
    }
    let mut at = 1;
    while let Some(found) = bytes[at..].windows(RECORD_MAGIC.len()).position(|window| window == RECORD_MAGIC) {
        at += found;
        if whole(&bytes[at..]).is_some() {
            return Some(Read::Corrupt(&bytes[..at]));
        }
        at += 1;
    }
    Some(Read::Torn(bytes.len()))
}

fn whole(bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    if header[..4] != RECORD_MAGIC {
        return None;
    }
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let length = number(4) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return None;
    }
    let record = bytes.get(..HEADER_BYTES + length)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&record[4..8]), &record[CHECKED_FROM..]);
    if crc != number(8) {
        return None;
    }
    Some((fields(record)?, record.len()))
}

/// A record's fields; the bytes are trusted to be one.
fn fields(record: &[u8]) -> Option<Record<'_>> {
    let (header, payload) = record.split_first_chunk::<HEADER_BYTES>()?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.code() == header[12])?;
    Some(Record { kind, received_at: i64::from_le_bytes(*header[16..].first_chunk()?), payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut builder = Builder::default();
        for n in 0..3u8 {
            builder.begin(Kind::Metlog);
            builder.datagram(&[n; 10]);
            builder.datagram(b"");
            bytes.extend_from_slice(builder.finish(i64::from(n)));
        }
        bytes
    }

    fn read_all(mut bytes: &[u8]) -> (Vec<i64>, usize, usize) {
        let (mut whole, mut corrupt, mut torn) = (Vec::new(), 0, 0);
        while let Some(read) = read(bytes) {
            let length = match read {
                Read::Record(record, length) => {
                    assert_eq!(record.datagrams().count(), 2);
                    whole.push(record.received_at);
                    length
                }
                Read::Corrupt(region) => {
                    corrupt += 1;
                    region.len()
                }
                Read::Torn(length) => {
                    torn += 1;
                    length
                }
            };
            bytes = &bytes[length..];
        }
        (whole, corrupt, torn)
    }

    #[test]
    fn a_change_anywhere_costs_one_record() {
        let bytes = segment();
        assert_eq!(read_all(&bytes), (vec![0, 1, 2], 0, 0));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            let (whole, corrupt, torn) = read_all(&changed);
            assert_eq!((whole.len(), corrupt + torn), (2, 1), "a change at {at}");
        }
    }

    #[test]
    fn a_cut_anywhere_costs_the_rest() {
        let bytes = segment();
        let record = bytes.len() / 3;
        for end in 0..bytes.len() {
            let (whole, corrupt, torn) = read_all(&bytes[..end]);
            assert_eq!((whole.len(), corrupt, torn), (end / record, 0, usize::from(end % record != 0)));
        }
    }
}
