//! The series that are remembered while values come: found by the raw bytes of a line, kept once under a clean name.
//!
//! A series is **alive** in a window where a value came within `idle_after` of the window's begin. That follows from
//! the series' last window alone, so it is the same live and on replay, whenever the memory of dead ones is given
//! back: a few at each window's end (`sweep`), never all at once.
use super::Refused;
use hashbrown::{DefaultHashBuilder, HashTable};
use metlog_schemas::statsd::Kind;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

/// Spellings remembered for each series; above it all spellings are looked up anew.
const SPELLINGS_PER_SERIES: usize = 4;
const SPELLINGS_MIN: usize = 4_096;
/// Longest name of a series, in bytes.
pub const NAME_BYTES_MAX: usize = 1_024;
/// Longest tags of a series, keys and values together, in bytes.
pub const TAGS_BYTES_MAX: usize = 4_096;
/// Most text of all names and tags together: the state must stay small whatever names are sent.
pub const TEXT_BYTES_MAX: usize = 64 << 20;
/// Series looked at for being dead at the end of a window.
const SWEEP: usize = 4_096;
/// And for each new series.
const SWEPT_PER_NEW: usize = 4;

/// What tells a series from all others. Tags are sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    pub kind: Kind,
    pub name: Arc<str>,
    pub tags: Arc<[(String, String)]>,
}

impl Identity {
    fn text_bytes(&self) -> usize {
        self.name.len() + self.tags.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
    }
}

/// One series, as intake sees it.
#[derive(Debug)]
pub struct Series {
    pub identity: Arc<Identity>,
    /// End of the window of its last value, µs; 0: none yet.
    pub last_value: i64,
    /// A gauge's value.
    pub gauge: f64,
    /// Its place in the part of this epoch.
    pub slot: u32,
    pub epoch: u32,
    /// Raised whenever the place is given to another series: spellings of the old one are void.
    generation: u32,
    is_free: bool,
}

#[derive(Debug)]
struct Spelling {
    kind: Kind,
    name: Box<[u8]>,
    tags: Box<[u8]>,
    series: u32,
    generation: u32,
}

/// All series.
#[derive(Debug, Default)]
pub struct Index {
    series: Vec<Series>,
    free: Vec<u32>,
    spellings: HashTable<Spelling>,
    clean: HashTable<u32>,
    hasher: DefaultHashBuilder,
    text_bytes: usize,
    is_unbounded: bool,
    /// Series whose last window ended there or before are dead for good, whatever the clock says later.
    swept_until: i64,
    /// Series alive, by the end of the window of their last value.
    alive: BTreeMap<i64, usize>,
    alive_count: usize,
    hand: usize,
}

impl Index {
    /// About how much memory they take: text is in the identity and in a spelling at least.
    pub fn memory_bytes(&self) -> usize {
        2 * self.text_bytes
            + self.series.len() * size_of::<Series>()
            + self.spellings.len() * size_of::<Spelling>()
            + self.clean.len() * size_of::<u32>()
    }

    /// Series alive.
    pub fn alive(&self) -> usize {
        self.alive_count
    }

    /// The series at a place that [`Index::find`] or [`Index::admit`] gave.
    #[inline]
    pub fn at(&mut self, at: u32) -> &mut Series {
        &mut self.series[at as usize]
    }

    /// The place of the series of a spelling that was seen before.
    #[inline]
    pub fn find(&self, kind: Kind, name: &[u8], tags: &[u8]) -> Option<u32> {
        let hash = hash_of(&self.hasher, kind, name, tags);
        let same =
            |known: &Spelling| same_bytes(&known.name, name) && known.kind == kind && same_bytes(&known.tags, tags);
        let known = self.spellings.find(hash, same)?;
        (self.series[known.series as usize].generation == known.generation).then_some(known.series)
    }

