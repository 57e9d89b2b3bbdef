//! Results as files. CSV is the one that a spreadsheet opens without running any cell.
use crate::ask::Fault;
use crate::parameter::{fill, of_range};
use crate::visit::Visit;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use metlog_query::format::{Format, Writer};
use metlog_query::{Query, Streamed};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What is offered: names as in `metlog query --format`, and titles.
pub(super) const FORMATS: [(&str, &str); 5] =
    [("csv", "CSV"), ("json", "JSON"), ("ndjson", "NDJSON"), ("arrow", "Arrow"), ("parquet", "Parquet")];

/// `GET /explore/export?format=csv&sql=…`.
pub(super) async fn download(visit: Visit) -> Response {
    let refused = |status: StatusCode, why: String| {
        (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], why).into_response()
    };
    let format = visit.get("format").unwrap_or("csv");
    let known = FORMATS.iter().find(|(name, _)| *name == format);
    let Some((name, format)) = known.and_then(|(name, _)| Some((*name, format_of(name)?))) else {
        return refused(StatusCode::BAD_REQUEST, "format is csv, json, ndjson, arrow or parquet\n".to_owned());
    };
    match file(&visit, name, format).await {
        Ok(response) => response,
        Err(fault) => refused(StatusCode::BAD_REQUEST, format!("{}\n", fault.message)),
    }
}

/// By its name in an address.
fn format_of(name: &str) -> Option<Format> {
    if name == "csv" { Some(Format::Spreadsheet) } else { name.parse().ok() }
}

async fn file(visit: &Visit, name: &str, format: Format) -> Result<Response, Fault> {
    let pool = visit.site.pool.as_ref().ok_or_else(|| Fault::new("there is no SQL here"))?;
    let filled = fill(visit.get("sql").unwrap_or_default(), &of_range(&visit.range));
    let streamed = pool.stream(Query::streamed(filled.sql.as_str(), &visit.rights), watch::Sender::default()).await?;
    let out = Shared::default();
    let writer = Writer::new(format, &streamed.schema, out.clone()).map_err(|error| Fault::new(error.to_string()))?;
    let state = Some(State { streamed, writer, out, format });
    let chunks = futures::stream::unfold(state, |state| async {
        let mut state = state?;
        match state.next().await {
            Ok((bytes, false)) => Some((Ok(bytes), Some(state))),
            Ok((bytes, true)) => Some((Ok(bytes), None)),
            // The transfer is broken off, so that a part is not taken for the whole.
            Err(error) => Some((Err(error), None)),
        }
    });
    let name = format!("attachment; filename=\"metlog.{name}\"");
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_SECURITY_POLICY, crate::headers::API_POLICY.to_owned()),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

struct State {
    streamed: Streamed,
    writer: Writer<Shared>,
    out: Shared,
    format: Format,
}

impl State {
    /// More of the file; true where it is the end.
    async fn next(&mut self) -> io::Result<(Bytes, bool)> {
        match self.streamed.next().await.map_err(io::Error::other)? {
            Some(batch) => {
                self.writer.write(&batch).map_err(io::Error::other)?;
                Ok((self.out.take(), false))
            }
            None => {
                let empty = Writer::new(self.format, &self.streamed.schema, Shared::default()).map_err(io::Error::other)?;
                std::mem::replace(&mut self.writer, empty).finish().map_err(io::Error::other)?;
                Ok((self.out.take(), true))
            }
        }
    }
}

/// Bytes that a writer wrote last.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn take(&self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Write for Shared {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
