//! The order of rows: as runs of rows that lie behind each other already.
use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use metlog_schemas::time::Hour;
use std::ops::Range;

/// How each column of an order is sorted. Files declare this, and readers rely on it.
pub const ORDER: SortOptions = SortOptions { descending: false, nulls_first: false };

/// Rows that follow each other in their batch and in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub batch: usize,
    pub rows: Range<usize>,
}

/// Rows by a column of timestamps, each run of one hour. Rows of one timestamp stay as they came.
///
/// # Errors
/// If there is no such column.
pub fn by_time(batches: &[RecordBatch], column: &str) -> Result<Vec<(Hour, Run)>, ArrowError> {
    let times: Vec<&[i64]> = batches.iter().map(|rows| times(rows, column)).collect::<Result<_, _>>()?;
    Ok(if is_sorted(&times) { as_they_came(&times) } else { sorted(&times) })
}

fn times<'r>(rows: &'r RecordBatch, column: &str) -> Result<&'r [i64], ArrowError> {
    let times = rows.column_by_name(column).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    Ok(times.ok_or_else(|| ArrowError::SchemaError(format!("{column} is not a timestamp column")))?.values())
}

fn is_sorted(batches: &[&[i64]]) -> bool {
    let mut last = i64::MIN;
    batches.iter().filter(|times| !times.is_empty()).all(|times| {
        let follows = last <= times[0] && times.is_sorted();
        last = times[times.len() - 1];
        follows
    })
}

/// Each batch's rows of one hour are one run.
fn as_they_came(batches: &[&[i64]]) -> Vec<(Hour, Run)> {
    let mut runs = Vec::new();
    for (batch, times) in batches.iter().enumerate() {
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

fn sorted(batches: &[&[i64]]) -> Vec<(Hour, Run)> {
    let rows = batches.iter().map(|times| times.len()).sum();
    let mut order: Vec<(i64, u32, u32)> = Vec::with_capacity(rows);
    for (batch, times) in batches.iter().enumerate() {
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

/// The rows of `runs` by several columns, first to last, ascending, nulls behind values; equal ones stay as they are in the batches.
///
/// # Errors
/// If there is no such column, or it is of a type without an order.
pub fn by_columns(batches: &[RecordBatch], columns: &[&str], runs: &[Run]) -> Result<Vec<Run>, ArrowError> {
    let Some(first) = batches.first() else { return Ok(Vec::new()) };
    let field = |name: &&str| {
        let r#type = first.schema().field_with_name(name)?.data_type().clone();
        Ok(SortField::new_with_options(r#type, ORDER))
    };
    let converter = RowConverter::new(columns.iter().map(field).collect::<Result<_, ArrowError>>()?)?;
    let mut keys = converter.empty_rows(0, 0);
    let mut places: Vec<(usize, usize)> = Vec::new();
    for run in runs {
        let rows = batches[run.batch].slice(run.rows.start, run.rows.len());
        let columns: Vec<ArrayRef> = columns.iter().filter_map(|name| rows.column_by_name(name).cloned()).collect();
        converter.append(&mut keys, &columns)?;
        places.extend(run.rows.clone().map(|row| (run.batch, row)));
    }
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_unstable_by(|a, b| (keys.row(*a), places[*a]).cmp(&(keys.row(*b), places[*b])));
    let mut ordered: Vec<Run> = Vec::new();
    for (batch, row) in order.into_iter().map(|at| places[at]) {
        match ordered.last_mut() {
            Some(run) if run.batch == batch && run.rows.end == row => run.rows.end += 1,
            _ => ordered.push(Run { batch, rows: row..row + 1 }),
        }
    }
    Ok(ordered)
}
