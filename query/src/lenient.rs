//! Reading of stored rows that ends where the store fails, instead of failing: the result is then a part, and says so.
use crate::store::Gaps;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;

/// Makes the reading of stored rows lenient, unless the query is strict.
pub(crate) fn leave_out_what_fails(plan: Arc<dyn ExecutionPlan>, gaps: &Gaps) -> Result<Arc<dyn ExecutionPlan>> {
    if gaps.is_strict() {
        return Ok(plan);
    }
    let lenient = plan.transform_up(|plan| {
        if !plan.is::<DataSourceExec>() {
            return Ok(Transformed::no(plan));
        }
        Ok(Transformed::yes(Arc::new(Lenient { input: plan, gaps: gaps.clone() }) as Arc<dyn ExecutionPlan>))
    });
    lenient.map(|lenient| lenient.data)
}

#[derive(Debug)]
struct Lenient {
    input: Arc<dyn ExecutionPlan>,
    gaps: Gaps,
}

impl DisplayAs for Lenient {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Lenient")
    }
}

impl ExecutionPlan for Lenient {
    fn name(&self) -> &str {
        "Lenient"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Lenient { input: children.swap_remove(0), gaps: self.gaps.clone() }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (schema, gaps) = (input.schema(), self.gaps.clone());
        let rows = input.scan(false, move |has_ended, batch| {
            let step = match batch {
                _ if *has_ended => None,
                Err(error) if gaps.cannot_read() && is_of_the_store(&error) => {
                    *has_ended = true;
                    gaps.leave_out("stored rows that could not be read are missing");
                    None
                }
                other => Some(other),
            };
            futures::future::ready(step)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

fn is_of_the_store(error: &DataFusionError) -> bool {
    use DataFusionError::{ArrowError, External, IoError, ObjectStore, ParquetError};
    matches!(error.find_root(), ArrowError(..) | External(_) | IoError(_) | ObjectStore(_) | ParquetError(_))
}
