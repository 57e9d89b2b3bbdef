//! The recorder of the `metrics` crate (cargo feature `metrics`): its counters, gauges and histograms as statsd values.
mod series;
mod table;

use crate::client::Client;
use crate::trace::To;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use series::{Count, Level, Line, Scale, Times};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use table::Table;

/// Series that a [`Recorder`] keeps of counters, of gauges and of histograms. Those beyond are sent all the same, but each use of `counter!` and its like allocates, and
/// `absolute` of such a counter is dropped and counted.
pub const RECORDER_SERIES_MAX: usize = 8_192;

/// Recorder for the `metrics` crate: each use of `counter!`, `gauge!` or `histogram!` becomes a statsd value at once, through
/// the same queue, and with the same outcomes and counts, as [`count`](crate::count), [`gauge`](crate::gauge) and
/// [`timing`](crate::timing). Labels become DogStatsD tags. With `statsd = false` nothing is sent.
///
/// | call | statsd |
/// |---|---|
/// | `counter!("a").increment(2)` | `a:2\|c` |
/// | `counter!("a").absolute(7)` | `a:5\|c`: what it has grown by |
/// | `gauge!("g").set(-1.5)` | `g:0\|g` and `g:-1.5\|g`, in one datagram: a sign alone would make it a change |
/// | `gauge!("g").increment(2)`, `.decrement(2)` | `g:+2\|g`, `g:-2\|g` |
/// | `histogram!("t", "kind" => "x").record(0.25)` | `t:250\|ms\|#kind:x`: **seconds** become milliseconds |
///
/// # Units of histograms
/// statsd's timers are in milliseconds. `metrics` records a `Duration` as seconds, so a histogram that nobody has described is
/// taken for seconds, and multiplied by 1,000. One that is described with a unit of time is converted from it; one that is
/// described with any other unit (`describe_histogram!("size", Unit::Bytes, "…")`) is sent as it is, as `|h`. It does not matter
/// whether it is described before or after its first use. [`Recorder::undescribed`] sets another unit for those that are not
/// described.
///
/// # Cost
/// Neither `counter!("name").increment(1)` nor the handle that it makes takes a lock or allocates, apart from the first use of
/// each name with its labels, and the queue's mutex. Nothing is aggregated here: the listener does it.
///
/// ```
/// let (destination, captured) = metlog::Destination::capture();
/// let guard = metlog::init(metlog::Config::default().statsd_destination(destination).destinations::<&str>([]))?;
/// // For the process: `metrics::set_global_recorder(metlog::Recorder::new())?`
/// metrics::with_local_recorder(&metlog::Recorder::new(), || {
///     metrics::counter!("logins", "region" => "eu").increment(1);
///     metrics::histogram!("login.time").record(std::time::Duration::from_millis(12));
/// });
/// drop(guard);
/// assert_eq!(captured.statsd_lines(), ["logins:1|c|#region:eu", "login.time:12|ms"]);
/// # Ok::<(), metlog::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Recorder {
    client: Option<Client>,
    undescribed: Scale,
    counters: Table<Series<Counter>>,
    gauges: Table<Series<Gauge>>,
    histograms: Table<Series<Histogram>>,
    /// Of histograms, by name: shared with their series, so that they may be described at any time.
    scales: Table<Described>,
}

/// A handle and what it was made for, to be handed out again.
#[derive(Debug)]
struct Series<H> {
    key: Key,
    handle: H,
}

#[derive(Debug)]
struct Described {
    name: String,
    scale: Arc<AtomicU8>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::to(None)
    }
}

impl Recorder {
    /// Sends through the client of the process, from when [`init`](crate::init) was called.
    pub fn new() -> Recorder {
        Recorder::default()
    }

    /// Sends through this client. Handles outlive neither it nor its clones: then they do nothing.
    pub fn with_client(client: Client) -> Recorder {
        Recorder::to(Some(client))
    }

    fn to(client: Option<Client>) -> Recorder {
        Recorder {
            client,
            undescribed: Scale::SECONDS,
            counters: Table::new(RECORDER_SERIES_MAX),
            gauges: Table::new(RECORDER_SERIES_MAX),
            histograms: Table::new(RECORDER_SERIES_MAX),
            scales: Table::new(RECORDER_SERIES_MAX),
        }
    }

    /// The unit of histograms that nobody describes. Default: [`Unit::Seconds`].
    pub fn undescribed(mut self, unit: Unit) -> Recorder {
        self.undescribed = Scale::of(unit);
        self
    }

    fn line(&self, key: &Key) -> Line {
        Line::new(self.client.as_ref().map_or(To::Global, Client::to), key)
    }

    /// The scale of a histogram, as it is now and will be.
    fn scale(&self, name: &str) -> Arc<AtomicU8> {
        let make = || Described { name: name.to_owned(), scale: Arc::new(AtomicU8::new(self.undescribed.code())) };
        let found = self.scales.get_or_insert(table::hash(name), |described| described.name == name, make);
        found.map_or_else(|unkept| unkept.scale, |described| described.scale.clone())
    }
}

/// The handle for a key: the one that was made before, or else `make`'s, which hears whether it is kept.
fn handle<H: Clone>(of: &Table<Series<H>>, key: &Key, make: impl Fn(bool) -> H) -> H {
    let kept = || Series { key: key.to_retained(), handle: make(true) };
    match of.get_or_insert(key.get_hash(), |series| series.key == *key, kept) {
        Ok(series) => series.handle.clone(),
        Err(_) => make(false),
    }
}

impl metrics::Recorder for Recorder {
    /// Only the units of histograms matter.
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    /// Only the units of histograms matter.
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        if let Some(unit) = unit {
            self.scale(name.as_str()).store(Scale::of(unit).code(), Ordering::Relaxed);
        }
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        handle(&self.counters, key, |kept| Counter::from_arc(Arc::new(Count::new(self.line(key), kept))))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        handle(&self.gauges, key, |_| Gauge::from_arc(Arc::new(Level::new(self.line(key)))))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let times = || Times::new(self.line(key), key.name(), self.scale(key.name()));
        handle(&self.histograms, key, |_| Histogram::from_arc(Arc::new(times())))
    }
}

#[cfg(test)]
mod tests;
