//! From a batch to objects: which rows belong to which hour, in what order, and as what bytes.
//!
//! Invariant: the same batch always comes to the same keys, and to the same rows under each of them.
use super::config::Config;
use super::layout::properties;
use crate::Batch;
use arrow::array::{AsArray, RecordBatch};
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

/// Rows that are gathered at a time when they came out of order: few enough to stay in the cache.
const GATHERED_ROWS: usize = 8 * 1024;

/// Rows of one table, in the order of their timestamps and cut into hours.
#[derive(Debug)]
pub struct Rows {
    table: Table,
    batches: Vec<RecordBatch>,
    parts: Vec<(Hour, Part)>,
}

/// Rows of one hour.
#[derive(Debug)]
enum Part {
    /// They came in order: slices, without a copy.
    Slices(Vec<RecordBatch>),
    /// Which row of which batch, in order.
    Picked(Vec<(usize, usize)>),
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
        let parts = if is_sorted(&batches) { slices(&batches) } else { picked(&batches) };
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
        let (hour, part) = self.parts.get(at)?;
        let path =
            ObjectPath { table: self.table, hour: *hour, listener: batch.listener.to_string(), segment: batch.segment };
        Some(properties(self.table, config).and_then(|layout| Ok((path, self.write(part, layout)?))))
    }

    fn write(&self, part: &Part, layout: WriterProperties) -> Result<Bytes, ParquetError> {
        let mut writer = ArrowWriter::try_new(Vec::new(), self.table.schema(), Some(layout))?;
        match part {
            Part::Slices(slices) => slices.iter().try_for_each(|rows| writer.write(rows))?,
            Part::Picked(picked) => {
                let batches: Vec<&RecordBatch> = self.batches.iter().collect();
                for picked in picked.chunks(GATHERED_ROWS) {
                    writer.write(&interleave_record_batch(&batches, picked)?)?;
                }
            }
        }
        Ok(Bytes::from(writer.into_inner()?))
    }
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

fn slices(batches: &[RecordBatch]) -> Vec<(Hour, Part)> {
    let mut parts: Vec<(Hour, Vec<RecordBatch>)> = Vec::new();
    for rows in batches {
        for (hour, range) in hours(timestamps(rows)) {
            let slice = rows.slice(range.start, range.len());
            match parts.last_mut().filter(|(last, _)| *last == hour) {
                Some((_, slices)) => slices.push(slice),
                None => parts.push((hour, vec![slice])),
            }
        }
    }
    parts.into_iter().map(|(hour, slices)| (hour, Part::Slices(slices))).collect()
}

/// The runs of sorted timestamps that fall into one hour each.
fn hours(times: &[i64]) -> Vec<(Hour, Range<usize>)> {
    let mut runs = Vec::new();
    let mut start = 0;
    while let Some(first) = times.get(start) {
        let hour = Hour::of(*first);
        let len = times[start..].partition_point(|time| Hour::of(*time) == hour);
        runs.push((hour, start..start + len));
        start += len;
    }
    runs
}

fn picked(batches: &[RecordBatch]) -> Vec<(Hour, Part)> {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut order: Vec<(i64, u32, u32)> = Vec::with_capacity(rows);
    for (batch, rows) in batches.iter().enumerate() {
        order.extend(timestamps(rows).iter().enumerate().map(|(row, time)| (*time, batch as u32, row as u32)));
    }
    // Stable, and quick where long runs are in order already, as those of one sender are.
    order.sort_by_key(|(time, ..)| *time);
    let times: Vec<i64> = order.iter().map(|(time, ..)| *time).collect();
    let pick = |range: Range<usize>| order[range].iter().map(|(_, batch, row)| (*batch as usize, *row as usize));
    hours(&times).into_iter().map(|(hour, range)| (hour, Part::Picked(pick(range).collect()))).collect()
}
