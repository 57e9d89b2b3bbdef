//! The table `toy`, which only tests have: it shows that a table is one file. Its columns are nested in every way that
//! a table may need, and its files are sorted by two of them.
use super::definition::{list_of, map_of};
use super::{Column, Definition, Lay, RowBuilder, Table, TableRows, timestamp_type};
use arrow::array::{
    ArrayRef, BinaryBuilder, Float64Array, Int64Builder, ListArray, MapBuilder, MapFieldNames, RecordBatch,
    StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType::{self, Binary, Float64, Int64, Utf8};
use arrow::datatypes::{Field, Fields};
use arrow::error::ArrowError;
use std::sync::Arc;

fn mark_fields() -> Fields {
    Fields::from(vec![Field::new("at", timestamp_type(), false), Field::new("note", Utf8, true)])
}

fn marks_type() -> DataType {
    list_of(DataType::Struct(mark_fields()))
}

/// See [`super::Table::definition`].
pub(super) fn definition() -> Definition {
    Definition::new(
        "One row for each `name=value`.",
        &["name", "timestamp"],
        vec![
            Column::new("timestamp", timestamp_type(), &[Lay::Time], "when it was received"),
            Column::new("id", Binary, &[Lay::Id], "another one for each row"),
            Column::new("name", Utf8, &[Lay::Label], "what stands before the `=`"),
            Column::new("value", Float64, &[Lay::Number], "the number behind it; null where it is none").or_null(),
            Column::new("marks", marks_type(), &[Lay::Time, Lay::Text], "one for each `;` and a note behind it"),
            Column::new("sizes", map_of(Int64), &[Lay::Word, Lay::Number], "bytes of the name and of the value"),
        ],
    )
    .with_time("timestamp")
}

/// Rows on their way to a batch of the table `toy`.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<Toy>,
}

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Toy {
    /// µs since 1970 UTC.
    pub timestamp: i64,
    /// See the table.
    pub id: u128,
    /// See the table.
    pub name: String,
    /// See the table.
    pub value: Option<f64>,
    /// See the table.
    pub marks: Vec<(i64, Option<String>)>,
    /// See the table.
    pub sizes: Vec<(String, i64)>,
}

impl Rows {
    /// Appends a row.
    pub fn push(&mut self, row: Toy) {
        self.rows.push(row);
    }
}

impl RowBuilder for Rows {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn text_bytes(&self) -> usize {
        self.rows.iter().map(|row| row.name.len()).sum()
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        let time = |moments: Vec<i64>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(moments).with_data_type(timestamp_type()))
        };
        let mut ids = BinaryBuilder::new();
        let parts = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
        let mut sizes = MapBuilder::new(Some(parts), StringBuilder::new(), Int64Builder::new());
        for row in &rows {
            ids.append_value(row.id.to_be_bytes());
            for (key, value) in &row.sizes {
                sizes.keys().append_value(key);
                sizes.values().append_value(*value);
            }
            sizes.append(true)?;
        }
        let marks = || rows.iter().flat_map(|row| &row.marks);
        let notes = StringArray::from_iter(marks().map(|(_, note)| note.as_deref()));
        let columns = vec![time(marks().map(|(at, _)| *at).collect()), Arc::new(notes) as ArrayRef];
        let mark_rows = StructArray::try_new(mark_fields(), columns, None)?;
        let DataType::List(item) = marks_type() else { return Err(ArrowError::SchemaError("marks".into())) };
        let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.marks.len()));
        RecordBatch::try_new(
            Table::Toy.schema(),
            vec![
                time(rows.iter().map(|row| row.timestamp).collect()),
                Arc::new(ids.finish()),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.name))),
                Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.value))),
                Arc::new(ListArray::try_new(item, offsets, Arc::new(mark_rows), None)?),
                Arc::new(sizes.finish()),
            ],
        )
    }
}

impl TableRows for Rows {
    const TABLE: Table = Table::Toy;
}
