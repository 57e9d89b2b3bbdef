//! `POST /api/messages`: Metlog JSON by HTTP, for who wants an answer: one message, an array, or lines.
//!
//! 200 means that the accepted messages are journaled and synced: they survive a kill and a power cut, and are stored
//! once. The body says how many were accepted, and which were not and why.
use super::bagheera::{self, SubmitConfig};
use super::body::{self, Unread};
use super::inflate::{Encoding, Refused, inflate};
use super::submit::{Room, Submit, Submitted, Unavailable};
use crate::pipeline::Source;
use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use metlog_schemas::format::metlog_json;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Longest body, after inflation.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Most messages of one request.
const ITEMS_MAX: usize = 20_000;
/// What a body may take up while it is taken apart, as a multiple of its bytes.
const ROOM_FACTOR: usize = 4;
/// Rejections that are listed one by one.
const LISTED_MAX: usize = 100;

/// The paths of this intake.
pub fn router(submit: Submit, config: Arc<SubmitConfig>) -> Router {
    let methods = post(messages).fallback(|| async {
        let answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "POST Metlog JSON: one message, an array, or lines");
        ([(header::ALLOW, "POST")], answer).into_response()
    });
    let paths = match config.is_on() {
        true => "not found: the paths are /api/messages and /submit/{logger}",
        false => "not found: the only path is /api/messages",
    };
    Router::new()
        .route("/api/messages", methods)
        .with_state((submit.clone(), Arc::clone(&config)))
        .merge(bagheera::router(submit, config))
        .fallback(move || async move { refusal(StatusCode::NOT_FOUND, paths) })
}

pub(super) fn refusal(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({"error": {"kind": "request", "message": message}}))).into_response()
}

fn later(status: StatusCode, message: &str, wait: Duration) -> Response {
    ([(header::RETRY_AFTER, wait.as_secs().max(1).to_string())], refusal(status, message)).into_response()
}

async fn messages(State((submit, config)): State<(Submit, Arc<SubmitConfig>)>, request: Request) -> Response {
    if let Err(denied) = config.allow_any(request.headers(), bagheera::now_seconds()) {
        return bagheera::refused(denied);
    }
    let source = peer_of(&request);
    let (body, items, room) = match read_items(&submit, request).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    drop(body);
    match submit.submit(metlog_json::RECORD_CODE, items, source, room).await {
        Ok(submitted) => answer(&submitted),
        Err(unavailable) => retry_later(unavailable),
    }
}

/// Who sends a request.
pub(super) fn peer_of(request: &Request) -> Source {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address)
}

/// The body of a request and its messages, with the memory that they are granted.
///
/// # Errors
/// What is to be answered instead.
pub(super) async fn read_items(submit: &Submit, request: Request) -> Result<(Vec<u8>, Vec<Vec<u8>>, Room), Response> {
    let (head, body) = request.into_parts();
    let encoding = match head.headers.get(header::CONTENT_ENCODING) {
        None => Some(Encoding::Identity),
        Some(name) => name.to_str().ok().and_then(Encoding::of_name),
    };
    let Some(encoding) = encoding else {
        let encodings = "the content encoding must be gzip, deflate or identity";
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, encodings));
    };
    let read = body::read(submit, &head.headers, body, BODY_BYTES_MAX, ROOM_FACTOR).await;
    let (body, mut room) = read.map_err(|unread| match unread {
        Unread::TooLong => too_long(),
        Unread::Unavailable(unavailable) => retry_later(unavailable),
        Unread::Broken(why) => refusal(StatusCode::BAD_REQUEST, &why),
    })?;
    let body = inflate(encoding, body, BODY_BYTES_MAX, &mut room).map_err(|refused| match refused {
        Refused::TooLong => too_long(),
        Refused::Unavailable(unavailable) => retry_later(unavailable),
        Refused::Invalid(why) => refusal(StatusCode::BAD_REQUEST, &format!("the body cannot be inflated: {why}")),
    })?;
    room.reach(body.len() * ROOM_FACTOR).map_err(retry_later)?;
    let items = split(&body).map_err(|why| refusal(StatusCode::BAD_REQUEST, &why))?;
    if items.len() > ITEMS_MAX {
        let most = format!("a request has at most {ITEMS_MAX} messages");
        return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, &most));
    }
    Ok((body, items, room))
}

fn too_long() -> Response {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, &format!("a body has at most {BODY_BYTES_MAX} bytes"))
}

/// Nothing was accepted; when to retry.
pub(super) fn retry_later(unavailable: Unavailable) -> Response {
    match unavailable {
        Unavailable::Busy(wait) => later(
            StatusCode::TOO_MANY_REQUESTS,
            "too many concurrent requests: nothing was accepted, retry later",
            wait,
        ),
        Unavailable::Full(wait) => {
            later(StatusCode::SERVICE_UNAVAILABLE, "the journal is full: nothing was accepted, retry later", wait)
        }
        Unavailable::Stopping => {
            later(StatusCode::SERVICE_UNAVAILABLE, "the listener is stopping: retry later", Duration::from_secs(5))
        }
    }
}

/// 200 if anything was accepted, or the body had no messages; 400 if all of them were refused.
pub(super) fn answer(submitted: &Submitted) -> Response {
    let Submitted { accepted, rejected } = submitted;
    let listed: Vec<_> =
        rejected.iter().take(LISTED_MAX).map(|(at, reason)| json!({"index": at, "reason": reason})).collect();
    let status = if *accepted == 0 && !rejected.is_empty() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let body = json!({"accepted": accepted, "rejected": rejected.len(), "errors": listed});
    (status, axum::Json(body)).into_response()
}

/// The messages of a body.
///
/// # Errors
/// A description, if it is not an array, an object or lines of objects.
fn split(body: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let text = body.trim_ascii();
    match text.first() {
        None => Err("the body is empty".to_owned()),
        Some(b'{') => Ok(metlog_json::objects(text).map(<[u8]>::to_vec).collect()),
        Some(b'[') => {
            let items =
                metlog_json::array_items(text).map_err(|why| format!("the body is not a valid JSON array: {why}"))?;
            Ok(items.into_iter().map(<[u8]>::to_vec).collect())
        }
        Some(_) => Err("the body is not a JSON object, an array of objects or lines of objects".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_each_form() {
        let texts = |body: &str| {
            let items = split(body.as_bytes()).map_err(|_| ())?;
            Ok(items.into_iter().map(|item| String::from_utf8(item).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(texts(r#" {"type":"a"} "#), Ok(vec![r#"{"type":"a"}"#.into()]));
        assert_eq!(texts("{\"type\":\"a\"}\n\n{\"b\":1}\n"), Ok(vec![r#"{"type":"a"}"#.into(), r#"{"b":1}"#.into()]));
        assert_eq!(
            texts(r#"[{"type":"a"}, 3, {"b":[1]}]"#),
            Ok(vec![r#"{"type":"a"}"#.into(), "3".into(), r#"{"b":[1]}"#.into()])
        );
        assert_eq!(texts("[]"), Ok(vec![]));
        for bad in ["", " \n", "x", "[1", "\"text\""] {
            assert_eq!(texts(bad), Err(()), "{bad}");
        }
    }
}
