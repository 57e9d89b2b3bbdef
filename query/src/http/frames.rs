//! The framed form of a result, for whoever shows rows as they come: lines of JSON, each with one key.
//!
//! - `{"schema": [{"name", "type", "nullable"}, …]}`, first;
//! - `{"rows": [[…], …]}`, as soon as there are rows;
//! - `{"progress": {…}}`, while the query runs: `seconds`, `rows`, and what was read and pruned. The latter is null for a user
//!   who sees some loggers only;
//! - `{"done": {…, "partial"}}` with the same counts, or `{"error": {"kind", "message", "line", "column"}}`, last. Without
//!   either the result was cut off.
use super::negotiate::FRAMES_TYPE;
use crate::access::Rights;
use crate::error::{Error, Kind};
use crate::format::frames::{rows_line, schema_line};
use crate::isolate::{Query, Streamed};
use crate::{Pool, Scanned};
use arrow::array::RecordBatch;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// How often progress is said.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Rows in one line, at most.
const ROWS_AT_ONCE: usize = 1_024;

/// Begins to run a query; the lines follow. Dropping the response ends the query.
///
/// # Errors
/// What is known before the first rows.
pub(super) async fn respond(pool: &Arc<Pool>, query: Query) -> Result<Response, Error> {
    let began = Instant::now();
    let rights = query.rights.clone();
    let (sender, progress) = watch::channel(Scanned::default());
    let streamed = pool.stream(query, sender).await?;
    let mut ticks = interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let schema = line(&schema_line(&streamed.schema));
    let frames = Frames { streamed, rights, progress, ticks, began, rows: 0 };
    let rest = stream::unfold(Some(frames), |frames| async {
        let (text, rest) = frames?.next().await;
        Some((Ok::<Bytes, Infallible>(Bytes::from(text)), rest))
    });
    let lines = futures::StreamExt::chain(stream::iter([Ok(Bytes::from(schema))]), rest);
    Ok(([(header::CONTENT_TYPE, FRAMES_TYPE)], Body::from_stream(lines)).into_response())
}

struct Frames {
    streamed: Streamed,
    rights: Rights,
    progress: watch::Receiver<Scanned>,
    ticks: Interval,
    began: Instant,
    rows: usize,
}

impl Frames {
    /// The next lines, and what is left where they are not the last ones.
    async fn next(mut self) -> (Vec<u8>, Option<Frames>) {
        let next = tokio::select! {
            next = self.streamed.next() => next,
            _ = self.ticks.tick() => {
                let text = line(&json!({"progress": self.counts()}));
                return (text, Some(self));
            }
        };
        match next.and_then(|batch| batch.map(|batch| self.lines(&batch)).transpose()) {
            Ok(Some(text)) => (text, Some(self)),
            Ok(None) => {
                let mut done = self.counts();
                done["partial"] = json!(self.streamed.partial);
                (line(&json!({ "done": done })), None)
            }
            Err(error) => (line(&error.to_json()), None),
        }
    }

    fn lines(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        for start in (0..batch.num_rows()).step_by(ROWS_AT_ONCE) {
            let slice = batch.slice(start, ROWS_AT_ONCE.min(batch.num_rows() - start));
            text.extend(
                rows_line(&slice)
                    .map_err(|error| Error::new(Kind::Sql, format!("the result cannot be written as JSON: {error}")))?,
            );
        }
        self.rows += batch.num_rows();
        Ok(text)
    }

    fn counts(&self) -> Value {
        let seconds = (self.began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        // What was read tells of the rows of others.
        let read = (!self.rights.is_restricted()).then(|| *self.progress.borrow());
        json!({"seconds": seconds, "rows": self.rows, "read": read})
    }
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}
