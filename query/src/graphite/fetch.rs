//! Points of series: one query for all that a request needs, its rows as points, and what carbon was told while nothing
//! came.
//!
//! The step is that of the series, or a longer one over a long time ([`Span::coarse_step`]), as carbon's archives have.
//!
//! Rows of several hosts, and windows shorter than the step, make one point: counts and sums add up, bounds widen, a mean
//! is that of all samples; a gauge is the last one, by time and then by host. The median and the means and bounds within
//! percentiles cannot be had from those of parts exactly: see `docs/graphite.md`.
use super::names::key_of;
use super::rows::{Rows, list_of, quoted, text_of};
use super::tree::{Leaf, Wanted};
use crate::error::{Error, Kind as ErrorKind};
use arrow::array::{Array, AsArray, Float64Array, ListArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimestampMicrosecondType};
use metlog_schemas::carbon::Number;
use metlog_schemas::statsd::Kind;
use metlog_schemas::table::timestamp_type;
use metlog_schemas::time::{Hour, SECOND};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Points of all series of a request.
pub const POINTS_MAX: i64 = 8_000_000;
/// Names that a query compares with one by one; of more, only the first and the last are given.
const NAMES_MAX: usize = 500;

/// Points of a leaf: when the first is, seconds from one to the next, and values.
pub type Points = (i64, i64, Vec<Option<f64>>);

/// When points are wanted, all in seconds since 1970 UTC.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Exclusive.
    pub from: i64,
    /// Inclusive.
    pub until: i64,
    /// No point is later.
    pub now: i64,
    /// How long a series that gets nothing is remembered, and Graphite is told its zero or last gauge.
    pub idle_after: i64,
}

/// Over more seconds than these, points are at least so many seconds apart; the longest time first.
const COARSE_STEPS: [(i64, i64); 3] = [(100 * 86_400, 3_600), (14 * 86_400, 600), (2 * 86_400, 60)];

impl Span {
    /// Seconds that points are apart at least, where the time is long.
    pub fn coarse_step(&self) -> Option<i64> {
        let length = self.until - self.from;
        COARSE_STEPS.iter().find(|(longer_than, _)| length > *longer_than).map(|(_, step)| *step)
    }

    /// Seconds from one point of a series to the next.
    fn step(&self, leaf: &Leaf) -> i64 {
        let own = leaf.series.step();
        // A multiple of its own step, so that each point is made of as many windows.
        self.coarse_step().filter(|coarse| *coarse > own).map_or(own, |coarse| (coarse + own - 1) / own * own)
    }

    /// Time of the first point and time behind the last, as whisper has them. `None`: all of it is in the future.
    pub fn bounds(&self, step: i64) -> Option<(i64, i64)> {
        if self.from > self.now {
            return None;
        }
        let floor = |at: i64| at - at.rem_euclid(step);
        let first = floor(self.from) + step;
        let end = floor(self.until.min(self.now)) + step;
        Some((first, if end == first { end + step } else { end }))
    }
}

/// The columns that a number is made of, as SQL.
fn columns_of(wanted: &Wanted) -> Vec<String> {
    let plain = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match wanted {
        Wanted::Number(number) => match number {
            Number::Count | Number::PerSecond => plain(&["count"]),
            Number::Last => plain(&["value"]),
            Number::Std => plain(&["std", "sum_squares", "sum", "samples"]),
            Number::Upper => plain(&["max"]),
            Number::Lower => plain(&["min"]),
            Number::Sum => plain(&["sum"]),
            Number::SumSquares => plain(&["sum_squares"]),
            Number::Mean => plain(&["sum", "samples"]),
            Number::Median => plain(&["median", "samples"]),
        },
        Wanted::Percentile(name) => {
            let of = |name: &str| format!("percentiles[{}]", quoted(name));
            match name.strip_prefix("mean_") {
                Some(percent) => {
                    vec![of(name), of(&format!("sum_{percent}")), of(&format!("count_{percent}"))]
                }
                None => vec![of(name)],
            }
        }
    }
}

