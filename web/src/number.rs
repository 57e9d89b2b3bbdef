//! Numbers, sizes and times as people read them.
use chrono::{DateTime, SecondsFormat, Utc};

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of any size in few characters: `1.2k`, `34M`, `0.05`.
pub fn short(value: f64) -> String {
    let size = value.abs();
    for (unit, suffix) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if size >= unit {
            return format!("{}{suffix}", plain(value / unit, 3));
        }
    }
    plain(value, 3)
}

/// With six significant digits.
pub fn rounded(value: f64) -> String {
    plain(value, 6)
}

/// With so many significant digits, without zeros behind.
fn plain(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { value.to_string() };
    }
    let whole = value.abs().log10().floor() as i32 + 1;
    let places = usize::try_from((digits as i32 - whole).max(0)).unwrap_or(0).min(9);
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `1536` as `1.5 KiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut size, mut unit) = (count as f64, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

/// Seconds as `12 s`, `3 min`, `5 h`, `2 d`.
pub fn span(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => "0 s".to_owned(),
        s if s < 1.0 => format!("{} ms", (s * 1e3).round()),
        s if s < 90.0 => format!("{} s", s.round()),
        s if s < 5_400.0 => format!("{} min", (s / 60.0).round()),
        s if s < 129_600.0 => format!("{} h", (s / 3_600.0).round()),
        s => format!("{} d", (s / 86_400.0).round()),
    }
}

/// µs since 1970 as RFC 3339 in UTC, with as many digits as needed.
pub fn iso(micros: i64) -> String {
    DateTime::<Utc>::from_timestamp_micros(micros)
        .map_or_else(|| format!("{micros} µs"), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// µs since 1970 as `2026-01-02 03:04:05.678` in UTC; no fraction where it is 0.
pub fn readable(micros: i64) -> String {
    let Some(time) = DateTime::<Utc>::from_timestamp_micros(micros) else { return format!("{micros} µs") };
    match micros.rem_euclid(1_000_000) {
        0 => time.format("%Y-%m-%d %H:%M:%S").to_string(),
        rest if rest % 1_000 == 0 => time.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        _ => time.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_000), grouped(u64::MAX)],
            ["0", "999", "1,000", "18,446,744,073,709,551,615"]
        );
        assert_eq!([short(0.0), short(0.0512), short(12.0), short(999.4)], ["0", "0.0512", "12", "999"]);
        assert_eq!([short(1_234.0), short(-5.67e7), short(1e15)], ["1.23k", "-56.7M", "1000T"]);
        assert_eq!([bytes(0), bytes(1_536), bytes(5 << 30)], ["0 B", "1.5 KiB", "5.0 GiB"]);
        assert_eq!([span(0.05), span(42.0), span(600.0), span(90_000.0)], ["50 ms", "42 s", "10 min", "25 h"]);
    }

    #[test]
    fn times_have_the_digits_that_they_need() {
        assert_eq!(readable(1_767_323_045_000_000), "2026-01-02 03:04:05");
        assert_eq!(readable(1_767_323_045_678_000), "2026-01-02 03:04:05.678");
        assert_eq!(readable(1_767_323_045_678_901), "2026-01-02 03:04:05.678901");
        assert_eq!(iso(1_767_323_045_000_000), "2026-01-02T03:04:05Z");
        assert_eq!(iso(i64::MAX), "9223372036854775807 µs");
    }
}
