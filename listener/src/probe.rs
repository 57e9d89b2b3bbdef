//! The check of a sink's place at the start: beside the intake, before that sink's first batch, and again for as long
//! as it fails, so that a wrong address or a missing right is told before anything waits for it.
use crate::deliver::SinkStates;
use crate::lock;
use metlog_sink::{Sink, probe};
use std::time::Duration;
use tokio::time::Instant;

/// How long after a check that failed the next one is made.
const AGAIN: Duration = Duration::from_secs(30);

/// When the place of one sink is checked.
pub struct Probe {
    next: Option<Instant>,
    /// The last one failed, and the log says so.
    is_told: bool,
}

impl Probe {
    /// Due at once.
    pub fn new() -> Probe {
        Probe { next: Some(Instant::now()), is_told: false }
    }

    /// Ready when a check is due; never where the last one went well.
    pub async fn due(&self) {
        match self.next {
            Some(next) => tokio::time::sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Checks where it is due, and tells what came of it.
    pub async fn run(&mut self, sink: &mut dyn Sink, states: &SinkStates) {
        if self.next.is_none_or(|next| next > Instant::now()) {
            return;
        }
        let (name, result) = (sink.name(), probe::probe(sink).await);
        self.next = result.is_err().then(|| Instant::now() + AGAIN);
        match &result {
            Ok(()) => tracing::info!("{name}: checked: it can be reached and used"),
            // Once is enough: /health keeps it in view.
            Err(error) if self.is_told => tracing::debug!("{name}: the check failed again: {error}"),
            Err(error) => tracing::error!("{name}: the check at the start failed, and is repeated: {error}"),
        }
        self.is_told = result.is_err();
        let failed = result.err().map(|error| format!("the check at the start failed: {error}"));
        lock(states).entry(name).or_default().probe_failure = failed;
    }
}
