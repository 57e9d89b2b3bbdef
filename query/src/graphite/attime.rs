//! Times as Graphite's `from` and `until` say them: `-1h`, `noon yesterday`, `20260304`, `1772600400`.
//!
//! A time is a reference (`now`, a time of day, a day) and an offset from it. Case, spaces, underscores and commas do not
//! matter. What is no time is an error that says so.
use arrow::array::timezone::Tz;
use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Utc};

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Furthest time in seconds since 1970: the year 9999.
const SECONDS_MAX: i64 = 253_402_300_799;

/// A time in seconds since 1970 UTC. Days and times of day are those of `zone`.
///
/// # Errors
/// Where it is no time.
pub fn parse(text: &str, zone: Tz, now: i64) -> Result<i64, String> {
    let unclear = |why: &str| format!("`{text}` is no time: {why}");
    let word: String = text.trim().to_lowercase().chars().filter(|c| !matches!(c, '_' | ',' | ' ')).collect();
    if is_number(&word) && !is_date(&word) {
        return word.parse().ok().filter(|at| *at <= SECONDS_MAX).ok_or_else(|| unclear("too far away"));
    }
    let at = word.find('+').or_else(|| word.find('-')).unwrap_or(word.len());
    let (reference, offset) = word.split_at(at);
    let begin = refer(reference, zone, now).map_err(|why| unclear(&why))?;
    let offset = parse_offset(offset).map_err(|why| unclear(&why))?;
    begin.checked_add(offset).filter(|at| at.abs() <= SECONDS_MAX).ok_or_else(|| unclear("too far away"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `YYYYMMDD` rather than a count of seconds.
fn is_date(text: &str) -> bool {
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<u32>().ok());
    text.len() == 8
        && part(0..4).is_some_and(|year| year > 1900)
        && part(4..6).is_some_and(|month| month < 13)
        && part(6..8).is_some_and(|day| day < 32)
}

/// Takes digits off the front.
fn digits<'t>(text: &'t str, what: &str) -> Result<(u32, &'t str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].parse().map_err(|_| format!("{what} is required"))?;
    Ok((number, &text[end..]))
}

fn refer(reference: &str, zone: Tz, now: i64) -> Result<i64, String> {
    if reference.is_empty() || reference == "now" {
        return Ok(now);
    }
    let now = Utc.timestamp_opt(now, 0).single().ok_or("now is too far away")?.with_timezone(&zone).naive_local();
    let (hour, minute, day) = time_of_day(reference)?;
    let date = day_of(day, now.date()).map_err(|why| if why.is_empty() { unknown(reference) } else { why })?;
    let local = date.and_hms_opt(hour, minute, 0).ok_or_else(|| format!("there is no {hour}:{minute:02}"))?;
    Ok(localize(local, zone).timestamp())
}

fn unknown(reference: &str) -> String {
    format!("unknown day `{reference}`")
}

/// Hour, minute, and what follows.
fn time_of_day(reference: &str) -> Result<(u32, u32, &str), String> {
    let after_noon = |hour: u32| (hour + 12) % 24;
    let mut found = (0, 0, reference);
    if let Some(at @ 1..3) = reference.find(':') {
        let (hour, _) = digits(&reference[..at], "an hour")?;
        let minute = reference.get(at + 1..(at + 3).min(reference.len())).unwrap_or_default();
        let rest = reference.get((at + 3).min(reference.len())..).unwrap_or_default();
        let (minute, _) = digits(minute, "a minute")?;
        found = match (rest.strip_prefix("am"), rest.strip_prefix("pm")) {
            (Some(rest), _) => (hour, minute, rest),
            (_, Some(rest)) => (after_noon(hour), minute, rest),
            _ => (hour, minute, rest),
        };
    }
    for (word, is_pm) in [("am", false), ("pm", true)] {
        if let Some(at @ 1..3) = found.2.find(word) {
            let (hour, _) = digits(&found.2[..at], "an hour")?;
            found = (if is_pm { after_noon(hour) } else { hour }, found.1, &found.2[at + 2..]);
        }
    }
    for (word, hour) in [("noon", 12), ("midnight", 0), ("teatime", 16)] {
        if let Some(rest) = found.2.strip_prefix(word) {
            return Ok((hour, 0, rest));
        }
    }
    Ok(found)
}

/// An empty error: it is none of the forms.
fn day_of(day: &str, today: NaiveDate) -> Result<NaiveDate, String> {
    let no_date = || format!("there is no day `{day}`");
    match day {
        "" | "today" => return Ok(today),
        "yesterday" => return today.pred_opt().ok_or_else(no_date),
        "tomorrow" => return today.succ_opt().ok_or_else(no_date),
        _ => (),
    }
    if let [month, day_of_month, year] = day.split('/').collect::<Vec<_>>()[..] {
        let number = |text: &str| text.parse::<u32>().map_err(|_| no_date());
        let mut year = number(year)?;
        year += if year < 1900 { 1900 } else { 0 };
        year += if year < 1970 { 100 } else { 0 };
        return NaiveDate::from_ymd_opt(year as i32, number(month)?, number(day_of_month)?).ok_or_else(no_date);
    }
    if day.len() == 8 && is_number(day) {
        let number = |range: std::ops::Range<usize>| day[range].parse::<u32>().unwrap_or_default();
        return NaiveDate::from_ymd_opt(number(0..4) as i32, number(4..6), number(6..8)).ok_or_else(no_date);
    }
    let first = day.get(..3).unwrap_or_default();
    if let Some(month) = MONTHS.iter().position(|name| *name == first) {
        let from_end =
            |count: usize| day.len().checked_sub(count).and_then(|at| day.get(at..)).filter(|d| is_number(d));
        let day_of_month = from_end(2).or_else(|| from_end(1)).ok_or("a day is required behind the name of a month")?;
        let day_of_month = day_of_month.parse().map_err(|_| no_date())?;
        return NaiveDate::from_ymd_opt(today.year(), month as u32 + 1, day_of_month).ok_or_else(no_date);
    }
    if let Some(weekday) = WEEKDAYS.iter().position(|name| *name == first) {
        let back = (today.weekday().num_days_from_sunday() + 7 - weekday as u32) % 7;
        return today.checked_sub_days(chrono::Days::new(back.into())).ok_or_else(no_date);
    }
    Err(String::new())
}

/// Standard time where the clock shows a time twice, and the time before the gap where it never does.
pub fn localize(local: NaiveDateTime, zone: Tz) -> DateTime<Tz> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => at,
        LocalResult::Ambiguous(_, later) => later,
        LocalResult::None => {
            let before = zone.from_local_datetime(&(local - Duration::hours(1))).earliest();
            before.map_or_else(|| zone.from_utc_datetime(&local), |at| at + Duration::hours(1))
        }
    }
}

