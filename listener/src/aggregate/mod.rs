//! Aggregation: statsd values into one open window, and a closed window into its rows.
//!
//! Pure: it is told the time. Exactly one window is open at any moment, and the road never hands over a
//! value whose time lies outside of it. All of its state can be taken out and put back (`State`), so that a
//! window survives a restart in the middle.
mod series;
mod timer;

use crate::config::WindowConfig;
use metlog_schemas::statsd::{Kind, Reason, Sample, Value};
use metlog_schemas::window::Window;
use serde::{Deserialize, Serialize};
use series::{Series, Table};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names whose refused values are counted each by itself; the rest are counted together under `*`.
const OVERFLOW_NAMES_MAX: usize = 1_000;

/// Why a value was refused here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The name or a tag cannot be used.
    Name(Reason),
    /// `series_max` is reached, and the series is new.
    TooManySeries,
    /// More than `tags_max` tags.
    TooManyTags,
}

impl Refused {
    /// The word that counts it.
    pub const fn reason(self) -> &'static str {
        match self {
            Refused::Name(reason) => reason.reason(),
            Refused::TooManySeries => "too_many_series",
            Refused::TooManyTags => "too_many_tags",
        }
    }
}

/// The open window and every series that is remembered.
#[derive(Debug)]
pub struct Aggregator {
    config: WindowConfig,
    hostname: Arc<str>,
    length: i64,
    open: Open,
    table: Table,
    overflow: BTreeMap<String, u64>,
}

/// What is counted about the open window as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    end: i64,
    /// It keeps what it was begun with, whatever the configuration says by its end.
    length: i64,
    hostname: Arc<str>,
    values: u64,
    bad_lines: u64,
    packets: u64,
    lines: u64,
}

/// All that an [`Aggregator`] knows, to be kept and put back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    open: Open,
    series: Vec<Series>,
    overflow: BTreeMap<String, u64>,
}

impl State {
    /// Values in the window that it left open.
    pub fn open_values(&self) -> u64 {
        self.open.values
    }

    /// End of that window, µs; 0 where there never was one.
    pub fn window_end(&self) -> i64 {
        self.open.end
    }
}

impl Aggregator {
    /// Goes on from `state`. The open window is the one that `state` left open, or the one that `now` is in
    /// where it holds no value.
    pub fn new(config: WindowConfig, hostname: Arc<str>, state: State, now: i64) -> Aggregator {
        let length = (config.flush_interval.as_micros() as i64).max(1);
        let mut open = state.open;
        if open.values == 0 && (open.end <= now || open.length != length) {
            open = Open::at(now, length, &hostname);
        }
        let table = Table::from_series(state.series);
        Aggregator { config, hostname, length, open, table, overflow: state.overflow }
    }

    /// Everything it knows.
    pub fn state(&self) -> State {
        State { open: self.open.clone(), series: self.table.all().cloned().collect(), overflow: self.overflow.clone() }
    }

    /// End of the open window, exclusive, in µs since 1970 UTC.
    pub fn window_end(&self) -> i64 {
        self.open.end
    }

    /// Values in the open window.
    pub fn open_values(&self) -> u64 {
        self.open.values
    }

    /// Series that are remembered.
    pub fn series(&self) -> usize {
        self.table.len()
    }

    /// How often a name was refused because there were too many, by name; `*` stands for the rest.
    pub fn overflow(&self) -> &BTreeMap<String, u64> {
        &self.overflow
    }

    /// A datagram (or a read of a stream) brought so many lines.
    pub fn packet(&mut self, lines: u64) {
        self.open.packets += 1;
        self.open.lines += lines;
    }

    /// A line or a value was refused.
    pub fn bad_line(&mut self) {
        self.open.bad_lines += 1;
    }

    /// Adds one value to the open window.
    ///
    /// # Errors
    /// [`Refused`]: nothing was added, and the refusal is counted by name where it is one of number.
    pub fn add(&mut self, sample: &Sample<'_>) -> Result<(), Refused> {
        let at = match self.table.find(sample.kind, sample.name, sample.tags) {
            Some(at) => at,
            None => self.admit(sample.kind, sample.name, sample.tags)?,
        };
        let series = self.table.at(at);
        match sample.value {
            Value::Number(value) => series.number(value, sample.rate),
            Value::Delta(delta) => series.delta(delta),
            Value::Member(member) => series.member(member),
        }
        series.last_value = self.open.end;
        self.open.values += 1;
        Ok(())
    }

    fn admit(&mut self, kind: Kind, name: &[u8], tags: &[u8]) -> Result<usize, Refused> {
        let (clean, tag_list) = metlog_schemas::statsd::canonical(name, tags).map_err(Refused::Name)?;
        if tag_list.len() > self.config.tags_max {
            overflowed(&mut self.overflow, clean);
            return Err(Refused::TooManyTags);
        }
        if self.table.len() >= self.config.series_max && !self.table.has(kind, &clean, &tag_list) {
            overflowed(&mut self.overflow, clean);
            return Err(Refused::TooManySeries);
        }
        Ok(self.table.admit((kind, name, tags), clean, tag_list))
    }

    /// Closes the open window and opens the one that `now` is in, which must be a later one. `None` where
    /// there is nothing to tell.
    pub fn close(&mut self, now: i64) -> Option<Window> {
        let end = self.open.end;
        let forgotten_before = end - self.config.idle_after.as_micros() as i64;
        self.table.retain(|series| series.last_value > forgotten_before);
        let mut rows: Vec<_> = self.table.all_mut().map(|series| series.close(end, &self.config.percentiles)).collect();
        rows.sort_by(|a, b| (&a.name, a.data.kind(), &a.tags).cmp(&(&b.name, b.data.kind(), &b.tags)));
        let next = Open::at(now.max(end), self.length, &self.hostname);
        let Open { length, hostname, values, bad_lines, packets, lines, .. } = std::mem::replace(&mut self.open, next);
        let empty = rows.is_empty() && values == 0 && bad_lines == 0 && packets == 0;
        (!empty).then_some(Window { end, length, hostname, values, bad_lines, packets, lines, rows })
    }
}

impl Open {
    /// The empty window that `now` is in.
    fn at(now: i64, length: i64, hostname: &Arc<str>) -> Open {
        Open { end: (now.div_euclid(length) + 1) * length, length, hostname: hostname.clone(), ..Open::default() }
    }
}

fn overflowed(overflow: &mut BTreeMap<String, u64>, name: String) {
    let name = if overflow.len() < OVERFLOW_NAMES_MAX || overflow.contains_key(&name) { name } else { "*".into() };
    *overflow.entry(name).or_default() += 1;
}

#[cfg(test)]
mod tests;
