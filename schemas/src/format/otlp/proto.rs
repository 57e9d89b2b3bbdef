//! Protobuf, field by field: a cursor over the bytes of a message that allocates nothing, and a writer.

/// The bytes are no protobuf message, or not the one that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// The word that counts what is malformed inside of a request.
impl From<Malformed> for &'static str {
    fn from(_: Malformed) -> &'static str {
        "otlp_malformed"
    }
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A varint: integers, bools and enums.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Text, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// A text.
    ///
    /// # Errors
    /// Where it is none, or no UTF-8.
    pub fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// Bytes, or a message.
    ///
    /// # Errors
    /// Where it is a number.
    pub fn bytes(self) -> Result<&'a [u8], Malformed> {
        if let Value::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed) }
    }

    /// A varint.
    ///
    /// # Errors
    /// Where it is none.
    pub fn varint(self) -> Result<u64, Malformed> {
        if let Value::Varint(value) = self { Ok(value) } else { Err(Malformed) }
    }

    /// A `fixed64`.
    ///
    /// # Errors
    /// Where it is none.
    pub fn fixed64(self) -> Result<u64, Malformed> {
        if let Value::Fixed64(value) = self { Ok(value) } else { Err(Malformed) }
    }

    /// A `fixed32`.
    ///
    /// # Errors
    /// Where it is none.
    pub fn fixed32(self) -> Result<u32, Malformed> {
        if let Value::Fixed32(value) = self { Ok(value) } else { Err(Malformed) }
    }

    /// A `double`.
    ///
    /// # Errors
    /// Where it is none.
    pub fn double(self) -> Result<f64, Malformed> {
        self.fixed64().map(f64::from_bits)
    }

    /// Numbers of eight bytes each: one, or packed ones.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn fixed64s(self, to: &mut Vec<u64>) -> Result<(), Malformed> {
        match self {
            Value::Fixed64(value) => to.push(value),
            Value::Bytes(packed) => {
                let (numbers, rest) = packed.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(Malformed);
                }
                to.extend(numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)));
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// Varints: one, or packed ones.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn varints(self, to: &mut Vec<u64>) -> Result<(), Malformed> {
        match self {
            Value::Varint(value) => to.push(value),
            Value::Bytes(packed) => {
                let mut cursor = Cursor::new(packed);
                while !cursor.is_empty() {
                    to.push(cursor.varint()?);
                }
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }
}

/// A signed number of a `sint32`.
pub fn zigzag(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Reads the fields of a message, first to last.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// From the first field on.
    #[inline]
    pub fn new(message: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: message }
    }

    /// True at the end.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field: its number and its value; `None` at the end. Groups, which OTLP has none of, are malformed.
    ///
    /// # Errors
    /// Where there is no whole field.
    #[inline]
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results is slower and is used wrongly more easily"
    )]
    pub fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        if number == 0 {
            return Err(Malformed);
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed),
        };
        Ok(Some((number, value)))
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// A varint by itself.
    ///
    /// # Errors
    /// Where it does not end within ten bytes.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        if *first < 0x80 {
            self.rest = rest;
            return Ok(u64::from(*first));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for (at, byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}

/// Appends a varint.
#[inline]
pub fn put_varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Appends a field with a varint.
pub fn put_number(field: u32, value: u64, to: &mut Vec<u8>) {
    put_varint(u64::from(field) << 3, to);
    put_varint(value, to);
}

/// Appends a field of eight bytes.
pub fn put_fixed64(field: u32, value: u64, to: &mut Vec<u8>) {
    put_varint(u64::from(field) << 3 | 1, to);
    to.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of four bytes.
pub fn put_fixed32(field: u32, value: u32, to: &mut Vec<u8>) {
    put_varint(u64::from(field) << 3 | 5, to);
    to.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of text, bytes or a message.
pub fn put_bytes(field: u32, bytes: &[u8], to: &mut Vec<u8>) {
    put_varint(u64::from(field) << 3 | 2, to);
    put_varint(bytes.len() as u64, to);
    to.extend_from_slice(bytes);
}

/// Appends a field with a message that `content` writes.
///
/// # Errors
/// Those of `content`; what was appended is then to be forgotten.
pub fn put_message<E>(
    field: u32,
    to: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    put_varint(u64::from(field) << 3 | 2, to);
    let at = to.len();
    // Most messages are short: room for a length of one byte, and what is longer moves up.
    to.push(0);
    content(to)?;
    let length = to.len() - at - 1;
    if length < 0x80 {
        to[at] = length as u8;
    } else {
        let mut varint = Vec::with_capacity(5);
        put_varint(length as u64, &mut varint);
        to.splice(at..=at, varint);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        for value in [0, 127, 128, u64::MAX] {
            put_number(1, value, &mut bytes);
        }
        put_fixed64(2, 7, &mut bytes);
        put_fixed32(3, 9, &mut bytes);
        put_bytes(4, b"text", &mut bytes);
        for length in [1, 127, 128, 70_000] {
            let content = |to: &mut Vec<u8>| {
                to.extend(std::iter::repeat_n(1, length));
                Ok::<(), ()>(())
            };
            put_message(536_870_911, &mut bytes, content).unwrap();
        }
        let mut cursor = Cursor::new(&bytes);
        for value in [0, 127, 128, u64::MAX] {
            assert_eq!(cursor.next(), Ok(Some((1, Value::Varint(value)))));
        }
        assert_eq!(cursor.next(), Ok(Some((2, Value::Fixed64(7)))));
        assert_eq!(cursor.next(), Ok(Some((3, Value::Fixed32(9)))));
        assert_eq!(cursor.next().unwrap().unwrap().1.text(), Ok("text"));
        for length in [1, 127, 128, 70_000] {
            let Ok(Some((536_870_911, Value::Bytes(content)))) = cursor.next() else { panic!("{length}") };
            assert_eq!(content, vec![1; length]);
        }
        assert_eq!(cursor.next(), Ok(None));
    }

    #[test]
    fn what_is_no_protobuf_is_malformed() {
        for bad in [&b"\x08"[..], b"\x09\x01", b"\x0a\x02x", b"\x0b", b"\x0c", b"\x0d\x01", b"\x00\x00", b"\xff"] {
            assert_eq!(Cursor::new(bad).next(), Err(Malformed), "{bad:x?}");
        }
        let long = [&[0x0a][..], &[0xff; 9], &[0x01]].concat();
        assert_eq!(Cursor::new(&long).next(), Err(Malformed), "a length of 2^64 - 1");
        assert_eq!(Cursor::new(&[0xff; 11]).varint(), Err(Malformed));
    }

    #[test]
    fn packed_numbers_are_read_like_single_ones() {
        let (mut fixed, mut varints) = (Vec::new(), Vec::new());
        Value::Bytes(&[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]).fixed64s(&mut fixed).unwrap();
        Value::Fixed64(3).fixed64s(&mut fixed).unwrap();
        Value::Bytes(&[1, 0x80, 1]).varints(&mut varints).unwrap();
        Value::Varint(5).varints(&mut varints).unwrap();
        assert_eq!((fixed, varints), (vec![1, 2, 3], vec![1, 128, 5]));
        assert_eq!(Value::Bytes(&[1]).fixed64s(&mut Vec::new()), Err(Malformed));
        assert_eq!(Value::Bytes(&[0x80]).varints(&mut Vec::new()), Err(Malformed));
        assert_eq!([0, 1, 2, 3, 4_294_967_295].map(zigzag), [0, -1, 1, -2, i32::MIN]);
    }
}
