//! `POST /api/sql`: a question in JSON, an answer in the form that `Accept` asks for, errors always in JSON.
//!
//! An answer is whole before its first byte leaves, so a status of 200 means all of it.
use crate::error::{Error, Kind};
use crate::format::{Format, Writer};
use crate::{Answer, Engine};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest body: the longest query, were each of its bytes escaped.
const BODY_BYTES_MAX: usize = 8 * crate::SQL_BYTES_MAX;

/// How much later than its time a query may notice that by itself.
const LATE: Duration = Duration::from_millis(500);

/// The media types that are answered, and with what; of those that are as welcome as others, the first.
const ACCEPTED: [(&str, Format); 6] = [
    ("application/json", Format::Json),
    ("text/csv", Format::Csv),
    ("application/vnd.apache.arrow.stream", Format::Arrow),
    ("application/x-ndjson", Format::Ndjson),
    ("application/ndjson", Format::Ndjson),
    ("application/vnd.apache.parquet", Format::Parquet),
];

/// The paths of this crate, to be merged into the server's.
pub fn router(engine: Arc<Engine>) -> Router {
    let methods = post(answer).fallback(|| async {
        let error = Error::new(Kind::Request, "POST a query: {\"query\": \"select 1\"}");
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], axum::Json(error.to_json())).into_response()
    });
    Router::new().route("/api/sql", methods).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(engine)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    query: String,
}

async fn answer(
    State(engine): State<Arc<Engine>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let format = negotiate(&headers)?;
    let body = body.map_err(|rejection| {
        Refusal(rejection.status(), Error::new(Kind::Request, format!("the body: {}", rejection.body_text())))
    })?;
    let question: Question = serde_json::from_slice(&body)
        .map_err(|error| Error::new(Kind::Request, format!("the body is not {{\"query\": \"…\"}} in JSON: {error}")))?;
    // On a task of its own, so that a panic below is an answer too; dropping the set ends the query when the
    // asker hangs up.
    let mut task = JoinSet::new();
    let asked = engine.clone();
    let write = async move { write(asked.query(&question.query).await?, format, asked.config().memory_bytes).await };
    task.spawn_on(write, engine.workers()?);
    // The query looks at its time whenever it pauses; one that does not is answered for here.
    let body = match timeout(engine.config().time_max + LATE, task.join_next()).await {
        Err(_) => return Err(engine.too_late().into()),
        Ok(Some(Ok(body))) => body?,
        Ok(Some(Err(error))) => {
            tracing::error!(%error, "a query failed in a way that it must not");
            return Err(Error::new(Kind::Internal, "the query failed inside the server; its log says more").into());
        }
        Ok(None) => return Err(Error::new(Kind::Internal, "the query was never begun").into()),
    };
    Ok(([(header::CONTENT_TYPE, format.media_type())], body).into_response())
}

async fn write(answer: Answer, format: Format, bytes_max: usize) -> Result<Vec<u8>, Error> {
    let schema = answer.schema();
    let batches = answer.collect().await?;
    let mut body = Bounded { bytes: Vec::new(), bytes_max, is_full: false };
    let written = Writer::new(format, &schema, &mut body).and_then(|mut writer| {
        // Each batch is let go as soon as it is written.
        batches.into_iter().try_for_each(|batch| writer.write(&batch))?;
        writer.finish().map(|_| ())
    });
    match written {
        Ok(()) => Ok(body.bytes),
        Err(_) if body.is_full => Err(Error::new(
            Kind::Limit,
            format!("the answer has more than {bytes_max} bytes: add LIMIT or ask for less"),
        )),
        Err(error) => Err(Error::new(Kind::Sql, format!("the answer cannot be written as {}: {error}", format.name()))),
    }
}

/// A body that does not grow without end.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        self.is_full |= self.bytes_max - self.bytes.len() < more.len();
        if self.is_full {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The format of the highest weight, the first of those that are equal; JSON where nothing is asked for. For each format its most specific range counts
/// (RFC 9110, 12.5.1).
fn negotiate(headers: &HeaderMap) -> Result<Format, Refusal> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<(String, f32)> = values.flat_map(|value| value.split(',')).filter_map(range).collect();
    if ranges.is_empty() {
        return Ok(Format::Json);
    }
    let mut best: Option<(f32, usize, Format)> = None;
    for (name, format) in ACCEPTED {
        let group = name.split('/').next().unwrap_or_default();
        let names = [name.to_owned(), format!("{group}/*"), "*/*".to_owned()];
        let found = names.iter().find_map(|name| ranges.iter().position(|(range, _)| range == name));
        let Some((at, weight)) = found.map(|at| (at, ranges[at].1)).filter(|(_, weight)| *weight > 0.0) else {
            continue;
        };
        if best.is_none_or(|(most, first, _)| weight > most || (weight == most && at < first)) {
            best = Some((weight, at, format));
        }
    }
    let names = || ACCEPTED.map(|(name, _)| name).join(", ");
    let refusal = || Error::new(Kind::Request, format!("answers are {}", names()));
    best.map(|(.., format)| format).ok_or_else(|| Refusal(StatusCode::NOT_ACCEPTABLE, refusal()))
}

/// A range of media types and its weight.
fn range(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.split_once('=').filter(|(key, _)| key.trim().eq_ignore_ascii_case("q")));
    Some((name, weight.map_or(1.0, |(_, q)| q.trim().parse().unwrap_or(0.0))))
}

/// An error and how HTTP calls it.
struct Refusal(StatusCode, Error);

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        let status = match error.kind {
            Kind::Sql | Kind::Request | Kind::Limit => StatusCode::BAD_REQUEST,
            Kind::ReadOnly => StatusCode::FORBIDDEN,
            Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Kind::Storage => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refusal(status, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, axum::Json(self.1.to_json())).into_response()
    }
}
