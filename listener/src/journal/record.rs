//! Records of a journal segment, written and read: framed, numbered by kind, checksummed.
//!
//! A file begins with its magic and, from version 2 on, a salt of 8 random bytes. A record is `magic u32, length u32,
//! crc32c u32, code u8, three zero bytes, received_at i64`, then `length` bytes of payload; all numbers are
//! little-endian, and the checksum covers everything after it. A payload of datagrams is `length u32` and its bytes,
//! again and again.
//!
//! The magic of a record and the seed of its checksum come from the file's salt, which no sender knows: bytes inside
//! of a datagram are never taken for a record, also where the record around them is torn.

/// What a record holds.
pub mod code {
    /// Version 0.1: all state; the first record of a segment.
    pub const CHECKPOINT: u8 = 1;
    /// Version 0.1: counts of what was refused before it could be journaled.
    pub const TALLY: u8 = 4;
    /// How the segment is read, and counts of everything before it; the first record of a segment.
    pub const BEGIN: u8 = 5;
    /// Counts of what was refused before it could be journaled.
    pub const COUNTS: u8 = 6;
    /// A window began.
    pub const WINDOW: u8 = 7;
}

/// First bytes of a segment file of version 0.1, which has no salt.
const FILE_MAGIC_V1: [u8; 8] = *b"METLOGJ1";
/// First bytes of every segment file that is written: the format and its version. The salt follows.
const FILE_MAGIC_V2: [u8; 8] = *b"METLOGJ2";
/// Begins every record of a file of version 0.1.
const RECORD_MAGIC_V1: [u8; 4] = [0xF5, b'R', b'E', b'C'];
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 24;
const CHECKED_FROM: usize = 12;
/// Memory that is kept from one record to the next.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// Largest payload that is believed: far above what one append writes.
const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// How the records of one file are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    magic: [u8; 4],
    seed: u32,
    /// `None` in a file of version 0.1.
    salt: Option<u64>,
}

impl Framing {
    /// That of version 0.1.
    pub const V1: Framing = Framing { magic: RECORD_MAGIC_V1, seed: 0, salt: None };

    /// Of a file with this salt, which must be random.
    pub fn salted(salt: u64) -> Framing {
        let [a, b, c, d, e, f, g, h] = salt.to_le_bytes();
        Framing { magic: [a, b, c, d], seed: u32::from_le_bytes([e, f, g, h]), salt: Some(salt) }
    }

    /// Reads the beginning of a file; with it, how many bytes that takes. `None` for what is no segment.
    pub fn of(file: &[u8]) -> Option<(Framing, usize)> {
        let (magic, rest) = file.split_first_chunk::<8>()?;
        match *magic {
            FILE_MAGIC_V1 => Some((Framing::V1, 8)),
            FILE_MAGIC_V2 => Some((Framing::salted(u64::from_le_bytes(*rest.first_chunk()?)), 16)),
            _ => None,
        }
    }

    /// The beginning of a file.
    pub fn head(&self) -> Vec<u8> {
        match self.salt {
            None => FILE_MAGIC_V1.to_vec(),
            Some(salt) => [FILE_MAGIC_V2, salt.to_le_bytes()].concat(),
        }
    }

    /// True in a file of version 0.1.
    pub fn is_v1(&self) -> bool {
        self.salt.is_none()
    }

    /// True if what there is of these bytes may be the beginning of a record.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        bytes.iter().zip(&self.magic).all(|(byte, magic)| byte == magic)
    }

    fn crc(&self, record: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(self.seed, &record[4..8]), &record[CHECKED_FROM..])
    }
}

