//! A wrapper that tries again, for errors that may pass.
use crate::{Batch, Next, Receipt, Role, Sink, SinkError};
use futures::future::BoxFuture;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long it tries.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Most attempts, the first included.
    pub attempts_max: u32,
    /// Upper bound of the wait after the first attempt; it doubles with each one.
    pub delay_first: Duration,
    /// Upper bound of any wait that the place did not ask for.
    pub delay_max: Duration,
    /// No attempt begins later than this after the first.
    pub elapsed_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            attempts_max: 5,
            delay_first: Duration::from_millis(100),
            delay_max: Duration::from_secs(10),
            elapsed_max: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// The wait after attempt number `attempt` (from 1): anything up to a bound that doubles ("full jitter", so
    /// that many listeners do not come back at once), and what the place asked for on top. `chance` is 0 to 1.
    fn delay(&self, attempt: u32, asked: Option<Duration>, chance: f64) -> Duration {
        let doubled = self.delay_first.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1)));
        asked.unwrap_or_default().saturating_add(doubled.min(self.delay_max).mul_f64(chance.clamp(0.0, 1.0)))
    }
}

/// Writes again after [`Next::Retry`], not before the time that it names, until the patience is at its end; then
/// the last error is the caller's.
#[derive(Debug)]
pub struct Retry<S> {
    inner: S,
    patience: Patience,
}

impl<S: Sink> Retry<S> {
    /// Wraps a sink.
    pub fn new(inner: S, patience: Patience) -> Retry<S> {
        Retry { inner, patience }
    }

    async fn write_all(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let error = match self.inner.write(batch).await {
                Ok(receipt) => return Ok(receipt),
                Err(error) => error,
            };
            let Next::Retry(asked) = error.next else { return Err(error) };
            let delay = self.patience.delay(attempt, asked, rand::random());
            if attempt >= self.patience.attempts_max || started.elapsed() + delay > self.patience.elapsed_max {
                return Err(error);
            }
            tracing::debug!(sink = self.inner.name(), attempt, ?delay, %error, "tries again");
            sleep(delay).await;
            attempt += 1;
        }
    }
}

impl<S: Sink> Sink for Retry<S> {
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
    use crate::fail::{Fail, Failure, Memory};

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Patience =
        Patience { attempts_max: 3, delay_first: SECOND, delay_max: SECOND, elapsed_max: Duration::from_secs(60) };

    async fn check(schedule: &[Failure], expected: Result<u64, Next>, attempts: u64) {
        let (batch, memory) = (sample_batch().unwrap(), Memory::default());
        let mut sink = Retry::new(Fail::new(memory.clone(), schedule.iter().copied().map(Some)), PATIENCE);
        let written = sink.write(&batch).await;
        assert_eq!(written.map(|receipt| receipt.written).map_err(|error| error.next), expected);
        assert_eq!(sink.inner.attempts(), attempts);
    }

    #[tokio::test(start_paused = true)]
    async fn it_tries_as_long_as_its_patience_lasts() {
        let count = sample_batch().unwrap().fact_rows();
        let down = Failure::Before(Next::Retry(None));
        check(&[], Ok(count), 1).await;
        check(&[down, Failure::After(Next::Retry(None))], Ok(count), 3).await;
        check(&[down, down, down, down], Err(Next::Retry(None)), 3).await;
        check(&[Failure::Before(Next::SetAside)], Err(Next::SetAside), 1).await;
        // Longer than it may wait at all: the caller is told at once.
        let long = Next::Retry(Some(120 * SECOND));
        check(&[Failure::Before(long)], Err(long), 1).await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_as_long_as_it_was_asked() {
        let started = Instant::now();
        let count = sample_batch().unwrap().fact_rows();
        check(&[Failure::Before(Next::Retry(Some(30 * SECOND)))], Ok(count), 2).await;
        assert!(started.elapsed() >= 30 * SECOND, "on the paused clock");
    }

    #[test]
    fn waits_double_up_to_their_bound() {
        let patience = Patience { delay_max: 5 * SECOND, ..PATIENCE };
        let bounds: Vec<u64> = (1..6).map(|attempt| patience.delay(attempt, None, 1.0).as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 5, 5]);
        assert_eq!(patience.delay(u32::MAX, None, 0.0), Duration::ZERO);
        assert_eq!(patience.delay(1, Some(7 * SECOND), 0.0), 7 * SECOND);
    }
}
