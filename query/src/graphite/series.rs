//! A series of points at a fixed step, and how several of them are brought to one step.
//!
//! As in graphite-web, a series may stand for fewer points than it holds: [`Series::points`] gives one for each
//! `per_point` values, made by its consolidation function. Functions that change a series in place work on what it holds.
use std::collections::BTreeMap;

/// How values are made one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consolidation {
    Sum,
    Average,
    /// Average, where what is missing counts as zero.
    AverageZero,
    Max,
    Min,
    First,
    Last,
}

impl Consolidation {
    pub const NAMES: [&str; 8] = ["sum", "average", "avg_zero", "max", "min", "first", "last", "avg"];

    /// By Graphite's name of it.
    pub fn from_name(name: &str) -> Option<Consolidation> {
        Some(match name {
            "sum" => Consolidation::Sum,
            "average" | "avg" => Consolidation::Average,
            "avg_zero" => Consolidation::AverageZero,
            "max" => Consolidation::Max,
            "min" => Consolidation::Min,
            "first" => Consolidation::First,
            "last" => Consolidation::Last,
            _ => return None,
        })
    }

    /// `all` is how many values there are, with those that are missing.
    fn of(self, values: &[f64], all: usize) -> f64 {
        let sum = || values.iter().sum::<f64>();
        match self {
            Consolidation::Sum => sum(),
            Consolidation::Average => sum() / values.len() as f64,
            Consolidation::AverageZero => sum() / all as f64,
            Consolidation::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Consolidation::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
            Consolidation::First => values.first().copied().unwrap_or_default(),
            Consolidation::Last => values.last().copied().unwrap_or_default(),
        }
    }
}

/// Points at a fixed step.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is called in the result.
    pub name: String,
    /// The expression that it came from, for the names of what is made of it.
    pub expression: String,
    /// Time of its first point, in seconds since 1970 UTC.
    pub start: i64,
    /// Time behind its last point.
    pub end: i64,
    /// Seconds from one point to the next; at least one.
    pub step: i64,
    /// Its values.
    pub values: Vec<Option<f64>>,
    /// How many values make a point.
    pub per_point: usize,
    /// How they do.
    pub consolidation: Consolidation,
    /// Which share of them must be there.
    pub x_files_factor: f64,
    /// `name` and others.
    pub tags: BTreeMap<String, String>,
}

impl Series {
    /// A series whose expression is its name.
    pub fn new(name: impl Into<String>, (start, end, step): (i64, i64, i64), values: Vec<Option<f64>>) -> Series {
        let name = name.into();
        Series {
            expression: name.clone(),
            tags: tags_of(&name),
            name,
            start,
            end,
            step: step.max(1),
            values,
            per_point: 1,
            consolidation: Consolidation::Average,
            x_files_factor: 0.0,
        }
    }

    /// The same with another name and values, of expression and size of points of its own.
    pub fn with(&self, name: String, values: Vec<Option<f64>>) -> Series {
        let kept = (self.consolidation, self.x_files_factor, self.tags.clone());
        let mut series = Series::new(name, (self.start, self.end, self.step), values);
        (series.consolidation, series.x_files_factor, series.tags) = kept;
        series
    }

    /// The same in place, called so; its expression too.
    pub fn renamed(mut self, name: String) -> Series {
        self.expression.clone_from(&name);
        self.name = name;
        self
    }

    /// With a tag more.
    pub fn tagged(mut self, tag: &str, value: impl Into<String>) -> Series {
        self.tags.insert(tag.to_owned(), value.into());
        self
    }

    /// Its points.
    pub fn points(&self) -> Vec<Option<f64>> {
        if self.per_point <= 1 {
            return self.values.clone();
        }
        let point = |values: &[Option<f64>]| {
            let present: Vec<f64> = values.iter().flatten().copied().collect();
            let share = present.len() as f64 / self.per_point as f64;
            let is_point = !present.is_empty() && share >= self.x_files_factor;
            is_point.then(|| self.consolidation.of(&present, values.len()))
        };
        self.values.chunks(self.per_point).map(point).collect()
    }

