//! OTLP's JSON, rewritten as the same request in protobuf: by the table of its messages, value by value.
//!
//! It is read as widely as the specification asks for: names in lowerCamelCase or as in the `.proto` files, 64-bit
//! integers as texts or numbers, enums as numbers or names, ids in hexadecimal, other bytes in base64, `null` as absent,
//! unknown names skipped.
use super::DEPTH_MAX;
use super::messages::{Field, Kind, Message};
use super::proto::{put_bytes, put_fixed32, put_fixed64, put_message, put_number};
use crate::span::unhex;
use jiter::{Jiter, JiterError, Peek};

/// What is wrong with a request, for its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub String);

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Rewrites a request as protobuf.
///
/// # Errors
/// Where it is no JSON, or a value is not of its field's type.
pub fn to_protobuf(message: &'static Message, json: &[u8]) -> Result<Vec<u8>, Invalid> {
    let mut reader = Reader { json: Jiter::new(json) };
    let mut bytes = Vec::with_capacity(json.len() / 2);
    reader.message(message, 0, &mut bytes)?;
    reader.json.finish().map_err(|error| reader.invalid(&error))?;
    Ok(bytes)
}

struct Reader<'j> {
    json: Jiter<'j>,
}

impl Reader<'_> {
    fn invalid(&self, error: &JiterError) -> Invalid {
        Invalid(format!("{} at {}", error.error_type, self.json.error_position(error.index)))
    }

    fn wrong(&self, field: &Field, expected: &str) -> Invalid {
        Invalid(format!("`{}` must be {expected} at {}", field.name, self.json.current_position()))
    }

    /// An object as the fields of a message.
    fn message(&mut self, message: &'static Message, depth: usize, to: &mut Vec<u8>) -> Result<(), Invalid> {
        if depth > DEPTH_MAX {
            return Err(Invalid(format!("nested deeper than {DEPTH_MAX} at {}", self.json.current_position())));
        }
        let find = |key: &str| message.fields.iter().find(|field| field.name == key || field.original == key);
        let mut field = match self.json.next_object() {
            Ok(None) => return Ok(()),
            Ok(Some(key)) => find(key),
            Err(error) => return Err(self.invalid(&error)),
        };
        loop {
            match field {
                Some(field) => self.field(field, depth, to)?,
                None => {
                    let skipped = self.json.next_skip();
                    skipped.map_err(|error| self.invalid(&error))?;
                }
            }
            field = match self.json.next_key() {
                Ok(None) => return Ok(()),
                Ok(Some(key)) => find(key),
                Err(error) => return Err(self.invalid(&error)),
            };
        }
    }

    /// What is behind a field's name.
    fn field(&mut self, field: &'static Field, depth: usize, to: &mut Vec<u8>) -> Result<(), Invalid> {
        let peek = self.peek()?;
        if peek == Peek::Null {
            return self.json.known_null().map_err(|error| self.invalid(&error));
        }
        if !field.repeated {
            return self.value(field, peek, depth, to);
        }
        let first = self.json.next_array();
        let mut item = first.map_err(|error| self.invalid(&error))?;
        while let Some(peek) = item {
            if peek == Peek::Null {
                return Err(self.wrong(field, "a list without null"));
            }
            self.value(field, peek, depth, to)?;
            let next = self.json.array_step();
            item = next.map_err(|error| self.invalid(&error))?;
        }
        Ok(())
    }

    fn peek(&mut self) -> Result<Peek, Invalid> {
        let peek = self.json.peek();
        peek.map_err(|error| self.invalid(&error))
    }

    fn text(&mut self) -> Result<&str, Invalid> {
        // The borrow of what is returned would outlive that of the error's position.
        match self.json.peek() {
            Ok(Peek::String) => (),
            Ok(_) => return Err(Invalid(format!("a text is expected at {}", self.json.current_position()))),
            Err(error) => return Err(self.invalid(&error)),
        }
        self.json.known_str().map_err(|error| Invalid(error.error_type.to_string()))
    }

    fn value(&mut self, field: &'static Field, peek: Peek, depth: usize, to: &mut Vec<u8>) -> Result<(), Invalid> {
        let number = field.number;
        match field.kind {
            Kind::Text => put_bytes(number, self.text()?.as_bytes(), to),
            Kind::Bytes => {
                let bytes = unbase64(self.text()?);
                put_bytes(number, &bytes.ok_or_else(|| self.wrong(field, "base64"))?, to);
            }
            Kind::Id => {
                let bytes = unhex(self.text()?);
                put_bytes(number, &bytes.ok_or_else(|| self.wrong(field, "hexadecimal digits"))?, to);
            }
            Kind::Bool => {
                let value = self.json.next_bool();
                put_number(number, u64::from(value.map_err(|error| self.invalid(&error))?), to);
            }
            Kind::Int64 => {
                let value = self.integer(field, peek, i64::MIN.into()..=i64::MAX.into())?;
                put_number(number, (value as i64).cast_unsigned(), to);
            }
            Kind::Unsigned => put_number(number, self.integer(field, peek, 0..=u64::MAX.into())? as u64, to),
            Kind::Signed => {
                let value = self.integer(field, peek, i32::MIN.into()..=i32::MAX.into())? as i32;
                put_number(number, u64::from((value << 1 ^ value >> 31).cast_unsigned()), to);
            }
            Kind::Fixed64 => put_fixed64(number, self.integer(field, peek, 0..=u64::MAX.into())? as u64, to),
            Kind::SignedFixed64 => {
                let value = self.integer(field, peek, i64::MIN.into()..=i64::MAX.into())?;
                put_fixed64(number, (value as i64).cast_unsigned(), to);
            }
            Kind::Fixed32 => put_fixed32(number, self.integer(field, peek, 0..=u32::MAX.into())? as u32, to),
            Kind::Double => put_fixed64(number, self.double(field, peek)?.to_bits(), to),
            Kind::Enum(prefix, names) => {
                let value = self.choice(field, peek, prefix, names)?;
                put_number(number, i64::from(value).cast_unsigned(), to);
            }
            Kind::Message(message) => {
                put_message(number, to, |to| self.message(message, depth + 1, to))?;
            }
        }
        Ok(())
    }

    /// A number as it was written, or a text.
    fn literal(&mut self, field: &Field, peek: Peek) -> Result<String, Invalid> {
        if peek == Peek::String {
            return self.text().map(str::to_owned);
        }
        if !peek.is_num() {
            return Err(self.wrong(field, "a number"));
        }
        let bytes = self.json.known_number_bytes(peek).map(<[u8]>::to_vec);
        let bytes = bytes.map_err(|error| self.invalid(&error))?;
        String::from_utf8(bytes).map_err(|_| self.wrong(field, "a number"))
    }

    fn integer(&mut self, field: &Field, peek: Peek, range: std::ops::RangeInclusive<i128>) -> Result<i128, Invalid> {
        let literal = self.literal(field, peek)?;
        let value = literal.parse::<i128>().ok().or_else(|| whole(&literal));
        value.filter(|value| range.contains(value)).ok_or_else(|| {
            self.wrong(field, &format!("an integer from {} to {}, also as a text,", range.start(), range.end()))
        })
    }

    fn double(&mut self, field: &Field, peek: Peek) -> Result<f64, Invalid> {
        let literal = self.literal(field, peek)?;
        match literal.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            // Rust would read more words than JSON has.
            number if number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) => {
                number.parse().map_err(|_| self.wrong(field, "a number"))
            }
            _ => Err(self.wrong(field, "a number")),
        }
    }

    fn choice(&mut self, field: &Field, peek: Peek, prefix: &str, names: &[&str]) -> Result<i32, Invalid> {
        if peek == Peek::String {
            let name = self.text()?;
            let named = name.strip_prefix(prefix).and_then(|name| names.iter().position(|known| *known == name));
            let value = named.and_then(|at| i32::try_from(at).ok()).or_else(|| name.parse().ok());
            return value.ok_or_else(|| self.wrong(field, "a known name or a number"));
        }
        self.integer(field, peek, i32::MIN.into()..=i32::MAX.into()).map(|value| value as i32)
    }
}

