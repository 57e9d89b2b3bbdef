//! What a listener tells about itself: metrics, health, and the table of senders.
use crate::Listener;
use crate::lock;
use crate::metric::{Exposition, Metric};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;
use metlog_schemas::budget::Use;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Whether messages are taken and passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// True while messages are taken. A sink that is down does not make it false: the journal keeps what it has not had.
    pub ok: bool,
    /// What is wrong, in words.
    pub problems: Vec<String>,
    /// What an operator should know although nothing is wrong: default addresses that another program holds.
    pub warnings: Vec<String>,
}

impl Listener {
    /// Whether messages are taken and passed on.
    pub fn health(&self) -> Health {
        let mut problems = self.inner.pipeline.problems();
        let ended = self.inner.has_lost_a_thread();
        if ended {
            problems.push("a thread that receives or stores messages has ended: see the log, and restart".to_owned());
        }
        for (sink, state) in lock(&self.inner.sinks).iter() {
            let why = state.failing.as_ref().or(state.probe_failure.as_ref());
            problems.extend(why.map(|why| format!("{sink}: {why}")));
        }
        Health { ok: !self.inner.pipeline.is_losing() && !ended, problems, warnings: self.inner.left_out.clone() }
    }

    /// Prometheus text.
    pub fn metrics_text(&self) -> String {
        let mut text = Exposition::default();
        self.ledger_metrics(&mut text);
        self.intake_metrics(&mut text);
        self.sink_metrics(&mut text);
        self.memory_metrics(&mut text);
        text.finish()
    }

    fn ledger_metrics(&self, text: &mut Exposition) {
        let ledger = self.ledger();
        text.value(Metric::Received, ledger.received);
        let reasons = ledger.rejected_by_reason.into_iter();
        text.metric(Metric::Rejected, reasons.map(|(reason, count)| (Some(("reason", reason)), count)));
        text.value(Metric::Dropped, ledger.dropped);
        text.value(Metric::Stored, ledger.stored);
        text.value(Metric::SetAside, ledger.set_aside);
        text.value(Metric::Missing, ledger.missing);
        text.value(Metric::Held, ledger.held);
        text.value(Metric::Lost, ledger.lost);
        text.value(Metric::DroppedByClients, ledger.dropped_by_clients);
    }

    fn intake_metrics(&self, text: &mut Exposition) {
        let pipeline = &self.inner.pipeline;
        let sockets = &self.inner.sockets;
        let socket = |at: usize| Some(("socket", format!("{}#{at}", sockets[at].address)));
        let dropped = |at: usize| (socket(at), sockets[at].kernel_dropped.load(Ordering::Relaxed));
        text.metric(Metric::KernelDropped, (0..sockets.len()).map(dropped));
        let granted = |at: usize| (socket(at), sockets[at].receive_buffer as u64);
        text.metric(Metric::ReceiveBuffer, (0..sockets.len()).map(granted));
        let (bytes, segments, ..) = pipeline.journal_state();
        text.value(Metric::JournalBytes, bytes);
        text.value(Metric::JournalSegments, segments as u64);
        text.value(Metric::JournalFailing, u64::from(pipeline.is_failing()));
        text.value(Metric::TornTails, self.inner.damage.torn_tails);
        text.value(Metric::CorruptRecords, pipeline.totals().corrupt_records);
        text.value(Metric::UnreadableSegments, self.inner.damage.unreadable_segments);
        let (series, overflow, senders) = pipeline.with_ordered(|ordered| {
            (ordered.aggregator.series(), ordered.aggregator.overflow().clone(), ordered.senders.count())
        });
        text.value(Metric::Series, series as u64);
        text.metric(Metric::SeriesOverflow, overflow.into_iter().map(|(name, count)| (Some(("name", name)), count)));
        text.value(Metric::Senders, senders as u64);
    }

    fn memory_metrics(&self, text: &mut Exposition) {
        let budget = &self.inner.pipeline.config().budget;
        text.value(Metric::MemoryBudget, budget.bytes_max());
        let label = |of: &Use| Some(("use", of.name().to_owned()));
        text.metric(Metric::MemoryUsed, Use::ALL.iter().map(|of| (label(of), budget.used_by(*of))));
        text.metric(Metric::MemoryRefused, Use::ALL.iter().map(|of| (label(of), budget.refused(*of))));
    }

    fn sink_metrics(&self, text: &mut Exposition) {
        let states = lock(&self.inner.sinks).clone();
        let mut metric = |metric, value: fn(&crate::deliver::SinkState) -> u64| {
            let values = states.iter().map(|(sink, state)| (Some(("sink", (*sink).to_owned())), value(state)));
            text.metric(metric, values);
        };
        metric(Metric::SinkBatches, |state| state.batches);
        metric(Metric::SinkWritten, |state| state.written);
        metric(Metric::SinkSetAside, |state| state.set_aside);
        metric(Metric::SinkFailures, |state| state.failures);
        metric(Metric::SinkFailing, |state| u64::from(state.failing.is_some()));
    }

    /// The table `senders`: [`crate::senders::SenderRow`] as columns.
    ///
    /// # Errors
    /// If Arrow refuses the columns, which would be a defect.
    pub fn senders_batch(&self) -> Result<RecordBatch, ArrowError> {
        let rows = self.senders();
        let text = |of: fn(&crate::senders::SenderRow) -> &str| -> ArrayRef {
            Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
        };
        let number = |of: fn(&crate::senders::SenderRow) -> u64| -> ArrayRef {
            Arc::new(rows.iter().map(|row| i64::try_from(of(row)).ok()).collect::<Int64Array>())
        };
        let time = |of: fn(&crate::senders::SenderRow) -> i64| -> ArrayRef {
            Arc::new(rows.iter().map(|row| Some(of(row))).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        };
        let columns = [
            ("sender", text(|row| &row.sender)),
            ("hostname", text(|row| &row.hostname)),
            ("logger", text(|row| &row.logger)),
            ("pid", number(|row| row.pid.into())),
            ("datagrams", number(|row| row.datagrams)),
            ("lost", number(|row| row.lost)),
            ("late", number(|row| row.late)),
            ("duplicates", number(|row| row.duplicates)),
            ("dropped", number(|row| row.dropped)),
            ("first_seen", time(|row| row.first_seen)),
            ("last_seen", time(|row| row.last_seen)),
            ("implausible", number(|row| row.implausible)),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, column)| column).collect())
    }
}
