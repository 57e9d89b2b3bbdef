//! Aggregation: statsd values into one open window, and a closed window into its rows.
//!
//! Pure: it is told the time. Two halves work side by side: [`Aggregator`] takes values, and is cheap enough for intake;
//! [`Closer`] makes rows of windows that are over, and states of cuts. Exactly one window is open at any moment. All
//! of it can be written and read back ([`State`]), so that a window survives a restart in the middle.
mod closer;
mod index;
mod part;
mod state;
mod timer;

pub use closer::Closer;
pub use index::{NAME_BYTES_MAX, TAGS_BYTES_MAX, TEXT_BYTES_MAX};
pub use state::{State, v01};

use crate::config::WindowConfig;
use index::Index;
use metlog_schemas::statsd::{Kind, Reason, Sample, Value};
use metlog_schemas::window::Window;
use part::{Data, Part};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names whose refused values are counted each by itself; the rest are counted together under `*`.
const OVERFLOW_NAMES_MAX: usize = 1_000;
/// Longest name that is counted by itself, in bytes; a longer one is cut.
const OVERFLOW_NAME_BYTES_MAX: usize = 128;
/// Most memory of the open window. What does not fit is refused, and counted.
pub const WINDOW_BYTES_MAX: usize = 256 << 20;

/// Why a value was refused here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The name or a tag cannot be used.
    Name(Reason),
    /// The name or its tags are longer than [`NAME_BYTES_MAX`] or [`TAGS_BYTES_MAX`].
    NameTooLong,
    /// `series_max` or [`TEXT_BYTES_MAX`] is reached, and the series is new.
    TooManySeries,
    /// More than `tags_max` tags.
    TooManyTags,
    /// The open window takes [`WINDOW_BYTES_MAX`].
    WindowFull,
}

impl Refused {
    /// The word that counts it.
    pub const fn reason(self) -> &'static str {
        match self {
            Refused::Name(reason) => reason.reason(),
            Refused::NameTooLong => "name_too_long",
            Refused::TooManySeries => "too_many_series",
            Refused::TooManyTags => "too_many_tags",
            Refused::WindowFull => "window_full",
        }
    }
}

/// What is counted about the open window as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    end: i64,
    /// It keeps what it was begun with, whatever the configuration says by its end.
    length: i64,
    hostname: Arc<str>,
    values: u64,
    bad_lines: u64,
    packets: u64,
    lines: u64,
    /// Counts windows: two may have the same end where the clock was set back.
    serial: u64,
    /// About how much memory earlier parts of it take.
    bytes: usize,
}

/// A window that is over, for [`Closer::close`].
#[derive(Debug)]
pub struct Closing {
    open: Open,
    parts: Vec<Arc<Part>>,
    dead_until: i64,
    /// The next window is not a later one: no series had its last value after this.
    set_back: Option<i64>,
}

impl Closing {
    /// Values in it.
    pub fn values(&self) -> u64 {
        self.open.values
    }
}

/// The open window and the counts of overflow at one moment, for [`Closer::state`].
#[derive(Debug)]
pub struct Cut {
    open: Open,
    parts: Vec<Arc<Part>>,
    overflow: BTreeMap<String, u64>,
}

/// Takes values into the open window.
#[derive(Debug)]
pub struct Aggregator {
    config: WindowConfig,
    hostname: Arc<str>,
    length: i64,
    open: Open,
    index: Index,
    part: Part,
    /// Counts parts: a series whose epoch is another has no slot in this one.
    epoch: u32,
    /// Earlier parts of the open window.
    cut: Vec<Arc<Part>>,
    /// Version 0.1 knew no bounds on names and memory; what it accepted is accepted on replay.
    is_unbounded: bool,
    overflow: BTreeMap<String, u64>,
}

