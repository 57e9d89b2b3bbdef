//! `POST /submit/{logger}` and `POST /submit/{logger}/{id}`, as Bagheera had it: one message, an array, or lines of Metlog
//! JSON, from those who cannot send datagrams. Browsers' `sendBeacon` included, so the content type does not matter.
//!
//! 201 means journaled and synced; the body is the id. The logger of the address is that of every message. An id that is
//! given becomes the field `submit_id`; the same document under the same id is not stored again while it is remembered.
mod repeats;
mod rights;

pub use rights::{LoggerPattern, SubmitConfig, SubmitToken};

use super::http::{peer_of, read_items, refusal, retry_later};
use super::submit::{Submit, Submitted, Unavailable};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use metlog_schemas::format::metlog_json;
use percent_encoding::percent_decode_str;
use repeats::{Begun, Repeats};
use rights::Denied;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest name of a logger in the address, in bytes.
const LOGGER_BYTES_MAX: usize = 255;
/// Longest id, in bytes.
const ID_BYTES_MAX: usize = 64;
/// How long a browser may remember what it asked, in seconds.
const PREFLIGHT_SECONDS: &str = "7200";
/// When to come back where the same document is under way.
const UNDER_WAY_WAIT: Duration = Duration::from_secs(1);

/// Rights, and what came lately.
#[derive(Debug, Clone)]
struct Intake {
    submit: Submit,
    config: Arc<SubmitConfig>,
    repeats: Repeats,
}

/// The paths of this intake; none where it is off.
pub fn router(submit: Submit, config: Arc<SubmitConfig>) -> Router {
    if !config.is_on() {
        return Router::new();
    }
    let intake = Intake { submit, config, repeats: Repeats::default() };
    Router::new().route("/submit/{*rest}", any(answer)).with_state(intake)
}

/// Now, for tokens.
pub(super) fn now_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