    /// The series of a clean name, made where it is new; its spelling is remembered.
    ///
    /// # Errors
    /// Where the name or its tags are too long, or there is no room for more text.
    pub fn admit(
        &mut self,
        kind: Kind,
        (raw_name, raw_tags): (&[u8], &[u8]),
        name: &str,
        tags: Vec<(String, String)>,
    ) -> Result<u32, Refused> {
        let identity = Identity { kind, name: name.into(), tags: tags.into() };
        let at = match self.place_of(&identity) {
            Some(at) => at,
            None => self.insert(Arc::new(identity))?,
        };
        self.remember(kind, raw_name, raw_tags, at);
        Ok(at)
    }

    /// As [`Index::admit`], but only where the series is there already.
    pub fn known(
        &mut self,
        kind: Kind,
        (raw_name, raw_tags): (&[u8], &[u8]),
        name: &str,
        tags: &[(String, String)],
    ) -> Option<u32> {
        let at = self.place_of(&Identity { kind, name: name.into(), tags: tags.into() })?;
        self.remember(kind, raw_name, raw_tags, at);
        Some(at)
    }

    /// Puts back a series of a [`super::State`].
    pub fn restore(&mut self, identity: Arc<Identity>, last_value: i64, gauge: f64) -> Option<u32> {
        let at = self.insert(identity).ok()?;
        let series = self.at(at);
        (series.last_value, series.gauge) = (last_value, gauge);
        *self.alive.entry(last_value).or_default() += 1;
        self.alive_count += 1;
        Some(at)
    }

    fn place_of(&self, identity: &Identity) -> Option<u32> {
        let hash = self.clean_hash(identity);
        self.clean.find(hash, |at| *self.series[*at as usize].identity == *identity).copied()
    }

    fn clean_hash(&self, identity: &Identity) -> u64 {
        self.hasher.hash_one(identity)
    }

    fn insert(&mut self, identity: Arc<Identity>) -> Result<u32, Refused> {
        let tags_bytes = identity.text_bytes() - identity.name.len();
        if !self.is_unbounded {
            if identity.name.len() > NAME_BYTES_MAX || tags_bytes > TAGS_BYTES_MAX {
                return Err(Refused::NameTooLong);
            }
            if self.text_bytes + identity.text_bytes() > TEXT_BYTES_MAX {
                return Err(Refused::TooManySeries);
            }
        }
        // However many come and go, the dead do not gather.
        self.forget_some(SWEPT_PER_NEW);
        self.text_bytes += identity.text_bytes();
        let hash = self.clean_hash(&identity);
        let at = match self.free.pop() {
            Some(at) => {
                let series = &mut self.series[at as usize];
                *series = Series { generation: series.generation, ..Series::new(identity) };
                at
            }
            None => {
                self.series.push(Series::new(identity));
                (self.series.len() - 1) as u32
            }
        };
        let (series, hasher) = (&self.series, &self.hasher);
        self.clean.insert_unique(hash, at, |at| hasher.hash_one(&*series[*at as usize].identity));
        Ok(at)
    }

    fn remember(&mut self, kind: Kind, name: &[u8], tags: &[u8], series: u32) {
        if self.spellings.len() >= (self.series.len() * SPELLINGS_PER_SERIES).max(SPELLINGS_MIN) {
            self.spellings.clear();
        }
        let hash = hash_of(&self.hasher, kind, name, tags);
        // One that is void would be found before the new one.
        let same = |known: &Spelling| *known.name == *name && known.kind == kind && *known.tags == *tags;
        if let Ok(void) = self.spellings.find_entry(hash, same) {
            void.remove();
        }
        let generation = self.series[series as usize].generation;
        let spelling = Spelling { kind, name: name.into(), tags: tags.into(), series, generation };
        let hasher = &self.hasher;
        let rehash = |known: &Spelling| hash_of(hasher, known.kind, &known.name, &known.tags);
        self.spellings.insert_unique(hash, spelling, rehash);
    }

