//! From rows of time, name and value to the series of a chart.
use crate::ask::{Fault, Rows};
use crate::part::chart::{Chart, Series};
use crate::range::Range;
use std::collections::BTreeMap;

/// Points of a chart at most: as many as a wide screen has pixels.
const POINTS_MAX: usize = 4_000;

/// What a time without a row means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Nothing happened: a count of 0.
    Zero,
    /// Nothing is known: a gap.
    Gap,
}

/// How rows become series.
#[derive(Debug, Clone)]
pub struct Pivot<'p> {
    /// The column of times, each the start of a bucket.
    pub time: &'p str,
    /// The column of names; where there is none, each column of values is a series.
    pub name: Option<&'p str>,
    /// The columns of values.
    pub values: Vec<&'p str>,
    /// Length of a bucket. 0 where times are as they are: then there are no others between them.
    pub bucket_seconds: i64,
    /// What a bucket without a row means.
    pub missing: Missing,
}

impl Pivot<'_> {
    /// A chart of the rows; the series with the largest sums come first. Every bucket of the range is in it.
    ///
    /// # Errors
    /// Where a column is missing, or the first one has no times.
    pub fn chart(&self, rows: &Rows, range: &Range) -> Result<Chart, Fault> {
        let missing = |name: &str| Fault::new(format!("the result has no column `{name}` to draw"));
        let position = |name: &str| rows.column(name).ok_or_else(|| missing(name));
        let time = position(self.time)?;
        let name = self.name.map(position).transpose()?;
        let values =
            self.values.iter().map(|value| Ok((*value, position(value)?))).collect::<Result<Vec<_>, Fault>>()?;
        let mut found: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
        for row in rows.iter() {
            let Some(at) = row[time].time() else { continue };
            for (title, value) in &values {
                let Some(number) = row[*value].number() else { continue };
                let series = match name {
                    Some(name) if values.len() == 1 => row[name].text(),
                    Some(name) => format!("{} {title}", row[name].text()),
                    None => (*title).to_owned(),
                };
                found.entry(series).or_default().insert(at, number);
            }
        }
        let times = self.times(&found, range);
        let fill = (self.missing == Missing::Zero).then_some(0.0);
        let mut series: Vec<(f64, Series)> = found
            .into_iter()
            .map(|(name, points)| {
                let sum = points.values().sum();
                let values = times.iter().map(|at| points.get(at).copied().or(fill)).collect();
                (sum, Series { name, values })
            })
            .collect();
        if self.name.is_some() {
            series.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        } else {
            // As the query lists them.
            series.sort_by_key(|(_, series)| self.values.iter().position(|value| *value == series.name));
        }
        let series = series.into_iter().map(|(_, series)| series).collect();
        let shown = (self.bucket_seconds > 0).then_some((range.start, range.end));
        Ok(Chart { times, series, range: shown, ..Chart::default() })
    }

    /// Those with a row and, where buckets are known, all others of the range.
    fn times(&self, found: &BTreeMap<String, BTreeMap<i64, f64>>, range: &Range) -> Vec<i64> {
        let mut times: Vec<i64> = found.values().flat_map(BTreeMap::keys).copied().collect();
        times.sort_unstable();
        times.dedup();
        let bucket = self.bucket_seconds * 1_000_000;
        let (Some(first), true) = (times.first().copied(), bucket > 0) else { return times };
        if (range.end - range.start) / bucket > POINTS_MAX as i64 {
            return times;
        }
        let start = first - (first - range.start).div_euclid(bucket) * bucket;
        let mut all: Vec<i64> = (0..).map(|at| start + at * bucket).take_while(|at| *at < range.end).collect();
        all.extend(times);
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
    use std::sync::Arc;

    const SECOND: i64 = 1_000_000;

    fn rows() -> Rows {
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![60 * SECOND, 60 * SECOND, 180 * SECOND]));
        let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "b"]));
        let counts: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(5), None]));
        let batch = RecordBatch::try_from_iter([("at", times), ("type", names), ("n", counts)]).unwrap();
        Rows { schema: batch.schema(), batches: vec![batch], partial: None }
    }

    fn range() -> Range {
        Range { from: String::new(), to: String::new(), start: 0, end: 240 * SECOND }
    }

    #[test]
    fn counts_have_every_bucket_and_the_largest_series_first() {
        let pivot =
            Pivot { time: "at", name: Some("type"), values: vec!["n"], bucket_seconds: 60, missing: Missing::Zero };
        let chart = pivot.chart(&rows(), &range()).unwrap();
        assert_eq!(chart.times, [0, 60, 120, 180].map(|at| at * SECOND));
        let series: Vec<_> = chart.series.iter().map(|series| (series.name.as_str(), series.values.clone())).collect();
        let some = |values: [f64; 4]| values.map(Some).to_vec();
        assert_eq!(series, [("b", some([0.0, 5.0, 0.0, 0.0])), ("a", some([0.0, 1.0, 0.0, 0.0]))]);
    }

    #[test]
    fn gaps_are_gaps_and_columns_can_be_series() {
        let pivot = Pivot { time: "at", name: None, values: vec!["n"], bucket_seconds: 0, missing: Missing::Gap };
        let chart = pivot.chart(&rows(), &range()).unwrap();
        assert_eq!((chart.times.len(), chart.series[0].name.as_str()), (1, "n"));
        let wrong = Pivot { values: vec!["m"], ..pivot };
        assert!(wrong.chart(&rows(), &range()).unwrap_err().message.contains("`m`"));
    }
}
