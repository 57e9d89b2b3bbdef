//! Servers that take spans of Jaeger, Zipkin and Milo. A request is checked as a whole before it is journaled, span by
//! span afterwards, and is answered when it is on disk.
mod jaeger_grpc;
mod jaeger_http;
mod scribe;
mod zipkin;

pub use jaeger_grpc::JAEGER_GRPC;
pub use jaeger_http::JAEGER_HTTP;
pub use scribe::{MILO, SCRIBE};
pub use zipkin::ZIPKIN;

use super::body::{self, Unread};
use super::inflate::{Encoding, Refused, inflate};
use super::submit::{Room, Submit, Unavailable, Whole};
use crate::pipeline::Source;
use axum::extract::Request;
use axum::extract::connect_info::ConnectInfo;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::time::Duration;

/// Longest request, before it is compressed, in bytes.
pub(super) const REQUEST_BYTES_MAX: usize = 20 << 20;
/// When to come back to a listener that stops.
const STOPPING_WAIT: Duration = Duration::from_secs(5);

/// Why nothing of a request was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// It is longer than allowed.
    TooLong,
    /// It can never be taken.
    Invalid(String),
    /// It may be sent again.
    Unavailable(Unavailable),
}

impl From<Unavailable> for Failed {
    fn from(unavailable: Unavailable) -> Failed {
        Failed::Unavailable(unavailable)
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Failed {
        match refused {
            Refused::TooLong => Failed::TooLong,
            Refused::Invalid(why) => Failed::Invalid(format!("the body cannot be inflated: {why}")),
            Refused::Unavailable(unavailable) => Failed::Unavailable(unavailable),
        }
    }
}

/// What a request is, and how its bytes become those that are journaled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// The code of its records.
    code: u8,
    /// The reason that counts one that cannot be read.
    unreadable: &'static str,
    /// Checks it; the bytes to journal.
    to_journal: fn(Vec<u8>) -> Result<Vec<u8>, String>,
}

/// Takes a request; returns when it is on disk. One that can never be taken is counted as one message.
async fn take(
    submit: &Submit,
    kind: Kind,
    encoding: Encoding,
    bytes: Vec<u8>,
    source: Source,
    room: Room,
) -> Result<Whole, Failed> {
    let make = move |room: &mut Room| {
        let bytes = inflate(encoding, bytes, REQUEST_BYTES_MAX, room)?;
        room.reach(2 * bytes.len())?;
        (kind.to_journal)(bytes).map_err(Failed::Invalid)
    };
    let taken = submit.submit_whole(kind.code, source, room, make).await;
    if matches!(taken, Err(Failed::TooLong | Failed::Invalid(_))) {
        submit.refuse(kind.unreadable, source, b"");
    }
    taken
}

/// Reads a request over HTTP, and takes it: 202 when it is on disk, 400 where nothing of it can be taken, 429 and 503
/// with the time to come back.
async fn take_http(submit: &Submit, request: Request, kind: Kind) -> Response {
    let source = source_of(&request);
    let (head, body) = request.into_parts();
    let named = head.headers.get(header::CONTENT_ENCODING).map(|name| name.to_str().ok().and_then(Encoding::of_name));
    let Some(encoding) = named.unwrap_or(Some(Encoding::Identity)) else {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content encoding must be gzip, deflate or identity\n")
            .into_response();
    };
    let (bytes, room) = match body::read(submit, &head.headers, body, REQUEST_BYTES_MAX, 1).await {
        Ok(read) => read,
        Err(Unread::TooLong) => {
            submit.refuse(kind.unreadable, source, b"");
            return failure(Failed::TooLong);
        }
        Err(Unread::Unavailable(unavailable)) => return failure(unavailable.into()),
        Err(Unread::Broken(why)) => return failure(Failed::Invalid(why)),
    };
    match take(submit, kind, encoding, bytes, source, room).await {
        Err(failed) => failure(failed),
        Ok(whole) if whole.accepted == 0 && !whole.rejected.is_empty() => failure(Failed::Invalid(refused(&whole))),
        Ok(_) => StatusCode::ACCEPTED.into_response(),
    }
}

/// What was refused for good, in words.
fn refused(whole: &Whole) -> String {
    let each = whole.rejected.iter().map(|(reason, count)| format!("{count} {reason}"));
    format!("no span was accepted: {}", each.collect::<Vec<_>>().join(", "))
}

fn source_of(request: &Request) -> Source {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| *address)
}

fn failure(failed: Failed) -> Response {
    let (status, text, wait) = match failed {
        Failed::TooLong => {
            (StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {REQUEST_BYTES_MAX} bytes"), None)
        }
        Failed::Invalid(why) => (StatusCode::BAD_REQUEST, format!("Unable to process request body: {why}"), None),
        Failed::Unavailable(unavailable) => {
            let (status, text, wait) = match unavailable {
                Unavailable::Busy(wait) => (StatusCode::TOO_MANY_REQUESTS, "too many concurrent requests", wait),
                Unavailable::Full(wait) => (StatusCode::SERVICE_UNAVAILABLE, "the journal is full", wait),
                Unavailable::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "the listener is stopping", STOPPING_WAIT),
            };
            (status, format!("{text}: nothing was accepted, retry later"), Some(wait))
        }
    };
    let mut response = (status, format!("{text}\n")).into_response();
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
    }
    response
}

/// What a body is said to be, without parameters, in lower case.
fn content_type(request: &Request) -> Option<String> {
    let of = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(of.split(';').next()?.trim().to_ascii_lowercase())
}
