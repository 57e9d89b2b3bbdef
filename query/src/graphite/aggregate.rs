//! From several values to one, where some may be missing; as graphite-web does it.

/// Names that `aggregate` and others accept.
pub const NAMES: [&str; 16] = [
    "average", "avg_zero", "median", "sum", "min", "max", "diff", "stddev", "count", "range", "multiply", "last",
    "rangeOf", "avg", "total", "current",
];

/// How values are made one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    Average,
    AverageZero,
    Median,
    Sum,
    Min,
    Max,
    Diff,
    Stddev,
    Count,
    Range,
    Multiply,
    Last,
}

impl Aggregation {
    /// By Graphite's name, with or without `Series` behind it.
    pub fn from_name(name: &str) -> Option<Aggregation> {
        Some(match name.strip_suffix("Series").unwrap_or(name) {
            "average" | "avg" => Aggregation::Average,
            "avg_zero" => Aggregation::AverageZero,
            "median" => Aggregation::Median,
            "sum" | "total" => Aggregation::Sum,
            "min" => Aggregation::Min,
            "max" => Aggregation::Max,
            "diff" => Aggregation::Diff,
            "stddev" => Aggregation::Stddev,
            "count" => Aggregation::Count,
            "range" | "rangeOf" => Aggregation::Range,
            "multiply" => Aggregation::Multiply,
            "last" | "current" => Aggregation::Last,
            _ => return None,
        })
    }

    /// The value, where there is one.
    pub fn of(self, values: &[Option<f64>]) -> Option<f64> {
        let present = || values.iter().flatten().copied();
        let count = present().count();
        let some = |value: f64| (count > 0).then_some(value);
        let sum = || present().sum::<f64>() + 0.0;
        match self {
            Aggregation::Average => some(sum() / count as f64),
            Aggregation::AverageZero => (!values.is_empty()).then(|| sum() / values.len() as f64),
            Aggregation::Median => median(present().collect()),
            Aggregation::Sum => some(sum()),
            Aggregation::Min => present().reduce(f64::min),
            Aggregation::Max => present().reduce(f64::max),
            Aggregation::Diff => present().reduce(|left, value| left - value),
            Aggregation::Stddev => {
                let mean = some(sum() / count as f64)?;
                let squares: f64 = present().map(|value| (value - mean) * (value - mean)).sum();
                Some((squares / count as f64).sqrt())
            }
            Aggregation::Count => Some(count as f64),
            Aggregation::Range => Some(present().reduce(f64::max)? - present().reduce(f64::min)?),
            Aggregation::Multiply => values.iter().copied().reduce(|a, b| Some(a? * b?)).flatten(),
            Aggregation::Last => values.iter().rev().find_map(|value| *value),
        }
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: Vec<f64>) -> Option<f64> {
    let values = sorted(values);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied()?;
    let is_even = values.len().is_multiple_of(2);
    Some(if is_even { (values[middle - 1] + upper) / 2.0 } else { upper })
}

/// The value below which `percent` of them lie: one of them, unless it is interpolated.
pub fn percentile(values: &[Option<f64>], percent: f64, is_interpolated: bool) -> Option<f64> {
    let sorted = sorted(values.iter().flatten().copied().collect());
    let last = *sorted.last()?;
    let exact = percent / 100.0 * (sorted.len() + 1) as f64;
    let fraction = exact - exact.trunc();
    let rank = exact as usize + if is_interpolated { 0 } else { fraction.ceil() as usize };
    let at = |rank: usize| sorted.get(rank).copied();
    let found = if rank == 0 { sorted[0] } else { at(rank - 1).unwrap_or(last) };
    match at(rank) {
        Some(next) if is_interpolated => Some(found + fraction * (next - found)),
        _ => Some(found),
    }
}

/// Enough of the values are there.
pub fn is_enough(present: usize, all: f64, x_files_factor: f64) -> bool {
    present > 0 && all > 0.0 && present as f64 / all >= x_files_factor
}

/// Enough of these values are there.
pub fn are_enough(values: &[Option<f64>], x_files_factor: f64) -> bool {
    is_enough(values.iter().flatten().count(), values.len() as f64, x_files_factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_are_left_out() {
        let values = [Some(4.0), None, Some(1.0), Some(7.0), None];
        for (name, expected) in [
            ("average", Some(4.0)),
            ("avg_zero", Some(2.4)),
            ("median", Some(4.0)),
            ("sumSeries", Some(12.0)),
            ("min", Some(1.0)),
            ("max", Some(7.0)),
            ("diff", Some(-4.0)),
            ("stddev", Some(6_f64.sqrt())),
            ("count", Some(3.0)),
            ("rangeOf", Some(6.0)),
            ("multiply", None),
            ("current", Some(7.0)),
        ] {
            assert_eq!(Aggregation::from_name(name).unwrap().of(&values), expected, "{name}");
        }
        for name in NAMES {
            let of_none = Aggregation::from_name(name).unwrap().of(&[None, None]);
            let expected = match name {
                "count" | "avg_zero" => Some(0.0),
                _ => None,
            };
            assert_eq!(of_none, expected, "{name}");
        }
        assert!(Aggregation::from_name("mean").is_none());
    }

    #[test]
    fn percentiles_are_values_or_between_them() {
        let values: Vec<_> = (1..=10).map(|value| Some(f64::from(value))).collect();
        assert_eq!(percentile(&values, 50.0, false), Some(6.0));
        assert_eq!(percentile(&values, 50.0, true), Some(5.5));
        assert_eq!(percentile(&values, 100.0, false), Some(10.0));
        assert_eq!(percentile(&values, 0.1, true), Some(1.0 + 0.011 * 0.0));
        assert_eq!(percentile(&[None], 50.0, false), None);
    }
}
