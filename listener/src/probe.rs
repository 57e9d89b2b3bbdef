//! The start-up check of a sink's destination. It runs in parallel with intake, before the sink's first batch, and is
//! repeated while it fails, so that a wrong address or a missing permission is reported before any data waits for it.
use crate::deliver::SinkStates;
use crate::lock;
use metlog_sink::{Sink, probe};
use std::time::Duration;
use tokio::time::Instant;

/// How long after a failed check the next one runs.
const AGAIN: Duration = Duration::from_secs(30);

/// The schedule of one sink's check.
pub struct Probe {
    next: Option<Instant>,
    /// The last check failed, and the failure was logged.
    is_reported: bool,
}

impl Probe {
    /// Due at once.
    pub fn new() -> Probe {
        Probe { next: Some(Instant::now()), is_reported: false }
    }

    /// Ready when a check is due; never if the last one passed.
    pub async fn due(&self) {
        match self.next {
            Some(next) => tokio::time::sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Runs the check if it is due, and reports the result.
    pub async fn run(&mut self, sink: &mut dyn Sink, states: &SinkStates) {
        if self.next.is_none_or(|next| next > Instant::now()) {
            return;
        }
        let (name, result) = (sink.name(), probe::probe(sink).await);
        self.next = result.is_err().then(|| Instant::now() + AGAIN);
        match &result {
            Ok(()) => tracing::info!("{name}: start-up check passed"),
            // One error is enough: /health keeps showing it.
            Err(error) if self.is_reported => tracing::debug!("{name}: start-up check failed again: {error}"),
            Err(error) => tracing::error!("{name}: start-up check failed, will retry: {error}"),
        }
        self.is_reported = result.is_err();
        let failed = result.err().map(|error| format!("start-up check failed: {error}"));
        lock(states).entry(name).or_default().probe_failure = failed;
    }
}
