//! The input of a window function, counted: DataFusion keeps all of it and does not count it.
use crate::pass_through::PassThrough;
use crate::result::batch_bytes;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, ReplaceChildrenOptions};
use futures::StreamExt;
use std::sync::Arc;

/// Puts a count below each window function.
pub(crate) fn count_windows(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let counted = plan.transform_up(|plan| {
        let keeps = plan.is::<WindowAggExec>() || plan.is::<BoundedWindowAggExec>();
        if !keeps {
            return Ok(Transformed::no(plan));
        }
        let held = |input: &Arc<dyn ExecutionPlan>| PassThrough::over("Held", Arc::clone(input), Arc::new(hold));
        let inputs = plan.children().into_iter().map(held).collect();
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        plan.replace_children(inputs, options).map(Transformed::yes)
    });
    counted.map(|counted| counted.data)
}

/// Passes batches on, and reserves their memory until the query ends.
fn hold(input: SendableRecordBatchStream, context: &TaskContext) -> SendableRecordBatchStream {
    let reserved = MemoryConsumer::new("window function").register(context.memory_pool());
    let schema = input.schema();
    let counted = input.map(move |batch| {
        let batch = batch?;
        reserved.try_grow(batch_bytes(&batch))?;
        Ok(batch)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, counted))
}
