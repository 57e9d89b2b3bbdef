//! From a batch to objects: which rows belong to which hour, in what order, and as what bytes.
//!
//! An hour has an object of its own if it is among the [`HOURS_MAX`] hours with most rows of the batch and table, or
//! has at least [`OWN_ROWS_MIN`] rows. The rows of all other hours are in one object, by time, in the unknown
//! partition: whatever times senders claim, a batch comes to few objects.
//!
//! Invariant: the same batch always comes to the same keys, and to the same rows under each of them.
use super::config::Config;
use super::layout::{order, properties};
use super::order::{Run, by_columns, by_time};
use crate::Batch;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::buffer::Buffer;
use arrow::compute::interleave_record_batch;
use arrow::error::ArrowError;
use bytes::Bytes;
use metlog_schemas::object_path::{ObjectPath, Partition};
use metlog_schemas::table::{Definition, Table};
use metlog_schemas::time::Hour;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Hours of a batch and table that have objects of their own, however few rows they have.
pub const HOURS_MAX: usize = 64;
/// From this many rows on an hour has an object of its own in any case.
pub const OWN_ROWS_MIN: usize = 1_024;

/// Rows that are gathered at a time where they came out of order: few enough to stay in the cache.
const GATHERED_ROWS: usize = 8 * 1024;
/// From this many rows in order on, they are written as a slice, without a copy.
const SLICED_ROWS: usize = 1024;

/// Rows of one table, in their order and cut into objects.
#[derive(Debug)]
pub struct OrderedRows {
    table: Table,
    definition: &'static Definition,
    batches: Vec<RecordBatch>,
    parts: Vec<(Partition, Vec<Run>)>,
}

/// The tables of a batch; those without rows are left out.
///
/// # Errors
/// Only where Arrow refuses the columns, which would be a defect.
pub fn rows_of(batch: &Batch) -> Result<Vec<OrderedRows>, ArrowError> {
    let tables = batch.rows.iter().filter(|(table, _)| batch.row_count(*table) > 0);
    tables.map(|(table, rows)| OrderedRows::new(table, rows.clone())).collect()
}

impl OrderedRows {
    /// Orders rows as their table says; those that are equal in that stay as they came.
    ///
    /// # Errors
    /// Only where a column to sort by is missing or of another type, which would be a defect.
    pub fn new(table: Table, batches: Vec<RecordBatch>) -> Result<OrderedRows, ArrowError> {
        OrderedRows::defined(table, table.definition(), batches)
    }

    /// The same for rows of any definition; `table` only says in which folder they lie.
    ///
    /// # Errors
    /// As those of [`OrderedRows::new`].
    pub fn defined(
        table: Table,
        definition: &'static Definition,
        batches: Vec<RecordBatch>,
    ) -> Result<OrderedRows, ArrowError> {
        let runs = by_time(&batches, definition.time)?;
        let own = Own::of(&runs);
        let mut parts: BTreeMap<Partition, Vec<Run>> = BTreeMap::new();
        for (hour, run) in runs {
            parts.entry(own.partition(hour)).or_default().push(run);
        }
        for (partition, runs) in &mut parts {
            let columns = order(definition, *partition);
            if columns != [definition.time] {
                *runs = by_columns(&batches, columns, runs)?;
            }
        }
        Ok(OrderedRows { table, definition, batches, parts: parts.into_iter().collect() })
    }

    /// An object without rows, so that a reader finds a table's columns before its first row is stored.
    pub fn none(table: Table, partition: Partition) -> OrderedRows {
        OrderedRows { table, definition: table.definition(), batches: Vec::new(), parts: vec![(partition, Vec::new())] }
    }

    /// The partition of the first of its objects.
    pub fn first_partition(&self) -> Option<Partition> {
        self.parts.first().map(|(partition, _)| *partition)
    }

    /// Which table's rows they are.
    pub fn table(&self) -> Table {
        self.table
    }

    /// The distinct texts of a column in each of its objects; none for a column of another type.
    pub fn distinct(&self, column: &str) -> Vec<(Partition, BTreeSet<&str>)> {
        let columns: Vec<_> =
            self.batches.iter().map(|rows| rows.column_by_name(column)?.as_string_opt::<i32>()).collect();
        let texts = |run: &Run| {
            let texts = columns.get(run.batch).copied().flatten();
            run.rows.clone().filter_map(move |row| texts.map(|texts| texts.value(row)))
        };
        self.parts.iter().map(|(partition, runs)| (*partition, runs.iter().flat_map(texts).collect())).collect()
    }

    /// How many objects they come to.
    pub fn len(&self) -> usize {
        self.parts.len()
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
        let (partition, runs) = self.parts.get(at)?;
        let (table, partition, listener) = (self.table, *partition, batch.listener.to_string());
        let path = ObjectPath { table, partition, listener, segment: batch.segment };
        Some(properties(self.definition, partition, config).and_then(|layout| Ok((path, self.write(runs, layout)?))))
    }

    fn write(&self, runs: &[Run], layout: WriterProperties) -> Result<Bytes, ParquetError> {
        let mut writer = ArrowWriter::try_new(Vec::new(), self.definition.schema().clone(), Some(layout))?;
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

/// Which hours have objects of their own; `None`: all.
struct Own(Option<HashMap<Hour, usize>>);

impl Own {
    fn of(runs: &[(Hour, Run)]) -> Own {
        let mut rows: HashMap<Hour, usize> = HashMap::new();
        for (hour, run) in runs {
            *rows.entry(*hour).or_default() += run.rows.len();
        }
        if rows.len() <= HOURS_MAX {
            return Own(None);
        }
        let mut most: Vec<(usize, Hour)> = rows.iter().map(|(hour, rows)| (*rows, *hour)).collect();
        // Of hours with as many rows the earlier ones, so that the same batch always comes to the same objects.
        most.sort_by_key(|(rows, hour)| (std::cmp::Reverse(*rows), *hour));
        let own = most.into_iter().enumerate().filter(|(at, (rows, _))| *at < HOURS_MAX || *rows >= OWN_ROWS_MIN);
        Own(Some(own.map(|(_, (rows, hour))| (hour, rows)).collect()))
    }

    fn partition(&self, hour: Hour) -> Partition {
        match &self.0 {
            Some(own) if !own.contains_key(&hour) => Partition::Unknown,
            _ => Partition::Hour(hour),
        }
    }
}
