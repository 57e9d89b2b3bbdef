//! From a batch to objects: which rows belong to which hour, in what order, and as what bytes.
//!
//! Invariant: the same batch always comes to the same keys, and to the same rows under each of them.
use super::config::Config;
use super::layout::properties;
use crate::Batch;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::buffer::Buffer;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use bytes::Bytes;
use metlog_schemas::object_path::ObjectPath;
use metlog_schemas::tables::{Table, metrics_rows};
use metlog_schemas::time::Hour;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::ops::Range;
use std::sync::Arc;

/// Rows that are gathered at a time where they came out of order: few enough to stay in the cache.
const GATHERED_ROWS: usize = 8 * 1024;
/// From this many rows in order on, they are written as a slice, without a copy.
const SLICED_ROWS: usize = 1024;

/// Rows of one table, in the order of their timestamps and cut into hours.
#[derive(Debug)]
pub struct Rows {
    table: Table,
    batches: Vec<RecordBatch>,
    parts: Vec<(Hour, Vec<Run>)>,
}

/// Rows that follow each other in their batch and in time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    batch: usize,
    rows: Range<usize>,
}

/// The two tables of a batch; those without rows are left out.
///
/// # Errors
/// Only where Arrow refuses the columns, which would be a defect.
pub fn rows_of(batch: &Batch) -> Result<Vec<Rows>, ArrowError> {
    let metrics = metrics_rows(batch.windows.iter().map(AsRef::as_ref))?;
    let tables = [(Table::Messages, batch.messages.clone()), (Table::Metrics, vec![metrics])];
    Ok(tables.into_iter().map(|(table, rows)| Rows::new(table, rows)).filter(|rows| !rows.is_empty()).collect())
}

impl Rows {
    /// Orders rows by `timestamp`, the first column; those of one timestamp stay as they came.
    pub fn new(table: Table, batches: Vec<RecordBatch>) -> Rows {
        let mut parts: Vec<(Hour, Vec<Run>)> = Vec::new();
        for (hour, run) in if is_sorted(&batches) { as_they_came(&batches) } else { sorted(&batches) } {
            match parts.last_mut().filter(|(last, _)| *last == hour) {
                Some((_, runs)) => runs.push(run),
                None => parts.push((hour, vec![run])),
            }
        }
        Rows { table, batches, parts }
    }

    /// How many objects they come to.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// True where there are no rows.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The key below the warehouse and the bytes of object number `at`, or `None` past the last.
    ///
    /// # Errors
    /// Only where Parquet refuses the columns, which would be a defect, or a compression level of another range.
    pub fn encode(
        &self,
        at: usize,
        batch: &Batch,
        config: &Config,
    ) -> Option<Result<(ObjectPath, Bytes), ParquetError>> {
        let (hour, runs) = self.parts.get(at)?;
        let path =
            ObjectPath { table: self.table, hour: *hour, listener: batch.listener.to_string(), segment: batch.segment };
        Some(properties(self.table, config).and_then(|layout| Ok((path, self.write(runs, layout)?))))
    }

    fn write(&self, runs: &[Run], layout: WriterProperties) -> Result<Bytes, ParquetError> {
        let mut writer = ArrowWriter::try_new(Vec::new(), self.table.schema(), Some(layout))?;
        let mut put = |rows: &RecordBatch| writer.write(&with_memory(rows)?);
        let mut rest = runs;
        while let Some((first, behind)) = rest.split_first() {
            if first.rows.len() >= SLICED_ROWS {
                put(&self.slice(first))?;
                rest = behind;
                continue;
            }
            let mut gathered = 0;
            let fits = |run: &&Run| {
                let is_first = gathered == 0;
                gathered += run.rows.len();
                is_first || (run.rows.len() < SLICED_ROWS && gathered <= GATHERED_ROWS)
            };
            let (few, behind) = rest.split_at(rest.iter().take_while(fits).count());
            match self.gather(few) {
                Ok(gathered) => put(&gathered)?,
                // More text than one batch can hold: run by run, which takes longer.
                Err(ArrowError::OffsetOverflowError(_)) => {
                    few.iter().try_for_each(|run| put(&self.slice(run)))?;
                }
                Err(error) => return Err(error.into()),
            }
            rest = behind;
        }
        Ok(Bytes::from(writer.into_inner()?))
    }

