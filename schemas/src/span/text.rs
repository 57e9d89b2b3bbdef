//! Values as text: what the maps of attributes hold, and search compares.
use super::{NESTING_MAX, Value};
use std::io::Write as _;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends bytes as base64, with padding.
pub(super) fn write_base64(bytes: &[u8], to: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| u32::from(chunk.get(at).copied().unwrap_or_default()));
        let bits = a << 16 | b << 8 | c;
        for at in 0..4 {
            let digit = BASE64[(bits >> (18 - 6 * at) & 63) as usize];
            to.push(if at <= chunk.len() { digit } else { b'=' });
        }
    }
}

/// Bytes as base64, with padding.
pub fn base64(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    write_base64(bytes, &mut text);
    text.into_iter().map(char::from).collect()
}

/// The bytes of a text that [`write_base64`] wrote.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').bytes();
    let (mut bits, mut filled, mut bytes) = (0_u32, 0, Vec::with_capacity(text.len() / 4 * 3));
    for digit in digits {
        let value = BASE64.iter().position(|known| *known == digit)? as u32;
        (bits, filled) = (bits << 6 | value, filled + 6);
        if filled >= 8 {
            filled -= 8;
            bytes.push((bits >> filled) as u8);
            bits &= (1 << filled) - 1;
        }
    }
    Some(bytes)
}

/// Appends a value as the maps of attributes hold it. `None` for a nested value that is none.
pub(super) fn write_value(value: Value<'_>, to: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Str(text) => to.extend_from_slice(text.as_bytes()),
        Value::Int(number) => write_int(number, to),
        Value::Bool(value) => to.extend_from_slice(if value { b"true" } else { b"false" }),
        Value::Double(number) => write_double(number, to),
        Value::Bytes(bytes) => write_base64(bytes, to),
        Value::Nested(bytes) => {
            let start = to.len();
            if write_any(bytes, 1, to).is_none() {
                to.truncate(start);
                return None;
            }
        }
        Value::Empty | Value::Missing => (),
    }
    Some(())
}

/// Appends a whole number.
#[inline]
pub(super) fn write_int(number: i64, to: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let (mut rest, mut at) = (number.unsigned_abs(), digits.len());
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        to.push(b'-');
    }
    to.extend_from_slice(&digits[at..]);
}

/// Appends a number as JSON and OpenTelemetry write it: the shortest text that brings it back, with an exponent where
/// it is very small or large.
pub(super) fn write_double(number: f64, to: &mut Vec<u8>) {
    let size = number.abs();
    // Writing to a vector cannot fail.
    let _ = if number.is_nan() {
        to.write_all(b"NaN")
    } else if number.is_infinite() {
        to.write_all(if number > 0.0 { b"Infinity" } else { b"-Infinity" })
    } else if size == 0.0 || (1e-6..1e21).contains(&size) {
        write!(to, "{number}")
    } else {
        write!(to, "{number:e}")
    };
}

/// The number of a text of [`write_double`].
pub(super) fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok(),
    }
}

/// True if its text brings back each of its bits.
pub(super) fn is_exact(number: f64) -> bool {
    !number.is_nan() || number.to_bits() == f64::NAN.to_bits()
}

/// Appends a text as a JSON string.
fn write_string(text: &str, to: &mut Vec<u8>) {
    to.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => to.extend_from_slice(&[b'\\', byte]),
            b'\n' => to.extend_from_slice(b"\\n"),
            b'\r' => to.extend_from_slice(b"\\r"),
            b'\t' => to.extend_from_slice(b"\\t"),
            0..0x20 => {
                let _ = write!(to, "\\u{byte:04x}");
            }
            _ => to.push(byte),
        }
    }
    to.push(b'"');
}

/// A field of a protobuf message.
enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Other,
}

/// Takes a varint off the front.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for at in 0..10 {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << (7 * at);
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

/// Takes the next field off the front: its number and value. `None` for what is no protobuf.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(bytes)?;
    let field = match tag & 7 {
        0 => Field::Varint(varint(bytes)?),
        1 => Field::Fixed64(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?)),
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            Field::Bytes(take(bytes, length)?)
        }
        5 => take(bytes, 4).map(|_| Field::Other)?,
        _ => return None,
    };
    (tag >> 3 != 0).then_some((tag >> 3, field))
}

/// Appends an `AnyValue` as compact JSON: bytes as base64, numbers that JSON does not know as texts. `depth` is how deep
/// it lies, from 1. `None` where it is no `AnyValue`, or too deep; what was appended is then to be forgotten.
pub(super) fn write_any(mut bytes: &[u8], depth: usize, to: &mut Vec<u8>) -> Option<()> {
    if depth > NESTING_MAX {
        return None;
    }
    let start = to.len();
    to.extend_from_slice(b"null");
    while !bytes.is_empty() {
        let (number, value) = field(&mut bytes)?;
        if !(1..=7).contains(&number) {
            continue;
        }
        // Of several the last one counts.
        to.truncate(start);
        match (number, value) {
            (1, Field::Bytes(text)) => write_string(std::str::from_utf8(text).ok()?, to),
            (2, Field::Varint(value)) => to.extend_from_slice(if value == 0 { b"false" } else { b"true" }),
            (3, Field::Varint(value)) => write_int(value.cast_signed(), to),
            (4, Field::Fixed64(bits)) => write_json_double(f64::from_bits(bits), to),
            (5, Field::Bytes(items)) => write_items(items, depth, to)?,
            (6, Field::Bytes(pairs)) => write_pairs(pairs, depth, to)?,
            (7, Field::Bytes(bytes)) => {
                to.push(b'"');
                write_base64(bytes, to);
                to.push(b'"');
            }
            _ => return None,
        }
    }
    Some(())
}

