//! The samples of one timer in one window, all of them, and their exact statistics.
//!
//! Samples are kept as sorted runs of equal values, so memory is bounded by the distinct values and not by
//! the rate. Sums are taken over the sorted values, so they do not depend on the order of arrival.
use metlog_schemas::window::{Percentile, Timer};
use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

/// What a run takes up.
const RUN_BYTES: usize = size_of::<(f64, u64)>();
/// Samples are sorted into the runs when this many wait, or as many as there are runs.
const PENDING_MAX: usize = 1_024;

/// Samples of one timer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    pending: Vec<f64>,
    runs: Vec<(f64, u64)>,
    /// Samples scaled by their rates.
    scaled: f64,
}

impl Samples {
    /// Adds one sample taken at `rate`. By how many bytes it grew.
    pub fn add(&mut self, value: f64, rate: f64) -> usize {
        self.scaled += 1.0 / rate;
        let room = self.pending.capacity();
        self.pending.push(value);
        let grown = (self.pending.capacity() - room) * size_of::<f64>();
        if self.pending.len() < PENDING_MAX.max(self.runs.len()) {
            return grown;
        }
        let before = self.runs.len();
        self.settle();
        grown + (self.runs.len() - before) * RUN_BYTES
    }

    /// Adds those that came later in the same window.
    pub fn merge(&mut self, later: &Samples) {
        self.scaled += later.scaled;
        self.pending.extend_from_slice(&later.pending);
        self.settle();
        self.runs = merged(&self.runs, &later.runs);
    }

    /// Sorts what waits into the runs.
    fn settle(&mut self) {
        self.pending.sort_unstable_by(f64::total_cmp);
        let mut new: Vec<(f64, u64)> = Vec::new();
        for value in self.pending.drain(..) {
            match new.last_mut().filter(|(last, _)| *last == value) {
                Some((_, count)) => *count += 1,
                None => new.push((value, 1)),
            }
        }
        self.runs = if self.runs.is_empty() { new } else { merged(&self.runs, &new) };
    }

    /// The statistics, or `None` where there is no sample. `percents` as configured; negative ones count from the top.
    pub fn statistics(&mut self, percents: &[f64]) -> Option<Timer> {
        self.settle();
        let (lower, upper) = (self.runs.first()?.0, self.runs.last()?.0);
        let samples: u64 = self.runs.iter().map(|(_, count)| count).sum();
        let (sum, sum_squares) = sums(self.runs.iter().copied());
        let mean = sum / samples as f64;
        let squares: f64 = self.runs.iter().map(|(value, count)| (value - mean).powi(2) * *count as f64).sum();
        let middle = |at: u64| nth(&self.runs, at).unwrap_or(upper);
        let median = match samples % 2 {
            1 => middle(samples / 2),
            _ => f64::midpoint(middle(samples / 2 - 1), middle(samples / 2)),
        };
        Some(Timer {
            count: self.scaled,
            samples,
            sum,
            sum_squares,
            lower,
            upper,
            mean,
            median,
            std: (squares / samples as f64).sqrt(),
            percentiles: percents.iter().filter_map(|percent| self.percentile(*percent, samples)).collect(),
            sketch: self.sketch(samples),
        })
    }

    /// etsy's statsd takes a single sample whole, whatever the percentile, and else rounds half up.
    fn percentile(&self, percent: f64, samples: u64) -> Option<Percentile> {
        let count = match samples {
            1 => 1,
            _ => ((percent.abs() / 100.0 * samples as f64 + 0.5).floor() as u64).min(samples),
        };
        if count == 0 {
            return None;
        }
        let skipped = if percent > 0.0 { 0 } else { samples - count };
        let bound = nth(&self.runs, if percent > 0.0 { count - 1 } else { skipped })?;
        let (sum, sum_squares) = sums(part(&self.runs, skipped, count));
        Some(Percentile { percent, count, mean: sum / count as f64, bound, sum, sum_squares })
    }

    /// Each sample weighs as many times as its rate says, rounded for the timer as a whole.
    fn sketch(&self, samples: u64) -> Vec<u8> {
        let weight = ((self.scaled / samples as f64).round() as u64).max(1);
        let mut sketch = DDSketch::new(Config::defaults());
        for (value, count) in &self.runs {
            sketch.add_with_count(*value, count * weight);
        }
        sketch.to_java_bytes()
    }
}

