//! What datagrams come to: rows, counts, values for the window, and a sample of what was refused.
use super::Sample;
use super::statsd::{Kind, Value};
use crate::table::Builders;
use crate::wire::v1::{Header, Heartbeat};

/// Samples of rejected input that are kept from one time they are taken to the next.
pub const REJECTS_MAX: usize = 8;
/// Bytes that are kept of each.
pub const REJECT_BYTES_MAX: usize = 256;

/// Which datagram of a record it is, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the record, from 0.
    pub index: usize,
    /// µs since 1970 UTC.
    pub received_at: i64,
}

/// What a datagram is in its sender's sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The next one, or one after a gap.
    New,
    /// One that was counted as lost.
    Late,
    /// One that was here before: its messages must not be taken again.
    Duplicate,
    /// Too old to be distinguished from a replay.
    Stale,
    /// No sender can have sent so many: forged, or broken.
    Implausible,
}

/// Counts of buckets of a histogram, by whether they are of negative numbers and by index; sorted, none is 0.
pub type Buckets = Vec<((bool, i32), u64)>;

/// What a series has come to since it began to count.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Total {
    /// When it began, ns since 1970 UTC; 0 if it does not say.
    pub start: u64,
    /// When it was so much, ns since 1970 UTC.
    pub time: u64,
    /// So many of the numbers only grow, unless it began anew.
    pub growing: usize,
    /// Its numbers.
    pub numbers: Vec<f64>,
    /// How wide exponential buckets are: each of a scale covers two of the next.
    pub scale: i32,
    /// Buckets, if it is a histogram.
    pub buckets: Buckets,
}

/// What a series grew by.
#[derive(Debug, Clone, PartialEq)]
pub struct Grown {
    /// Since when, ns since 1970 UTC.
    pub since: u64,
    /// By how much.
    pub by: Total,
    /// It is all since the series began.
    pub is_whole: bool,
}

/// What depends on the order of the journal.
pub trait InOrder {
    /// Notes a datagram of a sender.
    fn sender(&mut self, header: &Header<'_>, received_at: i64) -> Verdict;

    /// Notes how many datagrams a sender has sent.
    fn heartbeat(&mut self, header: &Header<'_>, heartbeat: &Heartbeat, received_at: i64);

    /// Adds a value to the open window.
    ///
    /// # Errors
    /// The reason of its refusal.
    fn add(&mut self, sample: &Sample<'_>) -> Result<(), &'static str>;

    /// Notes the total of a cumulative series, and what it grew by since the one before. `series` is what identifies it.
    ///
    /// # Errors
    /// The reason of its refusal: it is not newer than the one before, or there are too many series.
    fn grown(&mut self, series: &[u8], total: Total, received_at: i64) -> Result<Grown, &'static str> {
        let (_, _) = (series, received_at);
        Ok(Grown { since: total.start, by: total, is_whole: true })
    }

    /// A datagram of values brought so many lines.
    fn packet(&mut self, lines: u64);

    /// A line or a value was refused.
    fn bad_line(&mut self);
}

/// What was counted, in messages where each value is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that came, good or bad.
    pub received: u64,
    /// Became rows, or values of a window.
    pub facts: u64,
    /// Datagrams that brought all that.
    pub datagrams: u64,
    /// Refused, by reason; each reason once.
    pub rejected: Vec<(&'static str, u64)>,
}

impl Counts {
    /// One more row or value.
    #[inline]
    pub fn fact(&mut self) {
        self.received += 1;
        self.facts += 1;
    }

    /// Messages that were refused.
    pub fn reject(&mut self, reason: &'static str, messages: u64) {
        if messages == 0 {
            return;
        }
        self.received += messages;
        match self.rejected.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += messages,
            None => self.rejected.push((reason, messages)),
        }
    }
}

/// A value that outlives its datagram.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnedSample {
    /// What it does.
    pub kind: Kind,
    /// Not sanitised yet.
    pub name: String,
    /// As after `|#`: `key:value,key:value`.
    pub tags: String,
    /// Finite.
    pub value: f64,
    /// Finite and above 0.
    pub rate: f64,
}

impl OwnedSample {
    /// The value as an aggregator takes it.
    pub fn sample(&self) -> Sample<'_> {
        let (name, tags, value) = (self.name.as_bytes(), self.tags.as_bytes(), Value::Number(self.value));
        Sample { name, tags, kind: self.kind, value, rate: self.rate, is_dogstatsd: false }
    }
}

/// Refused input, for an operator who looks for its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Which datagram of its record.
    pub index: usize,
    /// Why.
    pub reason: &'static str,
    /// The first [`REJECT_BYTES_MAX`] bytes of it.
    pub bytes: Vec<u8>,
}

/// All that was decoded and not taken yet.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Rows of every table.
    pub rows: Builders,
    /// What was counted.
    pub counts: Counts,
    /// Values that were found out of order; [`Decoded::settle`] adds them to the window.
    pub samples: Vec<OwnedSample>,
    /// At most [`REJECTS_MAX`] of what was refused.
    pub rejects: Vec<Reject>,
}

impl Decoded {
    /// Refuses messages; `bytes` are what is wrong with them.
    #[cold]
    pub fn reject(&mut self, at: Entry, reason: &'static str, messages: u64, bytes: &[u8]) {
        self.counts.reject(reason, messages);
        if messages > 0 && self.rejects.len() < REJECTS_MAX {
            let bytes = bytes[..bytes.len().min(REJECT_BYTES_MAX)].to_vec();
            self.rejects.push(Reject { index: at.index, reason, bytes });
        }
    }

    /// Adds a value to the open window, and counts it.
    #[inline]
    pub fn add(&mut self, sample: &Sample<'_>, state: &mut impl InOrder, at: Entry) {
        match state.add(sample) {
            Ok(()) => self.counts.fact(),
            Err(reason) => {
                self.reject(at, reason, 1, sample.name);
                state.bad_line();
            }
        }
    }

    /// Third part, in the order of the journal again: `samples` go into the open window. `at` names the record.
    pub fn settle(&mut self, state: &mut impl InOrder, at: Entry) {
        let mut samples = std::mem::take(&mut self.samples);
        for sample in samples.drain(..) {
            self.add(&sample.sample(), state, at);
        }
        self.samples = samples;
    }
}

/// True for a time that a partition can have.
pub(super) fn in_range(timestamp: i64) -> bool {
    (crate::time::TIMESTAMP_MIN..crate::time::TIMESTAMP_END).contains(&timestamp)
}
