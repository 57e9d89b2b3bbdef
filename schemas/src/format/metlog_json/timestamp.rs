//! RFC 3339 as clients really write it, to µs since 1970 UTC.
use super::Refusal;
use crate::time::{HOUR, SECOND, TIMESTAMP_END, TIMESTAMP_MIN, days_from_civil};

const MINUTE: i64 = 60 * SECOND;

/// `2012-07-18T21:13:25`, then up to nine digits of a fraction (cut to µs), then nothing, `Z` or an offset
/// `+hh:mm`. A space may stand for the `T`, `t` and `z` for the capitals, `+hhmm` for `+hh:mm`; what names
/// no offset is UTC. The second may be 60, and is then the first of the next minute.
pub(super) fn parse(text: &[u8]) -> Result<i64, Refusal> {
    let timestamp = moment(text).ok_or(Refusal::BadTimestamp)?;
    match timestamp {
        TIMESTAMP_MIN..TIMESTAMP_END => Ok(timestamp),
        _ => Err(Refusal::TimestampOutOfRange),
    }
}

fn moment(text: &[u8]) -> Option<i64> {
    let (fixed, rest) = text.split_first_chunk::<19>()?;
    let marks = [fixed[4], fixed[7], fixed[13], fixed[16]];
    if marks != [b'-', b'-', b':', b':'] || !matches!(fixed[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = two_digits(fixed, 0)? * 100 + two_digits(fixed, 2)?;
    let (month, day) = (two_digits(fixed, 5)?, two_digits(fixed, 8)?);
    let (hour, minute, second) = (two_digits(fixed, 11)?, two_digits(fixed, 14)?, two_digits(fixed, 17)?);
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (micros, rest) = fraction(rest)?;
    let days = days_from_civil(year, month, day);
    let local = days * 24 * HOUR + hour * HOUR + minute * MINUTE + second * SECOND + micros;
    Some(local - offset(rest)?)
}

fn two_digits(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens * 10 + ones))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// µs, and what follows them.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', digits @ ..] = text else {
        return Some((0, text));
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let micros = (0..6).fold(0, |micros, at| {
        let digit = if at < length { digits[at] - b'0' } else { 0 };
        micros * 10 + i64::from(digit)
    });
    Some((micros, &digits[length..]))
}

/// µs east of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.len() {
        5 if digits[2] == b':' => (two_digits(digits, 0)?, two_digits(digits, 3)?),
        4 => (two_digits(digits, 0)?, two_digits(digits, 2)?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then(|| sign * (hours * HOUR + minutes * MINUTE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<i64, Refusal>) {
        assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
    }

    #[test]
    fn what_clients_write_is_read() {
        let moment = 1_342_646_005_687_518;
        check("2012-07-18T21:13:25.687518", Ok(moment));
        check("2012-07-18T21:13:25.687518Z", Ok(moment));
        check("2012-07-18t21:13:25.687518999z", Ok(moment));
        check("2012-07-18 23:13:25.687518+02:00", Ok(moment));
        check("2012-07-18T16:43:25.687518-0430", Ok(moment));
        check("2012-07-18T21:13:25", Ok(moment - 687_518));
        check("2012-07-18T21:13:25.6Z", Ok(moment - 87_518));
        check("1970-01-01T00:00:00Z", Ok(0));
        check("1970-01-01T01:00:00+01:00", Ok(0));
        check("9999-12-31T23:59:59.999999Z", Ok(TIMESTAMP_END - 1));
        check("2016-12-31T23:59:60Z", Ok(1_483_228_800 * SECOND));
        check("2000-02-29T00:00:00Z", Ok(951_782_400 * SECOND));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "not a time",
            "2012-07-18",
            "2012-07-18T21:13",
            "2012-07-18T21:13:25.",
            "2012-07-18T21:13:25.1234567890",
            "2012-07-18T21:13:25,5",
            "2012-07-18T21:13:25ZZ",
            "2012-07-18T21:13:25+2:00",
            "2012-07-18T21:13:25+24:00",
            "2012-07-18T21:13:25+02:60",
            "2012-07-18T21:13:25 +02:00",
            "2012-13-18T21:13:25",
            "2012-00-18T21:13:25",
            "2012-07-32T21:13:25",
            "2012-07-00T21:13:25",
            "2011-02-29T21:13:25",
            "1900-02-29T21:13:25",
            "2012-07-18T24:13:25",
            "2012-07-18T21:60:25",
            "2012-07-18T21:13:61",
            "+012-07-18T21:13:25",
            "2012-07-1éT21:13:25",
            "12012-07-18T21:13:25",
        ] {
            check(text, Err(Refusal::BadTimestamp));
        }
    }

    #[test]
    fn what_the_tables_cannot_hold_is_refused() {
        for text in [
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "9999-12-31T23:59:60Z",
        ] {
            check(text, Err(Refusal::TimestampOutOfRange));
        }
    }
}
