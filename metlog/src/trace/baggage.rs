//! W3C `baggage`, and the percent encoding that it shares with Jaeger's headers.
use super::context::hex;

/// Most items that travel with a trace; others are left out.
const ITEMS_MAX: usize = 64;
/// Most bytes of them all.
const BYTES_MAX: usize = 8_192;

/// A value that travels with a trace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Item {
    pub(super) key: String,
    pub(super) value: String,
    /// What is said of it, as it stands in a header: `;name` or `;name=value`, each.
    properties: String,
}

impl Item {
    #[cfg(test)]
    pub(super) fn new(key: String, value: String) -> Item {
        Item { key, value, properties: String::new() }
    }

    fn bytes(&self) -> usize {
        self.key.len() + self.value.len() + self.properties.len()
    }
}

/// Adds the items of a header. One that is malformed is passed over, and those beyond the bounds too.
pub(super) fn parse(header: &str, items: &mut Vec<Item>) {
    for member in header.split(',') {
        let (pair, said) = member.split_once(';').unwrap_or((member, ""));
        if let Some((key, value)) = pair.split_once('=')
            && is_token(key.trim())
        {
            let properties = said.split(';').filter_map(property).collect();
            push(Item { key: key.trim().to_owned(), value: decoded(value.trim()), properties }, items);
        }
    }
}

/// A property as it is written; none of one that is malformed.
fn property(text: &str) -> Option<String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key.trim(), Some(value.trim())),
        None => (text.trim(), None),
    };
    let value = value.map(|value| format!("={}", encoded(&decoded(value)))).unwrap_or_default();
    is_token(key).then(|| format!(";{key}{value}"))
}

/// Adds an item without properties, as [`push`].
pub(super) fn add(key: &str, value: &str, items: &mut Vec<Item>) {
    push(Item { key: key.to_owned(), value: value.to_owned(), properties: String::new() }, items);
}

/// Adds an item while there is room; a key that is there already keeps its first value.
fn push(item: Item, items: &mut Vec<Item>) {
    let bytes: usize = items.iter().map(Item::bytes).sum();
    let fits = items.len() < ITEMS_MAX && bytes + item.bytes() <= BYTES_MAX;
    if fits && !item.key.is_empty() && !items.iter().any(|known| known.key == item.key) {
        items.push(item);
    }
}

/// The header for these items.
pub(super) fn write(items: &[Item]) -> String {
    let written = items.iter().map(|item| format!("{}={}{}", item.key, encoded(&item.value), item.properties));
    written.collect::<Vec<_>>().join(",")
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
