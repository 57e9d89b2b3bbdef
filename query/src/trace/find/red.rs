//! Rate, errors and durations of services and operations over time, from the spans themselves.
use super::{Columns, Traces, sql, text};
use crate::{Error, Kind};
use std::collections::BTreeMap;

/// Most points of one series.
const POINTS_MAX: u64 = 20_000;

/// What is measured.
#[derive(Debug, Clone)]
pub struct RedQuery {
    /// Services; all where there are none.
    pub services: Vec<String>,
    /// Kinds of spans, as in the column `kind`; all where there are none.
    pub kinds: Vec<String>,
    /// True for a series for each operation, otherwise for each service.
    pub by_operation: bool,
    /// First moment, in nanoseconds since 1970.
    pub from: u64,
    /// Last moment, which is not included.
    pub until: u64,
    /// From one point to the next, in nanoseconds.
    pub step: u64,
    /// The quantile of durations, from 0 to 1, where one is wanted.
    pub quantile: Option<f64>,
}

/// One interval of a series.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Its end, in nanoseconds since 1970.
    pub at: u64,
    /// Spans in it.
    pub calls: u64,
    /// Those of them that are errors.
    pub errors: u64,
    /// The quantile of their durations, in nanoseconds, where there are any.
    pub quantile: Option<f64>,
}

/// One service, or one operation of it, over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The service.
    pub service: String,
    /// The operation, where it is by operation.
    pub operation: Option<String>,
    /// One point for each interval, also where nothing happened.
    pub points: Vec<Point>,
}

/// Rate, errors and durations.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Red {
    /// By service and operation.
    pub series: Vec<Series>,
    /// Why these are not all spans, where they are not.
    pub partial: Option<String>,
}

impl RedQuery {
    fn points(&self) -> u64 {
        self.until.saturating_sub(self.from).div_ceil(self.step.max(1))
    }

    fn sql(&self) -> String {
        let list = |names: &[String]| names.iter().map(|name| sql::literal(name)).collect::<Vec<_>>().join(", ");
        let mut conditions = vec![sql::within(self.from, self.until.saturating_sub(1))];
        if !self.services.is_empty() {
            conditions.push(format!("service in ({})", list(&self.services)));
        }
        if !self.kinds.is_empty() {
            conditions.push(format!("kind in ({})", list(&self.kinds)));
        }
        let conditions = sql::all(&conditions);
        let (from, step) = (self.from, self.step.max(1));
        let operation = if self.by_operation { "name" } else { "''" };
        let quantile = match self.quantile {
            Some(quantile) => format!("approx_percentile_cont(cast(duration_nanos as double), {quantile})"),
            None => "cast(null as double)".to_owned(),
        };
        format!(
            "select service, operation, bucket, count(*) as calls, \
               sum(case when status = 'error' then 1 else 0 end) as errors, {quantile} as quantile \
             from (select service, {operation} as operation, (start_unix_nanos - {from}) / {step} as bucket, status, \
               greatest(coalesce(duration_nanos, 0), 0) as duration_nanos from spans where {conditions}) \
             group by service, operation, bucket order by service, operation, bucket"
        )
    }
}

impl Traces {
    /// Rate, errors and durations.
    ///
    /// # Errors
    /// [`Kind::Request`] where there would be too many points, and those of the query.
    pub async fn red(&self, query: &RedQuery) -> Result<Red, Error> {
        let count = query.points();
        if count > POINTS_MAX {
            let message = format!("{count} points a series are too many, at most {POINTS_MAX}: choose a longer step");
            return Err(Error::new(Kind::Request, message));
        }
        let found = self.sql(query.sql()).await?;
        let mut series: BTreeMap<(String, String), Vec<Point>> = BTreeMap::new();
        let blank = || {
            let at = |nth| query.from.saturating_add(query.step.max(1).saturating_mul(nth + 1));
            (0..count).map(|nth| Point { at: at(nth), ..Point::default() }).collect::<Vec<_>>()
        };
        for batch in &found.batches {
            let columns = Columns(batch);
            let (services, operations) = (columns.texts("service")?, columns.texts("operation")?);
            let (calls, errors) = (columns.numbers("calls")?, columns.numbers("errors")?);
            let (buckets, quantiles) = (columns.numbers("bucket")?, columns.doubles("quantile")?);
            for row in 0..batch.num_rows() {
                let key = (text(&services, row).to_owned(), text(&operations, row).to_owned());
                let points = series.entry(key).or_insert_with(blank);
                let point = usize::try_from(buckets[row]).ok().and_then(|bucket| points.get_mut(bucket));
                if let Some(point) = point {
                    point.calls = calls[row].unsigned_abs();
                    point.errors = errors[row].unsigned_abs();
                    point.quantile = quantiles[row];
                }
            }
        }
        let series = series.into_iter().map(|((service, operation), points)| Series {
            service,
            operation: query.by_operation.then_some(operation),
            points,
        });
        Ok(Red { series: series.collect(), partial: found.partial })
    }
}
