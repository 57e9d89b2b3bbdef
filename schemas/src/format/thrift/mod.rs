//! Thrift's binary and compact protocols, read in place: strings are borrowed, nothing is allocated.
//!
//! Whatever a sender claims is compared with the bytes that are there: a length must fit into the rest of the input, and
//! so must a list whose elements take at least a byte each. Nesting is bounded, also of fields that are skipped. One
//! trait, [`Protocol`], serves both, so that a format is written once.
mod binary;
mod compact;
pub mod write;

pub use binary::Binary;
pub use compact::Compact;

/// Most levels of structs, lists and maps inside each other. What we read has 5.
pub const DEPTH_MAX: u32 = 32;

/// Why input is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The input ends early, or claims more than it holds.
    Truncated,
    /// No Thrift, or not the version that is known.
    Malformed,
    /// More than [`DEPTH_MAX`] levels.
    TooDeep,
    /// A string that should be UTF-8 is not.
    NotUtf8,
}

impl Error {
    /// The reason in the ledger.
    pub fn reason(self) -> &'static str {
        match self {
            Error::Truncated => "thrift_truncated",
            Error::Malformed => "thrift_malformed",
            Error::TooDeep => "thrift_too_deep",
            Error::NotUtf8 => "thrift_not_utf8",
        }
    }
}

/// Result of reading.
pub type Result<T> = std::result::Result<T, Error>;

/// What a field or an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `bool`
    Bool,
    /// `byte`
    Byte,
    /// `double`
    Double,
    /// `i16`
    I16,
    /// `i32`, and enumerations
    I32,
    /// `i64`
    I64,
    /// `string` and `binary`
    Bytes,
    /// A struct, union or exception
    Struct,
    /// `map`
    Map,
    /// `set` and `list`
    List,
    /// 16 bytes
    Uuid,
}

/// The head of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The name of the method.
    pub name: &'a [u8],
    /// 1 call, 2 reply, 3 exception, 4 one-way.
    pub kind: u8,
    /// Pairs a reply with its call.
    pub sequence: i32,
}

/// A place in Thrift input. A clone reads on from the same place.
pub trait Protocol<'a>: Clone {
    /// Reads from the beginning of these bytes.
    fn new(bytes: &'a [u8]) -> Self;

    /// The bytes that are not read yet.
    fn rest(&self) -> &'a [u8];

    /// The head of a call.
    ///
    /// # Errors
    /// [`Error`]
    fn call(&mut self) -> Result<Call<'a>>;

    /// The next field of a struct, its identifier and kind; `None` at its end. `last` is 0 where the struct begins.
    ///
    /// # Errors
    /// [`Error`]
    fn field(&mut self, last: &mut i16) -> Result<Option<(i16, Kind)>>;

    /// Kind and number of a list's elements. The number fits into the rest of the input.
    ///
    /// # Errors
    /// [`Error`]
    fn list(&mut self) -> Result<(Kind, usize)>;

    /// Kinds of a map's keys and values, and its number of entries, which fits into the rest of the input.
    ///
    /// # Errors
    /// [`Error`]
    fn map(&mut self) -> Result<(Kind, Kind, usize)>;

    /// The value of a field of [`Kind::Bool`].
    ///
    /// # Errors
    /// [`Error`]
    fn bool(&mut self) -> Result<bool>;

    /// An element of a list or map of [`Kind::Bool`].
    ///
    /// # Errors
    /// [`Error`]
    fn bool_element(&mut self) -> Result<bool>;

    /// A value of [`Kind::Byte`].
    ///
    /// # Errors
    /// [`Error`]
    fn byte(&mut self) -> Result<i8>;

    /// A value of [`Kind::Double`].
    ///
    /// # Errors
    /// [`Error`]
    fn double(&mut self) -> Result<f64>;

    /// A value of [`Kind::I16`].
    ///
    /// # Errors
    /// [`Error`]
    fn i16(&mut self) -> Result<i16>;

    /// A value of [`Kind::I32`].
    ///
    /// # Errors
    /// [`Error`]
    fn i32(&mut self) -> Result<i32>;

    /// A value of [`Kind::I64`].
    ///
    /// # Errors
    /// [`Error`]
    fn i64(&mut self) -> Result<i64>;

    /// A value of [`Kind::Bytes`].
    ///
    /// # Errors
    /// [`Error`]
    fn bytes(&mut self) -> Result<&'a [u8]>;

    /// So many bytes.
    ///
    /// # Errors
    /// [`Error::Truncated`]
    fn take(&mut self, bytes: usize) -> Result<&'a [u8]>;

    /// A value of [`Kind::Bytes`] that must be UTF-8.
    ///
    /// # Errors
    /// [`Error`]
    fn string(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::NotUtf8)
    }

    /// Passes the value of a field.
    ///
    /// # Errors
    /// [`Error`]
    fn skip(&mut self, kind: Kind) -> Result<()> {
        skip(self, kind, false, DEPTH_MAX)
    }

    /// Passes an element of a list or map.
    ///
    /// # Errors
    /// [`Error`]
    fn skip_element(&mut self, kind: Kind) -> Result<()> {
        skip(self, kind, true, DEPTH_MAX)
    }
}

fn skip<'a, P: Protocol<'a>>(from: &mut P, kind: Kind, is_element: bool, depth: u32) -> Result<()> {
    let Some(below) = depth.checked_sub(1) else { return Err(Error::TooDeep) };
    match kind {
        Kind::Bool if is_element => drop(from.bool_element()?),
        Kind::Bool => drop(from.bool()?),
        Kind::Byte => drop(from.byte()?),
        Kind::Double => drop(from.double()?),
        Kind::I16 => drop(from.i16()?),
        Kind::I32 => drop(from.i32()?),
        Kind::I64 => drop(from.i64()?),
        Kind::Bytes => drop(from.bytes()?),
        Kind::Uuid => drop(from.take(16)?),
        Kind::Struct => {
            let mut last = 0;
            while let Some((_, kind)) = from.field(&mut last)? {
                skip(from, kind, false, below)?;
            }
        }
        Kind::List => {
            let (kind, len) = from.list()?;
            for _ in 0..len {
                skip(from, kind, true, below)?;
            }
        }
        Kind::Map => {
            let (key, value, len) = from.map()?;
            for _ in 0..len {
                skip(from, key, true, below)?;
                skip(from, value, true, below)?;
            }
        }
    }
    Ok(())
}

/// Bytes at the front, removed.
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len).ok_or(Error::Truncated)?;
    *rest = left;
    Ok(taken)
}

/// A fixed number of bytes at the front, removed.
fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (taken, left) = rest.split_first_chunk().ok_or(Error::Truncated)?;
    *rest = left;
    Ok(*taken)
}

#[cfg(test)]
mod tests;