impl Aggregator {
    /// Goes on from `state`, with the closer that belongs to it. The open window is the one that `state` left open, or
    /// the one that `now` is in where it holds no value.
    pub fn new(config: WindowConfig, hostname: Arc<str>, state: State, now: i64) -> (Aggregator, Closer) {
        let length = (config.flush_interval.as_micros() as i64).max(1);
        let State { mut open, series, data, overflow } = state;
        if open.values == 0 && (open.end <= now || open.length != length) {
            open = Open { serial: open.serial + 1, ..Open::at(now, length, &hostname) };
        }
        let identities: Vec<_> = series.iter().map(|series| series.identity()).collect();
        let mut index = Index::default();
        let mut part = Part::default();
        for (series, identity) in series.iter().zip(&identities) {
            index.restore(identity.clone(), series.last_value, series.gauge);
        }
        let mut is_open = vec![false; series.len()];
        for (at, data) in data {
            if let Some(is_open) = is_open.get_mut(at as usize) {
                *is_open = true;
            }
            if let Some(identity) = identities.get(at as usize) {
                part.slots.push((identity.clone(), data));
            }
        }
        // The closer knows the series as of the last window: those of the open one come with its part.
        let before = series.iter().zip(&identities).enumerate().filter(|(at, _)| !is_open[*at]).map(|(_, both)| both);
        let closer = Closer::new(before.map(|(series, identity)| (identity.clone(), series.last_value, series.gauge)));
        let cut = if part.slots.is_empty() { Vec::new() } else { vec![Arc::new(part)] };
        let part = Part::default();
        let mut aggregator =
            Aggregator { config, hostname, length, open, index, part, epoch: 1, cut, is_unbounded: false, overflow };
        aggregator.index.sweep(aggregator.dead_until());
        (aggregator, closer)
    }

    /// A series whose last window ended there or before is dead in the open one.
    fn dead_until(&self) -> i64 {
        self.open.end - self.open.length - self.config.idle_after.as_micros() as i64
    }

    /// End of the open window, exclusive, in µs since 1970 UTC.
    pub fn window_end(&self) -> i64 {
        self.open.end
    }

    /// Its number, for [`Aggregator::close_into`].
    pub fn window_serial(&self) -> u64 {
        self.open.serial
    }

    /// Its length, µs.
    pub fn window_length(&self) -> i64 {
        self.open.length
    }

    /// Values in the open window.
    pub fn open_values(&self) -> u64 {
        self.open.values
    }

