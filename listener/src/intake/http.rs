//! `POST /api/messages`: Metlog JSON by HTTP, for who wants an answer: one message, an array, or lines.
//!
//! 200 means that the accepted messages are journaled and synced: they survive a kill and a power cut, and are stored
//! once. The body says how many were accepted, and which were not and why.
use super::submit::{Submit, Submitted, Unavailable};
use axum::body::to_bytes;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use metlog_schemas::format::metlog_json;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

/// Longest body.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Most messages of one request.
const ITEMS_MAX: usize = 20_000;
/// What a body may take up while it is taken apart, as a multiple of its bytes.
const ROOM_FACTOR: usize = 4;
/// Longest time in which a body must arrive.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// Rejections that are listed one by one.
const LISTED_MAX: usize = 100;

/// The paths of this intake.
pub fn router(submit: Submit) -> Router {
    let methods = post(messages).fallback(|| async {
        let answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "POST Metlog JSON: one message, an array, or lines");
        ([(header::ALLOW, "POST")], answer).into_response()
    });
    Router::new()
        .route("/api/messages", methods)
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "not found: the only path is /api/messages") })
        .with_state(submit)
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({"error": {"kind": "request", "message": message}}))).into_response()
}

fn later(status: StatusCode, message: &str, wait: Duration) -> Response {
    ([(header::RETRY_AFTER, wait.as_secs().max(1).to_string())], refusal(status, message)).into_response()
}

async fn messages(
    State(submit): State<Submit>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    request: Request,
) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length: usize = length.unwrap_or(BODY_BYTES_MAX);
    if length > BODY_BYTES_MAX {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, &format!("a body has at most {BODY_BYTES_MAX} bytes"));
    }
    let room = match submit.room(length * ROOM_FACTOR) {
        Ok(room) => room,
        Err(unavailable) => return retry_later(unavailable),
    };
    let body = match tokio::time::timeout(BODY_WAIT, to_bytes(request.into_body(), BODY_BYTES_MAX)).await {
        Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        Ok(Err(error)) => return refusal(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body: {error}")),
        Ok(Ok(body)) => body,
    };
    let items = match split(&body) {
        Ok(items) => items,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, &why),
    };
    if items.len() > ITEMS_MAX {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, &format!("a request has at most {ITEMS_MAX} messages"));
    }
    drop(body);
    let source = peer.map(|Extension(ConnectInfo(address))| address);
    match submit.submit(metlog_json::RECORD_CODE, items, source, room).await {
        Ok(submitted) => answer(&submitted),
        Err(unavailable) => retry_later(unavailable),
    }
}

/// Nothing was accepted; when to retry.
fn retry_later(unavailable: Unavailable) -> Response {
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
fn answer(submitted: &Submitted) -> Response {
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
