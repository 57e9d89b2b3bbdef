//! The time range of a view as it stands in its address: typed, relative or absolute.
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};

/// What is offered with one click: as typed, and in words.
pub const QUICK: [(&str, &str); 8] = [
    ("-5m", "5 minutes"),
    ("-15m", "15 minutes"),
    ("-1h", "1 hour"),
    ("-3h", "3 hours"),
    ("-12h", "12 hours"),
    ("-24h", "24 hours"),
    ("-7d", "7 days"),
    ("-30d", "30 days"),
];

/// Where a view begins that says nothing else.
pub const FROM: &str = "-1h";

/// µs since 1970 UTC.
pub type Micros = i64;

const SECOND: i64 = 1_000_000;

/// The zone in which times are shown and typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zone {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// That of the reader's browser.
    Local,
}

impl Zone {
    /// As in an address.
    pub const fn name(self) -> &'static str {
        match self {
            Zone::Utc => "utc",
            Zone::Local => "local",
        }
    }
}

/// A time range: as typed, and what that is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// As typed: `-1h`.
    pub from: String,
    /// As typed: `now`.
    pub to: String,
    /// Inclusive.
    pub start: Micros,
    /// Exclusive.
    pub end: Micros,
}

impl Range {
    /// The range of an address.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub fn read(from: &str, to: &str, now: Micros) -> Result<Range, String> {
        let start = moment(from, now).map_err(|why| format!("from: {why}"))?;
        let end = moment(to, now).map_err(|why| format!("to: {why}"))?;
        if start >= end {
            return Err(format!("from ({from}) is not before to ({to})"));
        }
        Ok(Range { from: from.to_owned(), to: to.to_owned(), start, end })
    }

    /// The range of a view that names none.
    pub fn usual(now: Micros) -> Range {
        Range { from: FROM.to_owned(), to: "now".to_owned(), start: now - 3_600 * SECOND, end: now }
    }

    /// In words: `1 hour`, or its two ends.
    pub fn title(&self) -> String {
        let quick = QUICK.iter().find(|(typed, _)| self.to == "now" && *typed == self.from);
        quick.map_or_else(|| format!("{} to {}", self.from, self.to), |(_, words)| format!("Last {words}"))
    }

    /// The length of buckets with which the range has about `count` of them: a length that people count in.
    pub fn bucket_seconds(&self, count: i64) -> i64 {
        const LENGTHS: [i64; 22] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800,
            604_800, 1_209_600, 2_592_000,
        ];
        let least = (self.end - self.start) / SECOND / count.max(1);
        LENGTHS.into_iter().find(|length| *length >= least).unwrap_or(31_536_000)
    }

    /// The condition on a column of the tables, in SQL: also on the partitions, which spares listing the others.
    pub fn condition(&self, column: &str) -> String {
        format!("{column} >= {} and {column} < {}", timestamp(self.start), timestamp(self.end))
    }
}

/// A time as a literal of SQL.
pub fn timestamp(micros: Micros) -> String {
    format!("timestamp '{}'", crate::number::iso(micros))
}

/// Reads one end of a range: `now`, `-1h`, `now-90s`, `today`, `yesterday`, a date, a date with a time, or a number of
/// seconds, milliseconds or microseconds since 1970. Without a zone, times are UTC.
///
/// # Errors
/// What it is not.
pub fn moment(typed: &str, now: Micros) -> Result<Micros, String> {
    let text = typed.trim();
    let lower = text.to_ascii_lowercase();
    if let Some(offset) = lower.strip_prefix("now").or_else(|| lower.strip_prefix('-').map(|_| lower.as_str())) {
        return relative(offset, now).ok_or_else(|| unreadable(typed));
    }
    let midnight = |day: Option<NaiveDate>| day.map(|day| Utc.from_utc_datetime(&day.and_time(NaiveTime::MIN)));
    let today = DateTime::<Utc>::from_timestamp_micros(now).map(|time| time.date_naive());
    let day = match lower.as_str() {
        "today" => midnight(today),
        "yesterday" => midnight(today.and_then(|day| day.checked_sub_days(Days::new(1)))),
        _ => None,
    };
    day.or_else(|| absolute(text))
        .map(|time| time.timestamp_micros())
        .or_else(|| epoch(text))
        .ok_or_else(|| unreadable(typed))
}

