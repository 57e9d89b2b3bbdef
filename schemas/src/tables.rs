//! The tables: their columns and types, and how a closed window becomes rows of `metrics`.
//!
//! Types are those that Hive 4, Spark, DuckDB and DataFusion all read: UTC microsecond timestamps, no
//! unsigned numbers, no views.
use crate::window::{MetricData, Window};
use arrow::array::{
    ArrayRef, BinaryBuilder, Float64Builder, MapBuilder, MapFieldNames, RecordBatch, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use std::sync::{Arc, LazyLock};

/// A table of the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One row a message.
    Messages,
    /// One row a series and window.
    Metrics,
}

/// The partition columns that every table has besides its own: Hive gives them, no file holds them.
pub const PARTITION_COLUMNS: [(&str, DataType); 2] = [("dt", DataType::Utf8), ("hour", DataType::Int32)];

impl Table {
    /// All of them.
    pub const ALL: [Table; 2] = [Table::Messages, Table::Metrics];

    /// Its name in SQL and in paths.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Messages => "messages",
            Table::Metrics => "metrics",
        }
    }

    /// The table of a name.
    pub fn from_name(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Its columns, without those of [`PARTITION_COLUMNS`].
    pub fn schema(self) -> SchemaRef {
        match self {
            Table::Messages => MESSAGES.clone(),
            Table::Metrics => METRICS.clone(),
        }
    }
}

/// UTC, to the microsecond.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// `map<string, string>` with the names that the Parquet format gives its parts.
pub fn map_type() -> DataType {
    let entries =
        Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
}

/// `array<string>`.
pub fn list_type() -> DataType {
    DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)))
}

static MESSAGES: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("timestamp", timestamp_type(), false),
        Field::new("received_at", timestamp_type(), false),
        Field::new("type", DataType::Utf8, false),
        Field::new("logger", DataType::Utf8, false),
        Field::new("severity", DataType::Int32, false),
        Field::new("hostname", DataType::Utf8, false),
        Field::new("pid", DataType::Int64, false),
        Field::new("tokens", list_type(), false),
        Field::new("payload", DataType::Utf8, false),
        Field::new("fields", map_type(), false),
        Field::new("env_version", DataType::Utf8, false),
    ]))
});

static METRICS: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("timestamp", timestamp_type(), false),
        Field::new("window_seconds", DataType::Float64, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("kind", DataType::Utf8, false),
        Field::new("tags", map_type(), false),
        Field::new("hostname", DataType::Utf8, false),
        Field::new("count", DataType::Float64, true),
        Field::new("sum", DataType::Float64, true),
        Field::new("min", DataType::Float64, true),
        Field::new("max", DataType::Float64, true),
        Field::new("value", DataType::Float64, true),
        Field::new("sketch", DataType::Binary, true),
    ]))
});

/// The fresh rows of windows, as rows of `metrics`. `count` and `sum` of a counter are the same number.
///
/// # Errors
/// Only where Arrow refuses the columns, which would be a defect.
pub fn metrics_rows<'a>(windows: impl IntoIterator<Item = &'a Window>) -> Result<RecordBatch, ArrowError> {
    let mut timestamp = Vec::new();
    let mut seconds = Float64Builder::new();
    let [mut name, mut kind, mut hostname] = [(); 3].map(|()| StringBuilder::new());
    let parts = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut tags = MapBuilder::new(Some(parts), StringBuilder::new(), StringBuilder::new());
    let mut numbers = [(); 5].map(|()| Float64Builder::new());
    let mut sketch = BinaryBuilder::new();
    for window in windows {
        for row in window.rows.iter().filter(|row| row.fresh) {
            timestamp.push(window.end);
            seconds.append_value(window.length as f64 / crate::time::SECOND as f64);
            name.append_value(&row.name);
            kind.append_value(row.data.kind());
            for (key, value) in row.tags.iter() {
                tags.keys().append_value(key);
                tags.values().append_value(value);
            }
            tags.append(true)?;
            hostname.append_value(&window.hostname);
            for (builder, number) in numbers.iter_mut().zip(numbers_of(&row.data)) {
                builder.append_option(number);
            }
            match &row.data {
                MetricData::Timer(Some(timer)) => sketch.append_value(&timer.sketch),
                _ => sketch.append_null(),
            }
        }
    }
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(timestamp).with_timezone("UTC")),
        Arc::new(seconds.finish()),
        Arc::new(name.finish()),
        Arc::new(kind.finish()),
        Arc::new(tags.finish()),
        Arc::new(hostname.finish()),
    ];
    columns.extend(numbers.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
    columns.push(Arc::new(sketch.finish()));
    RecordBatch::try_new(Table::Metrics.schema(), columns)
}

/// `count`, `sum`, `min`, `max`, `value`.
fn numbers_of(data: &MetricData) -> [Option<f64>; 5] {
    match data {
        MetricData::Counter { count } => [Some(*count), Some(*count), None, None, None],
        MetricData::Gauge { value } => [None, None, None, None, Some(*value)],
        MetricData::Set { count } => [Some(*count as f64), None, None, None, None],
        MetricData::Timer(None) => [Some(0.0), None, None, None, None],
        MetricData::Timer(Some(timer)) => {
            [Some(timer.count), Some(timer.sum), Some(timer.lower), Some(timer.upper), None]
        }
    }
}
