//! For tests: a wrapper that injects failures, and a sink that keeps its batches in memory.
use crate::{Batch, Next, Receipt, Role, Sink, SinkError};
use futures::future::BoxFuture;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// How a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was written.
    Before(Next),
    /// All of it was written, and the response got lost.
    After(Next),
}

/// Fails by a schedule, one entry per write; `None` lets a write succeed. When it is used up, all succeed.
#[derive(Debug)]
pub struct Fail<S> {
    inner: S,
    schedule: VecDeque<Option<Failure>>,
    attempts: u64,
}

impl<S: Sink> Fail<S> {
    /// Wraps a sink.
    pub fn new(inner: S, schedule: impl IntoIterator<Item = Option<Failure>>) -> Fail<S> {
        Fail { inner, schedule: schedule.into_iter().collect(), attempts: 0 }
    }

    /// Writes so far, those that failed included.
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    async fn write_all(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        self.attempts += 1;
        let error = |next| SinkError { next, message: format!("attempt {} fails on purpose", self.attempts) };
        match self.schedule.pop_front().flatten() {
            None => self.inner.write(batch).await,
            Some(Failure::Before(next)) => Err(error(next)),
            Some(Failure::After(next)) => {
                let error = error(next);
                self.inner.write(batch).await?;
                Err(error)
            }
        }
    }
}

impl<S: Sink> Sink for Fail<S> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn role(&self) -> Role {
        self.inner.role()
    }

    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        Box::pin(self.write_all(batch))
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        self.inner.probe()
    }
}

/// By listener and segment.
type Batches = BTreeMap<(Arc<str>, u64), Batch>;

/// A place in memory, by listener and segment. Clones share what they hold.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    batches: Arc<Mutex<Batches>>,
}

impl Memory {
    /// What it holds, in the order of listener and segment.
    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl Sink for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.insert((batch.listener.clone(), batch.segment), batch.clone());
        Box::pin(async { Ok(Receipt { written: batch.fact_rows(), set_aside: 0 }) })
    }
}
