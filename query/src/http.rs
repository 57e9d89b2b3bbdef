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
use tokio::task::JoinSet;

/// Longest body: the longest query, were each of its bytes escaped.
const BODY_BYTES_MAX: usize = 8 * crate::SQL_BYTES_MAX;

/// The media types that are answered, and with what. The first is the one for whoever asks for nothing.
const ACCEPTED: [(&str, Format); 8] = [
    ("application/json", Format::Json),
    ("text/csv", Format::Csv),
    ("application/vnd.apache.arrow.stream", Format::Arrow),
    ("application/x-ndjson", Format::Ndjson),
    ("application/ndjson", Format::Ndjson),
    ("*/*", Format::Json),
    ("application/*", Format::Json),
    ("text/*", Format::Csv),
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
    task.spawn(async move { write(engine.query(&question.query).await?, format, engine.config().memory_bytes).await });
    let body = match task.join_next().await {
        Some(Ok(body)) => body?,
        Some(Err(error)) => {
            tracing::error!(%error, "a query failed in a way that it must not");
            return Err(Error::new(Kind::Internal, "the query failed inside the server; its log says more").into());
        }
        None => return Err(Error::new(Kind::Internal, "the query was never begun").into()),
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

/// The format of the highest weight, the first of those that are equal; JSON where nothing is asked for.
fn negotiate(headers: &HeaderMap) -> Result<Format, Refusal> {
    let mut best: Option<(f32, Format)> = None;
    let mut has_asked = false;
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        has_asked |= !media_type.is_empty();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        let format = ACCEPTED.into_iter().find(|(name, _)| *name == media_type).map(|(_, format)| format);
        match format {
            Some(format) if weight > best.map_or(0.0, |(weight, _)| weight) => best = Some((weight, format)),
            _ => (),
        }
    }
    match best {
        Some((_, format)) => Ok(format),
        None if !has_asked => Ok(Format::Json),
        None => {
            let names: Vec<&str> = ACCEPTED.iter().map(|(name, _)| *name).filter(|name| !name.contains('*')).collect();
            let message = format!("answers are {}", names.join(", "));
            Err(Refusal(StatusCode::NOT_ACCEPTABLE, Error::new(Kind::Request, message)))
        }
    }
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
