//! Halves of surrogate pairs in JSON escapes (`\ud83d` without its `\ude00`). No text can hold them, but clients
//! that cut a string between the halves send them, and a message is not worth losing over one character.
use memchr::{memchr, memmem};

/// The text with each half replaced by `\ufffd`; `None` if there is none, as nearly always.
pub(super) fn replaced(text: &str) -> Option<String> {
    // Every surrogate is written \uD… or \ud….
    let first = memchr(b'\\', text.as_bytes())?;
    memmem::find(&text.as_bytes()[first..], b"\\u")?;
    let mut whole: Option<String> = None;
    let mut at = first;
    while let Some(escape) = memchr(b'\\', &text.as_bytes()[at..]).map(|found| at + found) {
        at = match (unit(text, escape), unit(text, escape + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => escape + 12,
            (Some(0xD800..=0xDFFF), _) => {
                let whole = whole.get_or_insert_with(|| text.to_owned());
                whole.replace_range(escape..escape + 6, "\\ufffd");
                escape + 6
            }
            (Some(_), _) => escape + 6,
            // Two bytes, where the second is not the first of a longer character.
            (None, _) => (escape + 2).min(text.len()),
        };
    }
    whole
}

/// The number of the escape `\uXXXX` that stands at `at`.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_replaced_and_pairs_are_not() {
        for (text, expected) in [
            ("plain", None),
            (r"a\nb", None),
            (r"\ud83d\ude00 \u00e9", None),
            (r"\\ud83d", None),
            (r"\ud83", None),
            ("\\é\\ud8zz", None),
            (r"\ud83d", Some(r"\ufffd")),
            (r"x\uDE00\ud83d\ude00\ud83dy", Some(r"x\ufffd\ud83d\ude00\ufffdy")),
            (r"\ud83d\ud83d\ude00", Some(r"\ufffd\ud83d\ude00")),
            (r"\ud83d\n", Some(r"\ufffd\n")),
            ("\\ud83dé", Some("\\ufffdé")),
        ] {
            assert_eq!(replaced(text).as_deref(), expected, "{text:?}");
        }
    }
}
