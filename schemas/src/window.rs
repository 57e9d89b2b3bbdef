//! A closed window: the aggregated statsd values of some seconds, ready for any sink.
//!
//! The names of the parts follow etsy's statsd; `tables` says how a window becomes rows of `metrics`.
use crate::format::statsd::Kind;
use std::sync::Arc;

/// The aggregates of one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// End of the window, exclusive: µs since 1970 UTC, a multiple of its length.
    pub end: i64,
    /// Its length in µs.
    pub length: i64,
    /// The host of the listener.
    pub hostname: Arc<str>,
    /// statsd values that it holds, as the ledger counts them.
    pub values: u64,
    /// Lines that were refused in it.
    pub bad_lines: u64,
    /// Datagrams that brought its lines.
    pub packets: u64,
    /// Lines in them, the bad ones too. One line may hold several values.
    pub lines: u64,
    /// One for each series, sorted by name, kind and tags.
    pub rows: Vec<Metric>,
}

/// One series in one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Sanitised as in etsy's statsd.
    pub name: Arc<str>,
    /// Sorted by key, no key twice.
    pub tags: Arc<[(String, String)]>,
    /// False if nothing came in this window and the series is only remembered: Graphite is told its
    /// zero or its last gauge, the tables are not.
    pub fresh: bool,
    /// Its aggregates.
    pub data: MetricData,
}

/// The aggregates of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricData {
    /// Increments, scaled by their sample rates.
    Counter {
        /// Their sum.
        count: f64,
    },
    /// The last value.
    Gauge {
        /// The value.
        value: f64,
    },
    /// Distinct values.
    Set {
        /// How many.
        count: u64,
    },
    /// Timers, histograms and distributions. `None`: no sample in this window.
    Timer(Option<Box<Timer>>),
}

impl MetricData {
    /// The word in the column `kind`.
    pub const fn kind(&self) -> &'static str {
        let kind = match self {
            MetricData::Counter { .. } => Kind::Counter,
            MetricData::Gauge { .. } => Kind::Gauge,
            MetricData::Set { .. } => Kind::Set,
            MetricData::Timer(_) => Kind::Timer,
        };
        kind.name()
    }
}

/// The exact statistics of a timer, as etsy's statsd computes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    /// Samples, scaled by their sample rates.
    pub count: f64,
    /// Samples as received, not scaled.
    pub samples: u64,
    /// Sum of the samples as received, not scaled; likewise the rest.
    pub sum: f64,
    /// Sum of their squares.
    pub sum_squares: f64,
    /// Smallest.
    pub lower: f64,
    /// Largest.
    pub upper: f64,
    /// Mean.
    pub mean: f64,
    /// Median: the middle sample, or the mean of the two in the middle.
    pub median: f64,
    /// Standard deviation of the population.
    pub std: f64,
    /// One for each configured percentile that holds at least one sample.
    pub percentiles: Vec<Percentile>,
    /// A DDSketch in DataDog's portable encoding, weighted by the sample rate.
    pub sketch: Vec<u8>,
}

/// The part of a timer's samples at or below a percentile; for a negative one, the top part.
#[derive(Debug, Clone, PartialEq)]
pub struct Percentile {
    /// As configured: 90, 99.9, -5.
    pub percent: f64,
    /// Samples in the part.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The largest of them; for a negative percentile the smallest.
    pub bound: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_squares: f64,
}