/// Two sorted lists of runs as one.
fn merged(a: &[(f64, u64)], b: &[(f64, u64)]) -> Vec<(f64, u64)> {
    let mut runs = Vec::with_capacity(a.len().max(b.len()));
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    loop {
        let next = match (a.peek(), b.peek()) {
            (Some((x, n)), Some((y, m))) if x == y => {
                let both = (*x, n + m);
                let _ = (a.next(), b.next());
                Some(both)
            }
            (Some((x, _)), Some((y, _))) => {
                if x < y {
                    a.next()
                } else {
                    b.next()
                }
            }
            (Some(_), None) => a.next(),
            (None, _) => b.next(),
        };
        match next {
            Some(run) => runs.push(run),
            None => return runs,
        }
    }
}

fn sums(runs: impl Iterator<Item = (f64, u64)>) -> (f64, f64) {
    runs.fold((0.0, 0.0), |(sum, squares), (value, count)| {
        (sum + value * count as f64, squares + value * value * count as f64)
    })
}

/// The sample at a place in the sorted list.
fn nth(runs: &[(f64, u64)], mut at: u64) -> Option<f64> {
    for (value, count) in runs {
        if at < *count {
            return Some(*value);
        }
        at -= count;
    }
    None
}

/// `count` samples of the sorted list after the first `skipped`, as runs.
fn part(runs: &[(f64, u64)], mut skipped: u64, mut count: u64) -> impl Iterator<Item = (f64, u64)> {
    runs.iter().filter_map(move |(value, length)| {
        let here = length.saturating_sub(skipped).min(count);
        skipped = skipped.saturating_sub(*length);
        count -= here;
        (here > 0).then_some((*value, here))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn samples(values: &[f64]) -> Samples {
        let mut samples = Samples::default();
        for value in values {
            samples.add(*value, 1.0);
        }
        samples
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
    }

    /// Golden: the numbers that etsy's statsd gives for its own well-known example.
    #[test]
    fn golden() {
        let timer = samples(&[450., 120., 553., 994., 334., 844., 675., 496.]).statistics(&[90.0, -25.0]).unwrap();
        assert_eq!((timer.count, timer.sum, timer.sum_squares), (8.0, 4466.0, 3_036_278.0));
        assert_eq!((timer.lower, timer.upper, timer.mean, timer.median), (120.0, 994.0, 558.25, 524.5));
        assert!(close(timer.std, 260.560_333_704_115_46));
        let upper = &timer.percentiles[0];
        assert_eq!(
            (upper.count, upper.mean, upper.bound, upper.sum, upper.sum_squares),
            (7, 496., 844., 3472., 2_048_242.)
        );
        let top = &timer.percentiles[1];
        assert_eq!((top.count, top.bound, top.sum), (2, 844.0, 1838.0));
    }

    proptest! {
        /// Against the plain way: sort the list, cut it, add it up.
        #[test]
        fn as_a_naive_list(values in prop::collection::vec(-50i32..50, 1..3_000), percent in prop::sample::select(vec![0.01, 50.0, 90.0, 99.9, 100.0, -10.0, -100.0])) {
            let mut list: Vec<f64> = values.iter().map(|v| f64::from(*v) / 2.0).collect();
            let timer = samples(&list).statistics(&[percent]).unwrap();
            list.sort_by(f64::total_cmp);
            let n = list.len();
            prop_assert!(close(timer.sum, list.iter().sum()));
            prop_assert_eq!(timer.upper, list[n - 1]);
            prop_assert_eq!(timer.median, if n % 2 == 1 { list[n / 2] } else { (list[n / 2 - 1] + list[n / 2]) / 2.0 });
            let count = if n == 1 { 1 } else { ((percent.abs() / 100.0 * n as f64) + 0.5).floor() as usize };
            match timer.percentiles.first() {
                None => prop_assert_eq!(count, 0),
                Some(found) => {
                    let part = if percent > 0.0 { &list[..count] } else { &list[n - count..] };
                    prop_assert_eq!(found.count, count as u64);
                    prop_assert_eq!(found.bound, if percent > 0.0 { part[count - 1] } else { part[0] });
                    prop_assert!(close(found.sum, part.iter().sum()));
                    prop_assert!(close(found.sum_squares, part.iter().map(|v| v * v).sum()));
                }
            }
        }
    }

    #[test]
    fn a_sketch_weighs_samples_by_their_rate() {
        let mut samples = Samples::default();
        samples.add(10.0, 0.1);
        samples.add(20.0, 0.1);
        let timer = samples.statistics(&[]).unwrap();
        assert_eq!(timer.count, 20.0);
        let sketch = DDSketch::from_java_bytes(&timer.sketch).unwrap();
        assert_eq!(sketch.count(), 20);
        assert!((sketch.quantile(0.99).unwrap().unwrap() / 20.0 - 1.0).abs() < 0.02);
    }
}