/// A column over some windows of a series, as SQL: what [`combined`] makes of several rows, but for gauges, of which it
/// is the mean.
fn coarse(column: &str) -> String {
    let name = column.strip_prefix("percentiles['").and_then(|rest| rest.strip_suffix("']")).unwrap_or(column);
    match name {
        "value" => format!("avg({column})"),
        "min" => format!("min({column})"),
        "max" => format!("max({column})"),
        "median" => "sum(median * samples) / sum(samples)".to_owned(),
        _ if name.starts_with("upper_") => format!("max({column})"),
        _ if name.starts_with("lower_") => format!("min({column})"),
        _ => format!("sum({column})"),
    }
}

/// Rows of a series.
#[derive(Debug, Default)]
struct Gathered {
    /// Time in µs, seconds of the window, and which of the hosts.
    at: Vec<(i64, f64, usize)>,
    hosts: Vec<String>,
    /// As many for each row as there are columns; NaN for null.
    numbers: Vec<f64>,
}

/// Points of leaves, by their paths. Those without any value are left out.
///
/// # Errors
/// Those of the query, and [`ErrorKind::Limit`] where there are too many points.
pub async fn fetch(
    rows: &dyn Rows,
    leaves: &[Leaf],
    span: Span,
    names_hosts: bool,
) -> Result<HashMap<String, Points>, Error> {
    let Some(plan) = Plan::new(leaves, span)? else { return Ok(HashMap::new()) };
    let found = rows.rows(plan.sql()).await?;
    let mut gathered: HashMap<&str, Gathered> =
        leaves.iter().map(|leaf| (leaf.series.key.as_str(), Gathered::default())).collect();
    for batch in &found {
        plan.gather(batch, names_hosts, &mut gathered)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "metrics have other columns than were asked for"))?;
    }
    let mut points = HashMap::new();
    for leaf in leaves {
        let of_series = gathered.get(leaf.series.key.as_str());
        if let Some(found) = of_series.and_then(|gathered| plan.points(leaf, gathered)) {
            points.insert(leaf.path.clone(), found);
        }
    }
    Ok(points)
}

struct Plan {
    columns: Vec<String>,
    names: BTreeSet<String>,
    span: Span,
    /// Times in seconds between which rows matter: exclusive, inclusive.
    times: (i64, i64),
}

impl Plan {
    fn new(leaves: &[Leaf], span: Span) -> Result<Option<Plan>, Error> {
        let bounds = leaves.iter().filter_map(|leaf| Some((span.bounds(span.step(leaf))?, span.step(leaf))));
        let bounds: Vec<((i64, i64), i64)> = bounds.collect();
        let points: i64 = bounds.iter().map(|((first, end), step)| (end - first) / step).sum();
        if points > POINTS_MAX {
            let message = format!(
                "{} series of this time have {points} points, more than {POINTS_MAX}: ask for fewer series or a shorter time",
                leaves.len()
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        let first = bounds.iter().map(|((first, _), _)| *first).min();
        let end = bounds.iter().map(|((_, end), _)| *end).max();
        let (Some(first), Some(end)) = (first, end) else { return Ok(None) };
        let mut columns: Vec<String> = leaves.iter().flat_map(|leaf| columns_of(&leaf.wanted)).collect();
        columns.sort_unstable();
        columns.dedup();
        let names = leaves.iter().map(|leaf| leaf.series.name.clone()).collect();
        Ok(Some(Plan { columns, names, span, times: (first - 1 - span.idle_after, end) }))
    }

    fn sql(&self) -> String {
        let names = match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) if self.names.len() > NAMES_MAX => {
                format!("name >= {} and name <= {}", quoted(first), quoted(last))
            }
            _ => {
                let names: Vec<String> = self.names.iter().map(|name| quoted(name)).collect();
                format!("name in ({})", names.join(", "))
            }
        };
        let (after, until) = self.times;
        let date = |at: i64| Hour::of(at * SECOND).date();
        let conditions = format!(
            "dt >= '{}' and dt <= '{}' and timestamp > to_timestamp_micros({}) \
             and timestamp <= to_timestamp_micros({}) and {names}",
            date(after),
            date(until),
            after * SECOND,
            until * SECOND
        );
        let list = |make: &dyn Fn(usize, &String) -> String| {
            self.columns.iter().enumerate().map(|(nth, column)| make(nth, column)).collect::<String>()
        };
        // Names stand there once for each series, not for each point.
        let lists = list(&|nth, _| format!(", array_agg(c{nth}) as c{nth}"));
        let inner = match self.span.coarse_step() {
            None => format!(
                "select timestamp as t, window_seconds, name, kind, map_keys(tags) as k, map_values(tags) as v, hostname{} \
                 from metrics where {conditions}",
                list(&|nth, column| format!(", {column} as c{nth}"))
            ),
            Some(step) => format!(
                "select date_bin(interval '{step} seconds', timestamp) as t, max(window_seconds) as window_seconds, name, kind, \
                 map_keys(tags) as k, map_values(tags) as v, hostname{} from metrics where {conditions} group by 1, 3, 4, 5, 6, 7",
                list(&|nth, column| format!(", {} as c{nth}", coarse(column)))
            ),
        };
        format!(
            "select name, kind, k, v, hostname, window_seconds, array_agg(t) as t{lists} from ({inner}) as points \
             group by name, kind, k, v, hostname, window_seconds"
        )
    }