fn write_json_double(number: f64, to: &mut Vec<u8>) {
    if number.is_finite() {
        return write_double(number, to);
    }
    to.push(b'"');
    write_double(number, to);
    to.push(b'"');
}

fn write_items(mut items: &[u8], depth: usize, to: &mut Vec<u8>) -> Option<()> {
    to.push(b'[');
    let mut is_first = true;
    while !items.is_empty() {
        if let (1, Field::Bytes(item)) = field(&mut items)? {
            if !std::mem::take(&mut is_first) {
                to.push(b',');
            }
            write_any(item, depth + 1, to)?;
        }
    }
    to.push(b']');
    Some(())
}

fn write_pairs(mut pairs: &[u8], depth: usize, to: &mut Vec<u8>) -> Option<()> {
    to.push(b'{');
    let mut is_first = true;
    while !pairs.is_empty() {
        let (1, Field::Bytes(mut pair)) = field(&mut pairs)? else { continue };
        if !std::mem::take(&mut is_first) {
            to.push(b',');
        }
        let (mut key, mut value): (&[u8], &[u8]) = (b"", b"");
        while !pair.is_empty() {
            match field(&mut pair)? {
                (1, Field::Bytes(bytes)) => key = bytes,
                (2, Field::Bytes(bytes)) => value = bytes,
                _ => (),
            }
        }
        write_string(std::str::from_utf8(key).ok()?, to);
        to.push(b':');
        write_any(value, depth + 1, to)?;
    }
    to.push(b'}');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bytes_come_back_from_their_text() {
        let text = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            write(&mut bytes);
            String::from_utf8(bytes).unwrap()
        };
        for number in [0, 7, -1, i64::MIN, i64::MAX] {
            assert_eq!(text(&|to| write_int(number, to)), number.to_string());
        }
        let doubles = [0.0, -0.0, 1.0, -72.5, 1e20, 1e21, 1e300, 5e-324, 1e-6, 1e-7, f64::INFINITY, f64::NAN];
        for number in doubles {
            let text = text(&|to| write_double(number, to));
            assert!(text.len() < 28, "{text}");
            assert_eq!(double(&text).map(f64::to_bits), Some(number.to_bits()), "{text}");
        }
        assert_eq!(text(&|to| write_double(1e21, to)), "1e21");
        for length in 0..20 {
            let bytes: Vec<u8> = (0..length).map(|at| 255 - at * 11).collect();
            assert_eq!(unbase64(&base64(&bytes)), Some(bytes));
        }
        assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
    }

    #[test]
    fn nested_values_are_json() {
        use super::super::proto::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value};
        use prost::Message;
        let any = |value| AnyValue { value: Some(value) };
        let list = |values| any(Value::ArrayValue(ArrayValue { values }));
        let text = |value: &AnyValue| {
            let mut text = Vec::new();
            write_any(&value.encode_to_vec(), 1, &mut text).map(|()| String::from_utf8(text).unwrap())
        };
        let items = vec![
            any(Value::IntValue(-1)),
            any(Value::BoolValue(true)),
            any(Value::StringValue("x\"\n\u{1}é".into())),
            any(Value::DoubleValue(0.5)),
            any(Value::DoubleValue(f64::NAN)),
            any(Value::BytesValue(vec![255])),
        ];
        let pair = |key: &str, value| KeyValue { key: key.into(), value };
        let pairs = vec![pair("a", Some(list(items))), pair("b", None), pair("c", Some(AnyValue::default()))];
        let map = any(Value::KvlistValue(KeyValueList { values: pairs }));
        let expected = r#"{"a":[-1,true,"x\"\n\u0001é",0.5,"NaN","/w=="],"b":null,"c":null}"#;
        assert_eq!(text(&map).as_deref(), Some(expected));
        let mut deep = any(Value::IntValue(1));
        for _ in 1..NESTING_MAX {
            deep = list(vec![deep]);
        }
        assert!(text(&deep).is_some());
        assert_eq!(AnyValue::decode(&*deep.encode_to_vec()).as_ref(), Ok(&deep), "other readers must read it too");
        assert_eq!(text(&list(vec![deep])), None);
        for bad in [&b"\x0a\x05x"[..], b"\x0a\x01\xff", b"\xff", b"\x0b", b"\x00\x01", b"\x08\x01"] {
            assert!(write_any(bad, 1, &mut Vec::new()).is_none(), "{bad:x?}");
        }
    }
}
