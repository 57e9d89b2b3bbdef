//! W3C `baggage`, and the percent encoding that it shares with Jaeger's headers.
use super::context::hex;

/// Most items that travel with a trace; others are left out.
const ITEMS_MAX: usize = 64;
/// Most bytes of them all.
const BYTES_MAX: usize = 8_192;

/// Adds the items of a header. One that is malformed is passed over, and those beyond the bounds too.
pub(super) fn parse(header: &str, items: &mut Vec<(String, String)>) {
    for member in header.split(',') {
        // Properties behind a semicolon are about the item, and stay behind.
        let pair = member.split(';').next().unwrap_or_default();
        if let Some((key, value)) = pair.split_once('=')
            && is_token(key.trim())
        {
            add(key.trim(), &decoded(value.trim()), items);
        }
    }
}

/// Adds an item while there is room; a key that is there already keeps its first value.
pub(super) fn add(key: &str, value: &str, items: &mut Vec<(String, String)>) {
    let bytes: usize = items.iter().map(|(key, value)| key.len() + value.len()).sum();
    let fits = items.len() < ITEMS_MAX && bytes + key.len() + value.len() <= BYTES_MAX;
    if fits && !key.is_empty() && !items.iter().any(|(known, _)| known == key) {
        items.push((key.to_owned(), value.to_owned()));
    }
}

/// The header for these items.
pub(super) fn write(items: &[(String, String)]) -> String {
    items.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect::<Vec<_>>().join(",")
}

/// A name as HTTP has it.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Text with `%xx` resolved. What is no UTF-8 then is replaced.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        match (first, after) {
            (b'%', [high, low, after @ ..]) if digit(high).is_some() && digit(low).is_some() => {
                bytes.push((digit(high).unwrap_or_default() << 4 | digit(low).unwrap_or_default()) as u8);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Text with everything that a header may not hold as `%xx`.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\",;\\%=".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    encoded
}
