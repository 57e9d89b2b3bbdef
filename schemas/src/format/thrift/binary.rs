//! Thrift's binary protocol. Source: thrift/doc/specs/thrift-binary-protocol.md.
use super::{Call, Error, Kind, Protocol, Result, array, take};

/// See the module.
#[derive(Debug, Clone)]
pub struct Binary<'a> {
    rest: &'a [u8],
}

impl<'a> Binary<'a> {
    fn kind(code: u8) -> Result<Kind> {
        Ok(match code {
            2 => Kind::Bool,
            3 => Kind::Byte,
            4 => Kind::Double,
            6 => Kind::I16,
            8 => Kind::I32,
            10 => Kind::I64,
            11 => Kind::Bytes,
            12 => Kind::Struct,
            13 => Kind::Map,
            14 | 15 => Kind::List,
            16 => Kind::Uuid,
            _ => return Err(Error::Malformed),
        })
    }

    fn u8(&mut self) -> Result<u8> {
        let [byte] = array(&mut self.rest)?;
        Ok(byte)
    }

    /// A number of elements, each of which takes at least `least` bytes.
    fn len(&mut self, least: usize) -> Result<usize> {
        let len = usize::try_from(self.i32()?).map_err(|_| Error::Malformed)?;
        if len > self.rest.len() / least { Err(Error::Truncated) } else { Ok(len) }
    }

    /// Fewest bytes of a value.
    fn least(kind: Kind) -> usize {
        match kind {
            Kind::Bool | Kind::Byte | Kind::Struct => 1,
            Kind::I16 => 2,
            Kind::I32 | Kind::Bytes => 4,
            Kind::I64 | Kind::Double => 8,
            Kind::List => 5,
            Kind::Map => 6,
            Kind::Uuid => 16,
        }
    }
}

impl<'a> Protocol<'a> for Binary<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Binary { rest: bytes }
    }

    fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn call(&mut self) -> Result<Call<'a>> {
        let first = self.i32()?.cast_unsigned();
        // The strict form begins with a version, the old one with the length of the name.
        if first & 0x8000_0000 != 0 {
            if first & 0xffff_0000 != 0x8001_0000 {
                return Err(Error::Malformed);
            }
            let name = self.bytes()?;
            return Ok(Call { name, kind: (first & 0xff) as u8, sequence: self.i32()? });
        }
        let name = take(&mut self.rest, first as usize)?;
        Ok(Call { name, kind: self.u8()?, sequence: self.i32()? })
    }

    #[inline]
    fn field(&mut self, _: &mut i16) -> Result<Option<(i16, Kind)>> {
        let code = self.u8()?;
        if code == 0 {
            return Ok(None);
        }
        Ok(Some((self.i16()?, Binary::kind(code)?)))
    }

    #[inline]
    fn list(&mut self) -> Result<(Kind, usize)> {
        let code = self.u8()?;
        // Some writers name no type for an empty list.
        if code == 0 {
            return if self.i32()? == 0 { Ok((Kind::Byte, 0)) } else { Err(Error::Malformed) };
        }
        let kind = Binary::kind(code)?;
        Ok((kind, self.len(Binary::least(kind))?))
    }

    fn map(&mut self) -> Result<(Kind, Kind, usize)> {
        let (key, value) = (self.u8()?, self.u8()?);
        if key == 0 || value == 0 {
            return if self.i32()? == 0 { Ok((Kind::Byte, Kind::Byte, 0)) } else { Err(Error::Malformed) };
        }
        let (key, value) = (Binary::kind(key)?, Binary::kind(value)?);
        Ok((key, value, self.len(Binary::least(key) + Binary::least(value))?))
    }

    #[inline]
    fn bool(&mut self) -> Result<bool> {
        Ok(self.u8()? != 0)
    }

    #[inline]
    fn bool_element(&mut self) -> Result<bool> {
        self.bool()
    }

    #[inline]
    fn byte(&mut self) -> Result<i8> {
        Ok(self.u8()?.cast_signed())
    }

    #[inline]
    fn double(&mut self) -> Result<f64> {
        array(&mut self.rest).map(f64::from_be_bytes)
    }

    #[inline]
    fn i16(&mut self) -> Result<i16> {
        array(&mut self.rest).map(i16::from_be_bytes)
    }

    #[inline]
    fn i32(&mut self) -> Result<i32> {
        array(&mut self.rest).map(i32::from_be_bytes)
    }

    #[inline]
    fn i64(&mut self) -> Result<i64> {
        array(&mut self.rest).map(i64::from_be_bytes)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.i32()?).map_err(|_| Error::Malformed)?;
        take(&mut self.rest, len)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        take(&mut self.rest, bytes)
    }
}
