//! The table `metrics`: one row for each series in each window, and how a closed window becomes such rows.
use super::definition::map_of;
use super::{Column, Definition, Lay, Owner, RowBuilder, Table, TableRows, map_type, timestamp_type};
use crate::carbon::percentile_names;
use crate::window::{Metric, MetricData, Window};
use arrow::array::{
    ArrayRef, BinaryBuilder, Float64Builder, Int64Builder, MapBuilder, MapFieldNames, RecordBatch, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::DataType::{Binary, Float64, Int64, Utf8};
use arrow::error::ArrowError;
use std::sync::Arc;

/// See [`super::Table::definition`].
pub(super) fn definition() -> Definition {
    let number = &[Lay::Number];
    Definition::new(
        "One row for each series in each window in which it received a value. A series is a name, a kind and tags.",
        &["timestamp"],
        vec![
            Column::new(
                "timestamp",
                timestamp_type(),
                &[Lay::Time],
                "end of the window, exclusive: an hour's last window has the next hour's `timestamp`, `dt` and `hour`",
            ),
            Column::new("window_seconds", Float64, number, "length of the window"),
            Column::new(
                "name",
                Utf8,
                &[Lay::Label],
                "name, with characters that Graphite cannot hold replaced as in etsy's statsd",
            ),
            Column::new(
                "kind",
                Utf8,
                &[Lay::Word],
                "`counter`, `gauge`, `set` or `timer`; histograms and distributions are timers",
            ),
            Column::new("tags", map_type(), &[Lay::Word, Lay::Word], "tags; may be none"),
            Column::new("hostname", Utf8, &[Lay::Word], "host of the listener"),
            Column::new(
                "count",
                Float64,
                number,
                "counter: increments; timer: samples; both scaled by the sample rate. Set: distinct values. \
                 Null for a gauge",
            )
            .or_null(),
            Column::new(
                "sum",
                Float64,
                number,
                "counter: as `count`; timer: sum of the samples as received, not scaled. Otherwise null",
            )
            .or_null(),
            Column::new("min", Float64, number, "timer: smallest sample. Otherwise null").or_null(),
            Column::new("max", Float64, number, "timer: largest sample. Otherwise null").or_null(),
            Column::new("value", Float64, number, "gauge: last value. Otherwise null").or_null(),
            Column::new(
                "sketch",
                Binary,
                &[Lay::Text],
                "timer: a DDSketch of the samples, weighted by the sample rate. Otherwise null",
            )
            .or_null(),
            // Added in 0.2: null in rows stored before.
            Column::new(
                "samples",
                Int64,
                number,
                "timer: number of samples as received, not scaled, so that `sum / samples` is their mean. Otherwise null, \
                 and in rows stored by 0.1",
            )
            .or_null(),
            Column::new(
                "window_start",
                timestamp_type(),
                &[Lay::Time],
                "start of the window: `date_trunc('hour', window_start)` is the hour in which the values arrived. Null \
                 in rows stored by 0.1",
            )
            .or_null(),
            Column::new("sum_squares", Float64, number, "timer: sum of the squares of the samples. Otherwise null").or_null(),
            Column::new("std", Float64, number, "timer: standard deviation of the samples. Otherwise null").or_null(),
            Column::new("median", Float64, number, "timer: exact median of the samples. Otherwise null").or_null(),
            Column::new(
                "percentiles",
                map_of(Float64),
                &[Lay::Word, Lay::Text],
                "timer: exact statistics of the samples within each of `statsd.percentiles`, by their names in Graphite: \
                 `percentiles['upper_90']`, and `mean_90`, `sum_90`, `sum_squares_90`, `count_90`. Otherwise null",
            )
            .or_null(),
        ],
    )
    .of_sums()
    .owned_by(Owner::Series)
}

/// The fresh rows of windows, as rows of `metrics`. `count` and `sum` of a counter are the same number.
///
/// # Errors
/// Only if Arrow refuses the columns, which would be a bug.
pub fn metrics_rows<'a>(windows: impl IntoIterator<Item = &'a Window>) -> Result<RecordBatch, ArrowError> {
    let mut rows = MetricRows::default();
    for window in windows {
        rows.push_window(window);
    }
    rows.finish()
}

/// A row that no window made: what a sender aggregated itself.
#[derive(Debug, Clone, Default)]
pub struct Row<'a> {
    /// End, µs since 1970 UTC.
    pub time: i64,
    /// Start, likewise; not after the end.
    pub start: i64,
    /// Name of the series.
    pub name: &'a str,
    /// As in the column.
    pub kind: &'static str,
    /// Host of the sender; may be empty.
    pub hostname: &'a str,
    /// Sorted by key, no key twice.
    pub tags: &'a [(String, String)],
    /// As in the column; likewise the rest.
    pub count: Option<f64>,
    /// Sum.
    pub sum: Option<f64>,
    /// Smallest.
    pub min: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
    /// Value of a gauge.
    pub value: Option<f64>,
    /// Sketch of a timer.
    pub sketch: Option<Vec<u8>>,
    /// Samples of a timer.
    pub samples: Option<i64>,
}

/// Rows being collected for a batch of the table `metrics`.
#[derive(Debug)]
pub struct MetricRows {
    timestamp: Vec<i64>,
    seconds: Float64Builder,
    name: StringBuilder,
    kind: StringBuilder,
    tags: MapBuilder<StringBuilder, StringBuilder>,
    hostname: StringBuilder,
    /// `count`, `sum`, `min`, `max`, `value`.
    numbers: [Float64Builder; 5],
    sketch: BinaryBuilder,
    samples: Int64Builder,
    start: Vec<i64>,
    /// `sum_squares`, `std`, `median`.
    of_timers: [Float64Builder; 3],
    percentiles: MapBuilder<StringBuilder, Float64Builder>,
    text_bytes: usize,
}

