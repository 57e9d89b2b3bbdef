//! How answers are written: for people, for programs, for spreadsheets. The server and the command line share
//! it. Moments are RFC 3339 in UTC; in JSON a null is written out.
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, StringBuilder};
use arrow::csv;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{
    EncoderOptions, JsonArray, LineDelimited, Writer as JsonWriter, WriterBuilder, make_encoder,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches_with_schema;
use std::collections::HashSet;
use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Columns for people; written when the last row is known.
    Table,
    /// One array of objects.
    Json,
    /// With a header; what is nested is JSON inside its cell.
    Csv,
    /// One object a line.
    Ndjson,
    /// The Arrow IPC streaming format.
    Arrow,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 5] = [Format::Table, Format::Json, Format::Csv, Format::Ndjson, Format::Arrow];

    /// As it is called on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
            Format::Arrow => "arrow",
        }
    }

    /// As it is called in HTTP.
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Table => "text/plain; charset=utf-8",
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Ndjson => "application/x-ndjson",
            Format::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Format, String> {
        let found = Format::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| format!("`{name}` is none of {}", Format::ALL.map(Format::name).join(", ")))
    }
}

/// Writes one answer, batch by batch.
pub struct Writer<W: Write>(Inner<W>);

enum Inner<W: Write> {
    Table { out: W, schema: SchemaRef, batches: Vec<RecordBatch> },
    Json { writer: JsonWriter<W, JsonArray>, schema: SchemaRef },
    Ndjson { writer: JsonWriter<W, LineDelimited>, schema: SchemaRef },
    Csv(Box<csv::Writer<W>>),
    Arrow(StreamWriter<W>),
}

impl<W: Write> Writer<W> {
    /// Begins an answer with these columns.
    ///
    /// # Errors
    /// Where `out` cannot be written to.
    pub fn new(format: Format, schema: &SchemaRef, out: W) -> Result<Writer<W>, ArrowError> {
        let builder = WriterBuilder::new().with_explicit_nulls(true);
        Ok(Writer(match format {
            Format::Table => Inner::Table { out, schema: Arc::clone(schema), batches: Vec::new() },
            Format::Json => Inner::Json { writer: builder.build(out), schema: with_names_of_their_own(schema) },
            Format::Ndjson => Inner::Ndjson { writer: builder.build(out), schema: with_names_of_their_own(schema) },
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(out);
                // The header comes with the first batch, and there may be none.
                writer.write(&flat(&RecordBatch::new_empty(Arc::clone(schema)))?)?;
                Inner::Csv(Box::new(writer))
            }
            Format::Arrow => Inner::Arrow(StreamWriter::try_new(out, schema)?),
        }))
    }

    /// Writes rows.
    ///
    /// # Errors
    /// Where `out` cannot be written to, or a column has a type that the format cannot show.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        match &mut self.0 {
            Inner::Table { batches, .. } => {
                batches.push(printable(batch)?);
                Ok(())
            }
            Inner::Json { writer, schema } => writer.write(&named(batch, schema)?),
            Inner::Ndjson { writer, schema } => writer.write(&named(batch, schema)?),
            Inner::Csv(writer) => writer.write(&flat(batch)?),
            Inner::Arrow(writer) => writer.write(batch),
        }
    }

    /// Ends the answer and gives `out` back.
    ///
    /// # Errors
    /// As for [`Writer::write`].
    pub fn finish(self) -> Result<W, ArrowError> {
        let mut out = match self.0 {
            Inner::Table { mut out, schema, batches } => {
                writeln!(out, "{}", pretty_format_batches_with_schema(texts(&schema), &batches)?)?;
                out
            }
            Inner::Json { mut writer, .. } => {
                writer.finish()?;
                writer.into_inner()
            }
            Inner::Ndjson { mut writer, .. } => {
                writer.finish()?;
                writer.into_inner()
            }
            Inner::Csv(writer) => writer.into_inner(),
            Inner::Arrow(writer) => writer.into_inner()?,
        };
        out.flush()?;
        Ok(out)
    }
}

/// Every value as a text that stays on its line and steers no terminal: it may come from outside.
fn printable(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let options = FormatOptions::default();
    let column = |column: &ArrayRef| {
        let values = ArrayFormatter::try_new(column, &options)?;
        let text = |row| values.value(row).try_to_string().map(|text| harmless(&text));
        let texts: StringArray =
            (0..column.len()).map(text).map(|text| text.map(Some)).collect::<Result<_, ArrowError>>()?;
        Ok(Arc::new(texts) as ArrayRef)
    };
    let columns = batch.columns().iter().map(column).collect::<Result<_, ArrowError>>()?;
    RecordBatch::try_new_with_options(texts(&batch.schema()), columns, &row_count(batch))
}

