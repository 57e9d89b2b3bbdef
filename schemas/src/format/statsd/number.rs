//! Numbers in statsd lines: what JavaScript's `Number()` reads, as long as it is finite.

/// Digits whose number is exact in an `f64`: below 2^53.
const DIGITS_EXACT: usize = 15;

/// Powers of ten that are exact, as far as [`DIGITS_EXACT`] needs them.
const POWERS: [f64; DIGITS_EXACT + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads a sign, digits and a point from the beginning of `bytes`, and says how many bytes they are. `None`
/// where there is no digit or there are too many to be exact: then [`number`] must decide.
///
/// Digits and power are both exact, so that their one division rounds as `str::parse` does.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> Option<(f64, usize)> {
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative || bytes.first() == Some(&b'+'));
    let mut at = start;
    let mut digits = 0u64;
    while let Some(digit) = digit(bytes, at) {
        digits = digits.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    let whole = at - start;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let point = at;
        while let Some(digit) = digit(bytes, at) {
            digits = digits.wrapping_mul(10).wrapping_add(digit);
            at += 1;
        }
        fraction = at - point;
    }
    if !(1..=DIGITS_EXACT).contains(&(whole + fraction)) {
        return None;
    }
    let number = if fraction == 0 { digits as f64 } else { digits as f64 / POWERS[fraction] };
    Some((if negative { -number } else { number }, at))
}

#[inline]
fn digit(bytes: &[u8], at: usize) -> Option<u64> {
    let digit = bytes.get(at)?.wrapping_sub(b'0');
    (digit <= 9).then_some(u64::from(digit))
}

/// The finite number that all of `bytes` is, white space around it aside.
pub(super) fn number(bytes: &[u8]) -> Option<f64> {
    if let Some((number, used)) = plain(bytes)
        && used == bytes.len()
    {
        return Some(number);
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let number = text.parse::<f64>().ok().or_else(|| radix(text));
    number.filter(|number| number.is_finite())
}

/// `0x1F`, `0o17`, `0b11`.
fn radix(text: &str) -> Option<f64> {
    let (prefix, digits) = text.split_at_checked(2)?;
    let radix = match prefix {
        "0x" | "0X" => 16,
        "0o" | "0O" => 8,
        "0b" | "0B" => 2,
        _ => return None,
    };
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok().map(|number| number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<f64>) {
        assert_eq!(number(text.as_bytes()), expected, "{text:?}");
    }

    #[test]
    fn numbers_are_those_of_javascript() {
        check("0", Some(0.0));
        check("-1", Some(-1.0));
        check("+10e1", Some(100.0));
        check(".2", Some(0.2));
        check("5.", Some(5.0));
        check(" 7\t", Some(7.0));
        check("0x1F", Some(31.0));
        check("123456789012345678901234567890", Some(123_456_789_012_345_678_901_234_567_890.0));
        check("0.1234567890123456789", Some(0.123_456_789_012_345_68));
        for text in
            ["", " ", ".", "+", "-", "0,3", "1.2.3", "0x", "0x+1", "nan", "inf", "Infinity", "1e999", "1_0", "--1"]
        {
            check(text, None);
        }
    }

    #[test]
    fn the_short_way_rounds_as_the_long_way() {
        for digits in 0..200_000u64 {
            for fraction in [0, 1, 3, 6] {
                let scaled = digits.wrapping_mul(7_919) % 1_000_000_000;
                let text = format!("{}.{:06}", scaled / 1_000, digits % 1_000_000);
                let text = &text[..text.len() - 6 + fraction];
                let (number, used) = plain(text.as_bytes()).unwrap();
                assert_eq!((number, used), (text.parse().unwrap(), text.len()), "{text:?}");
            }
        }
    }
}
