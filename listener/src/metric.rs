//! Every metric that the listener exposes about itself: the enum is the manual.
use std::fmt::Write;

/// A metric at `/metrics`. Those that end in `_total` count since the data folder was made, unless they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Messages received, valid or not; a statsd value is one.
    Received,
    /// Messages refused for good, by `reason`.
    Rejected,
    /// Messages refused because the disk or its budget was full. Should be zero; alert on it.
    Dropped,
    /// Messages in the store, acknowledged.
    Stored,
    /// Messages on disk in `set_aside`, for an operator. Should be zero; alert on it.
    SetAside,
    /// Part of those set aside: were in the journal, and their files are gone. Should be zero; alert on it.
    Missing,
    /// Messages in the journal, on the way to the store.
    Held,
    /// Datagrams that never arrived, by the senders' sequence numbers. Should be zero.
    Lost,
    /// Messages that clients dropped before sending. Should be zero.
    DroppedByClients,
    /// Datagrams that the kernel dropped at a `socket`, since the process began. Should be zero.
    KernelDropped,
    /// Bytes of receive buffer that the kernel granted to a `socket`.
    ReceiveBuffer,
    /// Bytes of journal on disk.
    JournalBytes,
    /// Segments of the journal, including the one being written.
    JournalSegments,
    /// 1 while the disk or its budget refuses messages, else 0.
    JournalFailing,
    /// Records that were cut off at the end of the journal, found at this start.
    TornTails,
    /// Journal records that could not be read, since the data folder was made. Should be zero.
    CorruptRecords,
    /// Segments of the journal that could not be read at all, found at this start. Should be zero.
    UnreadableSegments,
    /// Series in memory.
    Series,
    /// Values refused because there were too many series or tags, by `name`; `*` stands for the rest.
    SeriesOverflow,
    /// Senders of wire datagrams in memory.
    Senders,
    /// Batches delivered to a `sink` since the process began.
    SinkBatches,
    /// Messages or metrics delivered to a `sink` since the process began.
    SinkWritten,
    /// Messages that a `sink` refused for good, since the process began. Should be zero.
    SinkSetAside,
    /// Attempts of a `sink` that failed, since the process began.
    SinkFailures,
    /// 1 while a `sink` fails, else 0. Alert when it lasts.
    SinkFailing,
    /// The budget of memory, `limits.memory`, in bytes.
    MemoryBudget,
    /// Bytes of that budget that are in use, by `use`.
    MemoryUsed,
    /// Refusals because the budget of memory was used up, by `use`, since the process began. Should be zero.
    MemoryRefused,
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 28] = [
        Metric::Received,
        Metric::Rejected,
        Metric::Dropped,
        Metric::Stored,
        Metric::SetAside,
        Metric::Missing,
        Metric::Held,
        Metric::Lost,
        Metric::DroppedByClients,
        Metric::KernelDropped,
        Metric::ReceiveBuffer,
        Metric::JournalBytes,
        Metric::JournalSegments,
        Metric::JournalFailing,
        Metric::TornTails,
        Metric::CorruptRecords,
        Metric::UnreadableSegments,
        Metric::Series,
        Metric::SeriesOverflow,
        Metric::Senders,
        Metric::SinkBatches,
        Metric::SinkWritten,
        Metric::SinkSetAside,
        Metric::SinkFailures,
        Metric::SinkFailing,
        Metric::MemoryBudget,
        Metric::MemoryUsed,
        Metric::MemoryRefused,
    ];

    /// Its name, a promise.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::Received => "metlog_messages_received_total",
            Metric::Rejected => "metlog_messages_rejected_total",
            Metric::Dropped => "metlog_messages_dropped_total",
            Metric::Stored => "metlog_messages_stored_total",
            Metric::SetAside => "metlog_messages_set_aside_total",
            Metric::Missing => "metlog_messages_missing_total",
            Metric::Held => "metlog_messages_held",
            Metric::Lost => "metlog_datagrams_lost_total",
            Metric::DroppedByClients => "metlog_messages_dropped_by_clients_total",
            Metric::KernelDropped => "metlog_socket_dropped_total",
            Metric::ReceiveBuffer => "metlog_socket_receive_buffer_bytes",
            Metric::JournalBytes => "metlog_journal_bytes",
            Metric::JournalSegments => "metlog_journal_segments",
            Metric::JournalFailing => "metlog_journal_failing",
            Metric::TornTails => "metlog_journal_torn_tails",
            Metric::CorruptRecords => "metlog_journal_corrupt_records_total",
            Metric::UnreadableSegments => "metlog_journal_unreadable_segments",
            Metric::Series => "metlog_series",
            Metric::SeriesOverflow => "metlog_series_overflow_total",
            Metric::Senders => "metlog_senders",
            Metric::SinkBatches => "metlog_sink_batches_total",
            Metric::SinkWritten => "metlog_sink_written_total",
            Metric::SinkSetAside => "metlog_sink_set_aside_total",
            Metric::SinkFailures => "metlog_sink_failures_total",
            Metric::SinkFailing => "metlog_sink_failing",
            Metric::MemoryBudget => "metlog_memory_budget_bytes",
            Metric::MemoryUsed => "metlog_memory_used_bytes",
            Metric::MemoryRefused => "metlog_memory_refused_total",
        }
    }
}

/// Prometheus text, version 0.0.4.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// Adds one metric: its values, each with a label where the metric has one.
    pub fn metric(&mut self, metric: Metric, values: impl IntoIterator<Item = (Option<(&'static str, String)>, u64)>) {
        let name = metric.name();
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        for (label, value) in values {
            let _ = match label {
                Some((key, text)) => writeln!(self.text, "{name}{{{key}=\"{}\"}} {value}", escaped(&text)),
                None => writeln!(self.text, "{name} {value}"),
            };
        }
    }

    /// Adds one metric with one value.
    pub fn value(&mut self, metric: Metric, value: u64) {
        self.metric(metric, [(None, value)]);
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_line_in_the_manual() {
        let manual = std::fs::read_to_string("../docs/operating.md").unwrap();
        for metric in Metric::ALL {
            let name = metric.name();
            // With or without labels behind it, but whole: some names begin as others do.
            let told = manual.contains(&format!("`{name}`")) || manual.contains(&format!("`{name}{{"));
            assert!(told, "{name} is not in docs/operating.md");
        }
    }
}
