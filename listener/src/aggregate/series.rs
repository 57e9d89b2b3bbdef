//! The table of series: found by the raw bytes of a line, kept once under its clean name and tags.
use super::timer::Samples;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use metlog_schemas::statsd::Kind;
use metlog_schemas::window::{Metric, MetricData};
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// Spellings remembered for each series that may be; above it all spellings are looked up anew.
const SPELLINGS_PER_SERIES: usize = 4;
const SPELLINGS_MIN: usize = 4_096;

/// One series and what it came to so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    name: Arc<str>,
    tags: Arc<[(String, String)]>,
    /// End of the window in which its last value came.
    pub last_value: i64,
    data: Data,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Data {
    Counter(f64),
    Gauge(f64),
    Timer(Samples),
    Set(HashSet<Box<[u8]>>),
}

impl Series {
    fn kind(&self) -> Kind {
        match self.data {
            Data::Counter(_) => Kind::Counter,
            Data::Gauge(_) => Kind::Gauge,
            Data::Timer(_) => Kind::Timer,
            Data::Set(_) => Kind::Set,
        }
    }

    /// Adds a plain number: an increment, a gauge's value or a sample.
    pub fn number(&mut self, value: f64, rate: f64) {
        match &mut self.data {
            Data::Counter(count) => *count += value / rate,
            Data::Gauge(gauge) => *gauge = value,
            Data::Timer(samples) => samples.add(value, rate),
            Data::Set(members) => {
                members.insert(value.to_string().into_bytes().into());
            }
        }
    }

    /// Moves a gauge; a new one begins at 0.
    pub fn delta(&mut self, delta: f64) {
        match &mut self.data {
            Data::Gauge(gauge) => *gauge += delta,
            _ => self.number(delta, 1.0),
        }
    }

    /// Adds a value to a set.
    pub fn member(&mut self, member: &[u8]) {
        if let Data::Set(members) = &mut self.data
            && !members.contains(member)
        {
            members.insert(member.into());
        }
    }

    /// Its row in the window that ends at `end`; a gauge keeps its value, the others begin anew.
    pub fn close(&mut self, end: i64, percentiles: &[f64]) -> Metric {
        let data = match &mut self.data {
            Data::Counter(count) => MetricData::Counter { count: std::mem::take(count) },
            Data::Gauge(value) => MetricData::Gauge { value: *value },
            Data::Timer(samples) => MetricData::Timer(std::mem::take(samples).statistics(percentiles).map(Box::new)),
            Data::Set(members) => MetricData::Set { count: std::mem::take(members).len() as u64 },
        };
        Metric { name: self.name.clone(), tags: self.tags.clone(), fresh: self.last_value == end, data }
    }
}

/// The raw identity of a series: kind, name and tags as the line spells them.
type Spelling<'a> = (Kind, &'a [u8], &'a [u8]);

#[derive(Debug)]
struct Known {
    kind: Kind,
    name: Box<[u8]>,
    tags: Box<[u8]>,
    series: usize,
}

type Clean = (Kind, Arc<str>, Arc<[(String, String)]>);

/// All series.
#[derive(Debug, Default)]
pub struct Table {
    series: Vec<Series>,
    spellings: HashTable<Known>,
    clean: HashMap<Clean, usize>,
    hasher: DefaultHashBuilder,
}

impl Table {
    /// A table of these.
    pub fn from_series(series: Vec<Series>) -> Table {
        let mut table = Table { series, ..Table::default() };
        table.index();
        table
    }

    fn index(&mut self) {
        self.spellings.clear();
        let clean = |(at, series): (usize, &Series)| ((series.kind(), series.name.clone(), series.tags.clone()), at);
        self.clean = self.series.iter().enumerate().map(clean).collect();
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Each of them, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Series> {
        self.series.iter()
    }

    /// Likewise, to be changed.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Series> {
        self.series.iter_mut()
    }

    /// Forgets those that are not to be kept.
    pub fn retain(&mut self, keep: impl FnMut(&Series) -> bool) {
        let before = self.series.len();
        self.series.retain(keep);
        if self.series.len() < before {
            self.index();
        }
    }

    /// The series at a place that [`Table::find`] or [`Table::admit`] gave.
    pub fn at(&mut self, at: usize) -> &mut Series {
        &mut self.series[at]
    }

    /// The place of the series of a spelling that was seen before.
    #[inline]
    pub fn find(&self, kind: Kind, name: &[u8], tags: &[u8]) -> Option<usize> {
        let hash = hash_of(&self.hasher, (kind, name, tags));
        let same = |known: &Known| same_bytes(&known.name, name) && known.kind == kind && same_bytes(&known.tags, tags);
        Some(self.spellings.find(hash, same)?.series)
    }

    /// True where it is there under its clean name.
    pub fn has(&self, kind: Kind, name: &str, tags: &[(String, String)]) -> bool {
        self.clean.contains_key(&(kind, name.into(), tags.into()))
    }

    /// The series of a clean name, made where it is new; its spelling is remembered.
    pub fn admit(&mut self, spelling: Spelling<'_>, name: String, tags: Vec<(String, String)>) -> usize {
        let (kind, raw_name, raw_tags) = spelling;
        let clean: Clean = (kind, name.into(), tags.into());
        let at = *self.clean.entry(clean.clone()).or_insert(self.series.len());
        if at == self.series.len() {
            let data = match kind {
                Kind::Counter => Data::Counter(0.0),
                Kind::Gauge => Data::Gauge(0.0),
                Kind::Timer => Data::Timer(Samples::default()),
                Kind::Set => Data::Set(HashSet::default()),
            };
            self.series.push(Series { name: clean.1, tags: clean.2, last_value: 0, data });
        }
        if self.spellings.len() >= (self.series.len() * SPELLINGS_PER_SERIES).max(SPELLINGS_MIN) {
            self.spellings.clear();
        }
        let known = Known { kind, name: raw_name.into(), tags: raw_tags.into(), series: at };
        let hasher = &self.hasher;
        let rehash = |known: &Known| hash_of(hasher, (known.kind, &known.name, &known.tags));
        self.spellings.insert_unique(hash_of(hasher, spelling), known, rehash);
        at
    }
}

/// Less than `Hash` does for a tuple: spellings that only run together in other ways may share a hash.
fn hash_of(hasher: &DefaultHashBuilder, (kind, name, tags): Spelling<'_>) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(name);
    if !tags.is_empty() {
        state.write(tags);
    }
    state.write_u8(kind as u8);
    state.finish()
}

/// Without `memcmp` where both are empty, for the reason in `docs/decisions/0026-empty-texts-are-not-compared.md`.
#[inline]
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && (a.is_empty() || a == b)
}
