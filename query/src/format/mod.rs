//! How results are written: for people, for programs, for spreadsheets, to be kept. The server and the command line
//! share it. Times are RFC 3339 in UTC; in JSON a null is written out.
//!
//! **Invariant.** A writer holds what its format needs and no more: at most some rows that decide the widths of a
//! table, and one row group of a Parquet file. So results of any length can be written as they come.
pub(crate) mod frames;
mod nested;
mod parquet;
mod plan;
mod spreadsheet;
mod table;
mod text;

pub use text::harmless;

use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{JsonArray, LineDelimited, Writer as JsonWriter, WriterBuilder};
use nested::{flat, named, with_names_of_their_own};
use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people; see [`Options`].
    Table,
    /// One array of objects.
    Json,
    /// With a header; what is nested is JSON inside its cell.
    Csv,
    /// The same for spreadsheets, which run a cell that begins with `=`, `+`, `-` or `@`: such text has an apostrophe before it.
    Spreadsheet,
    /// One object a line.
    Ndjson,
    /// The Arrow IPC streaming format.
    Arrow,
    /// A Parquet file, compressed with zstd.
    Parquet,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 7] =
        [Format::Table, Format::Json, Format::Csv, Format::Spreadsheet, Format::Ndjson, Format::Arrow, Format::Parquet];

    /// As it is called on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Spreadsheet => "spreadsheet",
            Format::Ndjson => "ndjson",
            Format::Arrow => "arrow",
            Format::Parquet => "parquet",
        }
    }

    /// As it is called in HTTP.
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Table => "text/plain; charset=utf-8",
            Format::Json => "application/json",
            Format::Csv | Format::Spreadsheet => "text/csv; charset=utf-8; header=present",
            Format::Ndjson => "application/x-ndjson",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// False for formats that a terminal cannot show.
    pub const fn is_text(self) -> bool {
        !matches!(self, Format::Arrow | Format::Parquet)
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Format, String> {
        let found = Format::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| format!("`{name}` is none of {}", Format::ALL.map(Format::name).join(", ")))
    }
}

/// How a [`Format::Table`] is laid out; other formats have no options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Columns of the terminal. Cells that are too long end with `…`, but for numbers and times, which are never cut.
    /// Without it nothing is cut.
    pub width: Option<usize>,
    /// Rows that are shown; those after them are counted only. Without it all are shown.
    pub rows_max: Option<usize>,
}

/// Writes one result, batch by batch.
pub struct Writer<W: Write>(Inner<W>);

enum Inner<W: Write> {
    Table(table::Table<W>),
    Plan(W),
    Json { writer: JsonWriter<W, JsonArray>, schema: SchemaRef },
    Ndjson { writer: JsonWriter<W, LineDelimited>, schema: SchemaRef },
    Csv(Box<csv::Writer<W>>),
    Spreadsheet(Box<csv::Writer<W>>),
    Arrow(StreamWriter<W>),
    Parquet(Box<parquet::Parquet<W>>),
}

impl<W: Write> Writer<W> {
    /// Begins a result with these columns.
    ///
    /// # Errors
    /// Where `out` cannot be written to, or a column has a type that the format does not have.
    pub fn new(format: Format, schema: &SchemaRef, out: W) -> Result<Writer<W>, ArrowError> {
        Writer::with_options(format, schema, out, Options::default())
    }

    /// Begins a result with these columns, laid out for a terminal where it is a [`Format::Table`].
    ///
    /// # Errors
    /// As for [`Writer::new`].
    pub fn with_options(format: Format, schema: &SchemaRef, out: W, options: Options) -> Result<Writer<W>, ArrowError> {
        let builder = WriterBuilder::new().with_explicit_nulls(true);
        Ok(Writer(match format {
            Format::Table if plan::is_plan(schema) => Inner::Plan(out),
            Format::Table => Inner::Table(table::Table::new(schema, out, options)),
            Format::Json => Inner::Json { writer: builder.build(out), schema: with_names_of_their_own(schema) },
            Format::Ndjson => Inner::Ndjson { writer: builder.build(out), schema: with_names_of_their_own(schema) },
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(out);
                // The header comes with the first batch, and there may be none.
                writer.write(&flat(&RecordBatch::new_empty(Arc::clone(schema)))?)?;
                Inner::Csv(Box::new(writer))
            }
            Format::Spreadsheet => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(out);
                writer.write(&spreadsheet::quoted(&flat(&RecordBatch::new_empty(Arc::clone(schema)))?)?)?;
                Inner::Spreadsheet(Box::new(writer))
            }
            Format::Arrow => Inner::Arrow(StreamWriter::try_new(out, schema)?),
            Format::Parquet => Inner::Parquet(Box::new(parquet::Parquet::new(schema, out)?)),
        }))
    }

    /// Writes rows.
    ///
    /// # Errors
    /// Where `out` cannot be written to, or a column has a type that the format cannot show.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        match &mut self.0 {
            Inner::Table(table) => table.write(batch),
            Inner::Plan(out) => plan::write(out, batch),
            Inner::Json { writer, schema } => writer.write(&named(batch, schema)?),
            Inner::Ndjson { writer, schema } => writer.write(&named(batch, schema)?),
            Inner::Csv(writer) => writer.write(&flat(batch)?),
            Inner::Spreadsheet(writer) => writer.write(&spreadsheet::quoted(&flat(batch)?)?),
            Inner::Arrow(writer) => writer.write(batch),
            Inner::Parquet(writer) => writer.write(batch),
        }
    }

    /// Ends the result and gives `out` back.
    ///
    /// # Errors
    /// As for [`Writer::write`].
    pub fn finish(self) -> Result<W, ArrowError> {
        let mut out = match self.0 {
            Inner::Table(table) => table.finish()?,
            Inner::Plan(out) => out,
            Inner::Json { mut writer, .. } => {
                writer.finish()?;
                writer.into_inner()
            }
            Inner::Ndjson { mut writer, .. } => {
                writer.finish()?;
                writer.into_inner()
            }
            Inner::Csv(writer) | Inner::Spreadsheet(writer) => writer.into_inner(),
            Inner::Arrow(writer) => writer.into_inner()?,
            Inner::Parquet(writer) => writer.finish()?,
        };
        out.flush()?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
