//! Checks destinations before the first batch: are they reachable, and do they grant the permissions that writing needs?
use crate::{Sink, SinkError};
use futures::future::join_all;
use std::time::Duration;

/// Maximum time for one check.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks one destination, for [`PROBE_TIMEOUT`] at most.
///
/// # Errors
/// What is wrong, in words for an operator.
pub async fn probe(sink: &mut dyn Sink) -> Result<(), SinkError> {
    let late = |_| SinkError::retry(format!("no response within {PROBE_TIMEOUT:?}"));
    tokio::time::timeout(PROBE_TIMEOUT, sink.probe()).await.map_err(late)?
}

/// Tries all of them at once, each for [`PROBE_TIMEOUT`] at most; each by its name, in the same order.
pub async fn probe_all(sinks: &mut [Box<dyn Sink>]) -> Vec<(&'static str, Result<(), SinkError>)> {
    join_all(sinks.iter_mut().map(|sink| async { (sink.name(), probe(&mut **sink).await) })).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::Memory;
    use crate::{Batch, Receipt};
    use futures::future::BoxFuture;

    /// A place that never answers.
    struct Silent;

    impl Sink for Silent {
        fn name(&self) -> &'static str {
            "silent"
        }

        fn write<'a>(&'a mut self, _: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
            Box::pin(std::future::pending())
        }

        fn probe(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
            Box::pin(std::future::pending())
        }
    }

    /// Guarantees: a place that never answers is told after a bounded time, and holds nobody else up.
    #[tokio::test(start_paused = true)]
    async fn each_place_is_tried_within_its_time() {
        let started = tokio::time::Instant::now();
        let found = probe_all(&mut [Box::new(Silent), Box::new(Memory::default()), Box::new(Silent)]).await;
        let said = |(name, result): &(&'static str, Result<(), SinkError>)| {
            format!("{name}: {}", result.as_ref().map_or_else(ToString::to_string, |()| "ok".to_owned()))
        };
        let expected = ["silent: no response within 10s", "memory: ok", "silent: no response within 10s"];
        assert_eq!(found.iter().map(said).collect::<Vec<_>>(), expected);
        assert_eq!(started.elapsed(), PROBE_TIMEOUT, "on the paused clock");
    }
}