    /// Takes the series of a batch, each with the lists of its times and numbers.
    fn gather(&self, batch: &RecordBatch, names_hosts: bool, all: &mut HashMap<&str, Gathered>) -> Option<()> {
        let column = |name: &str| batch.column_by_name(name);
        let [name, kind, host] = ["name", "kind", "hostname"].map(|name| column(name).and_then(text_of));
        let [keys, values] = ["k", "v"].map(|name| column(name).and_then(list_of));
        let (name, kind, host, keys, values) = (name?, kind?, host?, keys?, values?);
        let seconds = column("window_seconds")?.as_primitive_opt::<Float64Type>()?;
        let times = column("t")?.as_list_opt::<i32>()?;
        let numbers: Option<Vec<&ListArray>> =
            (0..self.columns.len()).map(|nth| column(&format!("c{nth}"))?.as_list_opt::<i32>()).collect();
        let numbers = numbers?;
        for row in 0..batch.num_rows() {
            let (tag_names, tag_values) = (keys.texts(row), values.texts(row));
            let pairs = tag_names.iter().map(String::as_str).zip(tag_values.iter().map(String::as_str));
            let of_host = if names_hosts { host.value(row) } else { "" };
            let key = key_of(name.value(row), kind.value(row), of_host, pairs);
            let Some(gathered) = all.get_mut(key.as_str()) else { continue };
            gathered.hosts.push(host.value(row).to_owned());
            let place = gathered.hosts.len() - 1;
            let times = times.value(row);
            // Of a function they may be finer than those of the table.
            let times = cast(&times, &timestamp_type()).ok()?;
            let times = times.as_primitive_opt::<TimestampMicrosecondType>()?;
            let of_row: Option<Vec<Float64Array>> = numbers
                .iter()
                .map(|list| cast(&list.value(row), &DataType::Float64).ok()?.as_primitive_opt::<Float64Type>().cloned())
                .collect();
            let of_row = of_row?;
            if of_row.iter().any(|numbers| numbers.len() != times.len()) {
                return None;
            }
            for nth in 0..times.len() {
                gathered.at.push((times.value(nth), seconds.value(row), place));
                let value = |numbers: &Float64Array| if numbers.is_null(nth) { f64::NAN } else { numbers.value(nth) };
                gathered.numbers.extend(of_row.iter().map(value));
            }
        }
        Some(())
    }

