//! Conditions on the time of rows: where a table's path says that all rows of an object are within them, they need not be
//! looked at again, nor the time be read for their sake.
//!
//! Only comparisons with constants are decided here. They are applied to all other rows below the rest of the plan, which
//! therefore does not apply them again.
use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use metlog_schemas::time::{HOUR, Hour};
use std::sync::Arc;

/// First and last µs since 1970.
type Range = (i64, i64);

/// True where a scan lets exactly those rows through for which this holds.
pub(crate) fn is_exact(time: &str, filter: &Expr) -> bool {
    range(time, filter).is_some()
}

/// The times for which a condition holds, where it is nothing but a range.
fn range(time: &str, filter: &Expr) -> Option<Range> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let ((a, b), (c, d)) = (range(time, left)?, range(time, right)?);
            Some((a.max(c), b.min(d)))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (is_time(time, left), is_time(time, right)) {
            (true, false) => compared(*op, micros(right)?),
            (false, true) => compared(op.swap()?, micros(left)?),
            _ => None,
        },
        Expr::Between(between) if !between.negated && is_time(time, &between.expr) => {
            Some((micros(&between.low)?, micros(&between.high)?))
        }
        _ => None,
    }
}

fn compared(op: Operator, micros: i64) -> Option<Range> {
    match op {
        Operator::Eq => Some((micros, micros)),
        Operator::GtEq => Some((micros, i64::MAX)),
        Operator::Gt => Some((micros.checked_add(1)?, i64::MAX)),
        Operator::LtEq => Some((i64::MIN, micros)),
        Operator::Lt => Some((i64::MIN, micros.checked_sub(1)?)),
        _ => None,
    }
}

fn is_time(time: &str, expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if column.name == time)
}

fn micros(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), _), _) => Some(*micros),
        _ => None,
    }
}

/// True for what such a condition may have become when the plan was simplified: the time and constants, compared.
fn is_of_time(time: &str, filter: &Expr) -> bool {
    match filter {
        Expr::Literal(..) => true,
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            is_of_time(time, left) && is_of_time(time, right)
        }
        comparison => compares_with_constants(comparison, |expr| is_time(time, expr)),
    }
}

/// True for one comparison of what is meant with constants.
pub(crate) fn compares_with_constants(filter: &Expr, is_meant: impl Fn(&Expr) -> bool) -> bool {
    let is_constant = |expr: &Expr| matches!(expr, Expr::Literal(..));
    match filter {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq,
            right,
        }) => (is_meant(left) && is_constant(right)) || (is_constant(left) && is_meant(right)),
        Expr::Between(between) => is_meant(&between.expr) && is_constant(&between.low) && is_constant(&between.high),
        Expr::InList(list) => is_meant(&list.expr) && list.list.iter().all(is_constant),
        _ => false,
    }
}

/// The conditions of a scan that are about time only.
pub(crate) struct Times {
    /// All of them; none where there are none.
    filter: Option<Expr>,
    /// What they leave over, where that is known.
    range: Option<Range>,
}

impl Times {
    /// Those among the filters of a scan.
    pub(crate) fn of(time: &str, filters: &[Expr]) -> Times {
        let filters: Vec<Expr> = filters.iter().filter(|filter| is_of_time(time, filter)).cloned().collect();
        let ranges = filters.iter().map(|filter| range(time, filter)).collect::<Option<Vec<Range>>>();
        let both = |all: Range, one: Range| (all.0.max(one.0), all.1.min(one.1));
        let range = ranges.map(|ranges| ranges.into_iter().fold((i64::MIN, i64::MAX), both));
        Times { filter: conjunction(filters), range }
    }

    /// True where there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.filter.is_none()
    }

    /// True where they hold for every row of an hour.
    pub(crate) fn hold_throughout(&self, hour: Hour) -> bool {
        let start = hour.start();
        self.filter.is_none() || self.range.is_some_and(|(first, last)| first <= start && start + HOUR - 1 <= last)
    }

    /// The columns that a plan must have for [`Times::apply`], if these are wanted of it.
    pub(crate) fn columns(
        &self,
        schema: &SchemaRef,
        time: &str,
        wanted: Option<&Vec<usize>>,
    ) -> Result<Option<Vec<usize>>> {
        let Some(mut columns) = wanted.cloned() else { return Ok(None) };
        let at = schema.index_of(time)?;
        if self.filter.is_some() && !columns.contains(&at) {
            columns.push(at);
        }
        Ok(Some(columns))
    }

    /// Lets those rows of a plan through for which they hold, with the first `width` columns, or all.
    pub(crate) fn apply(
        &self,
        state: &dyn Session,
        mut plan: Arc<dyn ExecutionPlan>,
        width: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(filter) = &self.filter {
            let columns = DFSchema::try_from(plan.schema())?;
            let filter = unqualified(filter.clone())?;
            plan = Arc::new(FilterExec::try_new(state.create_physical_expr(filter, &columns)?, plan)?);
        }
        let schema = plan.schema();
        let Some(width) = width.filter(|width| *width < schema.fields().len()) else { return Ok(plan) };
        let columns = (0..width).map(|at| {
            let name = schema.field(at).name();
            (Arc::new(PhysicalColumn::new(name, at)) as Arc<dyn PhysicalExpr>, name.clone())
        });
        Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?))
    }
}

fn unqualified(filter: Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let plain = filter.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::new_unqualified(column.name))),
            other => Transformed::no(other),
        })
    });
    plain.map(|plain| plain.data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::prelude::{col, lit};

    fn at(micros: i64) -> Expr {
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())), None)
    }

    #[test]
    fn ranges_are_known_by_their_ends() {
        let time = || col("timestamp");
        let cases = [
            (time().gt_eq(at(5)), Some((5, i64::MAX))),
            (time().gt(at(5)), Some((6, i64::MAX))),
            (at(5).gt(time()), Some((i64::MIN, 4))),
            (time().lt_eq(at(5)).and(time().gt(at(1))), Some((2, 5))),
            (time().between(at(1), at(5)), Some((1, 5))),
            (time().eq(at(5)), Some((5, 5))),
            (time().gt(at(i64::MAX)), None),
            (time().not_eq(at(5)), None),
            (time().not_between(at(1), at(5)), None),
            (time().lt(at(5)).or(time().gt(at(9))), None),
            (time().gt(time()), None),
            (time().gt(lit("2026")), None),
            (col("received_at").gt(at(5)), None),
            (lit(true), None),
        ];
        for (filter, expected) in cases {
            assert_eq!(range("timestamp", &filter), expected, "{filter}");
        }
    }

    #[test]
    fn an_hour_is_within_only_where_all_of_it_is() {
        let hour = Hour(1_000);
        let holds = |filters: &[Expr]| Times::of("timestamp", filters).hold_throughout(hour);
        let (time, start) = (|| col("timestamp"), hour.start());
        assert!(holds(&[]) && holds(&[col("payload").eq(lit("x"))]), "what is not about time is for others");
        assert!(holds(&[time().gt_eq(at(start)), time().lt(at(start + HOUR))]));
        for outside in [
            &[time().gt(at(start))][..],
            &[time().lt(at(start + HOUR - 1))],
            &[time().gt_eq(at(start)), time().lt(at(start))],
            &[time().gt_eq(at(0)), time().not_eq(at(start))],
            &[lit(true)],
        ] {
            assert!(!holds(outside), "{outside:?}");
        }
    }
}
