//! The Parquet sink: the tables as objects of a warehouse that any engine reads.
//!
//! One object for each table and hour of a batch, under a name made of the batch's id
//! (`metlog_schemas::object_path`), so a batch that is written again overwrites itself. Rows lie in it sorted by
//! time. A late event goes into an object of its own hour.
//!
//! `Ok` means that every object is complete, and for a folder that it is synced to the disk.
pub mod config;
mod layout;
mod objects;
mod probe;
mod put;
#[cfg(test)]
mod tests;

pub use config::Config;

use crate::store::Store;
use crate::{Batch, Receipt, Role, Sink, SinkError};
use bytes::Bytes;
use futures::future::BoxFuture;
use objects::Rows;
use put::Putter;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub struct Parquet {
    config: Config,
    putter: Putter,
}

impl Parquet {
    /// Writes below `store`.
    pub fn new(config: Config, store: Store) -> Parquet {
        Parquet { putter: Putter::new(store, config.put_timeout), config }
    }

    async fn write_all(&self, batch: &Batch) -> Result<Receipt, SinkError> {
        let receipt = Receipt { written: batch.message_count() + batch.value_count(), set_aside: 0 };
        let shared = Arc::new(batch.clone());
        let ordered = in_background({
            let batch = shared.clone();
            move || objects::rows_of(&batch).map_err(SinkError::set_aside)
        });
        for rows in ordered.await?.into_iter().map(Arc::new) {
            // One after the other: memory holds one encoded object at a time.
            for at in 0..rows.len() {
                let (rows, batch, config) = (rows.clone(), shared.clone(), self.config.clone());
                let encoded = in_background(move || encode(&rows, at, &batch, &config));
                if let Some((key, bytes)) = encoded.await? {
                    self.putter.put(&key, bytes).await?;
                }
            }
        }
        Ok(receipt)
    }
}

fn encode(rows: &Rows, at: usize, batch: &Batch, config: &Config) -> Result<Option<(String, Bytes)>, SinkError> {
    let encoded = rows.encode(at, batch, config).transpose().map_err(SinkError::set_aside)?;
    Ok(encoded.map(|(path, bytes)| (path.key(), bytes)))
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SinkError> {
    tokio::task::spawn_blocking(work).await.map_err(SinkError::retry)?
}

/// Encodes a batch and forgets the bytes, whose count it returns: what the benchmark measures.
///
/// # Errors
/// Where the rows cannot be encoded.
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
