//! Sinks: destinations for batches. A sink knows its own destination and nothing of the journal, SQL or other sinks.
//!
//! `parquet`, `graphite` and `http` are sinks; `probe` checks them before the first batch; `fail` injects failures;
//! `conformance` is the contract of [`Sink`] as checks; `store` opens the object store of a URL.
#![cfg_attr(test, allow(clippy::unwrap_used))]
pub mod conformance;
pub mod fail;
pub mod graphite;
pub mod http;
pub mod parquet;
pub mod probe;
pub mod store;

use arrow::array::RecordBatch;
use futures::future::BoxFuture;
use metlog_schemas::table::{Table, TableMap};
use metlog_schemas::window::Window;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// The content of one journal segment. The same id always has the same content.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The listener that received it; safe in a path (`metlog_schemas::object_path::is_listener_name`).
    pub listener: Arc<str>,
    /// The journal segment that it was built from.
    pub segment: u64,
    /// Rows of each table, in the order of arrival.
    pub rows: TableMap<Vec<RecordBatch>>,
    /// The windows that closed in it, oldest first: for a sink that takes no tables. Those of the table `metrics` are
    /// among the rows already.
    pub windows: Vec<Arc<Window>>,
}

impl Batch {
    /// Number of rows of a table.
    pub fn row_count(&self, table: Table) -> u64 {
        self.rows[table].iter().map(|rows| rows.num_rows() as u64).sum()
    }

    /// Number of rows that are facts of the ledger, such as messages, but not aggregated values.
    pub fn fact_rows(&self) -> u64 {
        let tables = Table::ALL.into_iter().filter(|table| table.definition().rows_are_facts);
        tables.map(|table| self.row_count(table)).sum()
    }

    /// Number of statsd values in its windows.
    pub fn value_count(&self) -> u64 {
        self.windows.iter().map(|window| window.values).sum()
    }
}

/// What the caller should do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The destination is unavailable and the batch is still ours: retry, not before this long.
    Retry(Option<Duration>),
    /// A retry cannot help: set the batch aside and alert an operator.
    SetAside,
}

/// Why a batch was not written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    /// What to do about it.
    pub next: Next,
    /// What happened, for an operator.
    pub message: String,
}

impl SinkError {
    /// A temporary error.
    pub fn retry(message: impl Display) -> SinkError {
        SinkError { next: Next::Retry(None), message: message.to_string() }
    }

    /// A permanent error.
    pub fn set_aside(message: impl Display) -> SinkError {
        SinkError { next: Next::SetAside, message: message.to_string() }
    }
}

/// What a sink did with a batch, counted as the ledger counts: in messages, where each statsd value is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Delivered, of what this sink takes: messages, values, or both.
    pub written: u64,
    /// Refused for good, and kept in the sink's folder of refused documents.
    pub set_aside: u64,
}

/// What a sink is given, and what its receipt means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whole segments; with its receipt a message is *stored*. A listener has exactly one.
    Store,
    /// Whole segments.
    Copy,
    /// Windows as they close, without messages; several batches may have the same segment.
    Windows,
}

/// A destination for batches.
///
/// * `Ok`: the whole batch is delivered, or what was refused for good is set aside; the caller may forget it.
/// * `Err`: part of it may be delivered; writing the same batch again is safe and adds nothing twice.
/// * A sink never blocks the thread and gives up in bounded time: what takes longer is an error to retry.
pub trait Sink: Send {
    /// Its name in the configuration, in metrics and in receipts.
    fn name(&self) -> &'static str;
    /// What it is given.
    fn role(&self) -> Role {
        Role::Copy
    }
    /// Hands a batch over.
    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>>;
    /// Checks that the destination can be reached and grants the permissions that writing needs, and leaves nothing
    /// there that a reader would see. It may take long if there is no response: [`probe::probe`] bounds it.
    fn probe(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn role(&self) -> Role {
        (**self).role()
    }

    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        (**self).write(batch)
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        (**self).probe()
    }
}