    fn points(&self, leaf: &Leaf, gathered: &Gathered) -> Option<Points> {
        let step = self.span.step(leaf);
        let (first, end) = self.span.bounds(step)?;
        let places: Vec<usize> = columns_of(&leaf.wanted)
            .iter()
            .filter_map(|column| self.columns.iter().position(|other| other == column))
            .collect();
        let width = self.columns.len();
        let mut slots: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (row, (at, ..)) in gathered.at.iter().enumerate() {
            let second = at.div_euclid(SECOND);
            slots.entry(second - second.rem_euclid(step)).or_default().push(row);
        }
        let number = |row: usize, nth: usize| {
            places.get(nth).and_then(|place| gathered.numbers.get(row * width + place)).copied().filter(|n| !n.is_nan())
        };
        let value = |rows: &[usize]| {
            let mut rows = rows.to_vec();
            let key = |row: usize| (gathered.at[row].0, gathered.hosts.get(gathered.at[row].2));
            rows.sort_by(|a, b| key(*a).cmp(&key(*b)));
            let is_one = rows.len() == 1 && self.span.coarse_step().is_none();
            let seconds = rows.iter().map(|row| gathered.at[*row].1).fold(0.0, f64::max);
            combined(&leaf.wanted, &rows, if is_one { seconds } else { seconds.max(step as f64) }, is_one, &number)
        };
        let seen: Vec<(i64, Option<f64>)> = slots.iter().map(|(at, rows)| (*at, value(rows))).collect();
        let mut values = vec![None; ((end - first) / step).max(0) as usize];
        self.fill_idle(leaf, &seen, step, first, &mut values);
        for (at, value) in &seen {
            put(&mut values, *at, first, step, *value);
        }
        values.iter().any(Option::is_some).then_some((first, step, values))
    }

    /// What carbon is told of a series that gets nothing, until it is forgotten.
    fn fill_idle(&self, leaf: &Leaf, seen: &[(i64, Option<f64>)], step: i64, first: i64, values: &mut [Option<f64>]) {
        let is_count = matches!(leaf.wanted, Wanted::Number(Number::Count | Number::PerSecond));
        for (nth, (at, value)) in seen.iter().enumerate() {
            let told = match leaf.series.kind {
                Kind::Gauge => *value,
                _ if is_count => Some(0.0),
                _ => return,
            };
            let next = seen.get(nth + 1).map_or(i64::MAX, |(next, _)| *next);
            let until = next.min(at + self.span.idle_after).min(self.span.now + 1);
            let mut idle = at + step;
            while idle < until {
                put(values, idle, first, step, told);
                idle += step;
            }
        }
    }
}

fn put(values: &mut [Option<f64>], at: i64, first: i64, step: i64, value: Option<f64>) {
    if at >= first
        && let Some(place) = values.get_mut(((at - first) / step) as usize)
    {
        *place = value;
    }
}

/// One value of some rows, in their order; most often of one.
fn combined(
    wanted: &Wanted,
    rows: &[usize],
    seconds: f64,
    is_one: bool,
    number: &impl Fn(usize, usize) -> Option<f64>,
) -> Option<f64> {
    let all = |nth: usize| rows.iter().filter_map(move |row| number(*row, nth));
    let sum = |nth: usize| all(nth).reduce(|a, b| a + b);
    match wanted {
        Wanted::Number(Number::Count | Number::Sum | Number::SumSquares) => sum(0),
        Wanted::Number(Number::PerSecond) => Some(sum(0)? / seconds),
        Wanted::Number(Number::Last) => all(0).last(),
        Wanted::Number(Number::Upper) => all(0).reduce(f64::max),
        Wanted::Number(Number::Lower) => all(0).reduce(f64::min),
        Wanted::Number(Number::Mean) => Some(sum(0)? / sum(1).filter(|samples| *samples > 0.0)?),
        Wanted::Number(Number::Std | Number::Median) if is_one => sum(0),
        Wanted::Number(Number::Std) => {
            let samples = sum(3).filter(|samples| *samples > 0.0)?;
            let mean = sum(2)? / samples;
            Some((sum(1)? / samples - mean * mean).max(0.0).sqrt())
        }
        Wanted::Number(Number::Median) => {
            let weighted = rows.iter().filter_map(|row| Some(number(*row, 0)? * number(*row, 1)?));
            Some(weighted.reduce(|a, b| a + b)? / sum(1).filter(|samples| *samples > 0.0)?)
        }
        Wanted::Percentile(name) if name.starts_with("upper_") => all(0).reduce(f64::max),
        Wanted::Percentile(name) if name.starts_with("lower_") => all(0).reduce(f64::min),
        Wanted::Percentile(name) if name.starts_with("mean_") && !is_one => {
            Some(sum(1)? / sum(2).filter(|count| *count > 0.0)?)
        }
        Wanted::Percentile(_) => sum(0),
    }
}
