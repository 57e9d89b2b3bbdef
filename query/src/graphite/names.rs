//! Which series there are, and what they are called in Graphite: an index in memory, so that no search for a name reads
//! more than the hours that nobody has asked about yet.
//!
//! It knows the series of each hour. An hour is read once (its columns of names only), and then again at intervals that
//! grow with its age ([`is_fresh`]), since objects may come late. A search of names looks at [`FIND_HOURS`] hours unless it
//! says which; points are looked up by names of at most [`RENDER_HOURS_MAX`] hours.
use super::rows::{Rows, list_of, text_of};
use super::tree::Tree;
use crate::error::{Error, Kind as ErrorKind};
use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use metlog_schemas::carbon::{self, Naming};
use metlog_schemas::statsd::Kind;
use metlog_schemas::time::{HOUR, Hour, SECOND};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Hours that a search of names looks at where it does not say which.
pub const FIND_HOURS: i64 = 7 * 24;
/// Most hours whose names are looked at for points.
pub const RENDER_HOURS_MAX: i64 = 31 * 24;
/// Series that the index holds.
pub const SERIES_MAX: usize = 1_000_000;
/// Hours that one query reads.
const HOURS_AT_ONCE: i64 = 24;
/// Readers with different rights whose names are kept apart.
const READERS_MAX: usize = 16;

/// A series of the table `metrics`.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// Its name in the table.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Its tags as they are in Graphite: `;key=value` for each, in their order.
    pub tags: String,
    /// What rows of it are found by.
    pub key: String,
    /// In front of its names.
    pub prefix: String,
    /// Names of the percentiles that it has.
    pub percentiles: Vec<String>,
    /// Seconds of its last window.
    pub seconds: f64,
}

impl Identity {
    /// Seconds from one point to the next, at least one.
    pub fn step(&self) -> i64 {
        (self.seconds.round() as i64).max(1)
    }
}

/// What rows of a series have in common.
pub fn key_of<'t>(name: &str, kind: &str, host: &str, tags: impl Iterator<Item = (&'t str, &'t str)>) -> String {
    let mut key = [name, "\u{1f}", kind, "\u{1f}", host].concat();
    for (tag, value) in tags {
        key.extend(["\u{1f}", tag, "\u{1e}", value]);
    }
    key
}

/// The kind of a word in the column `kind`.
pub fn kind_of(word: &str) -> Option<Kind> {
    [Kind::Counter, Kind::Gauge, Kind::Timer, Kind::Set].into_iter().find(|kind| kind.name() == word)
}

#[derive(Debug, Default)]
struct Known {
    series: Vec<Arc<Identity>>,
    places: HashMap<String, u32>,
    hours: BTreeMap<i64, Read>,
    /// Changes whenever anything here does.
    version: u64,
    tree: Option<(i64, i64, u64, Arc<Tree>)>,
}

#[derive(Debug)]
struct Read {
    series: BTreeSet<u32>,
    /// Seconds since 1970 UTC.
    at: i64,
}

/// The index. What readers with different rights may see is kept apart.
#[derive(Debug)]
pub struct Names {
    naming: Naming,
    known: Mutex<HashMap<String, Known>>,
    /// For each reader, whose turn it is to read: panels of one dashboard ask at the same time.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// True if an hour that was read then needs not be read again: rows of the last hours still come; objects of other
/// listeners may come late; of older ones they hardly do.
fn is_fresh(hour: i64, read_at: i64, now: i64) -> bool {
    let age = now - (hour + 1) * 3_600;
    let wait = match age {
        ..7_200 => 10,
        7_200..93_600 => 600,
        _ => 6 * 3_600,
    };
    now - read_at < wait
}

impl Names {
    /// An empty one.
    pub fn new(naming: Naming) -> Names {
        Names { naming, known: Mutex::default(), turns: Mutex::default() }
    }

    /// How names are built.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names of series with values from one time to another, in seconds since 1970 UTC. Reads what it has not read.
    ///
    /// # Errors
    /// Those of the queries, and [`ErrorKind::Limit`] where there are more than [`SERIES_MAX`] series.
    pub async fn tree(&self, rows: &dyn Rows, from: i64, until: i64, now: i64) -> Result<Arc<Tree>, Error> {
        let (first, last) = (from.div_euclid(3_600), until.min(now + 3_600).div_euclid(3_600));
        let first = first.min(last);
        if !self.missing(rows.reader(), first, last, now).is_empty() {
            let turn = self.turn(rows.reader());
            let _turn = turn.lock().await;
            // What was missing may have been read meanwhile.
            for (begin, end) in self.missing(rows.reader(), first, last, now) {
                let sql = query(begin, end);
                let found = rows.rows(sql).await?;
                self.keep(rows.reader(), begin, end, &found, now)?;
            }
        }
        let mut known = self.known();
        let Some(known) = known.get_mut(rows.reader()) else { return Ok(Arc::new(Tree::default())) };
        match &known.tree {
            Some((f, l, version, tree)) if (*f, *l, *version) == (first, last, known.version) => Ok(Arc::clone(tree)),
            _ => {
                let places: BTreeSet<u32> =
                    known.hours.range(first..=last).flat_map(|(_, read)| read.series.iter().copied()).collect();
                let series = places.iter().filter_map(|place| known.series.get(*place as usize));
                let tree = Arc::new(Tree::new(&self.naming, series.cloned()));
                known.tree = Some((first, last, known.version, Arc::clone(&tree)));
                Ok(tree)
            }
        }
    }

