//! Tokens of programs: 256 random bits, of which the configuration has the SHA-256. They are too many to be guessed, so
//! nothing slower is needed.
use chrono::{DateTime, NaiveDate};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What every token begins with, so that people and scanners for secrets recognise one.
const PREFIX: &str = "metlog_";

/// A new token.
pub fn generate() -> String {
    format!("{PREFIX}{}", hex(&rand::random::<[u8; 32]>()))
}

/// What the configuration has of a token.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Into a string it cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A hash that is written in hexadecimal digits.
pub fn parse_hash(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// Seconds since 1970 of a time such as `2027-01-31T12:00:00Z`, or of the end of a day such as `2027-01-31`, in UTC.
pub fn parse_time(text: &str) -> Option<i64> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.succ_opt()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp());
    }
    Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_by_their_hashes() {
        let (a, b) = (generate(), generate());
        assert_ne!(a, b);
        assert!(a.starts_with(PREFIX) && a.len() == PREFIX.len() + 64, "{a}");
        assert_eq!(parse_hash(&hex(&hash(&a))), Some(hash(&a)));
        // Of FIPS 180-2.
        assert_eq!(hex(&hash("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for wrong in ["", "ab", &"é".repeat(32), &"g".repeat(64)] {
            assert_eq!(parse_hash(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_counts_to_its_end() {
        assert_eq!(parse_time("1970-01-01"), Some(86_400));
        assert_eq!(parse_time("1970-01-01T00:00:01Z"), Some(1));
        assert_eq!(parse_time("1970-01-01T01:00:01+01:00"), Some(1));
        assert_eq!(parse_time("tomorrow"), None);
    }
}
