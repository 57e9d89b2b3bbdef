//! One table: its hot and its stored rows, read as one, each message once.
//!
//! The order makes it so: first the hot rows are taken, then the store is listed. A segment that is stored in
//! between is in both, and its objects are hidden; one that was stored before is in the list, whatever the
//! listener forgets afterwards.
use crate::access::is_of_times;
use crate::hot_scan;
use crate::partition::Pruning;
use crate::snapshot::Shared;
use crate::time_range::{self, Times};
use crate::trace_index;
use crate::warehouse::{Object, Reading, Warehouse, file_schema};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use metlog_schemas::table::Table;
use std::fmt;
use std::sync::Arc;

/// A table as one query sees it.
pub(crate) struct FactTable {
    table: Table,
    schema: SchemaRef,
    warehouse: Warehouse,
    /// What all tables of the query have in common.
    shared: Arc<Shared>,
}

impl FactTable {
    pub(crate) fn new(table: Table, warehouse: Warehouse, shared: Arc<Shared>) -> FactTable {
        let schema = Arc::clone(file_schema(table).table_schema());
        FactTable { table, schema, warehouse, shared }
    }
}

impl fmt::Debug for FactTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FactTable").field(&self.table.name()).finish()
    }
}

#[async_trait]
impl TableProvider for FactTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Ranges of time are applied here. Other filters choose objects, row groups and pages; the rows are filtered above us.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let time = self.table.definition().time;
        let of = |filter: &&Expr| match time_range::is_exact(time, filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(of).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let hot = self.shared.hot().await?;
        let pruning = Pruning::new(state, &self.schema, filters);
        let first_segment = hot.map(|hot| hot.moment.first_segment());
        let indexed = match trace_index::wanted(filters).filter(|_| self.table == Table::Spans) {
            Some(ids) => self.warehouse.with_traces(state, &ids, first_segment).await?,
            None => None,
        };
        let mut objects = match indexed {
            Some(objects) => self.warehouse.of_interest(objects, &pruning)?,
            None => self.warehouse.list(self.table, &pruning, first_segment).await?,
        };
        let time = self.table.definition().time;
        let times = Times::of(time, filters);
        let columns = times.columns(&self.schema, time, projection)?;
        // Rows that are let through are counted, and not those that are read.
        let limit_below = limit.filter(|_| times.is_empty());
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if let Some(hot) = hot {
            let (listener, first_segment) = (hot.moment.listener(), hot.moment.first_segment());
            objects.retain(|object| object.path.segment < first_segment || object.path.listener != listener);
            let partitions = state.config().target_partitions();
            inputs.extend(hot_scan::scan(hot, self.table, &self.schema, columns.as_ref(), limit_below, partitions)?);
        }
        // Most rows of the objects that are left are of the time that is asked for.
        let filters_first = !filters.iter().all(|filter| is_of_times(self.table, filter));
        let is_within = |object: &Object| object.path.partition.hour().is_some_and(|hour| times.hold_throughout(hour));
        let (within, others): (Vec<Object>, Vec<Object>) = objects.into_iter().partition(is_within);
        if !others.is_empty() {
            let reading = Reading { projection: columns, limit: limit_below, filters_first };
            inputs.push(self.warehouse.scan(state, self.table, others, reading)?);
        }
        if !inputs.is_empty() {
            let width = projection.map(Vec::len);
            inputs = vec![times.apply(state, UnionExec::try_new(inputs)?, width)?];
        }
        if !within.is_empty() {
            let reading = Reading { projection: projection.cloned(), limit, filters_first };
            inputs.push(self.warehouse.scan(state, self.table, within, reading)?);
        }
        match inputs.len() {
            0 => {
                let schema = projection.map_or_else(|| Ok(self.schema()), |p| self.schema.project(p).map(Arc::new))?;
                Ok(Arc::new(EmptyExec::new(schema)))
            }
            _ => UnionExec::try_new(inputs),
        }
    }
}
