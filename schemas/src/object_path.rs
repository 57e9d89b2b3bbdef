//! The path of an object below the warehouse; written and parsed only here.
//!
//! `<table>/dt=YYYY-MM-DD/hour=HH/<listener>-<segment>.parquet`, by the time of the event, or Hive's name of the
//! unknown partition for both where the rows are of many hours. The listener's name is checked when it is configured
//! and every other part is a number, so nothing from outside can leave the prefix.
use crate::table::Table;
use crate::time::{Hour, days_from_civil};

/// Longest listener name.
pub const LISTENER_BYTES_MAX: usize = 64;

/// Hive's name for the partition of rows whose value is null.
pub const UNKNOWN_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// The partition that an object is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// All of its rows are of this hour.
    Hour(Hour),
    /// Its rows are of many hours, few of each.
    Unknown,
}

impl Partition {
    /// The hour of all rows, if there is one.
    pub const fn hour(self) -> Option<Hour> {
        match self {
            Partition::Hour(hour) => Some(hour),
            Partition::Unknown => None,
        }
    }

    /// `dt=2026-01-02/hour=03`
    pub fn folder(self) -> String {
        match self {
            Partition::Hour(hour) => format!("dt={}/hour={:02}", hour.date(), hour.of_day()),
            Partition::Unknown => format!("dt={UNKNOWN_PARTITION}/hour={UNKNOWN_PARTITION}"),
        }
    }

    fn parse(date: &str, hour: &str) -> Option<Partition> {
        let (date, hour) = (date.strip_prefix("dt=")?, hour.strip_prefix("hour=")?);
        if (date, hour) == (UNKNOWN_PARTITION, UNKNOWN_PARTITION) {
            return Some(Partition::Unknown);
        }
        let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let days = days_from_civil(date.next()??, date.next()??, date.next()??);
        Some(Partition::Hour(Hour(days.checked_mul(24)?.checked_add(hour.parse().ok()?)?)))
    }
}

impl From<Hour> for Partition {
    fn from(hour: Hour) -> Self {
        Partition::Hour(hour)
    }
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectPath {
    /// Which table it is part of.
    pub table: Table,
    /// The hour that all of its rows fall in, if they do.
    pub partition: Partition,
    /// The listener that wrote it; see [`is_listener_name`].
    pub listener: String,
    /// The journal segment that it was built from. Zero padded, so that name order is number order.
    pub segment: u64,
}

/// True for a name that is valid in a path: 1 to 64 of `a-z A-Z 0-9 _ .`, not beginning with a dot. (No `-`:
/// it divides the name from the segment.)
pub fn is_listener_name(name: &str) -> bool {
    (1..=LISTENER_BYTES_MAX).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

impl ObjectPath {
    /// The whole key, relative to the warehouse.
    pub fn key(&self) -> String {
        let (table, partition) = (self.table.name(), self.partition.folder());
        format!("{table}/{partition}/{}-{:012}.parquet", self.listener, self.segment)
    }

    /// Parses a key; accepts only the form that [`ObjectPath::key`] writes.
    pub fn parse(key: &str) -> Option<ObjectPath> {
        let mut parts = key.split('/');
        let table = Table::from_name(parts.next()?)?;
        let partition = Partition::parse(parts.next()?, parts.next()?)?;
        let (listener, segment) = parts.next()?.strip_suffix(".parquet")?.rsplit_once('-')?;
        let (listener, segment) = (listener.to_owned(), segment.parse().ok()?);
        let path = ObjectPath { table, partition, listener, segment };
        (is_listener_name(&path.listener) && path.key() == key).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, expected: Option<(Table, i64, &str, u64)>) {
        let parsed = ObjectPath::parse(key);
        let hour = |path: &ObjectPath| path.partition.hour().map_or(-1, |hour| hour.0);
        let found = parsed.as_ref().map(|p| (p.table, hour(p), p.listener.as_str(), p.segment));
        assert_eq!(found, expected, "{key:?}");
    }

    #[test]
    fn only_one_spelling_is_read() {
        check("messages/dt=1970-01-02/hour=03/host_1-000000000007.parquet", Some((Table::Messages, 27, "host_1", 7)));
        check("metrics/dt=2012-07-18/hour=21/a.b-000000000000.parquet", Some((Table::Metrics, 372_957, "a.b", 0)));
        let unknown = "messages/dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__/a-000000000007.parquet";
        check(unknown, Some((Table::Messages, -1, "a", 7)));
        check(&unknown.replace("/hour=__HIVE_DEFAULT_PARTITION__", "/hour=03"), None);
        check("messages/dt=1970-01-02/hour=3/host-000000000007.parquet", None);
        check("messages/dt=1970-13-02/hour=03/host-000000000007.parquet", None);
        check("messages/dt=1970-01-02/hour=24/host-000000000007.parquet", None);
        check("messages/dt=1970-01-02/hour=03/../x-000000000007.parquet", None);
        check("other/dt=1970-01-02/hour=03/host-000000000007.parquet", None);
        check("messages/dt=1970-01-02/hour=03/host-7.parquet", None);
    }

    #[test]
    fn names_that_could_leave_the_prefix_are_refused() {
        for name in ["", "..", "a/b", "a-b", "a b", "é", &"x".repeat(65)] {
            assert!(!is_listener_name(name), "{name:?}");
        }
        assert!(is_listener_name("host_1.example"));
    }
}
