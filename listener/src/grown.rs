//! What cumulative series have come to, so that each increase of one is counted once: state in the order of the journal.
use metlog_schemas::format::{Buckets, Grown, Total};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

/// A series that was not told of for so long is forgotten where there are too many: µs.
const IDLE_MICROS: i64 = 3_600_000_000;

/// The last total of each series. A clone is cheap, and copied when one of the two changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals(Arc<HashMap<[u8; 16], Last>>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Last {
    start: u64,
    time: u64,
    numbers: Vec<f64>,
    scale: i32,
    buckets: Buckets,
    received_at: i64,
}

impl Totals {
    /// True if no series is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a total, and what it grew by since the one before. A series that is not known, or began anew, grew by all of
    /// it since its start.
    ///
    /// # Errors
    /// The reason of its refusal.
    pub fn grown(
        &mut self,
        series: &[u8],
        total: Total,
        received_at: i64,
        series_max: usize,
    ) -> Result<Grown, &'static str> {
        let digest = Sha256::digest(series);
        let key: [u8; 16] = std::array::from_fn(|at| digest[at]);
        let all = Arc::make_mut(&mut self.0);
        let grown = match all.get(&key) {
            Some(last) if total.time <= last.time && total.start <= last.start => {
                return Err("duplicate_or_older_point");
            }
            Some(last) if last.start == total.start => last.until(&total),
            Some(_) => None,
            None => {
                if all.len() >= series_max {
                    all.retain(|_, last| last.received_at + IDLE_MICROS > received_at);
                }
                if all.len() >= series_max {
                    return Err("too_many_series");
                }
                None
            }
        };
        let Total { start, time, numbers, scale, buckets, .. } = total.clone();
        all.insert(key, Last { start, time, numbers, scale, buckets, received_at });
        Ok(grown.unwrap_or(Grown { since: total.start, by: total, is_whole: true }))
    }
}

impl Last {
    /// The difference to a later total; `None` if something fell, so that it must have begun anew.
    fn until(&self, total: &Total) -> Option<Grown> {
        if self.numbers.len() != total.numbers.len() || self.scale < total.scale {
            return None;
        }
        let pairs = || total.numbers.iter().zip(&self.numbers);
        if pairs().take(total.growing).any(|(now, then)| now < then) {
            return None;
        }
        let mut before: HashMap<(bool, i32), u64> = HashMap::new();
        for ((is_negative, index), count) in &self.buckets {
            // A wider scale: each bucket covers several of the one before.
            let index = index >> (i64::from(self.scale) - i64::from(total.scale)).min(31);
            *before.entry((*is_negative, index)).or_default() += count;
        }
        let mut buckets = Buckets::new();
        for (key, count) in &total.buckets {
            let more = count.checked_sub(before.remove(key).unwrap_or_default())?;
            buckets.extend((more > 0).then_some((*key, more)));
        }
        if !before.is_empty() {
            return None;
        }
        let numbers = pairs().map(|(now, then)| now - then).collect();
        Some(Grown { since: self.time, by: Total { numbers, buckets, ..total.clone() }, is_whole: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(start: u64, time: u64, value: f64) -> Total {
        Total { start, time, growing: 1, numbers: vec![value], ..Total::default() }
    }

    #[test]
    fn each_increase_is_counted_once() {
        let mut totals = Totals::default();
        let mut add =
            |total| totals.grown(b"s", total, 0, 10).map(|grown| (grown.since, grown.by.numbers[0], grown.is_whole));
        assert_eq!(add(sum(5, 10, 3.0)), Ok((5, 3.0, true)));
        assert_eq!(add(sum(5, 20, 7.0)), Ok((10, 4.0, false)));
        assert_eq!(add(sum(5, 20, 7.0)), Err("duplicate_or_older_point"));
        assert_eq!(add(sum(5, 15, 5.0)), Err("duplicate_or_older_point"));
        assert_eq!(add(sum(5, 30, 7.0)), Ok((20, 0.0, false)));
        assert_eq!(add(sum(31, 40, 2.0)), Ok((31, 2.0, true)), "it began anew");
        assert_eq!(add(sum(31, 50, 1.0)), Ok((31, 1.0, true)), "it fell");
    }

    #[test]
    fn buckets_that_became_wider_are_compared() {
        let histogram = |time, scale, buckets: &[(i32, u64)]| Total {
            time,
            growing: 2,
            numbers: vec![buckets.iter().map(|(_, count)| *count as f64).sum(), 0.0, 1.0],
            scale,
            buckets: buckets.iter().map(|(index, count)| ((false, *index), *count)).collect(),
            ..Total::default()
        };
        let mut totals = Totals::default();
        totals.grown(b"h", histogram(1, 2, &[(-3, 1), (-4, 2), (5, 4)]), 0, 10).unwrap();
        let grown = totals.grown(b"h", histogram(2, 1, &[(-2, 5), (2, 4), (9, 1)]), 0, 10).unwrap();
        assert_eq!(grown.by.buckets, [((false, -2), 2), ((false, 9), 1)]);
        assert_eq!(grown.by.numbers[0], 3.0);
        let grown = totals.grown(b"h", histogram(3, 1, &[(9, 9)]), 0, 10).unwrap();
        assert!(grown.is_whole, "a bucket fell");
    }

    #[test]
    fn their_number_is_bounded() {
        let mut totals = Totals::default();
        assert!(totals.grown(b"a", sum(0, 1, 1.0), 0, 2).is_ok());
        assert!(totals.grown(b"b", sum(0, 1, 1.0), IDLE_MICROS, 2).is_ok());
        assert_eq!(totals.grown(b"c", sum(0, 1, 1.0), IDLE_MICROS - 1, 2), Err("too_many_series"));
        assert!(totals.grown(b"c", sum(0, 1, 1.0), IDLE_MICROS, 2).is_ok(), "the idle one is forgotten");
        assert!(totals.grown(b"b", sum(0, 2, 1.0), IDLE_MICROS, 2).is_ok());
    }
}
