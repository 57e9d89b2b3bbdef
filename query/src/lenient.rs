//! Reading of stored rows that ends where the store fails, instead of failing: the result is then a part, and says so.
use crate::pass_through::PassThrough;
use crate::store::Gaps;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
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
        let gaps = gaps.clone();
        let through = move |input: SendableRecordBatchStream, _: &_| until_it_fails(input, gaps.clone());
        Ok(Transformed::yes(PassThrough::over("Lenient", plan, Arc::new(through))))
    });
    lenient.map(|lenient| lenient.data)
}

fn until_it_fails(input: SendableRecordBatchStream, gaps: Gaps) -> SendableRecordBatchStream {
    let schema = input.schema();
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
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

fn is_of_the_store(error: &DataFusionError) -> bool {
    use DataFusionError::{ArrowError, External, IoError, ObjectStore, ParquetError};
    matches!(error.find_root(), ArrowError(..) | External(_) | IoError(_) | ObjectStore(_) | ParquetError(_))
}
