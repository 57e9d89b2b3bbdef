//! Aggregates whose state is as large as their input run once, over all partitions, instead of once for each partition with
//! the states copied into another.
use crate::functions::trace_calls;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use std::sync::Arc;

/// Puts one aggregate in the place of two.
pub(crate) fn large_aggregates(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let whole = plan.transform_up(|plan| match one(&plan)? {
        Some(one) => Ok(Transformed::yes(one)),
        None => Ok(Transformed::no(plan)),
    });
    whole.map(|whole| whole.data)
}

/// In the place of a final aggregate over a partial one, without groups.
fn one(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(last) = plan.downcast_ref::<AggregateExec>() else { return Ok(None) };
    let is_large = last.aggr_expr().iter().any(|expression| expression.fun().name() == trace_calls::NAME);
    if !is_large || *last.mode() != AggregateMode::Final || !last.group_expr().is_empty() {
        return Ok(None);
    }
    let Some(coalesce) = last.input().downcast_ref::<CoalescePartitionsExec>() else { return Ok(None) };
    let Some(first) = coalesce.input().downcast_ref::<AggregateExec>() else { return Ok(None) };
    if *first.mode() != AggregateMode::Partial {
        return Ok(None);
    }
    // Rows were dealt out for the sake of the partial aggregates alone.
    let input = match first.input().downcast_ref::<RepartitionExec>() {
        Some(dealt) => dealt.input(),
        None => first.input(),
    };
    let all: Arc<dyn ExecutionPlan> = Arc::new(CoalescePartitionsExec::new(Arc::clone(input)));
    let (functions, filters) = (first.aggr_expr().to_vec(), first.filter_expr().to_vec());
    let groups = first.group_expr().clone();
    let one = AggregateExec::try_new(AggregateMode::Single, groups, functions, filters, all, first.input_schema())?;
    Ok(Some(Arc::new(one)))
}
