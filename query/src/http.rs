//! `POST /api/sql`: a query in JSON, its result in the form that `Accept` asks for, errors always in JSON.
//!
//! A short result is complete before its first byte leaves, so that errors have a status. A longer one is sent as it
//! is made; where it fails, the transfer is broken off, and whoever reads it sees that it is not complete: a status of
//! 200 with a complete body means all of it.
use crate::Pool;
use crate::access::Rights;
use crate::error::{Error, Kind};
use crate::format::Format;
use crate::isolate::{Query, Reply};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::stream;
use serde::Deserialize;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Longest body: the longest query, were each of its bytes escaped.
const BODY_BYTES_MAX: usize = 8 * crate::SQL_BYTES_MAX;

/// The header that says why a result has a part of the rows only; its value is for people.
pub const PARTIAL: HeaderName = HeaderName::from_static("metlog-partial");

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
pub fn router(pool: Arc<Pool>) -> Router {
    let methods = post(run).fallback(|| async {
        let error = Error::new(Kind::Request, "POST a query: {\"query\": \"select 1\"}");
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], axum::Json(error.to_json())).into_response()
    });
    let jaeger = crate::jaeger::router(Arc::clone(&pool));
    let sql = Router::new().route("/api/sql", methods).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(pool);
    sql.merge(jaeger)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    query: String,
    /// True where a part of the rows is not enough.
    #[serde(default)]
    strict: bool,
}

async fn run(
    State(pool): State<Arc<Pool>>,
    rights: Rights,
    version: Version,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let format = negotiate(&headers)?;
    let body = body.map_err(|rejection| {
        Refusal(rejection.status(), Error::new(Kind::Request, format!("the body: {}", rejection.body_text())))
    })?;
    let request: Request = serde_json::from_slice(&body)
        .map_err(|error| Error::new(Kind::Request, format!("the body is not {{\"query\": \"…\"}} in JSON: {error}")))?;
    // Before HTTP/1.1 there is no way to break off a result so that it is seen, unless its length is known.
    let is_whole = version < Version::HTTP_11;
    let reply = pool.ask(Query::new(request.query, rights, format, request.strict, is_whole)).await?;
    Ok(response(reply, format))
}

fn response(reply: Reply, format: Format) -> Response {
    let (length, partial) = (reply.begin.length, reply.begin.partial.clone());
    let chunks = stream::unfold(Some(reply), |reply| async {
        let mut reply = reply?;
        match reply.chunks.recv().await {
            Some(chunk) => Some((Ok(Bytes::from(chunk)), Some(reply))),
            None if reply.is_complete.load(Ordering::Acquire) => None,
            None => Some((Err(io::Error::other("the result is cut off")), None)),
        }
    });
    let mut response = ([(header::CONTENT_TYPE, format.media_type())], Body::from_stream(chunks)).into_response();
    let headers = response.headers_mut();
    headers.extend(length.map(|length| (header::CONTENT_LENGTH, HeaderValue::from(length))));
    if let Some(reason) = partial {
        let reason = HeaderValue::from_str(&crate::format::harmless(&reason).replace(|c: char| !c.is_ascii(), "?"));
        headers.insert(PARTIAL, reason.unwrap_or(HeaderValue::from_static("the store could not be read")));
    }
    response
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
            Kind::ReadOnly | Kind::Forbidden => StatusCode::FORBIDDEN,
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