/// A whole number that is written with a fraction or an exponent, which JSON allows.
fn whole(literal: &str) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let value: f64 = literal.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i128)
}

/// Bytes of base64 in either alphabet, with padding or without.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let (mut bits, mut filled, mut bytes) = (0u32, 0, Vec::with_capacity(digits.len() / 4 * 3 + 3));
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        (bits, filled) = (bits << 6 | u32::from(value), filled + 6);
        if filled >= 8 {
            filled -= 8;
            bytes.push((bits >> filled) as u8);
            bits &= (1 << filled) - 1;
        }
    }
    (digits.len() % 4 != 1).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::messages::{ANY_VALUE, METRICS_REQUEST, TRACES_REQUEST};
    use super::super::{Signal, count};
    use super::*;

    fn any(json: &str) -> Result<Vec<u8>, String> {
        to_protobuf(&ANY_VALUE, json.as_bytes()).map_err(|invalid| invalid.0)
    }

    #[test]
    fn values_of_every_type() {
        for (json, bytes) in [
            (r#"{"stringValue":"é"}"#, &b"\x0a\x02\xc3\xa9"[..]),
            (r#"{"string_value":"x"}"#, b"\x0a\x01x"),
            (r#"{"boolValue":false}"#, b"\x10\x00"),
            (r#"{"intValue":"-1"}"#, b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            (r#"{"intValue":9223372036854775807}"#, b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
            (r#"{"intValue":1e2}"#, b"\x18\x64"),
            (r#"{"intValue":0}"#, b"\x18\x00"),
            (r#"{"doubleValue":1}"#, b"\x21\x00\x00\x00\x00\x00\x00\xf0\x3f"),
            (r#"{"doubleValue":"Infinity"}"#, b"\x21\x00\x00\x00\x00\x00\x00\xf0\x7f"),
            (r#"{"bytesValue":"-_8="}"#, b"\x3a\x02\xfb\xff"),
            (r#"{"bytesValue":"+/8"}"#, b"\x3a\x02\xfb\xff"),
            (r#"{"arrayValue":{"values":[{"intValue":1},{}]}}"#, b"\x2a\x06\x0a\x02\x18\x01\x0a\x00"),
            (
                r#"{"kvlistValue":{"values":[{"key":"k","value":{"boolValue":true}}]}}"#,
                b"\x32\x09\x0a\x07\x0a\x01k\x12\x02\x10\x01",
            ),
            (r#"{"arrayValue":{}}"#, b"\x2a\x00"),
            (r#"{"stringValue":null,"later":[{"x":1}]}"#, b""),
            ("{}", b""),
        ] {
            assert_eq!(any(json).as_deref(), Ok(bytes), "{json}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (json, why) in [
            ("{", "EOF while parsing"),
            ("[]", "expected object"),
            ("{} x", "trailing characters"),
            (r#"{"intValue":"1.5"}"#, "`intValue` must be an integer"),
            (r#"{"intValue":9223372036854775808}"#, "`intValue` must be an integer"),
            (r#"{"intValue":true}"#, "`intValue` must be a number"),
            (r#"{"doubleValue":"nan"}"#, "`doubleValue` must be a number"),
            (r#"{"boolValue":1}"#, "expected bool"),
            (r#"{"stringValue":1}"#, "a text is expected"),
            (r#"{"bytesValue":"a"}"#, "`bytesValue` must be base64"),
            (r#"{"arrayValue":{"values":[null]}}"#, "a list without null"),
        ] {
            let found = any(json).unwrap_err();
            assert!(found.contains(why), "{json}: {found}");
        }
        let deep = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(60), "]}}".repeat(60));
        assert!(any(&deep).unwrap_err().contains("nested deeper"), "bounded");
        let unknown = format!(r#"{{"x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert!(any(&unknown).unwrap_err().contains("recursion"), "bounded");
    }

    #[test]
    fn a_request_of_the_specification() {
        let json = br#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},
            "scopeSpans":[{"scope":{"name":"l"},"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
            "parentSpanId":"","name":"n","startTimeUnixNano":"1544712660000000000","end_time_unix_nano":1544712661000000000,
            "kind":"SPAN_KIND_SERVER","status":{"code":2}},{"kind":2}]}]}]}"#;
        let bytes = to_protobuf(&TRACES_REQUEST, json).unwrap();
        assert_eq!(count(Signal::Traces, &bytes), Ok(2));
        let id = b"\x0a\x10\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c\x12\x08\xee\xe1\x9b";
        assert!(bytes.windows(id.len()).any(|window| window == id), "{bytes:x?}");
        assert!(bytes.ends_with(b"\x7a\x02\x18\x02\x12\x02\x30\x02"), "{bytes:x?}");
        assert_eq!(to_protobuf(&METRICS_REQUEST, b"{}"), Ok(vec![]));
    }
}
