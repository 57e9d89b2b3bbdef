//! Data points: their fields, and what becomes of histograms.
use super::super::decoded::{Buckets, Total};
use super::super::otlp::proto::{Cursor, Malformed, Value as Field, zigzag};
use sketches_ddsketch::{Config, DDSketch};

/// Most samples of one histogram: above it a number of a row does not hold their count exactly.
const COUNT_MAX: u64 = 1 << 53;
/// Most buckets of one histogram.
const BUCKETS_MAX: usize = 16_384;
/// `flags`: the series has no value at this time.
const NO_VALUE: u64 = 1;

/// What kind of metric a point is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

/// A data point.
#[derive(Debug, Default)]
pub(super) struct Point<'a> {
    pub start: u64,
    pub time: u64,
    /// Of a number.
    pub value: Option<f64>,
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub scale: i32,
    pub zeros: u64,
    /// Counts of buckets, by whether they are of negative numbers and by their index.
    pub buckets: Buckets,
    pub bounds: Vec<f64>,
    /// Its attributes, each a `KeyValue`.
    pub attributes: Vec<&'a [u8]>,
    pub has_value: bool,
}

impl<'a> Point<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// Where it is none of its kind.
    pub fn read(kind: Kind, bytes: &'a [u8]) -> Result<Point<'a>, Malformed> {
        let mut point = Point { has_value: true, ..Point::default() };
        let mut cursor = Cursor::new(bytes);
        while let Some((number, field)) = cursor.next()? {
            match (kind, number) {
                (_, 2) => point.start = field.fixed64()?,
                (_, 3) => point.time = field.fixed64()?,
                (Kind::Gauge | Kind::Sum, number) => point.number_field(number, field)?,
                (Kind::Histogram, number) => point.histogram_field(number, field)?,
                (Kind::Exponential, number) => point.exponential_field(number, field)?,
                (Kind::Summary, number) => point.summary_field(number, field)?,
            }
        }
        Ok(point)
    }

    fn flags(&mut self, field: Field<'_>) -> Result<(), Malformed> {
        self.has_value = field.varint()? & NO_VALUE == 0;
        Ok(())
    }

    fn number_field(&mut self, number: u32, field: Field<'a>) -> Result<(), Malformed> {
        match number {
            4 => self.value = Some(field.double()?),
            6 => self.value = Some(field.fixed64()?.cast_signed() as f64),
            7 => self.attributes.push(field.bytes()?),
            8 => self.flags(field)?,
            _ => (),
        }
        Ok(())
    }

    fn histogram_field(&mut self, number: u32, field: Field<'a>) -> Result<(), Malformed> {
        match number {
            4 => self.count = field.fixed64()?,
            5 => self.sum = Some(field.double()?),
            6 => {
                let mut counts = Vec::new();
                field.fixed64s(&mut counts)?;
                let from = self.buckets.last().map_or(0, |((_, index), _)| index + 1);
                self.add(false, from, &counts)?;
            }
            7 => {
                let mut bounds = Vec::new();
                field.fixed64s(&mut bounds)?;
                self.bounds.extend(bounds.into_iter().map(f64::from_bits));
            }
            9 => self.attributes.push(field.bytes()?),
            10 => self.flags(field)?,
            11 => self.min = Some(field.double()?),
            12 => self.max = Some(field.double()?),
            _ => (),
        }
        Ok(())
    }

    fn exponential_field(&mut self, number: u32, field: Field<'a>) -> Result<(), Malformed> {
        match number {
            1 => self.attributes.push(field.bytes()?),
            4 => self.count = field.fixed64()?,
            5 => self.sum = Some(field.double()?),
            6 => self.scale = zigzag(field.varint()?),
            7 => self.zeros = field.fixed64()?,
            8 | 9 => {
                let (mut offset, mut counts) = (0, Vec::new());
                let mut cursor = Cursor::new(field.bytes()?);
                while let Some((number, field)) = cursor.next()? {
                    match number {
                        1 => offset = zigzag(field.varint()?),
                        2 => field.varints(&mut counts)?,
                        _ => (),
                    }
                }
                self.add(number == 9, offset, &counts)?;
            }
            10 => self.flags(field)?,
            12 => self.min = Some(field.double()?),
            13 => self.max = Some(field.double()?),
            _ => (),
        }
        Ok(())
    }

    fn summary_field(&mut self, number: u32, field: Field<'a>) -> Result<(), Malformed> {
        match number {
            4 => self.count = field.fixed64()?,
            5 => self.sum = Some(field.double()?),
            7 => self.attributes.push(field.bytes()?),
            8 => self.flags(field)?,
            _ => (),
        }
        Ok(())
    }

    /// Adds counts of buckets that follow each other.
    fn add(&mut self, is_negative: bool, from: i32, counts: &[u64]) -> Result<(), Malformed> {
        if counts.len() > BUCKETS_MAX || self.buckets.len() + counts.len() > 2 * BUCKETS_MAX {
            return Err(Malformed);
        }
        for (at, count) in counts.iter().enumerate() {
            let index = i32::try_from(at).ok().and_then(|at| from.checked_add(at)).ok_or(Malformed)?;
            self.buckets.push(((is_negative, index), *count));
        }
        Ok(())
    }

    /// Makes what was read one histogram whose numbers agree.
    ///
    /// # Errors
    /// Where they do not.
    pub fn check(&mut self, kind: Kind) -> Result<(), Malformed> {
        let total = self.buckets.iter().try_fold(self.zeros, |sum, (_, count)| sum.checked_add(*count));
        let is_sorted = self.bounds.is_sorted_by(|a, b| a < b) && self.bounds.iter().all(|bound| !bound.is_nan());
        let fits = kind != Kind::Histogram || self.buckets.is_empty() || self.buckets.len() == self.bounds.len() + 1;
        let agrees = (self.buckets.is_empty() && self.zeros == 0) || total == Some(self.count);
        if !is_sorted || !fits || !agrees || self.count > COUNT_MAX {
            return Err(Malformed);
        }
        self.buckets.retain(|(_, count)| *count > 0);
        self.buckets.sort_unstable_by_key(|(key, _)| *key);
        Ok(())
    }

    /// It as a total since its start.
    pub fn total(&self, kind: Kind) -> Total {
        let numbers = match kind {
            Kind::Gauge | Kind::Sum => vec![self.value.unwrap_or_default()],
            _ => vec![self.count as f64, self.zeros as f64, self.sum.unwrap_or_default()],
        };
        // The sum of a histogram may fall where it counts negative numbers.
        let growing = if kind == Kind::Sum { 1 } else { 2 };
        Total { start: self.start, time: self.time, growing, numbers, scale: self.scale, buckets: self.buckets.clone() }
    }

    /// A sketch of the buckets; `None` where there is none, or a number in them is too large to be one.
    pub fn sketch(&self, kind: Kind) -> Option<Vec<u8>> {
        let mut sketch = DDSketch::new(Config::defaults());
        if self.zeros > 0 {
            sketch.add_with_count(0.0, self.zeros);
        }
        for ((is_negative, index), count) in &self.buckets {
            let value = if kind == Kind::Histogram { self.of_bounds(*index)? } else { self.of_index(*index) };
            let value = if *is_negative { -value } else { value };
            let value = value.max(self.min.unwrap_or(f64::NEG_INFINITY)).min(self.max.unwrap_or(f64::INFINITY));
            if !value.is_finite() {
                return None;
            }
            sketch.add_with_count(value, *count);
        }
        (self.zeros > 0 || !self.buckets.is_empty()).then(|| sketch.to_java_bytes())
    }

    /// The middle of a bucket between two bounds; of the outer ones, the bound.
    fn of_bounds(&self, index: i32) -> Option<f64> {
        let at = usize::try_from(index).ok()?;
        let lower = at.checked_sub(1).and_then(|at| self.bounds.get(at)).copied();
        match (lower.or(self.min), self.bounds.get(at).copied().or(self.max)) {
            (Some(lower), Some(upper)) if lower.is_finite() && upper.is_finite() => Some(f64::midpoint(lower, upper)),
            (lower, upper) => lower.or(upper).or(self.sum.map(|sum| sum / self.count.max(1) as f64)),
        }
    }

    /// The geometric middle of an exponential bucket.
    fn of_index(&self, index: i32) -> f64 {
        ((f64::from(index) + 0.5) * f64::from(-self.scale).exp2()).exp2()
    }
}
