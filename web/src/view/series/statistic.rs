//! What can be drawn of a series, and how SQL computes it over any bucket and any number of series.
//!
//! Percentiles come from merged sketches, so they are right over hours and hosts; percentiles of percentiles are not.

/// Most percentiles besides those that are offered.
const DIGITS_MAX: usize = 8;

/// A statistic.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statistic {
    /// Increments or samples each second.
    Rate,
    Count,
    Sum,
    Mean,
    Min,
    Max,
    Deviation,
    /// The last value of a gauge.
    Last,
    /// As typed, from 0 to 100.
    Percentile(String),
}

impl Statistic {
    /// Those that are offered by name.
    pub(super) const OFFERED: [(&str, &str); 11] = [
        ("rate", "each second"),
        ("count", "how many"),
        ("sum", "sum of the values"),
        ("mean", "mean of the values"),
        ("min", "smallest"),
        ("max", "largest"),
        ("std", "standard deviation"),
        ("last", "last value"),
        ("p50", "median"),
        ("p95", "95th percentile"),
        ("p99", "99th percentile"),
    ];

    /// By its name: `mean`, `p99`, `p99.9`.
    pub(super) fn read(name: &str) -> Option<Statistic> {
        Some(match name {
            "rate" => Statistic::Rate,
            "count" => Statistic::Count,
            "sum" => Statistic::Sum,
            "mean" => Statistic::Mean,
            "min" => Statistic::Min,
            "max" => Statistic::Max,
            "std" => Statistic::Deviation,
            "last" => Statistic::Last,
            _ => {
                let digits = name.strip_prefix('p')?;
                let is_plain = digits.len() <= DIGITS_MAX && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                let value: f64 = digits.parse().ok().filter(|_| is_plain)?;
                return (0.0..=100.0).contains(&value).then(|| Statistic::Percentile(digits.to_owned()));
            }
        })
    }

    pub(super) fn name(&self) -> String {
        match self {
            Statistic::Rate => "rate".to_owned(),
            Statistic::Count => "count".to_owned(),
            Statistic::Sum => "sum".to_owned(),
            Statistic::Mean => "mean".to_owned(),
            Statistic::Min => "min".to_owned(),
            Statistic::Max => "max".to_owned(),
            Statistic::Deviation => "std".to_owned(),
            Statistic::Last => "last".to_owned(),
            Statistic::Percentile(digits) => format!("p{digits}"),
        }
    }

    /// What a reader wants to see of a kind of series who does not say.
    pub(super) fn usual(kind: &str) -> Vec<Statistic> {
        match kind {
            "counter" => vec![Statistic::Rate],
            "timer" => ["50", "95", "99"].map(|digits| Statistic::Percentile(digits.to_owned())).to_vec(),
            "set" => vec![Statistic::Max],
            _ => vec![Statistic::Mean],
        }
    }

    /// The aggregate over the rows of a bucket; null where it does not exist. A rate is a count here.
    pub(super) fn sql(&self) -> String {
        let mean = "sum(sum) / nullif(sum(samples), 0)";
        match self {
            Statistic::Rate | Statistic::Count => "sum(count)".to_owned(),
            Statistic::Sum => "sum(sum)".to_owned(),
            Statistic::Mean => format!("coalesce({mean}, avg(value))"),
            // A set has only how many values it had.
            Statistic::Min => "min(coalesce(min, value, case kind when 'set' then count end))".to_owned(),
            Statistic::Max => "max(coalesce(max, value, case kind when 'set' then count end))".to_owned(),
            Statistic::Deviation => {
                format!("sqrt(abs(sum(sum_squares) / nullif(sum(samples), 0) - ({mean}) * ({mean})))")
            }
            Statistic::Last => "arg_max(value, timestamp)".to_owned(),
            Statistic::Percentile(digits) => {
                let q = digits.parse().unwrap_or(50.0_f64) / 100.0;
                format!("sketch_quantile(sketch_merge(sketch), {q:?})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_again() {
        for (name, _) in Statistic::OFFERED {
            assert_eq!(Statistic::read(name).unwrap().name(), name);
        }
        assert_eq!(Statistic::read("p99.9").unwrap().sql(), "sketch_quantile(sketch_merge(sketch), 0.9990000000000001)");
        for wrong in ["", "p", "p101", "p-1", "pNaN", "p1e1", "median", "p0.00000000001", "p5'"] {
            assert_eq!(Statistic::read(wrong), None, "{wrong}");
        }
    }
}
