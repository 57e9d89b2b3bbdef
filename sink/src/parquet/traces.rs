//! The index of traces (`metlog_schemas::trace_index`): written with the objects of a batch, merged behind them.
//!
//! An index object is part of a batch's storage: a batch without it is not stored, and is written again as a whole.
//! Merging is not: what fails is tried again with the next batch, and until then there are some more objects to look at.
use super::config::Config;
use super::in_background;
use super::objects::OrderedRows;
use super::put::Putter;
use crate::{Batch, SinkError};
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use bytes::Bytes;
use futures::TryStreamExt;
use metlog_schemas::table::Table;
use metlog_schemas::trace_index::{FOLDER, IndexPath, UNKNOWN_HOUR, current, schema, to_merge};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::sync::Arc;

/// The column of `spans`, and of the index.
const TRACE_ID: &str = "trace_id";
/// Rows of a page: a trace is found by its bounds, so that little is read beside it.
const PAGE_ROWS: usize = 4 * 1024;
/// Rows that are written at a time when objects are merged.
const MERGED_ROWS: usize = 8 * 1024;

/// A trace and one object that has spans of it: segment and hour.
type Entry<'a> = (&'a str, i64, i64);

/// The index object of a batch, if it has spans.
pub(super) fn of_batch(
    rows: &OrderedRows,
    batch: &Batch,
    config: &Config,
) -> Result<Option<(String, Bytes)>, SinkError> {
    if rows.table() != Table::Spans {
        return Ok(None);
    }
    let segment = batch.segment.cast_signed();
    let path = IndexPath { listener: batch.listener.to_string(), level: 0, first: batch.segment, last: batch.segment };
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for (partition, ids) in rows.distinct(TRACE_ID) {
        let hour = partition.hour().map_or(UNKNOWN_HOUR, |hour| hour.0);
        entries.extend(ids.into_iter().map(|id| (id, segment, hour)));
    }
    entries.sort_unstable();
    let written = || {
        let mut writer = writer(config)?;
        for entries in entries.chunks(MERGED_ROWS) {
            writer.write(&batch_of(entries)?)?;
        }
        writer.into_inner()
    };
    Ok(Some((path.key(), Bytes::from(written().map_err(SinkError::set_aside)?))))
}

fn batch_of(entries: &[Entry<'_>]) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(entries.iter().map(|(id, ..)| id))),
        Arc::new(Int64Array::from_iter_values(entries.iter().map(|(_, segment, _)| *segment))),
        Arc::new(Int64Array::from_iter_values(entries.iter().map(|(.., hour)| *hour))),
    ];
    RecordBatch::try_new(schema().clone(), columns)
}

fn writer(config: &Config) -> Result<ArrowWriter<Vec<u8>>, ParquetError> {
    let id = ColumnPath::from(TRACE_ID);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(config.compression_level)?))
        .set_max_row_group_row_count(Some(config.row_group_rows))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_dictionary_enabled(id.clone(), false)
        .set_column_encoding(id, Encoding::DELTA_BYTE_ARRAY)
        .set_created_by(concat!("metlog ", env!("CARGO_PKG_VERSION")).to_owned());
    ArrowWriter::try_new(Vec::new(), schema().clone(), Some(properties.build()))
}

