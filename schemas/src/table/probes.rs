//! The table `probes`: single probes of the mesh, a chosen share and those that something was wrong with.
use super::pings::{Pairs, pair_columns, signed, times};
use super::{Column, Definition, Lay, RowBuilder, Table, TableRows, timestamp_type};
use crate::wire::v1::Probe;
use arrow::array::{ArrayRef, BooleanBuilder, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::DataType::{Boolean, Int64, Utf8};
use arrow::error::ArrowError;
use std::sync::Arc;

/// See [`super::Table::definition`].
pub(super) fn definition() -> Definition {
    let number = |name, meaning| Column::new(name, Int64, &[Lay::Number], meaning);
    let columns = vec![
        Column::new("timestamp", timestamp_type(), &[Lay::Time], "when it was sent, by the source's clock"),
        Column::new("received_at", timestamp_type(), &[Lay::Time], "when the listener received it"),
    ];
    let rest = vec![
        number("payload_bytes", "its payload"),
        number("source_port", "its source port; 0 if it has none"),
        Column::new(
            "outcome",
            Utf8,
            &[Lay::Label],
            "`received`, `lost_forward`, `lost_reverse`, `lost_unknown`, `refused`, or `failed`: a response that says so",
        ),
        number("rtt", "round trip, µs; null if it was not measured").or_null(),
        number("syn_retransmits", "SYNs that the source's kernel sent again"),
        Column::new("host_late", Boolean, &[Lay::Word], "one of both hosts, not the network, made it late"),
        number("source_late", "by so much the source was late, µs"),
        number("target_late", "by so much the target was late, µs; 0 if that is not known"),
        number("sequence", "the interval that it belongs to: `pings.sequence`"),
        number("number", "its place in the interval, from 0"),
    ];
    Definition::new(
        "One row for a single probe: each that was lost, refused, late or connected only after a SYN was sent again, and a \
         share of the others. Each of them is counted in `pings` too.",
        &["kind", "source", "target", "timestamp"],
        [columns, pair_columns(), rest].concat(),
    )
    .with_time("timestamp")
}

/// Rows on their way to a batch of the table `probes`.
#[derive(Debug, Default)]
pub struct Rows {
    timestamp: Vec<i64>,
    received_at: Vec<i64>,
    pairs: Pairs,
    /// `payload_bytes`, `source_port`.
    before: [Int64Builder; 2],
    outcome: StringBuilder,
    /// `rtt`, `syn_retransmits`.
    measured: [Int64Builder; 2],
    host_late: BooleanBuilder,
    /// From `source_late` on.
    behind: [Int64Builder; 4],
    outcome_bytes: usize,
}

impl Rows {
    /// Appends a row.
    pub fn push(&mut self, probe: &Probe<'_>, received_at: i64) {
        self.timestamp.push(probe.timestamp);
        self.received_at.push(received_at);
        self.pairs.push(&probe.pair);
        for (column, number) in self.before.iter_mut().zip([probe.payload_bytes, probe.source_port]) {
            column.append_value(signed(number));
        }
        self.outcome.append_value(probe.outcome);
        self.outcome_bytes += probe.outcome.len();
        let measured = [probe.rtt.map(signed), Some(signed(probe.syn_retransmits))];
        for (column, number) in self.measured.iter_mut().zip(measured) {
            column.append_option(number);
        }
        self.host_late.append_value(probe.host_late);
        let behind = [probe.source_late, probe.target_late, probe.sequence, probe.number];
        for (column, number) in self.behind.iter_mut().zip(behind) {
            column.append_value(signed(number));
        }
    }
}

impl RowBuilder for Rows {
    fn len(&self) -> usize {
        self.timestamp.len()
    }

    fn text_bytes(&self) -> usize {
        self.pairs.text_bytes() + self.outcome_bytes
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.outcome_bytes = 0;
        let mut columns = vec![times(&mut self.timestamp), times(&mut self.received_at)];
        columns.extend(self.pairs.finish());
        let numbers = |column: &mut Int64Builder| Arc::new(column.finish()) as ArrayRef;
        columns.extend(self.before.iter_mut().map(numbers));
        columns.push(Arc::new(self.outcome.finish()));
        columns.extend(self.measured.iter_mut().map(numbers));
        columns.push(Arc::new(self.host_late.finish()));
        columns.extend(self.behind.iter_mut().map(numbers));
        RecordBatch::try_new(Table::Probes.schema(), columns)
    }
}

impl TableRows for Rows {
    const TABLE: Table = Table::Probes;
}
