//! The plan that reads hot rows. Those in memory come in slices; a cold segment is decoded when its turn comes, once
//! for all tables and places of the query that want its rows.
use crate::error::HotError;
use crate::hot::{Moment, Place};
use arrow::array::{Array, ArrayRef, Int32Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::array::{StringBuilder, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use datafusion::common::{internal_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use metlog_schemas::table::Table;
use metlog_schemas::time::Hour;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The hot rows as one query sees them: of one moment, whichever tables it names.
pub(crate) struct HotView {
    pub(crate) moment: Arc<dyn Moment>,
    /// How many scans of a table have been planned.
    planned: Mutex<HashMap<Table, usize>>,
    cold: Vec<tokio::sync::Mutex<Decoded>>,
}

/// What was decoded of a segment and is still wanted; how often each table has been read.
#[derive(Default)]
struct Decoded {
    kept: HashMap<Table, Kept>,
    read: HashMap<Table, usize>,
}

#[derive(Clone)]
struct Kept {
    batches: Vec<RecordBatch>,
    held: Arc<MemoryReservation>,
}

impl HotView {
    pub(crate) fn new(moment: Arc<dyn Moment>) -> HotView {
        let cold = (0..moment.cold()).map(|_| tokio::sync::Mutex::default()).collect();
        HotView { moment, planned: Mutex::default(), cold }
    }

    fn planned(&self, table: Table) -> usize {
        let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        planned.get(&table).copied().unwrap_or_default()
    }

    /// A table's rows of a cold segment. What other scans of the query will want of it stays in memory, where the
    /// query's memory has room for it.
    async fn cold(&self, at: usize, table: Table, context: &TaskContext) -> Result<Kept> {
        let Some(segment) = self.cold.get(at) else { return internal_err!("no cold segment {at}") };
        let mut segment = segment.lock().await;
        if !segment.kept.contains_key(&table) {
            for (of, batches) in self.moment.decode(at).await.map_err(HotError)? {
                let held = MemoryConsumer::new("journal segment").register(context.memory_pool());
                let bytes = batches.iter().map(RecordBatch::get_array_memory_size).sum();
                let is_wanted = self.planned(of) > segment.read.get(&of).copied().unwrap_or_default();
                match held.try_grow(bytes) {
                    Err(error) if of == table => return Err(error),
                    Ok(()) if is_wanted || of == table => {
                        segment.kept.insert(of, Kept { batches, held: Arc::new(held) });
                    }
                    _ => (),
                }
            }
        }
        let nothing = || Kept {
            batches: Vec::new(),
            held: Arc::new(MemoryConsumer::new("journal segment").register(context.memory_pool())),
        };
        let rows = segment.kept.get(&table).cloned().unwrap_or_else(nothing);
        let read = segment.read.entry(table).or_default();
        *read += 1;
        if *read >= self.planned(table) {
            segment.kept.remove(&table);
        }
        Ok(rows)
    }
}

/// The plan that reads a table's hot rows; `schema` has its columns and those of the partition. None where there are
/// no rows. At most `partitions_max` of its parts run at the same time.
///
/// # Errors
/// Where `projection` names a column that the table has not.
pub(crate) fn scan(
    hot: &Arc<HotView>,
    table: Table,
    schema: &SchemaRef,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
    partitions_max: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let columns = Columns::new(table, schema, projection)?;
    let schema = Arc::clone(&columns.schema);
    let columns = Arc::new(columns);
    let partitions: Vec<Arc<dyn PartitionStream>> = split(&*hot.moment, table, partitions_max.max(1))
        .into_iter()
        .map(|part| Arc::new(Partition { hot: Arc::clone(hot), columns: Arc::clone(&columns), part }))
        .map(|partition| partition as Arc<dyn PartitionStream>)
        .collect();
    if partitions.is_empty() {
        return Ok(None);
    }
    *hot.planned.lock().unwrap_or_else(PoisonError::into_inner).entry(table).or_default() += 1;
    Ok(Some(Arc::new(StreamingTableExec::try_new(schema, partitions, None, None, false, limit)?)))
}

/// Batches (with their rows) and cold segments, by their places.
#[derive(Debug, Clone, Default)]
struct Part {
    batches: Vec<(usize, usize)>,
    cold: Vec<usize>,
}

/// Deals batches and segments out evenly. None of the parts is empty.
fn split(moment: &dyn Moment, table: Table, parts_max: usize) -> Vec<Part> {
    let batches = moment.batches(table).into_iter().enumerate().filter(|(_, rows)| *rows > 0);
    let batches: Vec<(usize, usize)> = batches.collect();
    let parts = parts_max.min(batches.len().max(moment.cold()));
    let mut split = vec![Part::default(); parts];
    for (at, batch) in batches.into_iter().enumerate() {
        split[at % parts].batches.push(batch);
    }
    for at in 0..moment.cold() {
        split[at % parts].cold.push(at);
    }
    split
}

/// Which columns are read, and what is made of them.
#[derive(Debug)]
struct Columns {
    table: Table,
    /// After projection.
    schema: SchemaRef,
    /// Places in the table's columns and, behind them, those of the partition.
    asked: Vec<usize>,
    /// Places in the table's columns, ascending.
    read: Arc<[usize]>,
    /// Number of the table's own columns.
    own: usize,
}

impl Columns {
    fn new(table: Table, schema: &SchemaRef, projection: Option<&Vec<usize>>) -> Result<Columns> {
        let own = table.schema().fields().len();
        let asked = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let of_time = match asked.iter().any(|at| *at >= own) {
            true => Some(table.schema().index_of(table.definition().time)?),
            false => None,
        };
        let mut read: Vec<usize> = asked.iter().copied().filter(|at| *at < own).chain(of_time).collect();
        read.sort_unstable();
        read.dedup();
        Ok(Columns { table, schema: Arc::new(schema.project(&asked)?), asked, read: read.into(), own })
    }

    /// When the rows were, of a batch of those columns.
    fn times<'b>(&self, batch: &'b RecordBatch) -> Result<&'b TimestampMicrosecondArray> {
        let column = batch.column_by_name(self.table.definition().time);
        let times = column.and_then(|column| column.as_any().downcast_ref());
        times.ok_or_else(|| internal_datafusion_err!("hot rows without a time"))
    }

    /// The columns that are asked for, of a batch of those that are read; `dt` and `hour` are made from its time.
    fn finish(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.asked.iter().map(|at| match at.checked_sub(self.own) {
            None => match self.read.binary_search(at) {
                Ok(place) if place < batch.num_columns() => Ok(Arc::clone(batch.column(place))),
                _ => internal_err!("no column {at}"),
            },
            Some(0) => dates(self.times(batch)?),
            Some(1) => hours(self.times(batch)?),
            Some(_) => internal_err!("no column {at}"),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns.collect::<Result<_>>()?, &options)?)
    }
}

struct Partition {
    hot: Arc<HotView>,
    columns: Arc<Columns>,
    part: Part,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition").field("part", &self.part).finish_non_exhaustive()
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.columns.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows_max = context.session_config().batch_size().max(1);
        let (hot, columns) = (Arc::clone(&self.hot), Arc::clone(&self.columns));
        let warm = stream::iter(self.part.batches.clone()).flat_map(move |(batch, rows)| {
            let place = Place { table: columns.table, batch, from: 0, rows_max };
            warm(Arc::clone(&hot), place, rows, Arc::clone(&columns.read))
        });
        let (hot, columns) = (Arc::clone(&self.hot), Arc::clone(&self.columns));
        let cold = stream::iter(self.part.cold.clone())
            .then(move |at| cold(Arc::clone(&hot), at, Arc::clone(&columns), Arc::clone(&context)))
            .try_flatten();
        let columns = Arc::clone(&self.columns);
        let rows = warm.chain(cold).map(move |batch| columns.finish(&batch?));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.columns.schema), rows))
    }
}

