//! Moments as µs since 1970-01-01 UTC, hours, and the calendar; nothing here asks a clock.

/// µs in a second.
pub const SECOND: i64 = 1_000_000;
/// µs in an hour.
pub const HOUR: i64 = 3_600 * SECOND;
/// First moment that a message may have: 1970-01-01.
pub const TIMESTAMP_MIN: i64 = 0;
/// First moment that a message may no longer have: 10000-01-01, where a date needs a fifth digit.
pub const TIMESTAMP_END: i64 = 253_402_300_800 * SECOND;

/// Hours since 1970-01-01 UTC: what a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub i64);

impl Hour {
    /// The hour of a moment in µs.
    pub const fn of(timestamp: i64) -> Hour {
        Hour(timestamp.div_euclid(HOUR))
    }
    /// Its first moment in µs.
    pub const fn start(self) -> i64 {
        self.0 * HOUR
    }
    /// Days since 1970-01-01.
    pub const fn days(self) -> i64 {
        self.0.div_euclid(24)
    }
    /// 0 to 23.
    pub const fn of_day(self) -> i64 {
        self.0.rem_euclid(24)
    }
    /// `2026-01-02`, as in the partition `dt`.
    pub fn date(self) -> String {
        let (year, month, day) = civil_from_days(self.days());
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar. Source: Howard Hinnant, "chrono-compatible
/// low-level date algorithms".
pub const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date (year, month, day) of a day since 1970-01-01; the inverse of [`days_from_civil`].
pub const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// A moment in µs as RFC 3339 has it: `2026-01-02T03:04:05.000006Z`.
pub fn rfc3339(timestamp: i64) -> String {
    let (hour, in_hour) = (Hour::of(timestamp), timestamp.rem_euclid(HOUR));
    let (minute, second, micros) = (in_hour / (60 * SECOND), in_hour / SECOND % 60, in_hour % SECOND);
    format!("{}T{:02}:{minute:02}:{second:02}.{micros:06}Z", hour.date(), hour.of_day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_many_years_goes_there_and_back() {
        for days in -1_000..1_000_000 {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(days_from_civil(2012, 7, 18), 15_539);
        assert_eq!(rfc3339(15_539 * 24 * HOUR + 21 * HOUR + 3_661 * SECOND + 7), "2012-07-18T22:01:01.000007Z");
    }

    #[test]
    fn moments_are_written_as_rfc_3339() {
        for (timestamp, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_767_323_045_000_006, "2026-01-02T03:04:05.000006Z"),
            (TIMESTAMP_END - 1, "9999-12-31T23:59:59.999999Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(rfc3339(timestamp), text);
        }
    }
}
