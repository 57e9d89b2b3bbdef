//! Ids of traces and spans: 128 and 64 bits, and how people and programs write them.
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine as _};
use std::fmt;

/// Most hexadecimal digits of a trace's id.
const TRACE_DIGITS_MAX: usize = 32;

/// Most characters of one in base64.
const TRACE_BASE64_MAX: usize = 24;

/// The id of a trace. It displays as 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub u128);

/// The id of a span; zero stands for none. It displays as 16 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub u64);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TraceId {
    /// Reads up to 32 hexadecimal digits, or up to 24 characters of base64 (either alphabet, padded or not) of 8 or 16 bytes.
    pub fn parse(text: &str) -> Option<TraceId> {
        let is_hex = (1..=TRACE_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex {
            return u128::from_str_radix(text, 16).ok().map(TraceId);
        }
        if text.is_empty() || text.len() > TRACE_BASE64_MAX {
            return None;
        }
        let bytes = from_base64(text)?;
        matches!(bytes.len(), 8 | 16).then(|| TraceId(number(&bytes)))
    }

    /// As Jaeger and Zipkin print it: 16 digits where the high half is zero, otherwise 32.
    pub fn short(self) -> String {
        match u64::try_from(self.0) {
            Ok(low) => format!("{low:016x}"),
            Err(_) => self.to_string(),
        }
    }
}

impl SpanId {
    /// Reads up to 16 hexadecimal digits; nothing is zero.
    pub fn parse(text: &str) -> Option<SpanId> {
        match text.len() {
            0 => Some(SpanId(0)),
            1..=16 if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                u64::from_str_radix(text, 16).ok().map(SpanId)
            }
            _ => None,
        }
    }

    /// True where there is none.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Bytes of base64 in either alphabet, padded or not.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let alphabet = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    GeneralPurpose::new(&alphabet, LENIENT).decode(text).ok()
}

/// Bytes in base64, padded.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
