//! The definition of a table: columns with their descriptions and encodings, and the order of rows.
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::sync::Arc;

/// The partition columns that every table has besides its own: they come from Hive paths and are in no file.
pub const PARTITION_COLUMNS: [(&str, DataType); 2] = [("dt", DataType::Utf8), ("hour", DataType::Int32)];

/// How a leaf of a column is encoded in a file, and so what readers can skip by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lay {
    /// A timestamp: delta encoding, which is small in sorted rows. Bounds of each page.
    Time,
    /// Few distinct values, queried by equality: a dictionary, bounds of each page, and a small Bloom filter.
    Label,
    /// Nearly every value is distinct, and queried by equality: no dictionary, and a Bloom filter with room for as many
    /// values as a row group has rows.
    Id,
    /// Values that repeat a few times each, such as ids of traces, and are queried by equality: a dictionary as long as it
    /// pays, and a Bloom filter with room for as many values as a row group has rows.
    Key,
    /// Few distinct values, or many repeated ones: a dictionary, and no bounds.
    Word,
    /// Text or bytes that rarely repeat: neither.
    Text,
    /// A number: a dictionary as long as it pays, and bounds of each page.
    Number,
}

/// A column: its type, encoding and description.
#[derive(Debug, Clone)]
pub struct Column {
    /// Name, type, and whether it may be null.
    pub field: Field,
    /// How each of its Parquet leaves lies: one for a plain type, more for nested ones, depth first.
    pub lays: &'static [Lay],
    /// What it holds, in a line of Markdown.
    pub meaning: &'static str,
}

impl Column {
    /// A column without nulls.
    pub fn new(name: &str, r#type: DataType, lays: &'static [Lay], meaning: &'static str) -> Column {
        Column { field: Field::new(name, r#type, false), lays, meaning }
    }

    /// The same column, nullable.
    #[must_use]
    pub fn or_null(mut self) -> Column {
        self.field = self.field.with_nullable(true);
        self
    }
}

/// Whose a row is, so that a reader of some loggers sees those of theirs only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The logger, or service, that this column of text names.
    Column(&'static str),
    /// The series of columns `name` and `tags`: see `docs/decisions/0320`.
    Series,
}

/// The definition of a table.
#[derive(Debug)]
pub struct Definition {
    /// What one row is, in a sentence.
    pub row: &'static str,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// The columns that rows of a file are sorted by, first to last, ascending, nulls behind values. Each of a plain type.
    pub order: &'static [&'static str],
    /// The column (a timestamp) whose hour is the partition of a row.
    pub time: &'static str,
    /// True if each row is a fact of the ledger. False for rows that sum up values which are counted elsewhere.
    pub rows_are_facts: bool,
    /// Whose each row is. Where that is not known, only readers of everything see the table at all.
    pub owner: Option<Owner>,
    schema: SchemaRef,
}

impl Definition {
    /// A table whose rows are sorted by `order`, the first of which is the time that partitions come from unless
    /// [`Definition::with_time`] names another. Each row is a fact.
    pub fn new(row: &'static str, order: &'static [&'static str], columns: Vec<Column>) -> Definition {
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect::<Fields>());
        let time = order.first().copied().unwrap_or_default();
        Definition { row, columns, order, time, rows_are_facts: true, owner: None, schema: Arc::new(schema) }
    }

    /// Partitions come from another column than the first of the order.
    #[must_use]
    pub fn with_time(mut self, time: &'static str) -> Definition {
        self.time = time;
        self
    }

    /// Its rows sum up what is counted elsewhere.
    #[must_use]
    pub fn of_sums(mut self) -> Definition {
        self.rows_are_facts = false;
        self
    }

    /// Its rows have an owner.
    #[must_use]
    pub fn owned_by(mut self, owner: Owner) -> Definition {
        self.owner = Some(owner);
        self
    }

    /// Its columns as Arrow knows them.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How each Parquet leaf lies, in the order of the schema's leaves.
    pub fn lays(&self) -> impl Iterator<Item = Lay> {
        self.columns.iter().flat_map(|column| column.lays.iter().copied())
    }
}

/// UTC, to the microsecond.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// `map<string, string>` with the names that the Parquet format gives its parts.
pub fn map_type() -> DataType {
    map_of(DataType::Utf8)
}

/// A map from text to values of a type.
pub(super) fn map_of(value: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", value, true)]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
}

/// `array<string>`.
pub fn list_type() -> DataType {
    list_of(DataType::Utf8)
}

/// A list of items of a type.
pub(super) fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", item, true)))
}