/// Seconds of an offset: `-1h30min`. Without a sign it is positive; months have 30 days and years 365.
///
/// # Errors
/// Where it is none.
pub fn parse_offset(offset: &str) -> Result<i64, String> {
    let (sign, mut rest) = match offset.as_bytes().first() {
        None => return Ok(0),
        Some(b'-') => (-1, &offset[1..]),
        Some(b'+') => (1, &offset[1..]),
        Some(first) if first.is_ascii_digit() => (1, offset),
        Some(_) => return Err(format!("invalid offset `{offset}`")),
    };
    let mut seconds: i64 = 0;
    while !rest.is_empty() {
        let (count, behind) = digits(rest, "a number in the offset")?;
        let end = behind.find(|c: char| !c.is_alphabetic()).unwrap_or(behind.len());
        let unit = unit_of(&behind[..end])?;
        let more = unit.seconds().checked_mul(count.into());
        seconds = more.and_then(|more| seconds.checked_add(more)).ok_or("the offset is too long")?;
        rest = &behind[end..];
    }
    Ok(sign * seconds)
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    const fn seconds(self) -> i64 {
        match self {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3_600,
            Unit::Day => 86_400,
            Unit::Week => 7 * 86_400,
            Unit::Month => 30 * 86_400,
            Unit::Year => 365 * 86_400,
        }
    }
}

/// The unit that a word begins as.
///
/// # Errors
/// Where it is none.
pub fn unit_of(word: &str) -> Result<Unit, String> {
    const UNITS: [(&str, Unit); 7] = [
        ("s", Unit::Second),
        ("min", Unit::Minute),
        ("h", Unit::Hour),
        ("d", Unit::Day),
        ("w", Unit::Week),
        ("mon", Unit::Month),
        ("y", Unit::Year),
    ];
    let found = UNITS.iter().find(|(prefix, _)| word.starts_with(prefix)).map(|(_, unit)| *unit);
    found.ok_or_else(|| format!("invalid unit `{word}`; there are s, min, h, d, w, mon and y"))
}