fn unreadable(typed: &str) -> String {
    format!(
        "cannot read `{typed}`: write -15m, -1h, -7d, now, today, 2026-01-02, 2026-01-02 03:04:05 or 2026-01-02T03:04:05Z"
    )
}

/// `-1h`, `-1h30m`, or nothing.
fn relative(offset: &str, now: Micros) -> Option<Micros> {
    let offset = offset.trim();
    if offset.is_empty() {
        return Some(now);
    }
    let (sign, mut rest) = match offset.split_at_checked(1)? {
        ("-", rest) => (-1, rest),
        ("+", rest) => (1, rest),
        _ => return None,
    };
    if rest.is_empty() {
        return None;
    }
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let letters = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| at + digits);
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = match rest[digits..letters].trim() {
            "s" | "sec" => SECOND,
            "m" | "min" => 60 * SECOND,
            "h" => 3_600 * SECOND,
            "d" => 86_400 * SECOND,
            "w" => 604_800 * SECOND,
            "y" => 31_536_000 * SECOND,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[letters..];
    }
    now.checked_add(sign * sum)
}

fn absolute(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc()).filter(|time| is_sane(*time));
    }
    let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let naive = naive.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let naive =
        naive.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN)));
    naive.map(|naive| Utc.from_utc_datetime(&naive)).filter(|time| is_sane(*time))
}

fn is_sane(time: DateTime<Utc>) -> bool {
    (1..=9_999).contains(&time.year())
}

fn epoch(text: &str) -> Option<Micros> {
    let number: i64 = text.parse().ok()?;
    match text.len() {
        9..=10 => number.checked_mul(SECOND),
        12..=13 => number.checked_mul(1_000),
        15..=16 => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 1_767_323_045_000_000; // 2026-01-02 03:04:05

    #[test]
    fn times_are_typed_in_many_ways() {
        for (typed, seconds) in [
            ("now", 0),
            (" NOW ", 0),
            ("-1h", -3_600),
            ("now-1h30m", -5_400),
            ("now+5s", 5),
            ("-2w", -1_209_600),
            ("2026-01-02T03:04:05Z", 0),
            ("2026-01-02T04:04:05+01:00", 0),
            ("2026-01-02 03:04", -5),
            ("2026-01-02", -11_045),
            ("today", -11_045),
            ("yesterday", -11_045 - 86_400),
            ("1767323045", 0),
            ("1767323045000", 0),
            ("1767323045000000", 0),
        ] {
            assert_eq!(moment(typed, NOW), Ok(NOW + seconds * SECOND), "{typed}");
        }
        for typed in [
            "",
            "-",
            "1h",
            "-1x",
            "-h",
            "now-",
            "nowish",
            "2026-13-01",
            "yesterday-1h",
            "-99999999999999999d",
            "-9223372036854775807w",
            "12",
        ] {
            let why = moment(typed, NOW);
            assert!(why.as_ref().is_err_and(|why| why.contains("-15m")), "{typed}: {why:?}");
        }
    }

    #[test]
    fn a_range_begins_before_it_ends() {
        let range = Range::read("-3h", "now", NOW).unwrap();
        assert_eq!((range.end - range.start, range.title().as_str()), (10_800 * SECOND, "Last 3 hours"));
        assert!(Range::read("now", "-1h", NOW).unwrap_err().contains("not before"));
        assert_eq!(Range::usual(NOW).bucket_seconds(60), 60);
        assert_eq!(Range::read("-7d", "now", NOW).unwrap().bucket_seconds(100), 7_200);
        assert_eq!(Range::read("-5m", "now", NOW).unwrap().bucket_seconds(100), 5);
    }
}