    /// Copies runs behind each other. Only batches that have a part in it are looked at: there may be many.
    fn gather(&self, runs: &[Run]) -> Result<RecordBatch, ArrowError> {
        let mut used: Vec<usize> = runs.iter().map(|run| run.batch).collect();
        used.sort_unstable();
        used.dedup();
        let mut places = vec![0; self.batches.len()];
        used.iter().enumerate().for_each(|(place, batch)| places[*batch] = place);
        let sources: Vec<&RecordBatch> = used.iter().map(|batch| &self.batches[*batch]).collect();
        let rows = runs.iter().flat_map(|run| run.rows.clone().map(|row| (places[run.batch], row)));
        interleave_record_batch(&sources, &rows.collect::<Vec<_>>())
    }

    fn slice(&self, run: &Run) -> RecordBatch {
        self.batches[run.batch].slice(run.rows.start, run.rows.len())
    }
}

/// The same rows, but columns of empty texts have memory to lie in: see
/// `docs/decisions/0026-empty-texts-are-not-compared.md`.
fn with_memory(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column = |column: &ArrayRef| -> Result<ArrayRef, ArrowError> {
        match column.as_string_opt::<i32>() {
            Some(texts) if texts.values().is_empty() => {
                let bytes = Buffer::from_vec(Vec::<u8>::with_capacity(1));
                Ok(Arc::new(StringArray::try_new(texts.offsets().clone(), bytes, texts.nulls().cloned())?))
            }
            _ => Ok(column.clone()),
        }
    };
    let columns = rows.columns().iter().map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new(rows.schema(), columns)
}

fn timestamps(rows: &RecordBatch) -> &[i64] {
    rows.column(0).as_primitive::<TimestampMicrosecondType>().values()
}

fn is_sorted(batches: &[RecordBatch]) -> bool {
    let mut last = i64::MIN;
    batches.iter().map(timestamps).filter(|times| !times.is_empty()).all(|times| {
        let follows = last <= times[0] && times.is_sorted();
        last = times[times.len() - 1];
        follows
    })
}

/// Each batch's rows of one hour are one run.
fn as_they_came(batches: &[RecordBatch]) -> Vec<(Hour, Run)> {
    let mut runs = Vec::new();
    for (batch, times) in batches.iter().map(timestamps).enumerate() {
        let mut start = 0;
        while let Some(first) = times.get(start) {
            let hour = Hour::of(*first);
            let end = start + times[start..].partition_point(|time| Hour::of(*time) == hour);
            runs.push((hour, Run { batch, rows: start..end }));
            start = end;
        }
    }
    runs
}

fn sorted(batches: &[RecordBatch]) -> Vec<(Hour, Run)> {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut order: Vec<(i64, u32, u32)> = Vec::with_capacity(rows);
    for (batch, times) in batches.iter().map(timestamps).enumerate() {
        order.extend(times.iter().enumerate().map(|(row, time)| (*time, batch as u32, row as u32)));
    }
    // Stable, and quick where long runs are in order already, as those of one sender are.
    order.sort_by_key(|(time, ..)| *time);
    let mut runs: Vec<(Hour, Run)> = Vec::new();
    for (time, batch, row) in order {
        let (hour, batch, row) = (Hour::of(time), batch as usize, row as usize);
        match runs.last_mut() {
            Some((last, run)) if *last == hour && run.batch == batch && run.rows.end == row => run.rows.end += 1,
            _ => runs.push((hour, Run { batch, rows: row..row + 1 })),
        }
    }
    runs
}