    /// Series that are alive.
    pub fn series(&self) -> usize {
        self.index.alive()
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
    #[inline]
    pub fn add(&mut self, sample: &Sample<'_>) -> Result<(), Refused> {
        // First: a series that is refused takes no place either.
        if self.part.bytes + self.open.bytes > WINDOW_BYTES_MAX && !self.is_unbounded {
            return Err(Refused::WindowFull);
        }
        let at = match self.index.find(sample.kind, sample.name, sample.tags) {
            Some(at) => at,
            None => self.admit(sample.kind, sample.name, sample.tags)?,
        };
        if self.index.at(at).epoch != self.epoch {
            self.begin(at)?;
        }
        let series = self.index.at(at);
        let data = &mut self.part.slots[series.slot as usize].1;
        self.part.bytes += match (sample.value, data) {
            (Value::Number(value), Data::Gauge(gauge)) => {
                (*gauge, series.gauge) = (value, value);
                0
            }
            (Value::Delta(delta), Data::Gauge(gauge)) => {
                series.gauge += delta;
                *gauge = series.gauge;
                0
            }
            (Value::Number(value), data) => data.number(value, sample.rate),
            (Value::Delta(delta), data) => data.number(delta, 1.0),
            (Value::Member(member), data) => data.member(member),
        };
        self.open.values += 1;
        Ok(())
    }

    fn admit(&mut self, kind: Kind, name: &[u8], tags: &[u8]) -> Result<u32, Refused> {
        let (clean, tag_list) = metlog_schemas::statsd::canonical(name, tags).map_err(Refused::Name)?;
        if tag_list.len() > self.config.tags_max {
            overflowed(&mut self.overflow, &clean);
            return Err(Refused::TooManyTags);
        }
        let admitted = match self.index.alive() >= self.config.series_max {
            // Room in the table is for those that can be counted.
            true => self.index.known(kind, (name, tags), &clean, &tag_list).ok_or(Refused::TooManySeries),
            false => self.index.admit(kind, (name, tags), &clean, tag_list),
        };
        if admitted == Err(Refused::TooManySeries) {
            overflowed(&mut self.overflow, &clean);
        }
        admitted
    }

    /// The first value of a series in this part.
    fn begin(&mut self, at: u32) -> Result<(), Refused> {
        let (end, dead_until) = (self.open.end, self.dead_until());
        if self.index.at(at).last_value != end && !self.index.revive(at, end, dead_until, self.config.series_max) {
            let name = self.index.at(at).identity.name.clone();
            overflowed(&mut self.overflow, &name);
            return Err(Refused::TooManySeries);
        }
        let series = self.index.at(at);
        (series.slot, series.epoch) = (self.part.push(series.identity.clone()), self.epoch);
        Ok(())
    }

    /// Ends the part that is filled.
    fn end_part(&mut self) {
        if !self.part.slots.is_empty() {
            self.open.bytes += self.part.bytes;
            self.cut.push(Arc::new(std::mem::take(&mut self.part)));
            self.epoch = self.epoch.wrapping_add(1);
        }
    }

    /// Everything up to now, for [`Closer::state`]; values go on into a new part. Takes no time worth speaking of.
    pub fn cut(&mut self) -> Cut {
        self.end_part();
        Cut { open: self.open.clone(), parts: self.cut.clone(), overflow: self.overflow.clone() }
    }

    /// Ends the open window and opens the one that `now` is in. Takes no time worth speaking of: the rows are made
    /// by [`Closer::close`].
    pub fn close(&mut self, now: i64) -> Closing {
        self.end_part();
        let dead_until = self.open.end - self.config.idle_after.as_micros() as i64;
        let next = Open { serial: self.open.serial + 1, ..Open::at(now, self.length, &self.hostname) };
        let set_back = (next.end <= self.open.end).then_some(next.end - next.length);
        let open = std::mem::replace(&mut self.open, next);
        if let Some(latest) = set_back {
            self.index.clock_was_set_back(latest);
        }
        self.index.sweep(self.dead_until());
        Closing { open, parts: std::mem::take(&mut self.cut), dead_until, set_back }
    }

    /// As [`Aggregator::close`], into the window of that end and number: on replay, where the journal says which it was.
    pub fn close_into(&mut self, end: i64, serial: u64) -> Closing {
        let closing = self.close(end - 1);
        self.open.serial = serial;
        closing
    }

    /// About how much memory the open window and all series take.
    pub fn memory_bytes(&self) -> usize {
        self.part.bytes + self.open.bytes + self.index.memory_bytes()
    }

    /// From here on without bounds on names and memory, as version 0.1.
    pub fn without_bounds(&mut self) {
        self.is_unbounded = true;
        self.index.without_bounds();
    }

    /// The open window has this number, whatever the state says: on replay, where that may be lost.
    pub fn set_window_serial(&mut self, serial: u64) {
        self.open.serial = serial;
    }

    /// Percentiles that a timer's rows have.
    pub fn percentiles(&self) -> &[f64] {
        &self.config.percentiles
    }
}

impl Open {
    /// The empty window that `now` is in.
    fn at(now: i64, length: i64, hostname: &Arc<str>) -> Open {
        Open { end: (now.div_euclid(length) + 1) * length, length, hostname: hostname.clone(), ..Open::default() }
    }

    fn is_empty(&self) -> bool {
        self.values == 0 && self.bad_lines == 0 && self.packets == 0
    }
}

fn overflowed(overflow: &mut BTreeMap<String, u64>, name: &str) {
    let name = &name[..name.floor_char_boundary(OVERFLOW_NAME_BYTES_MAX)];
    let name = if overflow.len() < OVERFLOW_NAMES_MAX || overflow.contains_key(name) { name } else { "*" };
    *overflow.entry(name.to_owned()).or_default() += 1;
}

/// Both halves, one after the other: for replay and tests.
#[derive(Debug)]
pub struct Windows {
    /// Takes values.
    pub aggregator: Aggregator,
    /// Makes rows.
    pub closer: Closer,
}

impl Windows {
    /// As [`Aggregator::new`].
    pub fn new(config: WindowConfig, hostname: Arc<str>, state: State, now: i64) -> Windows {
        let (aggregator, closer) = Aggregator::new(config, hostname, state, now);
        Windows { aggregator, closer }
    }

    /// Ends the open window and opens the one that `now` is in; the rows of the first, where it has any.
    pub fn close(&mut self, now: i64) -> Option<Window> {
        let closing = self.aggregator.close(now);
        self.closer.close(closing, self.aggregator.percentiles())
    }

    /// Everything that is known.
    pub fn state(&mut self) -> State {
        self.closer.state(&self.aggregator.cut())
    }
}

#[cfg(test)]
mod tests;
