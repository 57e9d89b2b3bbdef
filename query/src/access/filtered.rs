//! Tables as a reader of some loggers sees them.
//!
//! Rows are filtered in a node of the plan that lets nothing through: no statistics (which would say how many rows
//! others have, and between which values), no limit, and none of the user's conditions, which may fail or take long on a
//! row of somebody else. Only comparisons of times with constants choose below it what is read: they cannot fail.
use super::{Rights, columns_of};
use crate::pass_through::PassThrough;
use crate::time_range::compares_with_constants;
use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use futures::StreamExt;
use metlog_schemas::table::{Owner, PARTITION_COLUMNS, Table};
use std::fmt;
use std::sync::Arc;

/// A table, of which a reader sees some rows.
pub(crate) struct Filtered {
    table: Table,
    owner: Owner,
    inner: Arc<dyn TableProvider>,
    rights: Arc<Rights>,
}

impl Filtered {
    /// The table as these rights allow; none where they do not.
    pub(crate) fn of(
        table: Table,
        inner: Arc<dyn TableProvider>,
        rights: &Arc<Rights>,
    ) -> Option<Arc<dyn TableProvider>> {
        if !rights.is_restricted() {
            return Some(inner);
        }
        let owner = table.definition().owner?;
        Some(Arc::new(Filtered { table, owner, inner, rights: Arc::clone(rights) }))
    }
}

impl fmt::Debug for Filtered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filtered").field(&self.table.name()).finish()
    }
}

#[async_trait]
impl TableProvider for Filtered {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let of = |filter: &&Expr| match is_of_times(self.table, filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(of).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.schema();
        let wanted = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let filters: Vec<Expr> = filters.iter().filter(|filter| is_of_times(self.table, filter)).cloned().collect();
        let mut read = wanted.clone();
        let mut add = |name: &str| -> Result<()> {
            let at = schema.index_of(name)?;
            if !read.contains(&at) {
                read.push(at);
            }
            Ok(())
        };
        columns_of(self.owner).into_iter().try_for_each(&mut add)?;
        filters.iter().flat_map(Expr::column_refs).try_for_each(|column| add(&column.name))?;
        let mut plan = self.inner.scan(state, Some(&read), &filters, None).await?;
        if let Some(filter) = conjunction(filters.into_iter().map(unqualified).collect::<Result<Vec<_>>>()?) {
            let columns = DFSchema::try_from(plan.schema())?;
            plan = Arc::new(FilterExec::try_new(state.create_physical_expr(filter, &columns)?, plan)?);
        }
        let (table, rights) = (self.table, Arc::clone(&self.rights));
        let through = move |rows: SendableRecordBatchStream, _: &TaskContext| filter(rows, table, Arc::clone(&rights));
        let plan = PassThrough::over("Rights", plan, Arc::new(through));
        if read.len() == wanted.len() {
            return Ok(plan);
        }
        let names = plan.schema();
        let columns = (0..wanted.len()).map(|at| {
            let name = names.field(at).name();
            (Arc::new(Column::new(name, at)) as Arc<dyn PhysicalExpr>, name.clone())
        });
        Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?))
    }
}

fn filter(rows: SendableRecordBatchStream, table: Table, rights: Arc<Rights>) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let rows = rows.map(move |batch| Ok(rights.filter(table, &batch?)?));
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// True for a comparison of the time or the partition of a row with constants: it can tell nobody anything of a row but
/// when it was, and never fails.
pub(crate) fn is_of_times(table: Table, filter: &Expr) -> bool {
    let is_time = |expr: &Expr| {
        let Expr::Column(column) = expr else { return false };
        let partition = PARTITION_COLUMNS.iter().any(|(name, _)| *name == column.name);
        partition || column.name == table.definition().time
    };
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            is_of_times(table, left) && is_of_times(table, right)
        }
        comparison => compares_with_constants(comparison, is_time),
    }
}

fn unqualified(filter: Expr) -> Result<Expr> {
    let plain = filter.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => {
                Transformed::yes(Expr::Column(datafusion::common::Column::new_unqualified(column.name)))
            }
            other => Transformed::no(other),
        })
    });
    plain.map(|plain| plain.data)
}

/// The senders that a reader sees.
///
/// # Errors
/// Where the rows do not say which logger sent.
pub(crate) fn senders(batch: RecordBatch, rights: &Rights) -> Result<RecordBatch> {
    if !rights.is_restricted() {
        return Ok(batch);
    }
    let mask = rights.mask(Owner::Column("logger"), &batch)?;
    Ok(filter_record_batch(&batch, &mask)?)
}