/// Merges what there is to merge of a listener. `true`: there may be more.
pub(super) async fn merge(putter: &Putter, listener: &str, config: &Config) -> Result<bool, SinkError> {
    let store = putter.store();
    let folder = Path::from_iter(store.prefix.parts().chain(Path::from(FOLDER).parts()));
    let listed: Vec<_> = store.objects.list(Some(&folder)).try_collect().await.map_err(SinkError::retry)?;
    let parsed = listed.into_iter().filter_map(|meta| {
        let name = meta.location.filename()?.to_owned();
        let path = IndexPath::parse(&format!("{FOLDER}/{name}")).filter(|path| path.listener == listener)?;
        Some((path, meta.size))
    });
    let (objects, left_behind) = current(parsed.collect(), |(path, _)| path);
    for (path, _) in left_behind {
        delete(store.objects.as_ref(), &folder, &path).await;
    }
    let Some((inputs, merged)) = to_merge(&objects) else { return Ok(false) };
    let mut bytes = Vec::with_capacity(inputs.len());
    for input in &inputs {
        let object = store.objects.get(&place(&folder, input)).await.map_err(SinkError::retry)?;
        bytes.push(object.bytes().await.map_err(SinkError::retry)?);
    }
    let config = config.clone();
    let merging = in_background(move || merged_bytes(bytes, &config).map_err(SinkError::retry));
    putter.put(&merged.key(), merging.await?).await?;
    for input in &inputs {
        delete(store.objects.as_ref(), &folder, input).await;
    }
    Ok(true)
}

fn place(folder: &Path, path: &IndexPath) -> Path {
    let key = path.key();
    folder.clone().join(key.rsplit('/').next().unwrap_or_default())
}

/// Readers pass over what was merged, so where nothing can be deleted there are only more names to list.
async fn delete(store: &dyn ObjectStore, folder: &Path, path: &IndexPath) {
    match store.delete(&place(folder, path)).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => (),
        Err(error) => tracing::debug!("parquet: cannot delete {}: {error}", path.key()),
    }
}

/// Sorted rows of an object, one after the other.
struct Input {
    reader: ParquetRecordBatchReader,
    rows: Option<RecordBatch>,
    at: usize,
}

impl Input {
    fn new(bytes: Bytes) -> Result<Input, ParquetError> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)?.with_batch_size(PAGE_ROWS).build()?;
        let mut input = Input { reader, rows: None, at: 0 };
        input.next_batch()?;
        Ok(input)
    }

    fn next_batch(&mut self) -> Result<(), ParquetError> {
        (self.rows, self.at) = (self.reader.next().transpose()?, 0);
        Ok(())
    }

    fn entry(&self) -> Option<Entry<'_>> {
        let rows = self.rows.as_ref().filter(|rows| self.at < rows.num_rows())?;
        let number = |column: usize| rows.column(column).as_primitive_opt::<Int64Type>().map(|of| of.value(self.at));
        Some((rows.column(0).as_string_opt::<i32>()?.value(self.at), number(1)?, number(2)?))
    }

    fn advance(&mut self) -> Result<(), ParquetError> {
        self.at += 1;
        if self.rows.as_ref().is_some_and(|rows| self.at >= rows.num_rows()) {
            self.next_batch()?;
        }
        Ok(())
    }
}

/// Objects merged by trace, with a page of each in memory.
fn merged_bytes(objects: Vec<Bytes>, config: &Config) -> Result<Bytes, ParquetError> {
    let mut inputs = objects.into_iter().map(Input::new).collect::<Result<Vec<_>, _>>()?;
    let mut writer = writer(config)?;
    let mut pending: Vec<(String, i64, i64)> = Vec::with_capacity(MERGED_ROWS);
    let mut flush = |pending: &mut Vec<(String, i64, i64)>| -> Result<(), ParquetError> {
        let entries: Vec<Entry<'_>> =
            pending.iter().map(|(id, segment, hour)| (id.as_str(), *segment, *hour)).collect();
        writer.write(&batch_of(&entries)?)?;
        pending.clear();
        Ok(())
    };
    loop {
        let first = inputs.iter().enumerate().filter_map(|(at, input)| Some((input.entry()?, at))).min();
        let Some(((id, segment, hour), at)) = first else { break };
        pending.push((id.to_owned(), segment, hour));
        inputs[at].advance()?;
        if pending.len() == MERGED_ROWS {
            flush(&mut pending)?;
        }
    }
    flush(&mut pending)?;
    Ok(Bytes::from(writer.into_inner()?))
}
