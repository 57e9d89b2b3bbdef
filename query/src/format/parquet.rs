//! Results as a Parquet file, compressed with zstd: to be kept, and read by any engine.
use super::nested::{named, with_names_of_their_own};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::io::Write;

/// Most rows of a row group.
const GROUP_ROWS_MAX: usize = 131_072;

/// A row group of this size in memory is written.
const GROUP_BYTES_MAX: usize = 32 << 20;

/// Holds no more than one row group.
pub(super) struct Parquet<W: Write> {
    out: W,
    schema: SchemaRef,
    /// Into memory, from where it is moved to `out` after each batch: `out` may be bound to a thread.
    writer: ArrowWriter<Vec<u8>>,
}

impl<W: Write> Parquet<W> {
    pub(super) fn new(schema: &SchemaRef, out: W) -> Result<Parquet<W>, ArrowError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .build();
        let schema = with_names_of_their_own(schema);
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(as_arrow)?;
        Ok(Parquet { out, schema, writer })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.writer.write(&named(batch, &self.schema)?).map_err(as_arrow)?;
        if self.writer.in_progress_size() >= GROUP_BYTES_MAX {
            self.writer.flush().map_err(as_arrow)?;
        }
        let written = self.writer.inner_mut();
        self.out.write_all(written)?;
        written.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<W, ArrowError> {
        let rest = self.writer.into_inner().map_err(as_arrow)?;
        self.out.write_all(&rest)?;
        Ok(self.out)
    }
}

fn as_arrow(error: ParquetError) -> ArrowError {
    match error {
        ParquetError::General(message) | ParquetError::NYI(message) | ParquetError::ArrowError(message) => {
            ArrowError::NotYetImplemented(message)
        }
        other => other.into(),
    }
}
