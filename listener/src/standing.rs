//! How far each sink is, and how full the journal is: what an operator looks at.
use crate::{Listener, lock};
use serde::Serialize;

/// A sink and what it has not had yet. The names are a promise: `/api/sinks`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SinkRow {
    /// Its name: `parquet`.
    pub sink: String,
    /// Batches handed over since the start.
    pub batches: u64,
    /// Messages or metrics handed over since the start.
    pub written: u64,
    /// Messages that it refused for good, since the start.
    pub set_aside: u64,
    /// Attempts that failed since the start.
    pub failures: u64,
    /// Why the last attempt or the start-up check failed; null if neither did.
    pub failing: Option<String>,
    /// Sealed segments that it has not had.
    pub segments_waiting: u64,
    /// How long the oldest of them has been waiting, in seconds; 0 if there is none.
    pub lag_seconds: f64,
}

/// The journal on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct JournalRow {
    /// What it takes.
    pub bytes: u64,
    /// At most so many; then messages are dropped.
    pub budget_bytes: u64,
    /// Files.
    pub segments: u64,
}

impl Listener {
    /// Each sink, by name.
    pub fn sinks(&self) -> Vec<SinkRow> {
        let states = lock(&self.inner.sinks).clone();
        let now = crate::clock::wall();
        let mut rows = Vec::new();
        for (name, (segments_waiting, sealed_at)) in self.inner.pipeline.backlog() {
            let state = states.get(name.as_str()).cloned().unwrap_or_default();
            let lag = sealed_at.map_or(0, |at| now.saturating_sub(at)).max(0);
            rows.push(SinkRow {
                sink: name,
                batches: state.batches,
                written: state.written,
                set_aside: state.set_aside,
                failures: state.failures,
                failing: state.failing.or(state.probe_failure),
                segments_waiting,
                lag_seconds: lag as f64 / 1e6,
            });
        }
        rows
    }

    /// The journal.
    pub fn journal(&self) -> JournalRow {
        let (bytes, segments, ..) = self.inner.pipeline.journal_state();
        JournalRow { bytes, budget_bytes: self.inner.pipeline.config().journal.budget_bytes, segments: segments as u64 }
    }

    /// Series of metrics that are known now.
    pub fn series(&self) -> u64 {
        self.inner.pipeline.with_ordered(|ordered| ordered.aggregator.series()) as u64
    }
}
