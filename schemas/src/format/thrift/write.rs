//! Writing of Thrift's binary protocol: replies of servers, and input that is written again.
//!
//! Callers write what they mean in its order; nothing is checked.

/// Codes of kinds.
pub mod code {
    /// The end of a struct.
    pub const STOP: u8 = 0;
    /// `bool`
    pub const BOOL: u8 = 2;
    /// `double`
    pub const DOUBLE: u8 = 4;
    /// `i32`
    pub const I32: u8 = 8;
    /// `i64`
    pub const I64: u8 = 10;
    /// `string`, `binary`
    pub const BYTES: u8 = 11;
    /// A struct.
    pub const STRUCT: u8 = 12;
    /// `map`
    pub const MAP: u8 = 13;
    /// `list`
    pub const LIST: u8 = 15;
}

/// Types of calls.
pub mod call {
    /// A call that has a reply.
    pub const CALL: u8 = 1;
    /// A reply.
    pub const REPLY: u8 = 2;
    /// An error of the protocol.
    pub const EXCEPTION: u8 = 3;
    /// A call without a reply.
    pub const ONE_WAY: u8 = 4;
}

/// Appends Thrift to bytes.
#[derive(Debug, Default)]
pub struct Writer {
    /// What is written.
    pub bytes: Vec<u8>,
}

impl Writer {
    /// The head of a call, in the strict form, or in the old one.
    pub fn call(&mut self, name: &[u8], kind: u8, sequence: i32, is_strict: bool) -> &mut Writer {
        if is_strict {
            self.i32((0x8001_0000 | u32::from(kind)).cast_signed()).string(name).i32(sequence)
        } else {
            self.string(name).byte(kind).i32(sequence)
        }
    }

    /// The head of a field.
    pub fn field(&mut self, kind: u8, id: i16) -> &mut Writer {
        self.byte(kind).raw(&id.to_be_bytes())
    }

    /// The end of a struct.
    pub fn stop(&mut self) -> &mut Writer {
        self.byte(code::STOP)
    }

    /// The head of a list.
    pub fn list(&mut self, kind: u8, len: usize) -> &mut Writer {
        self.byte(kind).len(len)
    }

    /// The head of a map.
    pub fn map(&mut self, key: u8, value: u8, len: usize) -> &mut Writer {
        self.byte(key).byte(value).len(len)
    }

    /// A string.
    pub fn string(&mut self, text: &[u8]) -> &mut Writer {
        self.len(text.len()).raw(text)
    }

    /// A byte.
    pub fn byte(&mut self, byte: u8) -> &mut Writer {
        self.bytes.push(byte);
        self
    }

    /// An `i32`.
    pub fn i32(&mut self, number: i32) -> &mut Writer {
        self.raw(&number.to_be_bytes())
    }

    /// An `i64`.
    pub fn i64(&mut self, number: i64) -> &mut Writer {
        self.raw(&number.to_be_bytes())
    }

    /// A `double`.
    pub fn double(&mut self, number: f64) -> &mut Writer {
        self.raw(&number.to_be_bytes())
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Writer {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A length. Nothing that is written here reaches 2 GiB.
    fn len(&mut self, len: usize) -> &mut Writer {
        self.i32(i32::try_from(len).unwrap_or(i32::MAX))
    }
}