fn row_count(batch: &RecordBatch) -> RecordBatchOptions {
    RecordBatchOptions::new().with_row_count(Some(batch.num_rows()))
}

fn texts(schema: &SchemaRef) -> SchemaRef {
    let text = |field: &Arc<Field>| Field::new(field.name(), DataType::Utf8, true);
    Arc::new(Schema::new(schema.fields().iter().map(text).collect::<Vec<_>>()))
}

/// Control characters as `\n`, `\u{1b}`.
pub fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut text, c| {
        if c.is_control() {
            text.extend(c.escape_default())
        } else {
            text.push(c)
        }
        text
    })
}

/// Objects cannot have two values of one name, though answers can have two such columns: `n`, `n_2`.
fn with_names_of_their_own(schema: &SchemaRef) -> SchemaRef {
    let mut seen: HashSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    if seen.len() == schema.fields().len() {
        return Arc::clone(schema);
    }
    let mut taken = HashSet::new();
    let fields = schema.fields().iter().map(|field| {
        if taken.insert(field.name().clone()) {
            return field.as_ref().clone();
        }
        let free = (2..).map(|n| format!("{}_{n}", field.name())).find(|name| seen.insert(name.clone()));
        field.as_ref().clone().with_name(free.unwrap_or_default())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn named(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
}

/// Lists, maps and structures as JSON text, since CSV has no such cells.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    if !schema.fields().iter().any(|field| field.data_type().is_nested()) {
        return Ok(batch.clone());
    }
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let is_nested = field.data_type().is_nested();
        columns.push(if is_nested { json_text(field, column)? } else { Arc::clone(column) });
        let text = || Arc::new(Field::new(field.name(), DataType::Utf8, true));
        fields.push(if is_nested { text() } else { Arc::clone(field) });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn json_text(field: &Arc<Field>, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut texts = StringBuilder::new();
    let mut cell = Vec::new();
    for row in 0..column.len() {
        if encoder.is_null(row) {
            texts.append_null();
            continue;
        }
        cell.clear();
        encoder.encode(row, &mut cell);
        texts.append_value(std::str::from_utf8(&cell).map_err(|error| ArrowError::JsonError(error.to_string()))?);
    }
    Ok(Arc::new(texts.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BinaryArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};

    fn check(format: Format, expected: &str) {
        let times = TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone("UTC");
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
            ("t", Arc::new(times)),
            ("n", Arc::new(StringArray::from(vec!["a,b", ""]))),
            ("x", Arc::new(Float64Array::from(vec![f64::NAN, 0.5]))),
            ("b", Arc::new(BinaryArray::from(vec![b"\x01\xff".as_slice(), b""]))),
        ];
        let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let mut writer = Writer::new(format, &schema, Vec::new()).unwrap();
        writer.write(&batch.slice(0, 1)).unwrap();
        writer.write(&batch.slice(1, 1)).unwrap();
        assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), expected, "{format:?}");
    }

    #[test]
    fn every_format_for_the_same_rows() {
        let first = r#"{"n":9223372036854775807,"t":"1970-01-01T00:00:00.000001Z","n_2":"a,b","x":null,"b":"01ff"}"#;
        let second = r#"{"n":null,"t":null,"n_2":"","x":0.5,"b":""}"#;
        check(Format::Json, &format!("[{first},{second}]"));
        check(Format::Ndjson, &format!("{first}\n{second}\n"));
        let csv = "n,t,n,x,b\n9223372036854775807,1970-01-01T00:00:00.000001Z,\"a,b\",NaN,01ff\n,,,0.5,\n";
        check(Format::Csv, csv);
        let table = "\
+---------------------+-----------------------------+-----+-----+------+
| n                   | t                           | n   | x   | b    |
+---------------------+-----------------------------+-----+-----+------+
| 9223372036854775807 | 1970-01-01T00:00:00.000001Z | a,b | NaN | 01ff |
|                     |                             |     | 0.5 |      |
+---------------------+-----------------------------+-----+-----+------+
";
        check(Format::Table, table);
    }

    #[test]
    fn an_answer_without_rows_still_has_columns() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        for (format, expected) in [(Format::Json, "[]"), (Format::Csv, "n\n"), (Format::Ndjson, "")] {
            let written = Writer::new(format, &schema, Vec::new()).unwrap().finish().unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
        let table = Writer::new(Format::Table, &schema, Vec::new()).unwrap().finish().unwrap();
        assert!(String::from_utf8(table).unwrap().contains("| n |"));
    }

    #[test]
    fn names_are_read_back() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
        }
        assert_eq!("xml".parse::<Format>(), Err("`xml` is none of table, json, csv, ndjson, arrow".to_owned()));
    }
}