/// A record as it stands in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it holds: one of [`code`], or that of a format.
    pub code: u8,
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
    /// Begins a record.
    pub fn begin(&mut self, code: u8) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; CHECKED_FROM]);
        self.bytes.extend_from_slice(&[code, 0, 0, 0]);
        self.bytes.extend_from_slice(&[0; 8]);
    }

    /// A whole record of one payload.
    pub fn of(code: u8, payload: &[u8]) -> Builder {
        let mut builder = Builder::default();
        builder.begin(code);
        builder.raw(payload);
        builder
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

    /// Gives back the memory of an unusually large record, which is no longer needed then.
    pub fn shrink(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
    }

    /// True if nothing was added.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() <= HEADER_BYTES
    }

    /// Bytes that the finished record takes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The finished record.
    pub fn finish(&mut self, framing: Framing, received_at: i64) -> &[u8] {
        let length = (self.bytes.len() - HEADER_BYTES) as u32;
        self.bytes[..4].copy_from_slice(&framing.magic);
        self.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        self.bytes[16..24].copy_from_slice(&received_at.to_le_bytes());
        let crc = framing.crc(&self.bytes);
        self.bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }

    /// The record that was built.
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
pub fn read(framing: Framing, bytes: &[u8]) -> Option<Read<'_>> {
    if bytes.is_empty() {
        return None;
    }
    if let Some((record, length)) = whole(framing, bytes) {
        return Some(Read::Record(record, length));
    }
    let mut at = 1;
    while let Some(found) = memchr::memmem::find(&bytes[at..], &framing.magic) {
        at += found;
        if whole(framing, &bytes[at..]).is_some() {
            return Some(Read::Corrupt(&bytes[..at]));
        }
        at += 1;
    }
    Some(Read::Torn(bytes.len()))
}

/// Bytes of the record whose header begins `bytes`, as its length says; not checked.
pub fn length_of(header: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*header.get(4..)?.first_chunk()?) as usize;
    (length <= PAYLOAD_BYTES_MAX).then_some(HEADER_BYTES + length)
}

fn whole(framing: Framing, bytes: &[u8]) -> Option<(Record<'_>, usize)> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    if header[..4] != framing.magic {
        return None;
    }
    let record = bytes.get(..length_of(header)?)?;
    let crc = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    if framing.crc(record) != crc {
        return None;
    }
    Some((fields(record)?, record.len()))
}

/// A record's fields; the bytes are trusted to be one.
fn fields(record: &[u8]) -> Option<Record<'_>> {
    let (header, payload) = record.split_first_chunk::<HEADER_BYTES>()?;
    Some(Record { code: header[12], received_at: i64::from_le_bytes(*header[16..].first_chunk()?), payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMING: Framing = Framing { magic: [9, 8, 7, 6], seed: 5, salt: Some(0x0000_0005_0607_0809) };

    fn segment() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut builder = Builder::default();
        for n in 0..3u8 {
            builder.begin(2);
            builder.datagram(&[n; 10]);
            builder.datagram(b"");
            bytes.extend_from_slice(builder.finish(FRAMING, i64::from(n)));
        }
        bytes
    }

    fn read_all(mut bytes: &[u8]) -> (Vec<i64>, usize, usize) {
        let (mut whole, mut corrupt, mut torn) = (Vec::new(), 0, 0);
        while let Some(read) = read(FRAMING, bytes) {
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

    #[test]
    fn a_file_says_how_it_is_framed() {
        for framing in [Framing::V1, FRAMING] {
            let head = framing.head();
            assert_eq!(Framing::of(&[&head[..], b"rest"].concat()), Some((framing, head.len())));
        }
        assert_eq!(Framing::salted(0x0000_0005_0607_0809), FRAMING);
        assert_eq!(Framing::of(b"METLOGJ2123"), None);
    }

    /// A sender that writes whole records into its datagrams, of the framing that anybody can read in this file.
    #[test]
    fn a_record_inside_of_a_torn_one_is_none() {
        let forged = Builder::of(2, b"\x01\0\0\0x").finish(Framing::V1, 1).to_vec();
        let mut outer = Builder::default();
        outer.begin(2);
        (0..100).for_each(|_| outer.datagram(&forged));
        let record = outer.finish(FRAMING, 1);
        for cut in [1, record.len() / 2, record.len() - 1] {
            assert_eq!(read(FRAMING, &record[..cut]), Some(Read::Torn(cut)));
        }
    }
}
