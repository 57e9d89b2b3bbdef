//! Names that carbon gets: from a series of a window to the paths of its points, for the sink that writes them and
//! for the read side that serves them from the table `metrics`. Names are those of etsy's statsd
//! (`backends/graphite.js`).
use crate::format::statsd::Kind;

/// How names are built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Naming {
    /// Prefix of every name, followed by a dot; `{hostname}` in it is the window's host, with dots replaced by `_`.
    /// Empty: none.
    pub prefix: String,
    /// `stats.K` and `stats_counts.K` for counters, as statsd named them first, in place of
    /// `stats.counters.K.rate` and `.count`.
    pub legacy_namespace: bool,
}

/// One number of a series in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Number {
    /// A count by the length of the window in seconds.
    PerSecond,
    /// Increments, samples or distinct values; scaled by the sample rate.
    Count,
    /// The last value of a gauge.
    Last,
    /// Standard deviation.
    Std,
    /// Largest sample.
    Upper,
    /// Smallest sample.
    Lower,
    /// Sum of the samples.
    Sum,
    /// Sum of their squares.
    SumSquares,
    /// Mean.
    Mean,
    /// Median.
    Median,
}

/// Where a number of a series stands: `prefix namespace name suffix tags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistic {
    /// `stats.timers.`
    pub namespace: &'static str,
    /// `.mean`
    pub suffix: &'static str,
    /// Which number.
    pub number: Number,
}

const fn statistic(namespace: &'static str, suffix: &'static str, number: Number) -> Statistic {
    Statistic { namespace, suffix, number }
}

/// In front of the names of timers, the percentiles' too.
pub const TIMERS: &str = "stats.timers.";

const COUNTER: [Statistic; 2] =
    [statistic("stats.counters.", ".rate", Number::PerSecond), statistic("stats.counters.", ".count", Number::Count)];
const LEGACY_COUNTER: [Statistic; 2] =
    [statistic("stats.", "", Number::PerSecond), statistic("stats_counts.", "", Number::Count)];
const GAUGE: [Statistic; 1] = [statistic("stats.gauges.", "", Number::Last)];
const SET: [Statistic; 1] = [statistic("stats.sets.", ".count", Number::Count)];
const TIMER: [Statistic; 9] = [
    statistic(TIMERS, ".std", Number::Std),
    statistic(TIMERS, ".upper", Number::Upper),
    statistic(TIMERS, ".lower", Number::Lower),
    statistic(TIMERS, ".count", Number::Count),
    statistic(TIMERS, ".count_ps", Number::PerSecond),
    statistic(TIMERS, ".sum", Number::Sum),
    statistic(TIMERS, ".sum_squares", Number::SumSquares),
    statistic(TIMERS, ".mean", Number::Mean),
    statistic(TIMERS, ".median", Number::Median),
];

impl Naming {
    /// The prefix for windows of a host, with its dot.
    pub fn prefix_of(&self, hostname: &str) -> String {
        let mut prefix = self.prefix.replace("{hostname}", &clean(hostname).replace('.', "_"));
        if !prefix.is_empty() && !prefix.ends_with('.') {
            prefix.push('.');
        }
        prefix
    }

    /// True if windows of two hosts have different names.
    pub fn names_hosts(&self) -> bool {
        self.prefix.contains("{hostname}")
    }

    /// The statistics of a kind, without the percentiles of timers.
    pub const fn statistics(&self, kind: Kind) -> &'static [Statistic] {
        match (kind, self.legacy_namespace) {
            (Kind::Counter, false) => &COUNTER,
            (Kind::Counter, true) => &LEGACY_COUNTER,
            (Kind::Gauge, _) => &GAUGE,
            (Kind::Set, _) => &SET,
            (Kind::Timer, _) => &TIMER,
        }
    }
}

/// The statistics of a percentile, as they are called in the column `percentiles` and, behind a dot, in paths:
/// `count_90`, `mean_90`, `upper_90`, `sum_90`, `sum_squares_90`; `lower_top5` for -5, `upper_99_9` for 99.9.
pub fn percentile_names(percent: f64) -> [String; 5] {
    let word = number(percent).replacen('.', "_", 1).replacen('-', "top", 1);
    let bound = if percent > 0.0 { "upper" } else { "lower" };
    ["count", "mean", bound, "sum", "sum_squares"].map(|statistic| format!("{statistic}_{word}"))
}

/// `;key=value` for each. Carbon refuses a line with an empty tag or value, so a tag that came without a value
/// has the value `true`, and what is empty after cleaning is `_`.
pub fn tags<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> String {
    let filled = |text: String| if text.is_empty() { "_".to_owned() } else { text };
    let mut path = String::new();
    for (key, value) in tags {
        let key = filled(clean(key).replace([';', '='], "_"));
        let value = if value.is_empty() { "true".to_owned() } else { filled(clean(value).replace(';', "_")) };
        path.extend([";", &key, "=", &value]);
    }
    path
}

/// What statsd makes of a name: `_` for a run of white space, `-` for a slash, and nothing for what is left
/// besides letters, digits and `_ - . ; =`.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut in_space = false;
    for character in text.chars() {
        let is_space = character.is_whitespace();
        match character {
            _ if is_space && in_space => (),
            _ if is_space => clean.push('_'),
            '/' => clean.push('-'),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' | ';' | '=' => clean.push(character),
            _ => (),
        }
        in_space = is_space;
    }
    clean
}

/// A number as JavaScript prints it: the shortest digits that read back the same, with an exponent from 1e21 on
/// and below 1e-6.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if size >= 1e21 {
        format!("{value:e}").replace('e', "e+")
    } else if size < 1e-6 {
        format!("{value:e}")
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_named_as_by_statsd() {
        assert_eq!(percentile_names(90.0), ["count_90", "mean_90", "upper_90", "sum_90", "sum_squares_90"]);
        assert_eq!(percentile_names(99.9)[2], "upper_99_9");
        assert_eq!(percentile_names(-5.0)[2], "lower_top5");
    }

    #[test]
    fn a_prefix_ends_in_a_dot() {
        let naming = |prefix: &str| Naming { prefix: prefix.to_owned(), legacy_namespace: false };
        assert_eq!(naming("").prefix_of("a.b"), "");
        assert_eq!(naming("x.{hostname}").prefix_of("a.b c"), "x.a_b_c.");
        assert_eq!(naming("x.").prefix_of("a"), "x.");
        assert!(naming("{hostname}").names_hosts() && !naming("x").names_hosts());
    }
}
