//! The cells of the heat map: pure.
use std::collections::{BTreeMap, BTreeSet};

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    /// Probes that were lost, in either direction or nobody knows where, in percent.
    Loss,
    /// Half of the round trips took at most so long, ms.
    Median,
    /// Of a hundred round trips 99 took at most so long, ms.
    P99,
}

impl Measure {
    pub(super) const ALL: [(Measure, &'static str, &'static str, &'static str); 3] = [
        (Measure::Loss, "loss", "loss", "%"),
        (Measure::Median, "p50", "median round trip", "ms"),
        (Measure::P99, "p99", "99th percentile of round trips", "ms"),
    ];

    pub(super) fn of(name: &str) -> Measure {
        Measure::ALL.into_iter().find(|(_, key, _, _)| *key == name).map_or(Measure::Loss, |(measure, ..)| measure)
    }

    pub(super) fn named(self) -> (&'static str, &'static str, &'static str) {
        let found = Measure::ALL.into_iter().find(|(measure, ..)| *measure == self);
        found.map_or(("loss", "loss", "%"), |(_, key, title, unit)| (key, title, unit))
    }

    /// From where on a value is worth a look, and bad: of round trips those of Pingmesh's paper, of losses what no healthy network
    /// has.
    pub(super) fn thresholds(self) -> (f64, f64) {
        match self {
            Measure::Loss => (0.1, 1.0),
            Measure::Median => (2.0, 4.0),
            Measure::P99 => (4.0, 5.0),
        }
    }

    pub(super) fn grade(self, value: f64) -> Grade {
        match self.thresholds() {
            (_, bad) if value >= bad => Grade::Bad,
            (warn, _) if value >= warn => Grade::Warn,
            _ => Grade::Good,
        }
    }
}

/// How good a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    Good,
    Warn,
    Bad,
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell {
    /// Measured.
    Value(f64),
    /// The source reports nothing now, so that nobody knows.
    NoData,
    /// By the plan, nobody probes this pair.
    NotProbed,
    /// Nobody probes the target any more: it said that it leaves, or is lost to all.
    Leaving,
}

/// What a pair of groups came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) value: Option<f64>,
    /// When it was probed last, µs since 1970 UTC.
    pub(super) last: i64,
    /// Time between two rows of a pair, µs.
    pub(super) interval: i64,
}

/// A group of nodes is silent after so many intervals without a row.
const SILENT_INTERVALS: i64 = 4;

/// A square of cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Matrix {
    pub(super) names: Vec<String>,
    /// A row for each source, a cell for each target.
    pub(super) cells: Vec<Vec<Cell>>,
}

impl Matrix {
    /// Cells of what was measured until `end`, µs since 1970 UTC.
    pub(super) fn of(measured: &[Measured], end: i64) -> Matrix {
        let names: BTreeSet<&str> =
            measured.iter().flat_map(|pair| [pair.source.as_str(), pair.target.as_str()]).collect();
        let interval = measured.iter().map(|pair| pair.interval).max().unwrap_or_default();
        let newest = measured.iter().map(|pair| pair.last).max().unwrap_or_default().min(end);
        let is_recent = |last: i64| newest - last < SILENT_INTERVALS * interval.max(1);
        let last_of = |of: fn(&Measured) -> &str| {
            let mut last: BTreeMap<&str, i64> = BTreeMap::new();
            for pair in measured.iter().filter(|pair| pair.source != pair.target || measured.len() == 1) {
                let known = last.entry(of(pair)).or_insert(i64::MIN);
                *known = pair.last.max(*known);
            }
            last
        };
        let (reported, probed) = (last_of(|pair| &pair.source), last_of(|pair| &pair.target));
        let by_pair: BTreeMap<(&str, &str), &Measured> =
            measured.iter().map(|pair| ((pair.source.as_str(), pair.target.as_str()), pair)).collect();
        let cell = |source: &str, target: &str| {
            let is_silent = reported.get(source).is_none_or(|last| !is_recent(*last));
            let is_left = probed.get(target).is_some_and(|last| !is_recent(*last));
            match by_pair.get(&(source, target)) {
                _ if is_left && source != target => Cell::Leaving,
                _ if is_silent => Cell::NoData,
                Some(pair) => pair.value.map_or(Cell::NoData, Cell::Value),
                None => Cell::NotProbed,
            }
        };
        let cells = names.iter().map(|source| names.iter().map(|target| cell(source, target)).collect()).collect();
        Matrix { names: names.iter().map(|name| (*name).to_owned()).collect(), cells }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn measured(source: &str, target: &str, value: f64, last: i64) -> Measured {
        Measured { source: source.into(), target: target.into(), value: Some(value), last, interval: 10 }
    }

    #[test]
    fn what_is_not_known_has_three_reasons() {
        // `c` reports no more and is still probed, `d` is not probed any more, `a` and `b` do not probe `e`.
        let pairs = [
            measured("a", "b", 0.5, 1_000),
            measured("b", "a", 0.0, 995),
            measured("a", "c", 100.0, 1_000),
            measured("c", "a", 0.0, 900),
            measured("a", "d", 0.0, 900),
            measured("d", "a", 0.0, 900),
            measured("e", "c", 1.0, 1_000),
            measured("c", "e", 1.0, 1_000 - 39),
        ];
        let matrix = Matrix::of(&pairs, 2_000);
        assert_eq!(matrix.names, ["a", "b", "c", "d", "e"]);
        let (n, v, l) = (Cell::NotProbed, Cell::Value, Cell::Leaving);
        assert_eq!(matrix.cells[0], [n, v(0.5), v(100.0), l, n]);
        assert_eq!(matrix.cells[3], [Cell::NoData, Cell::NoData, Cell::NoData, Cell::NoData, Cell::NoData]);
        assert_eq!(matrix.cells[4][2], v(1.0));
        assert_eq!(Matrix::of(&[], 0), Matrix::default());
    }

    #[test]
    fn grades_are_those_of_the_measure() {
        assert_eq!([0.0, 0.1, 1.0].map(|loss| Measure::Loss.grade(loss)), [Grade::Good, Grade::Warn, Grade::Bad]);
        assert_eq!([3.9, 4.5, 5.0].map(|ms| Measure::P99.grade(ms)), [Grade::Good, Grade::Warn, Grade::Bad]);
        assert_eq!((Measure::of("p50"), Measure::of("rubbish")), (Measure::Median, Measure::Loss));
    }
}
