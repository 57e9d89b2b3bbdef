//! The rows that are not stored yet, as partitions of a plan. Rows in memory are handed on as they lie; a
//! cold segment is decoded when its turn comes, and one partition holds one decoded segment at a time.
use crate::error::HotError;
use crate::{ColdSegment, HotRows};
use arrow::array::{Array, ArrayRef, Int32Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::array::{StringBuilder, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use datafusion::common::{internal_datafusion_err, internal_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use metlog_schemas::time::Hour;
use std::fmt;
use std::sync::Arc;

/// The plan that reads hot rows of `schema` (a table's columns with those of the partition), or none where
/// there are no rows. At most `partitions_max` of its parts run at the same time.
///
/// # Errors
/// Where `projection` names a column that the table has not.
pub(crate) fn scan(
    rows: &HotRows,
    schema: &SchemaRef,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
    partitions_max: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let columns: Arc<[usize]> = match projection {
        Some(columns) => columns.as_slice().into(),
        None => (0..schema.fields().len()).collect(),
    };
    let schema = Arc::new(schema.project(&columns)?);
    let partitions: Vec<Arc<dyn PartitionStream>> = split(rows, partitions_max.max(1))
        .into_iter()
        .map(|(batches, cold)| Arc::new(Partition { schema: schema.clone(), columns: columns.clone(), batches, cold }))
        .map(|partition| partition as Arc<dyn PartitionStream>)
        .collect();
    if partitions.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(StreamingTableExec::try_new(schema, partitions, None, None, false, limit)?)))
}

/// Deals batches and segments out evenly. None of the parts is empty.
fn split(rows: &HotRows, parts_max: usize) -> Vec<(Vec<RecordBatch>, Vec<ColdSegment>)> {
    let batches: Vec<&RecordBatch> = rows.batches.iter().filter(|batch| batch.num_rows() > 0).collect();
    let parts = parts_max.min(batches.len().max(rows.cold.len()));
    let mut split = vec![(Vec::new(), Vec::new()); parts];
    for (at, batch) in batches.into_iter().enumerate() {
        split[at % parts].0.push(batch.clone());
    }
    for (at, segment) in rows.cold.iter().enumerate() {
        split[at % parts].1.push(Arc::clone(segment));
    }
    split
}

struct Partition {
    /// After projection.
    schema: SchemaRef,
    /// Places in the table's columns and, behind them, those of the partition.
    columns: Arc<[usize]>,
    batches: Vec<RecordBatch>,
    cold: Vec<ColdSegment>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition").field("batches", &self.batches.len()).field("cold", &self.cold.len()).finish()
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows_max = context.session_config().batch_size();
        let warm = stream::iter(self.batches.clone()).flat_map(move |batch| slices(batch, rows_max, None));
        let cold = stream::iter(self.cold.clone())
            .then(move |segment| decode(segment, Arc::clone(&context)))
            .map_ok(move |(batches, held)| {
                let held = Arc::new(held);
                let slices = batches.into_iter().map(move |batch| slices(batch, rows_max, Some(Arc::clone(&held))));
                stream::iter(slices).flatten()
            })
            .try_flatten();
        let (schema, columns) = (Arc::clone(&self.schema), Arc::clone(&self.columns));
        let rows = warm.chain(cold).map(move |batch| project(&batch?, &schema, &columns));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

/// Cuts a batch so that whoever reads it gets a chance to stop. What is `held` is until the last slice is out.
fn slices(
    batch: RecordBatch,
    rows_max: usize,
    held: Option<Arc<MemoryReservation>>,
) -> impl Stream<Item = Result<RecordBatch>> {
    let starts = (0..batch.num_rows()).step_by(rows_max.max(1));
    stream::iter(starts).map(move |start| {
        let _ = &held;
        Ok(batch.slice(start, rows_max.min(batch.num_rows() - start)))
    })
}

/// Reads a segment back, away from the threads that answer; its memory counts as the query's.
async fn decode(segment: ColdSegment, context: Arc<TaskContext>) -> Result<(Vec<RecordBatch>, MemoryReservation)> {
    let decoded = tokio::task::spawn_blocking(move || segment()).await;
    let batches = decoded.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))?.map_err(HotError)?;
    let held = MemoryConsumer::new("journal segment").register(context.memory_pool());
    held.try_grow(batches.iter().map(RecordBatch::get_array_memory_size).sum())?;
    Ok((batches, held))
}

/// The columns that are asked for; `dt` and `hour` are made from `timestamp`.
fn project(batch: &RecordBatch, schema: &SchemaRef, columns: &[usize]) -> Result<RecordBatch> {
    let own = batch.num_columns();
    let columns = columns.iter().map(|at| match at.checked_sub(own) {
        None => Ok(Arc::clone(batch.column(*at))),
        Some(0) => dates(batch),
        Some(1) => hours(batch),
        Some(_) => internal_err!("no column {at}"),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_>>()?, &options)?)
}

fn timestamps(batch: &RecordBatch) -> Result<&TimestampMicrosecondArray> {
    let column = batch.column_by_name("timestamp").and_then(|column| column.as_any().downcast_ref());
    column.ok_or_else(|| internal_datafusion_err!("hot rows without a timestamp"))
}

fn dates(batch: &RecordBatch) -> Result<ArrayRef> {
    let mut dates = StringBuilder::new();
    let mut last = (i64::MIN, String::new());
    for timestamp in timestamps(batch)?.values() {
        let hour = Hour::of(*timestamp);
        if hour.days() != last.0 {
            last = (hour.days(), hour.date());
        }
        dates.append_value(&last.1);
    }
    let dates: StringArray = dates.finish();
    Ok(Arc::new(dates))
}

fn hours(batch: &RecordBatch) -> Result<ArrayRef> {
    let hours = timestamps(batch)?.values().iter().map(|timestamp| Hour::of(*timestamp).of_day() as i32);
    Ok(Arc::new(Int32Array::from_iter_values(hours)))
}
