//! The Parquet sink: the tables as objects of a warehouse that any engine reads.
//!
//! One object for each table and hour of a batch, under a name derived from the batch's id
//! (`metlog_schemas::object_path`), so a batch that is written again overwrites itself. Rows are in the order of their
//! table. An event that arrives late goes into an object of its own hour; hours with few rows share one object if there
//! are many of them. With the first batch, a table without stored objects gets an object without rows, so that engines
//! which infer the columns from the files find them.
//!
//! `Ok` means that every object is complete, and for a folder that it is synced to the disk.
pub mod config;
mod layout;
mod objects;
mod order;
mod probe;
mod put;
#[cfg(test)]
mod tests;
mod traces;

pub use config::Config;

use crate::store::Store;
use crate::{Batch, Receipt, Role, Sink, SinkError};
use bytes::Bytes;
use futures::future::BoxFuture;
use metlog_schemas::object_path::Partition;
use metlog_schemas::table::Table;
use objects::OrderedRows;
use put::Putter;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub struct Parquet {
    config: Config,
    putter: Putter,
    has_introduced: bool,
}

impl Parquet {
    /// Writes below `store`.
    pub fn new(config: Config, store: Store) -> Parquet {
        Parquet { putter: Putter::new(store, config.put_timeout), config, has_introduced: false }
    }

    async fn write_all(&mut self, batch: &Batch) -> Result<Receipt, SinkError> {
        let receipt = Receipt { written: batch.fact_rows() + batch.value_count(), set_aside: 0 };
        let shared = Arc::new(batch.clone());
        let ordered = in_background({
            let batch = shared.clone();
            move || objects::rows_of(&batch).map_err(SinkError::set_aside)
        });
        let mut first = None;
        for rows in ordered.await?.into_iter().map(Arc::new) {
            first = first.or(rows.first_partition());
            // One after the other: memory holds one encoded object at a time.
            for at in 0..rows.len() {
                let (rows, batch, config) = (rows.clone(), shared.clone(), self.config.clone());
                let encoded = in_background(move || encode(&rows, at, &batch, &config));
                if let Some((key, bytes)) = encoded.await? {
                    self.putter.put(&key, bytes).await?;
                }
            }
            // Behind the objects: what is found in it is there.
            let (batch, config) = (shared.clone(), self.config.clone());
            if let Some((key, bytes)) = in_background(move || traces::of_batch(&rows, &batch, &config)).await? {
                self.putter.put(&key, bytes).await?;
                self.merge_index(&shared.listener).await;
            }
        }
        if let Some(partition) = first {
            self.introduce(partition, batch).await;
        }
        Ok(receipt)
    }

    /// Keeps the objects of the index few. Nothing is lost if that fails, so it is not an error.
    async fn merge_index(&mut self, listener: &str) {
        loop {
            let merging = traces::merge(&self.putter, listener, &self.config);
            let late = |_| SinkError::retry(format!("not merged within {:?}", self.config.put_timeout));
            match tokio::time::timeout(self.config.put_timeout, merging).await.map_err(late).flatten() {
                Ok(true) => (),
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!("parquet: cannot merge objects of the index of traces yet: {error}");
                    return;
                }
            }
        }
    }

    /// Once per process: tables without stored objects get an object without rows. Nothing is lost if that fails, so it
    /// is not an error.
    async fn introduce(&mut self, partition: Partition, batch: &Batch) {
        if std::mem::replace(&mut self.has_introduced, true) {
            return;
        }
        for table in Table::ALL.into_iter().filter(|table| batch.row_count(*table) == 0) {
            let none = || encode(&OrderedRows::none(table, partition), 0, batch, &self.config);
            let introduced = match self.putter.has_any(table.name()).await {
                Ok(true) => Ok(()),
                Ok(false) => match none() {
                    Ok(Some((key, bytes))) => self.putter.put(&key, bytes).await,
                    other => other.map(drop),
                },
                Err(error) => Err(error),
            };
            if let Err(error) = introduced {
                tracing::warn!(
                    "parquet: cannot write an empty object with the columns of {} yet: {error}",
                    table.name()
                );
            }
        }
    }
}

fn encode(rows: &OrderedRows, at: usize, batch: &Batch, config: &Config) -> Result<Option<(String, Bytes)>, SinkError> {
    let encoded = rows.encode(at, batch, config).transpose().map_err(SinkError::set_aside)?;
    Ok(encoded.map(|(path, bytes)| (path.key(), bytes)))
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    tokio::task::spawn_blocking(work).await.map_err(SinkError::retry)?
}

/// Encodes a batch, discards the bytes and returns their count, for the benchmark.
///
/// # Errors
/// If the rows cannot be encoded.
#[doc(hidden)]
pub fn encode_only(batch: &Batch, config: &Config) -> Result<usize, SinkError> {
    let mut bytes = 0;
    for rows in objects::rows_of(batch).map_err(SinkError::set_aside)? {
        for at in 0..rows.len() {
            bytes += encode(&rows, at, batch, config)?.map_or(0, |(_, bytes)| bytes.len());
        }
    }
    Ok(bytes)
}

impl Sink for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn role(&self) -> Role {
        Role::Store
    }

    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        Box::pin(self.write_all(batch))
    }

    fn probe(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(self.putter.probe())
    }
}
