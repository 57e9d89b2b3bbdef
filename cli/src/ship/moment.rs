//! When: the time in a line of a log, as its program writes it. The clock is an argument.
use chrono::format::{Parsed, StrftimeItems, parse};
use chrono::{DateTime, Datelike, FixedOffset};

/// What is tried where no format is given. Commas before fractions are points by then.
const USUAL: [&str; 10] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f %z",
    "%Y/%m/%d %H:%M:%S%.f",
    // Apache: access and error log.
    "%d/%b/%Y:%H:%M:%S %z",
    "%a %b %d %H:%M:%S%.f %Y",
    // syslog.
    "%b %d %H:%M:%S%.f",
    // Hadoop.
    "%y%m%d %H%M%S",
    "%y/%m/%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S%.f",
];

const SECOND_MICROSECONDS: i64 = 1_000_000;
/// A clock may be ahead by this before a date without a year is taken for one of the year before.
const AHEAD_MICROSECONDS: i64 = 24 * 3_600 * SECOND_MICROSECONDS;
/// 29 February comes back after at most so many years.
const YEARS_BACK: i32 = 8;
/// The end of the year 9999, µs since 1970: a listener takes no later time.
const LATEST: i64 = 253_402_300_799_999_999;

/// How times are written.
#[derive(Debug, Clone)]
pub struct Clock {
    /// In strftime's signs; `None`: the usual forms.
    pub format: Option<String>,
    /// Of times that name no zone.
    pub zone: FixedOffset,
}

impl Clock {
    /// µs since 1970 UTC; `None` where it cannot be read or a listener would refuse it. `now`, likewise, tells the year
    /// where there is none.
    pub fn read(&self, text: &str, now: i64) -> Option<i64> {
        let text = text.trim();
        let found = match &self.format {
            Some(format) => self.with(format, text, now),
            None => self.usual(text, now),
        };
        found.filter(|time| (0..=LATEST).contains(time))
    }

    fn usual(&self, text: &str, now: i64) -> Option<i64> {
        if let Some(time) = since_1970(text) {
            return Some(time);
        }
        let text = text.replace(',', ".");
        if let Ok(time) = DateTime::parse_from_rfc3339(&text) {
            return Some(time.timestamp_micros());
        }
        USUAL.iter().find_map(|format| self.with(format, &text, now))
    }

    fn with(&self, format: &str, text: &str, now: i64) -> Option<i64> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, StrftimeItems::new(format)).ok()?;
        let zone = parsed.offset().and_then(FixedOffset::east_opt).unwrap_or(self.zone);
        let resolve = |parsed: &Parsed| {
            let time = parsed.to_naive_datetime_with_offset(zone.local_minus_utc()).ok()?;
            Some(time.and_local_timezone(zone).single()?.timestamp_micros())
        };
        let has_year = parsed.year().or(parsed.year_mod_100()).or(parsed.isoyear()).is_some();
        if has_year || parsed.timestamp().is_some() {
            return resolve(&parsed);
        }
        let this_year = DateTime::from_timestamp_micros(now)?.with_timezone(&zone).year();
        (0..=YEARS_BACK).find_map(|back| {
            let mut parsed = parsed.clone();
            parsed.set_year(i64::from(this_year - back)).ok()?;
            resolve(&parsed).filter(|time| *time <= now + AHEAD_MICROSECONDS)
        })
    }
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, by the number of digits; seconds may have a fraction.
fn since_1970(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    match (whole.len(), fraction.len()) {
        (9 | 10, _) => {
            let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
            Some(number * SECOND_MICROSECONDS + micros)
        }
        (12 | 13, 0) => Some(number * 1_000),
        (15 | 16, 0) => Some(number),
        (18 | 19, 0) => Some(number / 1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-02T03:04:05Z.
    const NOW: i64 = 1_767_323_045_000_000;

    #[track_caller]
    fn check(format: Option<&str>, zone: i32, text: &str, expected: Option<&str>) {
        let clock = Clock { format: format.map(str::to_owned), zone: FixedOffset::east_opt(zone).unwrap() };
        let found = clock.read(text, NOW).map(|time| DateTime::from_timestamp_micros(time).unwrap());
        let expected = expected.map(|text| DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_usual_forms_are_read() {
        for (text, expected) in [
            ("2025-03-04T05:06:07.25Z", "2025-03-04T05:06:07.25Z"),
            ("2025-03-04T05:06:07+02:00", "2025-03-04T03:06:07Z"),
            ("2025-03-04 05:06:07,125", "2025-03-04T05:06:07.125Z"),
            ("2017-05-16 00:00:00.008", "2017-05-16T00:00:00.008Z"),
            ("05/Mar/2025:06:07:08 -0700", "2025-03-05T13:07:08Z"),
            ("Sun Dec 04 04:47:44 2005", "2005-12-04T04:47:44Z"),
            ("081109 203615", "2008-11-09T20:36:15Z"),
            ("1741064767", "2025-03-04T05:06:07Z"),
            ("1741064767.5", "2025-03-04T05:06:07.5Z"),
            ("1741064767123", "2025-03-04T05:06:07.123Z"),
            ("1741064767123456", "2025-03-04T05:06:07.123456Z"),
        ] {
            check(None, 0, text, Some(expected));
        }
        for text in ["", "yesterday", "2025-13-01 00:00:00", "12:00:00", "1899-01-01 00:00:00"] {
            check(None, 0, text, None);
        }
    }

    #[test]
    fn a_date_without_a_year_is_the_latest_that_has_been() {
        check(None, 0, "Jan  2 03:04:05", Some("2026-01-02T03:04:05Z"));
        check(None, 0, "Jan 3 03:00:00", Some("2026-01-03T03:00:00Z"));
        check(None, 0, "Dec 10 06:55:46", Some("2025-12-10T06:55:46Z"));
        check(None, 0, "Feb 29 00:00:00", Some("2024-02-29T00:00:00Z"));
    }

    #[test]
    fn format_and_zone_are_as_said() {
        check(Some("%d-%m-%Y %H:%M"), 7_200, "04-03-2025 05:06", Some("2025-03-04T03:06:00Z"));
        check(Some("%s"), 7_200, "1741064767", Some("2025-03-04T05:06:07Z"));
        check(Some("%d/%b/%Y:%H:%M:%S %z"), 7_200, "04/Mar/2025:05:06:07 +0000", Some("2025-03-04T05:06:07Z"));
        check(Some("%Y"), 0, "2025-03-04T05:06:07Z", None);
    }
}