    fn turn(&self, reader: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= READERS_MAX && !turns.contains_key(reader) {
            turns.clear();
        }
        Arc::clone(turns.entry(reader.to_owned()).or_default())
    }

    /// Ranges of hours, both ends included, that must be read.
    fn missing(&self, reader: &str, first: i64, last: i64, now: i64) -> Vec<(i64, i64)> {
        let known = self.known();
        let hours = known.get(reader).map(|known| &known.hours);
        let is_known =
            |hour: i64| hours.and_then(|hours| hours.get(&hour)).is_some_and(|read| is_fresh(hour, read.at, now));
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for hour in (first..=last).filter(|hour| !is_known(*hour)) {
            match ranges.last_mut() {
                Some((begin, end)) if *end + 1 == hour && hour - *begin < HOURS_AT_ONCE => *end = hour,
                _ => ranges.push((hour, hour)),
            }
        }
        ranges
    }

    fn keep(
        &self,
        reader: &str,
        begin: i64,
        end: i64,
        found: &[arrow::array::RecordBatch],
        now: i64,
    ) -> Result<(), Error> {
        let mut all = self.known();
        if all.len() >= READERS_MAX && !all.contains_key(reader) {
            all.clear();
        }
        let known = all.entry(reader.to_owned()).or_default();
        let mut hours: BTreeMap<i64, BTreeSet<u32>> = (begin..=end).map(|hour| (hour, BTreeSet::new())).collect();
        for batch in found {
            self.keep_batch(known, batch, &mut hours).ok_or_else(|| {
                Error::new(ErrorKind::Internal, "the names of series have other columns than were asked for")
            })?;
            if known.series.len() > SERIES_MAX {
                all.remove(reader);
                let message = format!("there are more than {SERIES_MAX} series; ask for a shorter time");
                return Err(Error::new(ErrorKind::Limit, message));
            }
        }
        for (hour, series) in hours {
            let is_same = known.hours.get(&hour).is_some_and(|read| read.series == series);
            known.version += u64::from(!is_same);
            known.hours.insert(hour, Read { series, at: now });
        }
        Ok(())
    }

    fn keep_batch(
        &self,
        known: &mut Known,
        batch: &arrow::array::RecordBatch,
        hours: &mut BTreeMap<i64, BTreeSet<u32>>,
    ) -> Option<()> {
        let column = |name: &str| batch.column_by_name(name);
        let hour = column("h")?.as_primitive_opt::<TimestampMicrosecondType>()?;
        let seconds = column("seconds")?.as_primitive_opt::<Float64Type>()?;
        let [name, kind, host] = ["name", "kind", "hostname"].map(|name| column(name).and_then(text_of));
        let [keys, values, parts] = ["k", "v", "p"].map(|name| column(name).and_then(list_of));
        let (name, kind, host, keys, values, parts) = (name?, kind?, host?, keys?, values?, parts?);
        for row in 0..batch.num_rows() {
            let Some(kind) = kind_of(kind.value(row)) else { continue };
            let (tag_names, tag_values) = (keys.texts(row), values.texts(row));
            let tags = || tag_names.iter().map(String::as_str).zip(tag_values.iter().map(String::as_str));
            let host = if self.naming.names_hosts() { host.value(row) } else { "" };
            let key = key_of(name.value(row), kind.name(), host, tags());
            let place = *known.places.entry(key.clone()).or_insert_with(|| {
                known.version += 1;
                known.series.push(Arc::new(Identity {
                    name: name.value(row).to_owned(),
                    kind,
                    tags: sorted_tags(tags()),
                    key,
                    prefix: self.naming.prefix_of(host),
                    percentiles: Vec::new(),
                    seconds: 0.0,
                }));
                (known.series.len() - 1) as u32
            });
            let identity = known.series.get_mut(place as usize)?;
            let percentiles = parts.texts(row);
            if identity.seconds != seconds.value(row) || percentiles.iter().any(|p| !identity.percentiles.contains(p)) {
                known.version += 1;
                let identity = Arc::make_mut(identity);
                identity.seconds = seconds.value(row);
                identity.percentiles.extend(percentiles);
                identity.percentiles.sort_unstable();
                identity.percentiles.dedup();
            }
            if let Some(series) = hours.get_mut(&hour.value(row).div_euclid(HOUR)) {
                series.insert(place);
            }
        }
        Some(())
    }
}

/// As Graphite orders them: the whole texts.
fn sorted_tags<'t>(tags: impl Iterator<Item = (&'t str, &'t str)>) -> String {
    let mut each: Vec<String> = tags.map(|tag| carbon::tags([tag])).collect();
    each.sort_unstable();
    each.concat()
}

/// The series of some hours, both ends included, in the order of their hours.
fn query(begin: i64, end: i64) -> String {
    let time = |hour: i64| format!("to_timestamp_micros({})", hour * 3_600 * SECOND);
    let (first, last) = (Hour(begin).date(), Hour(end).date());
    format!(
        "select date_trunc('hour', timestamp) as h, name, kind, map_keys(tags) as k, map_values(tags) as v, hostname, \
         map_keys(percentiles) as p, max(window_seconds) as seconds from metrics \
         where dt >= '{first}' and dt <= '{last}' and timestamp >= {} and timestamp < {} \
         group by 1, 2, 3, 4, 5, 6, 7 order by h",
        time(begin),
        time(end + 1)
    )
}
