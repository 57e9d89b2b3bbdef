//! Which days and hours can hold an answer: filters against what a path says of its rows.
use arrow::array::{ArrayRef, BooleanArray, Int32Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use metlog_schemas::time::{HOUR, Hour};
use std::collections::HashSet;
use std::sync::Arc;

/// The hours that rows may have: 1970 to 9999.
const ALL: Hours = Hours { first: Hour(0), last: Hour(70_389_527) };

/// Into how many parts a stretch of time is cut at a time, when hours are looked for.
const PARTS: i64 = 32;

/// Hours that follow each other: a `dt=` folder has 24, an object one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hours {
    pub(crate) first: Hour,
    pub(crate) last: Hour,
}

impl Hours {
    pub(crate) fn of_object(hour: Hour) -> Hours {
        Hours { first: hour, last: hour }
    }

    /// Cut into at most [`PARTS`] parts.
    fn parts(self) -> impl Iterator<Item = Hours> {
        let step = (self.last.0 - self.first.0 + 1 + PARTS - 1) / PARTS;
        let firsts = (self.first.0..=self.last.0).step_by(step.max(1) as usize);
        firsts.map(move |first| Hours { first: Hour(first), last: Hour((first + step - 1).min(self.last.0)) })
    }

    /// The hour that a folder such as `hour=03` of this day is of; none for any other name.
    pub(crate) fn of_folder_in(self, name: &str) -> Option<Hours> {
        let of_day = name.strip_prefix("hour=").filter(|digits| digits.len() == 2)?.parse::<i64>().ok()?;
        let hour = Hour(self.first.0 + of_day);
        (self.first.0..=self.last.0).contains(&hour.0).then(|| Hours::of_object(hour))
    }

    /// All of the day that a folder such as `dt=2026-01-02` is of; none for any other name.
    pub(crate) fn of_folder(name: &str) -> Option<Hours> {
        let date = name.strip_prefix("dt=")?;
        let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
        let days = metlog_schemas::time::days_from_civil(parts.next()??, parts.next()??, parts.next()??);
        let first = Hour(days.checked_mul(24)?);
        (first.date() == date).then_some(Hours { first, last: Hour(first.0 + 23) })
    }
}

/// What the filters of a scan leave over. Without one, everything.
pub(crate) struct Pruning(Option<PruningPredicate>);

impl Pruning {
    /// `filters` are over `schema`, which has the partition columns too. A filter that cannot be understood
    /// here prunes nothing; it is applied to the rows later in any case.
    pub(crate) fn new(state: &dyn datafusion::catalog::Session, schema: &SchemaRef, filters: &[Expr]) -> Pruning {
        let predicate = conjunction(filters.to_vec()).and_then(|filter| {
            let columns = DFSchema::try_from(Arc::clone(schema)).ok()?;
            let expression = state.create_physical_expr(filter, &columns).ok()?;
            PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema)).try_build(expression).ok()
        });
        Pruning(predicate.filter(|predicate| !predicate.always_true()))
    }

    /// The hours that the filters leave over, where there are at most `hours_max`.
    pub(crate) fn few_hours(&self, hours_max: usize) -> Result<Option<Vec<Hour>>> {
        let mut stretches = vec![ALL];
        while self.0.is_some() && stretches.len() <= hours_max {
            if stretches.iter().all(|hours| hours.first == hours.last) {
                return Ok(Some(stretches.into_iter().map(|hours| hours.first).collect()));
            }
            stretches = self.keep(stretches.into_iter().flat_map(Hours::parts).collect(), |hours| *hours)?;
        }
        Ok(None)
    }

    /// True where the filters leave every hour of these over.
    pub(crate) fn keeps_all(&self, hours: Hours) -> Result<bool> {
        let all: Vec<Hour> = (hours.first.0..=hours.last.0).map(Hour).collect();
        let count = all.len();
        Ok(self.keep(all, |hour| Hours::of_object(*hour))?.len() == count)
    }

    /// The items whose hours may hold rows that the filters let through, in their order.
    pub(crate) fn keep<T>(&self, items: Vec<T>, hours: impl Fn(&T) -> Hours) -> Result<Vec<T>> {
        let Some(predicate) = self.0.as_ref().filter(|_| !items.is_empty()) else { return Ok(items) };
        let kept = predicate.prune(&Statistics(items.iter().map(hours).collect()))?;
        Ok(items.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(item, _)| item).collect())
    }
}

struct Statistics(Vec<Hours>);

impl Statistics {
    /// `whole` is the bound of `hour` where a day ends within the hours.
    fn bound(&self, column: &Column, end: impl Fn(&Hours) -> Hour, extra: i64, whole: i32) -> Option<ArrayRef> {
        let hours = self.0.iter().map(&end);
        let of_day = |hours: &Hours| match hours.first.days() == hours.last.days() {
            true => end(hours).of_day() as i32,
            false => whole,
        };
        match column.name.as_str() {
            "dt" => Some(Arc::new(StringArray::from_iter_values(hours.map(Hour::date)))),
            "hour" => Some(Arc::new(Int32Array::from_iter_values(self.0.iter().map(of_day)))),
            "timestamp" => {
                let times = TimestampMicrosecondArray::from_iter_values(hours.map(|hour| hour.start() + extra));
                Some(Arc::new(times.with_timezone("UTC")))
            }
            _ => None,
        }
    }
}

impl PruningStatistics for Statistics {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column, |hours| hours.first, 0, 0)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bound(column, |hours| hours.last, HOUR - 1, 23)
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    /// Long `IN` lists are asked this way.
    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        let value_of = |hours: &Hours| match column.name.as_str() {
            "dt" if hours.first.days() == hours.last.days() => Some(ScalarValue::from(hours.first.date())),
            "hour" if hours.first == hours.last => Some(ScalarValue::from(hours.first.of_day() as i32)),
            _ => None,
        };
        Some(self.0.iter().map(|hours| value_of(hours).map(|value| values.contains(&value))).collect())
    }
}
