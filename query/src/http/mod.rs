//! `POST /api/sql`: a query in JSON, its result in the form that `Accept` or `?format=` asks for, errors always in JSON.
//! `GET /api/sql?query=…` is the same for links.
//!
//! A short result is complete before its first byte leaves, so that errors have a status. A longer one is sent as it
//! is made; where it fails, the transfer is broken off, and whoever reads it sees that it is not complete: a status of
//! 200 with a complete body means all of it.
mod frames;
mod negotiate;

use crate::Pool;
use crate::access::Rights;
use crate::error::{Error, Kind};
use crate::format::Format;
use crate::isolate::{Query, Reply};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query as Parsed, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;
use negotiate::{Form, negotiate};
use serde::Deserialize;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Longest body: the longest query, were each of its bytes escaped.
const BODY_BYTES_MAX: usize = 8 * crate::SQL_BYTES_MAX;

/// The header that says why a result has a part of the rows only; its value is for people.
pub const PARTIAL: HeaderName = HeaderName::from_static("metlog-partial");

/// The paths of this crate, to be merged into the server's.
pub fn router(pool: Arc<Pool>) -> Router {
    let methods = get(link).post(run).fallback(|| async {
        let error = Error::new(Kind::Request, "POST a query: {\"query\": \"select 1\"}");
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD, POST")], axum::Json(error.to_json()))
            .into_response()
    });
    let jaeger = crate::jaeger::router(Arc::clone(&pool));
    let zipkin = crate::zipkin::router(Arc::clone(&pool));
    let sql = Router::new().route("/api/sql", methods).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(pool);
    sql.merge(jaeger).merge(zipkin)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    query: String,
    /// True where a part of the rows is not enough.
    #[serde(default)]
    strict: bool,
}

/// The parameters of an address.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    query: Option<String>,
    strict: Option<bool>,
    /// Goes before `Accept`.
    format: Option<String>,
}

/// Of a link: what is in the address is not kept anywhere on the way.
async fn link(
    State(pool): State<Arc<Pool>>,
    rights: Rights,
    version: Version,
    headers: HeaderMap,
    parameters: Result<Parsed<Parameters>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Parsed(parameters) = parameters.map_err(unreadable_address)?;
    let form = form(&parameters, &headers)?;
    let missing = || Error::new(Kind::Request, "a query is required: /api/sql?query=select+1, or a POST");
    let request =
        Request { query: parameters.query.ok_or_else(missing)?, strict: parameters.strict.unwrap_or_default() };
    let mut response = answer(&pool, rights, version, request, form).await?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn run(
    State(pool): State<Arc<Pool>>,
    rights: Rights,
    version: Version,
    headers: HeaderMap,
    parameters: Result<Parsed<Parameters>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let Parsed(parameters) = parameters.map_err(unreadable_address)?;
    let form = form(&parameters, &headers)?;
    if parameters.query.is_some() || parameters.strict.is_some() {
        return Err(Error::new(Kind::Request, "the query of a POST is in its body, and not in its address").into());
    }
    let body = body.map_err(|rejection| {
        Refusal(rejection.status(), Error::new(Kind::Request, format!("the body: {}", rejection.body_text())))
    })?;
    let request: Request = serde_json::from_slice(&body)
        .map_err(|error| Error::new(Kind::Request, format!("the body is not {{\"query\": \"…\"}} in JSON: {error}")))?;
    answer(&pool, rights, version, request, form).await
}

fn form(parameters: &Parameters, headers: &HeaderMap) -> Result<Form, Refusal> {
    match &parameters.format {
        Some(name) => Ok(Form::of_name(name)?),
        None => negotiate(headers),
    }
}

fn unreadable_address(rejection: QueryRejection) -> Refusal {
    Error::new(Kind::Request, format!("the address: {}", rejection.body_text())).into()
}

async fn answer(
    pool: &Arc<Pool>,
    rights: Rights,
    version: Version,
    request: Request,
    form: Form,
) -> Result<Response, Refusal> {
    let Form::Plain(format) = form else {
        let mut query = Query::streamed(request.query, &rights);
        query.is_strict = request.strict;
        return Ok(frames::respond(pool, query).await?);
    };
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