/// A batch in memory, slice by slice, so that whoever reads it gets a chance to stop.
fn warm(
    hot: Arc<HotView>,
    first: Place,
    rows: usize,
    columns: Arc<[usize]>,
) -> impl Stream<Item = Result<RecordBatch>> {
    stream::try_unfold(first, move |place| {
        let (hot, columns) = (Arc::clone(&hot), Arc::clone(&columns));
        async move {
            if place.from >= rows {
                return Ok(None);
            }
            let slice = hot.moment.rows(place, columns).await.map_err(HotError)?;
            let next = Place { from: place.from + slice.num_rows().max(1), ..place };
            Ok(Some((slice, next)))
        }
    })
}

/// The rows of a cold segment, likewise.
async fn cold(
    hot: Arc<HotView>,
    at: usize,
    columns: Arc<Columns>,
    context: Arc<TaskContext>,
) -> Result<impl Stream<Item = Result<RecordBatch>>> {
    let rows_max = context.session_config().batch_size().max(1);
    let Kept { batches, held } = hot.cold(at, columns.table, &context).await?;
    let slices = batches.into_iter().map(move |batch| slices(batch, rows_max, Arc::clone(&held)));
    Ok(stream::iter(slices).flatten().map(move |batch| Ok(batch?.project(&columns.read)?)))
}

/// Likewise of a decoded batch. What is `held` is until the last slice is out.
fn slices(
    batch: RecordBatch,
    rows_max: usize,
    held: Arc<MemoryReservation>,
) -> impl Stream<Item = Result<RecordBatch>> {
    let starts = (0..batch.num_rows()).step_by(rows_max);
    stream::iter(starts).map(move |start| {
        let _ = &held;
        Ok(batch.slice(start, rows_max.min(batch.num_rows() - start)))
    })
}

fn dates(times: &TimestampMicrosecondArray) -> Result<ArrayRef> {
    let mut dates = StringBuilder::new();
    let mut last = (i64::MIN, String::new());
    for time in times.values() {
        let hour = Hour::of(*time);
        if hour.days() != last.0 {
            last = (hour.days(), hour.date());
        }
        dates.append_value(&last.1);
    }
    let dates: StringArray = dates.finish();
    Ok(Arc::new(dates))
}

fn hours(times: &TimestampMicrosecondArray) -> Result<ArrayRef> {
    let hours = times.values().iter().map(|time| Hour::of(*time).of_day() as i32);
    Ok(Arc::new(Int32Array::from_iter_values(hours)))
}
