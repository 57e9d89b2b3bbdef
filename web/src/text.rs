//! What was received, as text that stays text: whatever steers a display is shown instead of obeyed.
use maud::{Markup, html};

/// Characters of a cell that are shown before `show all`.
const CELL_CHARACTERS_MAX: usize = 240;

/// Bytes of a cell that a page holds at most; SQL and the API have the whole.
const CELL_BYTES_MAX: usize = 64 * 1024;

/// True of characters that show nothing themselves, or turn or join what is around them.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// How such a character is shown.
fn shown(c: char) -> String {
    match c {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c => format!("U+{:04X}", u32::from(c)),
    }
}

/// Text with everything that steers a display made visible.
pub fn visible(text: &str) -> Markup {
    let mut rest = text;
    html! {
        @while let Some((at, c)) = rest.char_indices().find(|(_, c)| steers(*c)) {
            (rest[..at])
            span.steers { (shown(c)) }
            ({ rest = &rest[at + c.len_utf8()..]; "" })
        }
        (rest)
    }
}

/// The same without elements, for attributes and titles.
pub fn visible_plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if steers(c) {
            out.push_str(&shown(c))
        } else {
            out.push(c)
        }
        out
    })
}

/// Text in a cell: what is long opens on demand.
pub fn cell(text: &str) -> Markup {
    let Some((cut, _)) = text.char_indices().nth(CELL_CHARACTERS_MAX) else { return visible(text) };
    let end = text.floor_char_boundary(CELL_BYTES_MAX);
    html! {
        details.long {
            summary { (visible(&text[..cut])) span.more { "… show all" } }
            (visible(&text[cut..end]))
            @if end < text.len() { " " span.note { "first 64 KiB of " (crate::number::bytes(text.len() as u64)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_seen() {
        assert_eq!(
            visible("a\u{202e}b\n<i>").into_string(),
            "a<span class=\"steers\">U+202E</span>b<span class=\"steers\">\\n</span>&lt;i&gt;"
        );
        assert_eq!(visible_plain("\u{1b}[31m\u{feff}x"), "U+001B[31mU+FEFFx");
        assert_eq!(visible("naïve 日本 🦀").into_string(), "naïve 日本 🦀");
    }

    #[test]
    fn long_text_opens_on_demand_and_is_bounded() {
        assert!(!cell("short").into_string().contains("details"));
        let long = cell(&"ä".repeat(100_000)).into_string();
        assert!(
            long.starts_with("<details") && long.contains("show all") && long.contains("195.3 KiB"),
            "{}",
            &long[long.len() - 200..]
        );
        assert!(long.len() < 70_000);
    }
}
