//! Counts in words: "1 message", "1,234 messages".

/// 1234567 as 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun, whose plural ends in `s`, or in `es` after a hiss.
pub fn counted(number: u64, noun: &str) -> String {
    let ending = match number {
        1 => "",
        _ if noun.ends_with(['s', 'x']) || noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", grouped(number))
}

/// The form of a verb that goes with a count: `is` or `are`.
pub fn verb(number: u64, singular: &'static str, plural: &'static str) -> &'static str {
    if number == 1 { singular } else { plural }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        let shown = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(
            [0, 1, 2, 1_000].map(|n| counted(n, "message")),
            ["0 messages", "1 message", "2 messages", "1,000 messages"]
        );
        assert_eq!(counted(2, "batch"), "2 batches");
        assert_eq!([verb(1, "is", "are"), verb(0, "is", "are")], ["is", "are"]);
    }
}