    /// Its first value in the window that ends at `end`. False, and nothing is changed, where it is not alive and
    /// `series_max` are. `dead_until`: a series whose last window ended there or before is dead.
    pub fn revive(&mut self, at: u32, end: i64, dead_until: i64, series_max: usize) -> bool {
        let series = &mut self.series[at as usize];
        let was_alive = series.last_value > dead_until.max(self.swept_until) && series.last_value > 0;
        if !was_alive && self.alive_count >= series_max {
            return false;
        }
        if was_alive {
            leave(&mut self.alive, series.last_value);
        } else {
            self.alive_count += 1;
            series.gauge = 0.0;
        }
        series.last_value = end;
        *self.alive.entry(end).or_default() += 1;
        true
    }

    /// A window began: what is dead from then on no longer counts, and the memory of some of it is given back.
    pub fn sweep(&mut self, dead_until: i64) {
        self.swept_until = self.swept_until.max(dead_until);
        while let Some(entry) = self.alive.first_entry().filter(|entry| *entry.key() <= self.swept_until) {
            self.alive_count = self.alive_count.saturating_sub(entry.remove());
        }
        self.forget_some(SWEEP);
    }

    /// Gives back the memory of dead ones among the next few.
    fn forget_some(&mut self, few: usize) {
        for _ in 0..few.min(self.series.len()) {
            self.hand = if self.hand + 1 < self.series.len() { self.hand + 1 } else { 0 };
            let series = &self.series[self.hand];
            // One that has no value yet was admitted just now.
            if !series.is_free && series.last_value > 0 && series.last_value <= self.swept_until {
                self.forget(self.hand as u32);
            }
        }
    }

    /// The wall clock was set back: no series had its last value after `latest`, or it would live until the clock is
    /// there again. Takes as long as there are series.
    pub fn clock_was_set_back(&mut self, latest: i64) {
        for at in 0..self.series.len() {
            let series = &mut self.series[at];
            if series.is_free || series.last_value == 0 {
                continue;
            }
            if series.last_value <= self.swept_until {
                self.forget(at as u32);
            } else {
                series.last_value = series.last_value.min(latest);
            }
        }
        (self.swept_until, self.alive_count) = (0, 0);
        self.alive.clear();
        for series in self.series.iter().filter(|series| !series.is_free && series.last_value > 0) {
            *self.alive.entry(series.last_value).or_default() += 1;
            self.alive_count += 1;
        }
    }

    /// As version 0.1: names of any length, and as many as come.
    pub fn without_bounds(&mut self) {
        self.is_unbounded = true;
    }

    fn forget(&mut self, at: u32) {
        let identity = self.series[at as usize].identity.clone();
        let hash = self.clean_hash(&identity);
        if let Ok(entry) = self.clean.find_entry(hash, |known| *known == at) {
            entry.remove();
        }
        self.text_bytes -= identity.text_bytes();
        let series = &mut self.series[at as usize];
        series.generation = series.generation.wrapping_add(1);
        series.is_free = true;
        self.free.push(at);
    }
}

fn leave(alive: &mut BTreeMap<i64, usize>, window: i64) {
    if let Some(count) = alive.get_mut(&window) {
        *count -= 1;
        if *count == 0 {
            alive.remove(&window);
        }
    }
}

impl Series {
    fn new(identity: Arc<Identity>) -> Series {
        Series { identity, last_value: 0, gauge: 0.0, slot: 0, epoch: 0, generation: 0, is_free: false }
    }
}

/// Less than `Hash` does for a tuple: spellings that only run together in other ways may share a hash.
#[inline]
fn hash_of(hasher: &DefaultHashBuilder, kind: Kind, name: &[u8], tags: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(name);
    if !tags.is_empty() {
        state.write(tags);
    }
    state.write_u8(kind as u8);
    state.finish()
}

/// Without `memcmp` where both are empty: see `docs/decisions` on empty texts.
#[inline]
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && (a.is_empty() || a == b)
}
