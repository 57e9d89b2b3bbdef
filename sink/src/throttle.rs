//! A wrapper that keeps below a rate.
use crate::{Batch, Next, Receipt, Role, Sink, SinkError};
use futures::future::BoxFuture;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What is bounded, per second. Above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// Batches.
    Batches(f64),
    /// Bytes of batches as they lie in memory.
    Bytes(f64),
}

/// Longest wait within a write; a longer one is an error to retry after it.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// A batch that would take longer than this at the rate is charged no more.
const CHARGE_MAX: Duration = Duration::from_secs(3_600);

/// Lets a batch pass when those before it have used up their time at the rate. A failed write is charged too.
#[derive(Debug)]
pub struct Throttle<S> {
    inner: S,
    rate: Rate,
    free_at: Option<Instant>,
}

impl<S: Sink> Throttle<S> {
    /// Wraps a sink.
    pub fn new(inner: S, rate: Rate) -> Throttle<S> {
        Throttle { inner, rate, free_at: None }
    }

    fn charge(&self, batch: &Batch) -> Duration {
        let seconds = match self.rate {
            Rate::Batches(rate) => 1.0 / rate,
            Rate::Bytes(rate) => batch.byte_count() as f64 / rate,
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(CHARGE_MAX).min(CHARGE_MAX)
    }

    async fn write_all(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let now = Instant::now();
        let free_at = self.free_at.unwrap_or(now).max(now);
        let wait = free_at - now;
        if wait > WAIT_MAX {
            let message = format!("throttled to {:?} a second", self.rate);
            return Err(SinkError { next: Next::Retry(Some(wait)), message });
        }
        sleep_until(free_at).await;
        self.free_at = Some(free_at + self.charge(batch));
        self.inner.write(batch).await
    }
}

impl<S: Sink> Sink for Throttle<S> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn role(&self) -> Role {
        self.inner.role()
    }

    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        Box::pin(self.write_all(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::sample_batch;
    use crate::fail::Memory;

    #[tokio::test(start_paused = true)]
    async fn it_keeps_below_its_rate() {
        let batch = sample_batch().unwrap();
        for rate in [Rate::Batches(2.0), Rate::Bytes(batch.byte_count() as f64 * 2.0)] {
            let started = Instant::now();
            let mut sink = Throttle::new(Memory::default(), rate);
            for _ in 0..5 {
                sink.write(&batch).await.unwrap();
            }
            let took = started.elapsed();
            assert!((1_990..2_100).contains(&took.as_millis()), "{rate:?}: {took:?} on the paused clock");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_is_the_callers() {
        let batch = sample_batch().unwrap();
        let mut sink = Throttle::new(Memory::default(), Rate::Batches(1.0 / 60.0));
        sink.write(&batch).await.unwrap();
        let error = sink.write(&batch).await.unwrap_err();
        assert_eq!(error.next, Next::Retry(Some(Duration::from_secs(60))));
        tokio::time::advance(Duration::from_secs(60)).await;
        sink.write(&batch).await.unwrap();
    }
}
