//! Thrift's compact protocol. Source: thrift/doc/specs/thrift-compact-protocol.md.
use super::{Call, Error, Kind, Protocol, Result, array, take};

/// The first byte of a call.
pub(super) const PROTOCOL_ID: u8 = 0x82;
const VERSION: u8 = 1;

/// See the module.
#[derive(Debug, Clone)]
pub struct Compact<'a> {
    rest: &'a [u8],
    /// The value of the last field that was a `bool`: its kind holds it.
    bool: bool,
}

impl<'a> Compact<'a> {
    fn kind(code: u8) -> Result<Kind> {
        Ok(match code {
            1 | 2 => Kind::Bool,
            3 => Kind::Byte,
            4 => Kind::I16,
            5 => Kind::I32,
            6 => Kind::I64,
            7 => Kind::Double,
            8 => Kind::Bytes,
            9 | 10 => Kind::List,
            11 => Kind::Map,
            12 => Kind::Struct,
            13 => Kind::Uuid,
            _ => return Err(Error::Malformed),
        })
    }

    #[inline]
    fn u8(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64> {
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Error::Malformed)
    }

    #[inline]
    fn zigzag(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// A number of elements, each of which takes at least `least` bytes.
    fn fitting(&self, len: u64, least: usize) -> Result<usize> {
        let len = usize::try_from(len).map_err(|_| Error::Truncated)?;
        if len > self.rest.len() / least { Err(Error::Truncated) } else { Ok(len) }
    }

    /// Fewest bytes of a value.
    fn least(kind: Kind) -> usize {
        match kind {
            Kind::Double => 8,
            Kind::Uuid => 16,
            _ => 1,
        }
    }
}

impl<'a> Protocol<'a> for Compact<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Compact { rest: bytes, bool: false }
    }

    fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn call(&mut self) -> Result<Call<'a>> {
        if self.u8()? != PROTOCOL_ID {
            return Err(Error::Malformed);
        }
        let head = self.u8()?;
        if head & 0x1f != VERSION {
            return Err(Error::Malformed);
        }
        // The sequence number is a plain varint, and may be one of 32 bits below zero.
        let sequence = (self.varint()? as u32).cast_signed();
        Ok(Call { name: self.bytes()?, kind: head >> 5, sequence })
    }

    #[inline]
    fn field(&mut self, last: &mut i16) -> Result<Option<(i16, Kind)>> {
        let head = self.u8()?;
        if head == 0 {
            return Ok(None);
        }
        let (delta, code) = (head >> 4, head & 0x0f);
        let id = if delta == 0 { self.i16()? } else { last.wrapping_add(i16::from(delta)) };
        *last = id;
        self.bool = code == 1;
        Ok(Some((id, Compact::kind(code)?)))
    }

    #[inline]
    fn list(&mut self) -> Result<(Kind, usize)> {
        let head = self.u8()?;
        let (len, code) = (head >> 4, head & 0x0f);
        let len = if len == 15 { self.varint()? } else { u64::from(len) };
        if code == 0 && len == 0 {
            return Ok((Kind::Byte, 0));
        }
        let kind = Compact::kind(code)?;
        Ok((kind, self.fitting(len, Compact::least(kind))?))
    }

    fn map(&mut self) -> Result<(Kind, Kind, usize)> {
        let len = self.varint()?;
        if len == 0 {
            return Ok((Kind::Byte, Kind::Byte, 0));
        }
        let kinds = self.u8()?;
        let (key, value) = (Compact::kind(kinds >> 4)?, Compact::kind(kinds & 0x0f)?);
        Ok((key, value, self.fitting(len, Compact::least(key) + Compact::least(value))?))
    }

    #[inline]
    fn bool(&mut self) -> Result<bool> {
        Ok(self.bool)
    }

    fn bool_element(&mut self) -> Result<bool> {
        Ok(self.u8()? == 1)
    }

    fn byte(&mut self) -> Result<i8> {
        Ok(self.u8()?.cast_signed())
    }

    #[inline]
    fn double(&mut self) -> Result<f64> {
        array(&mut self.rest).map(f64::from_le_bytes)
    }

    #[inline]
    fn i16(&mut self) -> Result<i16> {
        i16::try_from(self.zigzag()?).map_err(|_| Error::Malformed)
    }

    #[inline]
    fn i32(&mut self) -> Result<i32> {
        i32::try_from(self.zigzag()?).map_err(|_| Error::Malformed)
    }

    #[inline]
    fn i64(&mut self) -> Result<i64> {
        self.zigzag()
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.varint()?).map_err(|_| Error::Truncated)?;
        take(&mut self.rest, len)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        take(&mut self.rest, bytes)
    }
}
