//! The rows of a result, as they come, within the bounds of their query.
use crate::error::{Error, Kind};
use crate::listings::Listings;
use crate::store::Gaps;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What is left to a query.
pub(crate) struct Bounds {
    pub(crate) rows_max: usize,
    pub(crate) until: Instant,
    /// For the message.
    pub(crate) time_max: Duration,
    pub(crate) pool: Arc<dyn MemoryPool>,
}

/// The result of a query. Dropping it stops the query.
pub struct ResultRows {
    stream: SendableRecordBatchStream,
    bounds: Bounds,
    rows: usize,
    gaps: Gaps,
    listings: Arc<Listings>,
    plan: Arc<dyn ExecutionPlan>,
}

impl ResultRows {
    pub(crate) fn new(
        stream: SendableRecordBatchStream,
        bounds: Bounds,
        gaps: Gaps,
        listings: Arc<Listings>,
        plan: Arc<dyn ExecutionPlan>,
    ) -> ResultRows {
        ResultRows { stream, bounds, rows: 0, gaps, listings, plan }
    }

    /// The plan, whose counters say what was read so far.
    pub(crate) fn plan(&self) -> Arc<dyn ExecutionPlan> {
        Arc::clone(&self.plan)
    }

    /// Why these are not all rows, where a part of the store could not be read so far.
    pub fn partial(&self) -> Option<String> {
        self.gaps.reason()
    }

    /// What could not be seen so far.
    pub(crate) fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// Gives the query back the time that it waited for whoever reads its rows.
    pub(crate) fn add_time(&mut self, waited: Duration) {
        self.bounds.until += waited;
    }

    /// Its columns.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The next rows; none after the last and after an error.
    ///
    /// # Errors
    /// [`Kind::Timeout`] and [`Kind::Limit`] where a bound is reached, and whatever became of reading.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, Error>> {
        let next = timeout_at(self.bounds.until, self.stream.next()).await;
        let batch = match next {
            Err(_) => return Some(Err(self.stop(too_late(self.bounds.time_max)))),
            Ok(None) => return None,
            Ok(Some(Err(error))) => {
                if self.gaps.is_stale() {
                    self.listings.clear();
                }
                return Some(Err(self.stop(error.into())));
            }
            Ok(Some(Ok(batch))) => batch,
        };
        self.rows += batch.num_rows();
        if self.rows > self.bounds.rows_max {
            let message = format!("the result has more than {} rows: add LIMIT or ask for less", self.bounds.rows_max);
            return Some(Err(self.stop(Error::new(Kind::Limit, message))));
        }
        Some(Ok(batch))
    }

    /// All rows at once. They count as memory of the query.
    ///
    /// # Errors
    /// As for [`ResultRows::next`].
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>, Error> {
        let held = MemoryConsumer::new("result").register(&self.bounds.pool);
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            let batch = batch?;
            held.try_grow(bytes(&batch)?)?;
            batches.push(batch);
        }
        Ok(batches)
    }

    /// Ends the query; what is left are its columns.
    pub(crate) fn leave_out_rows(&mut self) {
        let schema = self.stream.schema();
        self.stream = Box::pin(datafusion::physical_plan::EmptyRecordBatchStream::new(schema));
    }

    fn stop(&mut self, error: Error) -> Error {
        self.leave_out_rows();
        error
    }
}

pub(crate) fn too_late(time_max: Duration) -> Error {
    Error::new(Kind::Timeout, format!("no result within {time_max:?}: ask for less, or again later"))
}

/// Of the rows themselves: a slice of a larger batch does not count as the whole.
fn bytes(batch: &RecordBatch) -> Result<usize, DataFusionError> {
    let columns = batch.columns().iter().map(|column| Ok(column.to_data().get_slice_memory_size()?));
    columns.sum()
}

/// The same, where a column that cannot tell counts as empty.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    let column = |column: &Arc<dyn Array>| column.to_data().get_slice_memory_size().unwrap_or_default();
    batch.columns().iter().map(column).sum()
}
