//! The table `pings`: what a pair of the mesh came to, by kind of probe, in an interval.
use super::{Column, Definition, Lay, RowBuilder, Table, TableRows, timestamp_type};
use crate::wire::v1::{Pair, Ping};
use arrow::array::{
    ArrayRef, BinaryBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::DataType::{Binary, Float64, Int64, Utf8};
use arrow::error::ArrowError;
use std::sync::Arc;

/// See [`super::Table::definition`].
pub(super) fn definition() -> Definition {
    let number = |name, meaning| Column::new(name, Int64, &[Lay::Number], meaning);
    let lost = "of these, lost on the way there; for `tcp` connections of which a SYN was lost there, though they may have \
                been made in the end";
    let columns = vec![
        Column::new("timestamp", timestamp_type(), &[Lay::Time], "start of the interval, by the source's clock"),
        Column::new("received_at", timestamp_type(), &[Lay::Time], "when the listener received it"),
    ];
    let counts = vec![
        number("payload_bytes", "payload of a probe"),
        number("sent", "probes sent"),
        number("received", "of these, replied to"),
        number("lost_forward", lost),
        number("lost_reverse", "as `lost_forward`, on the way back"),
        number("lost_unknown", "as `lost_forward`, where nobody knows which way"),
        number("timeouts", "probes that came to nothing in time, wherever they were lost"),
        number("syn_retransmits", "SYNs that the source's kernel sent again"),
        number("host_late", "probes that one of both hosts, not the network, made late: they are not in `rtt_…`"),
        number("rtt_count", "round trips that were measured: `rtt_sum / rtt_count` is their mean"),
        number("rtt_min", "shortest round trip, µs; null if there is none").or_null(),
        number("rtt_max", "longest round trip, µs; null if there is none").or_null(),
        number("rtt_sum", "sum of the round trips, µs; null if there is none").or_null(),
        Column::new(
            "sketch",
            Binary,
            &[Lay::Text],
            "a DDSketch of the round trips in µs: `sketch_quantile(sketch_merge(sketch), 0.99)`. Null if there is none",
        )
        .or_null(),
        Column::new("interval_seconds", Float64, &[Lay::Number], "how long the interval was"),
        number("source_port", "source port of its probes; 0 if they had several, or none"),
        number("refused", "probes that were refused: the host is there, and nobody listens"),
        number("sequence", "number of the interval of this pair and kind since the source started, from 0"),
    ];
    Definition::new(
        "One row for each pair of nodes, kind of probe and interval.",
        &["kind", "source", "target", "timestamp"],
        [columns, pair_columns(), counts].concat(),
    )
    .with_time("timestamp")
}

/// The columns of a [`Pair`].
pub(super) fn pair_columns() -> Vec<Column> {
    let name = |name, meaning| Column::new(name, Utf8, &[Lay::Label], meaning);
    vec![
        name("source", "the node that probes"),
        name("target", "the node that is probed"),
        name("source_zone", "zone of the source; may be empty"),
        name("target_zone", "zone of the target; may be empty"),
        name("source_rack", "rack of the source; may be empty"),
        name("target_rack", "rack of the target; may be empty"),
        name("kind", "`udp`, `tcp`, `http`, `grpc` or `icmp`"),
    ]
}

/// Columns of pairs being built.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    columns: [StringBuilder; 7],
    text_bytes: usize,
}

impl Pairs {
    pub(super) fn push(&mut self, pair: &Pair<'_>) {
        let names = [
            pair.source,
            pair.target,
            pair.source_zone,
            pair.target_zone,
            pair.source_rack,
            pair.target_rack,
            pair.kind,
        ];
        for (column, name) in self.columns.iter_mut().zip(names) {
            column.append_value(name);
            self.text_bytes += name.len();
        }
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    pub(super) fn finish(&mut self) -> impl Iterator<Item = ArrayRef> {
        self.text_bytes = 0;
        self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef)
    }
}

/// As Arrow has them, µs since 1970 UTC.
pub(super) fn times(column: &mut Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(std::mem::take(column)).with_data_type(timestamp_type()))
}

/// A number of the wire: one that is too large for SQL becomes its largest.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Rows on their way to a batch of the table `pings`.
#[derive(Debug, Default)]
pub struct Rows {
    timestamp: Vec<i64>,
    received_at: Vec<i64>,
    pairs: Pairs,
    /// Up to `rtt_count`.
    counts: [Int64Builder; 10],
    rtt: [Int64Builder; 3],
    sketch: BinaryBuilder,
    interval: Float64Builder,
    /// `source_port`, `refused`, `sequence`.
    others: [Int64Builder; 3],
    sketch_bytes: usize,
}

impl Rows {
    /// Appends a row.
    pub fn push(&mut self, ping: &Ping<'_>, received_at: i64) {
        self.timestamp.push(ping.timestamp);
        self.received_at.push(received_at);
        self.pairs.push(&ping.pair);
        let counts = [
            ping.payload_bytes,
            ping.sent,
            ping.received,
            ping.lost_forward,
            ping.lost_reverse,
            ping.lost_unknown,
            ping.timeouts,
            ping.syn_retransmits,
            ping.host_late,
            ping.rtt_count,
        ];
        for (column, count) in self.counts.iter_mut().zip(counts) {
            column.append_value(signed(count));
        }
        let is_measured = ping.rtt_count > 0;
        for (column, rtt) in self.rtt.iter_mut().zip([ping.rtt_min, ping.rtt_max, ping.rtt_sum]) {
            column.append_option(is_measured.then_some(signed(rtt)));
        }
        // Who measured without a sketch has none: an empty one could not be merged.
        self.sketch.append_option((is_measured && !ping.sketch.is_empty()).then_some(ping.sketch));
        self.sketch_bytes += ping.sketch.len();
        self.interval.append_value(ping.interval as f64 / crate::time::SECOND as f64);
        for (column, other) in self.others.iter_mut().zip([ping.source_port, ping.refused, ping.sequence]) {
            column.append_value(signed(other));
        }
    }
}

impl RowBuilder for Rows {
    fn len(&self) -> usize {
        self.timestamp.len()
    }

    fn text_bytes(&self) -> usize {
        self.pairs.text_bytes() + self.sketch_bytes
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.sketch_bytes = 0;
        let mut columns = vec![times(&mut self.timestamp), times(&mut self.received_at)];
        columns.extend(self.pairs.finish());
        columns.extend(self.counts.iter_mut().chain(&mut self.rtt).map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.push(Arc::new(self.sketch.finish()));
        columns.push(Arc::new(self.interval.finish()));
        columns.extend(self.others.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        RecordBatch::try_new(Table::Pings.schema(), columns)
    }
}

impl TableRows for Rows {
    const TABLE: Table = Table::Pings;
}
