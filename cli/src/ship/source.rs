//! Where lines are read from: a file or stdin, decompressed where its first bytes say that it is compressed.
use flate2::read::MultiGzDecoder;
use metlog_schemas::wire::limits::DATAGRAM_BYTES_MAX;
use std::io::{self, BufRead, BufReader, Cursor, Read};

/// Of a longer line no more is kept: it fits no datagram.
pub const LINE_BYTES_MAX: usize = DATAGRAM_BYTES_MAX + 1;

/// How much is read at a time.
const BUFFER_BYTES: usize = 64 << 10;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Lines of one source.
pub struct Lines {
    reader: BufReader<Box<dyn Read>>,
    is_compressed: bool,
}

/// One line, without its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its bytes, as far as [`LINE_BYTES_MAX`].
    pub bytes: Vec<u8>,
    /// All that was read for it, with its end.
    pub length: u64,
    /// It has been read to its end; otherwise the source ends inside of it.
    pub is_whole: bool,
}

impl Line {
    /// Nothing is read yet.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.length = 0;
        self.is_whole = false;
    }

    /// Part of it was not kept.
    pub fn is_cut(&self) -> bool {
        self.length > self.bytes.len() as u64 + 1
    }
}

impl Lines {
    /// Reads `source` from where it stands, which must be its beginning for its compression to be known.
    ///
    /// # Errors
    /// Where the first bytes cannot be read.
    pub fn new(mut source: impl Read + 'static) -> io::Result<Lines> {
        let mut first = Vec::with_capacity(ZSTD.len());
        // Byte by byte: of what somebody types, nothing may be waited for that does not matter.
        while [GZIP, ZSTD].iter().any(|magic| first.len() < magic.len() && magic.starts_with(&first)) {
            let mut byte = [0];
            match source.read(&mut byte) {
                Ok(0) => break,
                Ok(_) => first.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        let (gzip, zstd) = (first == GZIP, first == ZSTD);
        let source = Cursor::new(first).chain(source);
        let reader: Box<dyn Read> = match (gzip, zstd) {
            (true, _) => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, source))),
            (_, true) => Box::new(zstd::stream::read::Decoder::new(source)?),
            _ => Box::new(source),
        };
        Ok(Lines { reader: BufReader::with_capacity(BUFFER_BYTES, reader), is_compressed: gzip || zstd })
    }

    /// Reads `source` from where it stands, as it is.
    pub fn plain(source: impl Read + 'static) -> Lines {
        Lines { reader: BufReader::with_capacity(BUFFER_BYTES, Box::new(source)), is_compressed: false }
    }

    /// It is compressed, so it does not grow.
    pub fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// The next read may have to wait.
    pub fn is_drained(&self) -> bool {
        self.reader.buffer().is_empty()
    }

    /// Reads on, into a line that may have been begun. Where the source ends, the line is not whole; it may go on later.
    /// Each piece that is read is shown to `seen`.
    ///
    /// # Errors
    /// Where the source cannot be read or decompressed.
    pub fn read(&mut self, line: &mut Line, mut seen: impl FnMut(&[u8])) -> io::Result<()> {
        while !line.is_whole {
            let available = match self.reader.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            let text = &available[..end.unwrap_or(taken)];
            let room = LINE_BYTES_MAX.saturating_sub(line.bytes.len());
            line.bytes.extend_from_slice(&text[..text.len().min(room)]);
            line.length += taken as u64;
            line.is_whole = end.is_some();
            seen(&available[..taken]);
            self.reader.consume(taken);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(source: impl Read + 'static) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(source).unwrap();
        let (mut line, mut found) = (Line::default(), Vec::new());
        loop {
            lines.read(&mut line, |_| ()).unwrap();
            if line.length == 0 {
                return found;
            }
            found.push(std::mem::take(&mut line.bytes));
            line.clear();
        }
    }

    #[test]
    fn lines_are_kept_as_they_are() {
        let text = b"one\r\n\n  two \nbytes \xff\nlast";
        let expected: [&[u8]; 5] = [b"one\r", b"", b"  two ", b"bytes \xff", b"last"];
        assert_eq!(all(Cursor::new(text.to_vec())), expected);
        assert_eq!(all(Cursor::new(vec![0x1f])), [[0x1f]], "half of a mark is text");
        assert!(all(Cursor::new(Vec::new())).is_empty());
    }

    #[test]
    fn compression_is_known_by_the_first_bytes() {
        let text = b"one\ntwo\n";
        let gzip = |bytes: &[u8]| {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        };
        let zstd = zstd::stream::encode_all(&text[..], 1).unwrap();
        // Several after each other are one, as rotation by `cat` leaves them.
        for bytes in [[gzip(&text[..4]), gzip(&text[4..])].concat(), zstd] {
            assert_eq!(all(Cursor::new(bytes)), [b"one", b"two"]);
        }
        let mut cut = gzip(&[b'x'; 1_000]);
        cut.truncate(cut.len() - 9);
        let mut lines = Lines::new(Cursor::new(cut)).unwrap();
        assert!(lines.read(&mut Line::default(), |_| ()).is_err(), "a file that is cut off is not silently shorter");
    }

    #[test]
    fn of_a_line_that_never_ends_little_is_kept() {
        let mut lines = Lines::new(Cursor::new(vec![b'x'; 3 * LINE_BYTES_MAX])).unwrap();
        let mut line = Line::default();
        lines.read(&mut line, |_| ()).unwrap();
        assert_eq!((line.bytes.len(), line.length, line.is_cut()), (LINE_BYTES_MAX, 3 * LINE_BYTES_MAX as u64, true));
    }
}