pub use MetricRows as Rows;

impl Default for MetricRows {
    fn default() -> Self {
        let parts = || MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
        MetricRows {
            timestamp: Vec::new(),
            seconds: Float64Builder::new(),
            name: StringBuilder::new(),
            kind: StringBuilder::new(),
            tags: MapBuilder::new(Some(parts()), StringBuilder::new(), StringBuilder::new()),
            hostname: StringBuilder::new(),
            numbers: [(); 5].map(|()| Float64Builder::new()),
            sketch: BinaryBuilder::new(),
            samples: Int64Builder::new(),
            start: Vec::new(),
            of_timers: [(); 3].map(|()| Float64Builder::new()),
            percentiles: MapBuilder::new(Some(parts()), StringBuilder::new(), Float64Builder::new()),
            text_bytes: 0,
        }
    }
}

impl MetricRows {
    /// Appends the series of a window that received a value.
    pub fn push_window(&mut self, window: &Window) {
        for row in window.rows.iter().filter(|row| row.fresh) {
            self.push(window, row);
        }
    }

    fn push(&mut self, window: &Window, row: &Metric) {
        self.timestamp.push(window.end);
        self.seconds.append_value(window.length as f64 / crate::time::SECOND as f64);
        self.name.append_value(&row.name);
        self.kind.append_value(row.data.kind());
        for (key, value) in row.tags.iter() {
            self.tags.keys().append_value(key);
            self.tags.values().append_value(value);
            self.text_bytes += key.len() + value.len();
        }
        // Keys and values are as many, always: there is no other way for this to fail.
        let _ = self.tags.append(true);
        self.hostname.append_value(&window.hostname);
        self.text_bytes += row.name.len() + window.hostname.len();
        for (builder, number) in self.numbers.iter_mut().zip(numbers_of(&row.data)) {
            builder.append_option(number);
        }
        self.start.push(window.end - window.length);
        self.push_exact(&row.data);
        match &row.data {
            MetricData::Timer(Some(timer)) => {
                self.text_bytes += timer.sketch.len();
                self.sketch.append_value(&timer.sketch);
                self.samples.append_value(timer.samples.cast_signed());
            }
            MetricData::Timer(None) => {
                self.sketch.append_null();
                self.samples.append_value(0);
            }
            _ => {
                self.sketch.append_null();
                self.samples.append_null();
            }
        }
    }

    /// Appends a row that no window made.
    pub fn push_row(&mut self, row: &Row<'_>) {
        self.timestamp.push(row.time);
        self.seconds.append_value((row.time - row.start) as f64 / crate::time::SECOND as f64);
        self.name.append_value(row.name);
        self.kind.append_value(row.kind);
        for (key, value) in row.tags {
            self.tags.keys().append_value(key);
            self.tags.values().append_value(value);
            self.text_bytes += key.len() + value.len();
        }
        let _ = self.tags.append(true);
        self.hostname.append_value(row.hostname);
        self.text_bytes += row.name.len() + row.hostname.len();
        for (builder, number) in self.numbers.iter_mut().zip([row.count, row.sum, row.min, row.max, row.value]) {
            builder.append_option(number);
        }
        self.text_bytes += row.sketch.as_ref().map_or(0, Vec::len);
        self.sketch.append_option(row.sketch.as_deref());
        self.samples.append_option(row.samples);
        self.start.push(row.start);
        self.of_timers.iter_mut().for_each(Float64Builder::append_null);
        let _ = self.percentiles.append(false);
    }

    /// What Graphite gets of a timer besides what a sketch holds.
    fn push_exact(&mut self, data: &MetricData) {
        let timer = if let MetricData::Timer(Some(timer)) = data { Some(timer) } else { None };
        let numbers = timer.map(|timer| [timer.sum_squares, timer.std, timer.median]);
        for (nth, builder) in self.of_timers.iter_mut().enumerate() {
            builder.append_option(numbers.map(|numbers| numbers[nth]));
        }
        let percentiles = timer.map_or(&[][..], |timer| &timer.percentiles);
        for part in percentiles {
            let values = [part.count as f64, part.mean, part.bound, part.sum, part.sum_squares];
            for (name, value) in percentile_names(part.percent).iter().zip(values) {
                self.percentiles.keys().append_value(name);
                self.percentiles.values().append_value(value);
                self.text_bytes += name.len() + size_of::<f64>();
            }
        }
        // As above.
        let _ = self.percentiles.append(!percentiles.is_empty());
    }
}

impl RowBuilder for MetricRows {
    fn len(&self) -> usize {
        self.timestamp.len()
    }

    fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.text_bytes = 0;
        let time = |column: &mut Vec<i64>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(std::mem::take(column)).with_data_type(timestamp_type()))
        };
        let mut columns: Vec<ArrayRef> = vec![
            time(&mut self.timestamp),
            Arc::new(self.seconds.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.tags.finish()),
            Arc::new(self.hostname.finish()),
        ];
        columns.extend(self.numbers.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        columns.push(Arc::new(self.sketch.finish()));
        columns.push(Arc::new(self.samples.finish()));
        columns.push(time(&mut self.start));
        columns.extend(self.of_timers.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef));
        columns.push(Arc::new(self.percentiles.finish()));
        RecordBatch::try_new(Table::Metrics.schema(), columns)
    }
}

impl TableRows for MetricRows {
    const TABLE: Table = Table::Metrics;
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