    /// Each point with its time.
    pub fn timed(&self) -> Vec<(Option<f64>, i64)> {
        let step = self.step * self.per_point as i64;
        let times = (0..).map(|nth| self.start + nth * step).take_while(|at| *at <= self.end);
        self.points().into_iter().zip(times).collect()
    }
}

/// The tags that are in a name: `name;key=value`. A name that looks like a call has none but itself.
fn tags_of(name: &str) -> BTreeMap<String, String> {
    let mut parts = name.split(';');
    let path = parts.next().unwrap_or_default();
    let is_call = name.ends_with(')') && name.contains('(');
    let pairs: Option<Vec<(&str, &str)>> = parts.map(|part| part.split_once('=')).collect();
    match pairs.filter(|_| !is_call) {
        Some(pairs) => {
            let mut tags: BTreeMap<String, String> =
                pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            tags.insert("name".to_owned(), path.trim_start_matches('~').to_owned());
            tags
        }
        None => BTreeMap::from([("name".to_owned(), name.to_owned())]),
    }
}

fn greatest_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

/// Brings series to their least common step: start, end and step of what is made of them. `None` if there is none.
pub fn normalize(series: &mut [Series]) -> Option<(i64, i64, i64)> {
    let step = series.iter().map(|series| series.step).reduce(|a, b| {
        let common = (a / greatest_divisor(a, b)).checked_mul(b);
        // Beyond a day's steps nothing sensible is common.
        common.unwrap_or(a.max(b))
    })?;
    for series in series.iter_mut() {
        series.per_point = (step / series.step).max(1) as usize;
    }
    let start = series.iter().map(|series| series.start).min()?;
    let end = series.iter().map(|series| series.end).max()?;
    Some((start, end - (end - start).rem_euclid(step), step))
}

/// The points of all series side by side, as many rows as the longest has points.
pub fn rows(series: &[Series]) -> Vec<Vec<Option<f64>>> {
    let points: Vec<_> = series.iter().map(Series::points).collect();
    let longest = points.iter().map(Vec::len).max().unwrap_or_default();
    (0..longest).map(|row| points.iter().map(|points| points.get(row).copied().flatten()).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(step: i64, values: &[f64]) -> Series {
        let end = 60 + step * values.len() as i64;
        Series::new("a", (60, end, step), values.iter().copied().map(Some).collect())
    }

    #[test]
    fn points_are_made_of_values() {
        let mut it = series(10, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        it.per_point = 2;
        assert_eq!(it.points(), [Some(1.5), Some(3.5), Some(5.0)]);
        it.values[0] = None;
        assert_eq!(it.points()[0], Some(2.0));
        it.x_files_factor = 0.6;
        assert_eq!(it.points()[0], None);
        it.x_files_factor = 0.0;
        for (consolidation, first, second) in [
            (Consolidation::Sum, 2.0, 7.0),
            (Consolidation::AverageZero, 1.0, 3.5),
            (Consolidation::Max, 2.0, 4.0),
            (Consolidation::Min, 2.0, 3.0),
            (Consolidation::First, 2.0, 3.0),
            (Consolidation::Last, 2.0, 4.0),
        ] {
            it.consolidation = consolidation;
            assert_eq!(it.points()[..2], [Some(first), Some(second)], "{consolidation:?}");
        }
        assert_eq!(it.timed().iter().map(|(_, at)| *at).collect::<Vec<_>>(), [60, 80, 100]);
    }

    #[test]
    fn steps_become_common() {
        let mut both = [series(10, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), series(15, &[1.0, 2.0])];
        assert_eq!(normalize(&mut both), Some((60, 120, 30)));
        assert_eq!(rows(&both), [[Some(2.0), Some(1.5)], [Some(5.0), None]]);
        assert_eq!(normalize(&mut []), None);
    }

    #[test]
    fn tags_are_in_names() {
        let tags =
            |name: &str| tags_of(name).into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
        assert_eq!(tags("a.b;env=x;z=1"), "env=x name=a.b z=1");
        assert_eq!(tags("sum(a;b=c)"), "name=sum(a;b=c)");
        assert_eq!(tags("a;b"), "name=a;b");
    }
}
