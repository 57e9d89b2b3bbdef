//! The worker's side of a result: rows become text in their format, and the text becomes frames. As long as it is
//! short it is held back, so that an error still comes instead of it.
use super::frame::{Frame, Kind};
use super::messages::{Begin, Query};
use super::remote::Line;
use crate::ResultRows;
use crate::error::{Error, Kind as ErrorKind};
use crate::format::{Format, Writer};
use crate::store::Gaps;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// A result up to this length is complete before its first byte leaves.
pub(crate) const HEAD_BYTES_MAX: usize = 4 << 20;

/// Bytes of the result in one frame.
const CHUNK_BYTES: usize = 128 << 10;

/// Rows that are written at a time.
const ROWS_AT_ONCE: usize = 1_024;

/// Writes the rows of a query, and sends them.
///
/// # Errors
/// Those of the query, and where a result that must be whole is longer than `bytes_max`.
pub(crate) async fn write(mut result: ResultRows, query: &Query, bytes_max: usize, line: &Line) -> Result<(), Error> {
    let format = query.format();
    let held_max = match (query.is_whole, query.is_live) {
        (true, _) => bytes_max,
        (false, true) => 0,
        (false, false) => HEAD_BYTES_MAX,
    };
    let mut outlet = Outlet {
        line,
        gaps: result.gaps().clone(),
        held_max,
        is_whole: query.is_whole,
        is_live: query.is_live,
        has_begun: false,
        partial: None,
        text: Vec::new(),
    };
    let buffer = Buffer::default();
    let unwritable = |error| unwritable(&error, format);
    let mut writer = Writer::new(format, &result.schema(), buffer.clone()).map_err(unwritable)?;
    if query.is_live {
        // The columns, before there are rows.
        outlet.push(buffer.take()).await?;
    }
    while let Some(batch) = result.next().await {
        for slice in slices(&batch?) {
            writer.write(&slice).map_err(unwritable)?;
            let began = Instant::now();
            outlet.push(buffer.take()).await?;
            result.add_time(began.elapsed());
        }
    }
    writer.finish().map_err(unwritable)?;
    outlet.push(buffer.take()).await?;
    outlet.finish().await
}

fn slices(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> + use<> {
    let batch = batch.clone();
    let starts = (0..batch.num_rows()).step_by(ROWS_AT_ONCE);
    starts.map(move |start| batch.slice(start, ROWS_AT_ONCE.min(batch.num_rows() - start)))
}

fn unwritable(error: &ArrowError, format: Format) -> Error {
    Error::new(ErrorKind::Sql, format!("the result cannot be written as {}: {error}", format.name()))
}

/// What a writer wrote last.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl io::Write for Buffer {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Text on its way to the server.
struct Outlet<'a> {
    line: &'a Line,
    gaps: Gaps,
    /// Text that is held back at most.
    held_max: usize,
    is_whole: bool,
    /// True where text waits for no more of it.
    is_live: bool,
    has_begun: bool,
    /// What was said of gaps when it began.
    partial: Option<String>,
    text: Vec<u8>,
}

impl Outlet<'_> {
    async fn push(&mut self, more: Vec<u8>) -> Result<(), Error> {
        if self.text.is_empty() {
            self.text = more;
        } else {
            self.text.extend_from_slice(&more);
        }
        if !self.has_begun && self.text.len() <= self.held_max {
            return Ok(());
        }
        if self.is_whole {
            let message = format!("the result has more than {} bytes: add LIMIT or ask for less", self.held_max);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        if !self.has_begun {
            self.begin(None).await?;
        }
        if self.is_live || self.text.len() >= CHUNK_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn finish(mut self) -> Result<(), Error> {
        if !self.has_begun {
            self.begin(Some(self.text.len() as u64)).await?;
        }
        if self.gaps.reason() != self.partial {
            let message = "the store failed while the result was being sent: run the query again";
            return Err(Error::new(ErrorKind::Storage, message));
        }
        self.flush().await
    }

    async fn begin(&mut self, length: Option<u64>) -> Result<(), Error> {
        self.has_begun = true;
        self.partial = self.gaps.reason();
        let begin = Begin { length, partial: self.partial.clone() };
        let begin = Frame::json(Kind::Begin, 0, &begin).map_err(gone)?;
        self.line.send(begin).await.map_err(gone)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        for chunk in std::mem::take(&mut self.text).chunks(CHUNK_BYTES) {
            self.line.send(Frame::new(Kind::Body, 0, chunk.to_vec())).await.map_err(gone)?;
        }
        Ok(())
    }
}

/// Nobody will read it.
fn gone(error: io::Error) -> Error {
    Error::new(ErrorKind::Internal, format!("the server is gone: {error}"))
}
