//! Values as text that stays on its line and steers no terminal: it may come from outside.
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Bytes of a binary value that are shown.
const BINARY_BYTES_SHOWN: usize = 8;

/// Control characters as `\n`, `\u{1b}`, and those that turn the direction of text around as `\u{202e}`: what is
/// shown reads in the order in which it is stored.
pub fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut text, c| {
        if c.is_control() {
            text.extend(c.escape_default());
        } else if is_invisible(c) {
            text.extend(c.escape_unicode());
        } else {
            text.push(c);
        }
        text
    })
}

/// Marks of direction, line and paragraph separators, and characters that have no width and join nothing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Columns of a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// At most so many columns of a terminal; the last is `…` where there is more.
pub(super) fn truncate(text: &str, columns_max: usize) -> String {
    if width(text) <= columns_max {
        return text.to_owned();
    }
    let mut room = columns_max.saturating_sub(1);
    let mut cut: String = text
        .chars()
        .take_while(|c| {
            let width = c.width().unwrap_or(0);
            let fits = width <= room;
            room = room.saturating_sub(width);
            fits
        })
        .collect();
    if columns_max > 0 {
        cut.push('…');
    }
    cut
}

/// The cells of a column. Null is empty.
pub(super) struct Cells<'a> {
    column: &'a ArrayRef,
    formatter: ArrayFormatter<'a>,
}

impl<'a> Cells<'a> {
    /// # Errors
    /// Where the column has a type that cannot be shown.
    pub(super) fn new(column: &'a ArrayRef, options: &'a FormatOptions<'a>) -> Result<Cells<'a>, ArrowError> {
        Ok(Cells { column, formatter: ArrayFormatter::try_new(column, options)? })
    }

    /// # Errors
    /// Where the value cannot be written, such as a time that no calendar has.
    pub(super) fn text(&self, row: usize) -> Result<String, ArrowError> {
        let value = match self.column.data_type() {
            DataType::Binary => self.column.as_binary_opt::<i32>().map(|values| values.value(row)),
            DataType::LargeBinary => self.column.as_binary_opt::<i64>().map(|values| values.value(row)),
            DataType::BinaryView => self.column.as_binary_view_opt().map(|values| values.value(row)),
            _ => None,
        };
        match value {
            Some(_) if self.column.is_null(row) => Ok(String::new()),
            Some(bytes) => Ok(binary(bytes)),
            None => Ok(harmless(&self.formatter.value(row).try_to_string()?)),
        }
    }
}

/// `<1234 bytes: 0a1b…>`
fn binary(bytes: &[u8]) -> String {
    let unit = if bytes.len() == 1 { "byte" } else { "bytes" };
    let mut text = format!("<{} {unit}", bytes.len());
    let mut shown = bytes.iter().take(BINARY_BYTES_SHOWN).peekable();
    if shown.peek().is_some() {
        text.push_str(": ");
    }
    for byte in shown {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push_str(if bytes.len() > BINARY_BYTES_SHOWN { "…>" } else { ">" });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_visible() {
        for (text, expected) in [
            ("plain äöü 日本", "plain äöü 日本"),
            ("a\nb\tc", "a\\nb\\tc"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("user\u{202e}nimda", "user\\u{202e}nimda"),
            ("\u{2066}x\u{2069}\u{feff}", "\\u{2066}x\\u{2069}\\u{feff}"),
            ("a\u{200b}b\u{85}", "a\\u{200b}b\\u{85}"),
            ("👩\u{200d}🚀", "👩\u{200d}🚀"),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }

    #[test]
    fn texts_are_cut_to_columns_of_the_terminal() {
        for (text, columns, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
            ("", 0, ""),
        ] {
            assert_eq!(truncate(text, columns), expected, "{text} {columns}");
            assert!(width(&truncate(text, columns)) <= columns);
        }
    }

    #[test]
    fn binary_is_short() {
        assert_eq!(binary(b""), "<0 bytes>");
        assert_eq!(binary(&[10]), "<1 byte: 0a>");
        assert_eq!(binary(&[0xff; 8]), "<8 bytes: ffffffffffffffff>");
        assert_eq!(binary(&[0x1b; 1234]), "<1234 bytes: 1b1b1b1b1b1b1b1b…>");
    }
}
