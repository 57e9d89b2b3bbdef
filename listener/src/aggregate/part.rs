//! What came of a window between two cuts: the values of each series that had any.
//!
//! The open window is a list of parts: a new one begins whenever a segment does, so that the state at a segment's
//! begin is a list of parts that nobody changes any more, and can be written while the window goes on.
use super::index::Identity;
use super::timer::Samples;
use hashbrown::{HashMap, HashSet};
use metlog_schemas::statsd::Kind;
use metlog_schemas::window::MetricData;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a series came to in a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Data {
    Counter(f64),
    Gauge(f64),
    Timer(Samples),
    Set(HashSet<Box<[u8]>>),
}

/// About what a series takes up in a part besides what grows.
const SLOT_BYTES: usize = 96;
/// About what a member of a set takes up besides its text.
const MEMBER_BYTES: usize = 32;

impl Data {
    /// Nothing yet.
    pub fn new(kind: Kind) -> Data {
        match kind {
            Kind::Counter => Data::Counter(0.0),
            Kind::Gauge => Data::Gauge(0.0),
            Kind::Timer => Data::Timer(Samples::default()),
            Kind::Set => Data::Set(HashSet::default()),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Data::Counter(_) => Kind::Counter,
            Data::Gauge(_) => Kind::Gauge,
            Data::Timer(_) => Kind::Timer,
            Data::Set(_) => Kind::Set,
        }
    }

    /// Adds a plain number: an increment, a gauge's value or a sample. How many bytes it grew by.
    #[inline]
    pub fn number(&mut self, value: f64, rate: f64) -> usize {
        match self {
            Data::Counter(count) => *count += value / rate,
            Data::Gauge(gauge) => *gauge = value,
            Data::Timer(samples) => return samples.add(value, rate),
            Data::Set(_) => return self.member(value.to_string().as_bytes()),
        }
        0
    }

    /// Adds a value to a set. How many bytes it grew by.
    pub fn member(&mut self, member: &[u8]) -> usize {
        match self {
            Data::Set(members) if !members.contains(member) => {
                members.insert(member.into());
                member.len() + MEMBER_BYTES
            }
            _ => 0,
        }
    }

    /// What came later in the same window.
    fn merge(&mut self, later: &Data) {
        match (self, later) {
            (Data::Counter(count), Data::Counter(more)) => *count += more,
            (Data::Gauge(value), Data::Gauge(last)) => *value = *last,
            (Data::Timer(samples), Data::Timer(more)) => samples.merge(more),
            (Data::Set(members), Data::Set(more)) => members.extend(more.iter().cloned()),
            _ => (),
        }
    }

    /// Its row of the window.
    pub fn row(self, percentiles: &[f64]) -> MetricData {
        match self {
            Data::Counter(count) => MetricData::Counter { count },
            Data::Gauge(value) => MetricData::Gauge { value },
            Data::Timer(mut samples) => MetricData::Timer(samples.statistics(percentiles).map(Box::new)),
            Data::Set(members) => MetricData::Set { count: members.len() as u64 },
        }
    }

    /// The row of a window in which nothing came.
    pub fn idle_row(kind: Kind, gauge: f64) -> MetricData {
        match kind {
            Kind::Gauge => MetricData::Gauge { value: gauge },
            kind => Data::new(kind).row(&[]),
        }
    }
}

/// The series that had values, in the order of their first.
#[derive(Debug, Default)]
pub struct Part {
    pub slots: Vec<(Arc<Identity>, Data)>,
    /// About how much memory it takes.
    pub bytes: usize,
}

impl Part {
    /// A new slot; its place.
    pub fn push(&mut self, identity: Arc<Identity>) -> u32 {
        let data = Data::new(identity.kind);
        self.slots.push((identity, data));
        self.bytes += SLOT_BYTES;
        (self.slots.len() - 1) as u32
    }

    /// Parts one after the other as one, the values of each series in their order.
    pub fn merged(parts: &[Arc<Part>]) -> Vec<(Arc<Identity>, Data)> {
        let Some((first, later)) = parts.split_first() else { return Vec::new() };
        let mut merged = first.slots.clone();
        if later.is_empty() {
            return merged;
        }
        let mut places: HashMap<Arc<Identity>, usize> =
            merged.iter().enumerate().map(|(at, (identity, _))| (identity.clone(), at)).collect();
        for (identity, data) in later.iter().flat_map(|part| &part.slots) {
            match places.get(identity) {
                Some(at) => merged[*at].1.merge(data),
                None => {
                    places.insert(identity.clone(), merged.len());
                    merged.push((identity.clone(), data.clone()));
                }
            }
        }
        merged
    }

    /// As [`Part::merged`], without a copy where nobody else needs the parts.
    pub fn into_merged(mut parts: Vec<Arc<Part>>) -> Vec<(Arc<Identity>, Data)> {
        if parts.len() == 1
            && let Some(only) = parts.pop()
        {
            return match Arc::try_unwrap(only) {
                Ok(part) => part.slots,
                Err(shared) => shared.slots.clone(),
            };
        }
        Part::merged(&parts)
    }
}
