//! Attributes and values of OTLP, borrowed from the bytes of a request.
use super::proto::{Cursor, Malformed, Value as Field};
use crate::span::Value;

/// A `KeyValue`: its key and its value.
///
/// # Errors
/// Where it is none.
#[inline]
pub fn attribute(pair: &[u8]) -> Result<(&str, Value<'_>), Malformed> {
    let (mut key, mut value) = ("", Value::Missing);
    let mut cursor = Cursor::new(pair);
    while let Some((number, field)) = cursor.next()? {
        match number {
            1 => key = field.text()?,
            2 => value = self::value(field.bytes()?)?,
            _ => (),
        }
    }
    Ok((key, value))
}

/// An `AnyValue`; of several values the last one counts. What is inside of a nested one is not looked at.
///
/// # Errors
/// Where it is none.
#[inline]
pub fn value(any: &[u8]) -> Result<Value<'_>, Malformed> {
    let mut value = Value::Empty;
    let mut cursor = Cursor::new(any);
    while let Some((number, field)) = cursor.next()? {
        value = match number {
            1 => Value::Str(field.text()?),
            2 => Value::Bool(field.varint()? != 0),
            3 => Value::Int(field.varint()?.cast_signed()),
            4 => Value::Double(field.double()?),
            5 | 6 if matches!(field, Field::Bytes(_)) => Value::Nested(any),
            5 | 6 => return Err(Malformed),
            7 => Value::Bytes(field.bytes()?),
            _ => value,
        };
    }
    Ok(value)
}