async fn answer(State(intake): State<Intake>, request: Request) -> Response {
    let origin = match intake.config.allow_origin(request.headers()) {
        Ok(origin) => origin,
        Err(denied) => return refused(denied),
    };
    let mut response = match *request.method() {
        Method::OPTIONS => preflight(origin.is_some()),
        Method::POST | Method::PUT => intake.take(request).await,
        _ => refusal(StatusCode::FORBIDDEN, "only POST and PUT are allowed here: nothing can be read or deleted"),
    };
    if let Some(origin) = origin {
        // Cookies mean nothing here: browsers want this for `sendBeacon`, which sends them.
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    response
}

fn preflight(has_origin: bool) -> Response {
    if !has_origin {
        return refusal(StatusCode::FORBIDDEN, "OPTIONS is for pages of other origins");
    }
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, PUT"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Content-Encoding, Authorization"),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

pub(super) fn refused(denied: Denied) -> Response {
    let status = if denied == Denied::UnknownLogger { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN };
    refusal(status, denied.message())
}

impl Intake {
    async fn take(&self, request: Request) -> Response {
        let (logger, id) = match address(request.uri().path()) {
            Ok(found) => found,
            Err(why) => return refusal(StatusCode::NOT_FOUND, why),
        };
        if let Err(denied) = self.config.allow(&logger, request.headers(), now_seconds()) {
            return refused(denied);
        }
        let source = peer_of(&request);
        let (body, items, room) = match read_items(&self.submit, request).await {
            Ok(read) => read,
            Err(refused) => return refused,
        };
        if items.is_empty() {
            return refusal(StatusCode::BAD_REQUEST, "the body has no messages");
        }
        let begun = id.as_deref().map(|id| (self.repeats.begin(&logger, id, &body), id));
        let under_way = match begun {
            Some((Begun::Repeated, id)) => {
                self.submit.refuse_many("repeated_id", items.len() as u64, source);
                return created(id, &[]);
            }
            Some((Begun::UnderWay, _)) => return retry_later(Unavailable::Busy(UNDER_WAY_WAIT)),
            Some((Begun::New(under_way), _)) => Some(under_way),
            None => None,
        };
        drop(body);
        let ending = ending(&logger, id.as_deref());
        let items = items.into_iter().map(|item| with_ending(item, &ending)).collect();
        let submit = self.submit.clone();
        // In a task of its own, which goes on where whoever asks hangs up: what is journaled must be known by its id.
        let journaled = tokio::spawn(async move {
            let submitted = submit.submit_authorised(metlog_json::RECORD_CODE, items, source, room).await?;
            if submitted.accepted > 0 {
                under_way.into_iter().for_each(repeats::UnderWay::done);
            }
            Ok(submitted)
        });
        match journaled.await.unwrap_or(Err(Unavailable::Stopping)) {
            Err(unavailable) => retry_later(unavailable),
            Ok(submitted) if submitted.accepted == 0 => super::http::answer(&submitted),
            Ok(Submitted { rejected, .. }) => created(&id.unwrap_or_else(new_id), &rejected),
        }
    }
}

/// 201 with the id. What of the request was refused for good is in headers, since the body is the id.
fn created(id: &str, rejected: &[(usize, &'static str)]) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if let Some((_, reason)) = rejected.first() {
        headers.insert("metlog-rejected", HeaderValue::from(rejected.len()));
        headers.insert("metlog-rejected-reason", HeaderValue::from_static(reason));
    }
    (StatusCode::CREATED, headers, id.to_owned()).into_response()
}

/// The logger and the id of a path.
fn address(path: &str) -> Result<(String, Option<String>), &'static str> {
    let mut parts = path.strip_prefix("/submit/").unwrap_or_default().split('/');
    let logger = parts.next().unwrap_or_default();
    let logger = percent_decode_str(logger).decode_utf8().map_err(|_| "the logger is not UTF-8")?;
    if logger.is_empty() || logger.len() > LOGGER_BYTES_MAX || logger.contains(char::is_control) {
        return Err("the logger in the address must have 1 to 255 bytes and no control characters");
    }
    let id = parts.next().filter(|id| !id.is_empty());
    if parts.next().is_some() {
        return Err("not found: the paths are /submit/{logger} and /submit/{logger}/{id}");
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match id {
        Some(id) if id.len() > ID_BYTES_MAX || !id.bytes().all(is_allowed) => {
            Err("an id must have 1 to 64 of a-z A-Z 0-9 - _ ., such as a UUID")
        }
        id => Ok((logger.into_owned(), id.map(str::to_owned))),
    }
}

/// What every message ends in instead of `}`: the last of several equal keys counts.
fn ending(logger: &str, id: Option<&str>) -> Vec<u8> {
    let mut ending = format!("\"logger\":{}", json!(logger));
    if let Some(id) = id {
        ending.push_str(&format!(",\"submit_id\":{}", json!(id)));
    }
    ending.push('}');
    ending.into_bytes()
}

/// A message with these as its last members. What is no object stays as it is, and is refused as that: text in which a
/// bracket is missing cannot become whole by what is added, since that begins with a comma and a quote.
fn with_ending(mut item: Vec<u8>, ending: &[u8]) -> Vec<u8> {
    let end = item.trim_ascii_end().len();
    let Some(inner) = item[..end].strip_suffix(b"}").filter(|_| metlog_json::is_json(&item)) else { return item };
    let kept = inner.trim_ascii_end().len();
    let is_empty = item[..kept].trim_ascii() == b"{";
    item.truncate(kept);
    if !is_empty {
        item.push(b',');
    }
    item.extend_from_slice(ending);
    item
}

/// A random UUID, version 4.
fn new_id() -> String {
    let random = u128::from_be_bytes(rand::random::<[u8; 16]>());
    let uuid = random & !(0xf000 << 64) & !(0xc000 << 48) | 0x4000 << 64 | 0x8000 << 48;
    let hex = format!("{uuid:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests;
