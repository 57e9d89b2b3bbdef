//! The framed form of a result, for whoever shows rows as they come: lines of JSON, each with one key.
//!
//! - `{"schema": [{"name", "type", "nullable"}, …]}`, first;
//! - `{"rows": [[…], …]}`, as soon as there are rows;
//! - `{"progress": {"seconds", "rows", "rows_read", "bytes_read", "objects", "row_groups_pruned"}}`, twice a second. What was read of the
//!   store is null for a user who sees some loggers only;
//! - `{"done": {…, "partial"}}` with the same counts, or `{"error": {"kind", "message", "line", "column"}}`, last. Without
//!   either the result was cut off.
use super::frame::{Frame, Kind};
use super::messages::{Begin, Query};
use super::remote::Line;
use super::text::{gone, slices};
use crate::ResultRows;
use crate::error::{Error, Kind as ErrorKind};
use crate::format::frames::{rows_line, schema_line};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often progress is said.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Writes the lines of a query but for that of an error, which the server adds.
///
/// # Errors
/// Those of the query.
pub(crate) async fn write(mut result: ResultRows, query: &Query, line: &Line) -> Result<(), Error> {
    let began = Instant::now();
    let begin = Frame::json(Kind::Begin, 0, &Begin::default()).map_err(gone)?;
    line.send(begin).await.map_err(gone)?;
    send(line, &schema_line(&result.schema())).await?;
    let mut progress = interval(PROGRESS_INTERVAL);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Its first tick is now.
    progress.tick().await;
    let mut rows = 0;
    loop {
        let batch = tokio::select! {
            batch = result.next() => batch,
            _ = progress.tick() => {
                send(line, &json!({"progress": counts(&result, query, rows, began)})).await?;
                continue;
            }
        };
        let Some(batch) = batch else { break };
        for slice in slices(&batch?) {
            let text = rows_line(&slice).map_err(|error| {
                Error::new(ErrorKind::Sql, format!("the result cannot be written as JSON: {error}"))
            })?;
            rows += slice.num_rows();
            let waited = Instant::now();
            line.send(Frame::new(Kind::Body, 0, text)).await.map_err(gone)?;
            result.add_time(waited.elapsed());
        }
    }
    let mut done = counts(&result, query, rows, began);
    done["partial"] = json!(result.partial());
    send(line, &json!({ "done": done })).await
}

async fn send(line: &Line, value: &Value) -> Result<(), Error> {
    line.send(Frame::new(Kind::Body, 0, format!("{value}\n").into_bytes())).await.map_err(gone)
}

fn counts(result: &ResultRows, query: &Query, rows: usize, began: Instant) -> Value {
    let seconds = (began.elapsed().as_secs_f64() * 1e3).round() / 1e3;
    // What was read tells of the rows of others.
    let read = (!query.rights.is_restricted()).then(|| result.read());
    json!({
        "seconds": seconds,
        "rows": rows,
        "rows_read": read.map(|read| read.rows),
        "bytes_read": read.map(|read| read.bytes),
        "objects": read.map(|read| read.objects),
        "row_groups_pruned": read.map(|read| read.row_groups_pruned),
    })
}
