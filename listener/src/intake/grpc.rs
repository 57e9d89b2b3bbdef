//! gRPC calls of one message each, over HTTP/2: their framing, compression and status.
//!
//! A message stays bytes: whoever reads it decodes it as it likes. Memory is granted before a message is read, which
//! is why this is no generated service.
use super::body::{self, Unread};
use super::inflate::{Encoding, Refused};
use super::submit::{Room, Submit, Unavailable};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame};
use metlog_schemas::format::otlp::proto::{put_bytes, put_message, put_number};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// What is before a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// The codes of gRPC that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// The request is invalid.
    InvalidArgument = 3,
    /// Nothing of this name.
    NotFound = 5,
    /// Too much at a time, or too long.
    ResourceExhausted = 8,
    /// There is no such method, or no such compression.
    Unimplemented = 12,
    /// Not now.
    Unavailable = 14,
}

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The kind.
    pub code: Code,
    /// For who reads a log.
    pub message: String,
    /// The same call may succeed after this.
    pub retry: Option<Duration>,
}

impl Status {
    /// One that is final.
    pub fn new(code: Code, message: impl Into<String>) -> Status {
        Status { code, message: message.into(), retry: None }
    }

    /// As `google.rpc.Status`, with `RetryInfo` where it may be tried again.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let mut status = Vec::new();
        put_number(1, self.code as u64, &mut status);
        put_bytes(2, self.message.as_bytes(), &mut status);
        if let Some(retry) = self.retry {
            let _ = put_message(3, &mut status, |any| {
                put_bytes(1, b"type.googleapis.com/google.rpc.RetryInfo", any);
                put_message(2, any, |info| {
                    put_message(1, info, |delay| {
                        put_number(1, retry.as_secs().max(1), delay);
                        Ok::<(), Infallible>(())
                    })
                })
            });
        }
        status
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(STATUS, HeaderValue::from(self.code as i32));
        let text: String = percent_encoded(&self.message);
        headers.extend(HeaderValue::try_from(text).ok().map(|text| (MESSAGE, text)));
        let details = base64(&self.to_protobuf());
        headers.extend(HeaderValue::try_from(details).ok().map(|details| (DETAILS, details)));
        headers
    }
}

impl From<Unavailable> for Status {
    fn from(unavailable: Unavailable) -> Status {
        let (code, message, wait) = match unavailable {
            Unavailable::Busy(wait) => (Code::ResourceExhausted, "too many concurrent requests", wait),
            Unavailable::Full(wait) => (Code::Unavailable, "the journal is full", wait),
            Unavailable::Stopping => (Code::Unavailable, "the listener is stopping", Duration::from_secs(5)),
        };
        Status { code, message: format!("{message}: nothing was accepted, retry later"), retry: Some(wait) }
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Status {
        match refused {
            Refused::TooLong => Status::new(Code::ResourceExhausted, "the message is too long"),
            Refused::Invalid(why) => {
                Status::new(Code::InvalidArgument, format!("the message cannot be inflated: {why}"))
            }
            Refused::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPTED: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// The message of a call, still compressed.
#[derive(Debug)]
pub struct Call {
    /// Its bytes.
    pub message: Vec<u8>,
    /// How they are compressed.
    pub encoding: Encoding,
    /// The memory that they take.
    pub room: Room,
}

/// Reads the one message of a call, of at most `bytes_max`.
///
/// # Errors
/// The status to respond with.
pub async fn receive(submit: &Submit, request: Request, bytes_max: usize) -> Result<Call, Status> {
    let (head, body) = request.into_parts();
    let read = body::read(submit, &head.headers, body, bytes_max + PREFIX_BYTES, 1).await;
    let (mut bytes, room) = read.map_err(|unread| match unread {
        Unread::TooLong => Status::from(Refused::TooLong),
        Unread::Broken(why) => Status::new(Code::InvalidArgument, format!("the message: {why}")),
        Unread::Unavailable(unavailable) => unavailable.into(),
    })?;
    let cut = || Status::new(Code::InvalidArgument, "the call has no single whole message");
    let (prefix, message) = bytes.split_first_chunk::<PREFIX_BYTES>().ok_or_else(cut)?;
    let [compressed, length @ ..] = *prefix;
    if u32::from_be_bytes(length) as usize != message.len() {
        return Err(cut());
    }
    let named = head.headers.get(ENCODING).and_then(|name| name.to_str().ok()).unwrap_or_default();
    let encoding = match compressed {
        0 => Some(Encoding::Identity),
        1 => Encoding::of_name(named).filter(|encoding| *encoding != Encoding::Identity),
        _ => return Err(cut()),
    };
    let unknown =
        || Status::new(Code::Unimplemented, format!("`{named}` is not supported: there are gzip and identity"));
    let encoding = encoding.ok_or_else(unknown)?;
    bytes.drain(..PREFIX_BYTES);
    Ok(Call { message: bytes, encoding, room })
}

/// The response of a call that succeeded.
pub fn respond(message: &[u8]) -> Response {
    let mut framed = Vec::with_capacity(PREFIX_BYTES + message.len());
    framed.push(0);
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    let mut response = Response::new(Body::new(Once { message: Some(framed.into()), has_ended: false }));
    response.headers_mut().extend([(header::CONTENT_TYPE, CONTENT_TYPE), accepted()]);
    response
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let mut headers = self.headers();
        headers.extend([(header::CONTENT_TYPE, CONTENT_TYPE), accepted()]);
        (StatusCode::OK, headers).into_response()
    }
}

/// What is said of a path that no service has.
pub async fn unimplemented(request: Request) -> Response {
    let is_grpc =
        request.headers().get(header::CONTENT_TYPE).is_some_and(|of| of.as_bytes().starts_with(b"application/grpc"));
    match is_grpc {
        true => Status::new(Code::Unimplemented, format!("no such method: {}", request.uri().path())).into_response(),
        false => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "this address is for gRPC\n").into_response(),
    }
}

fn accepted() -> (HeaderName, HeaderValue) {
    (ACCEPTED, HeaderValue::from_static("identity,gzip"))
}

/// A message, and behind it the trailers of success.
struct Once {
    message: Option<Bytes>,
    has_ended: bool,
}

impl HttpBody for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        if std::mem::replace(&mut self.has_ended, true) {
            return Poll::Ready(None);
        }
        let trailers = HeaderMap::from_iter([(STATUS, HeaderValue::from(0))]);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended
    }
}

/// As gRPC writes messages in headers.
fn percent_encoded(text: &str) -> String {
    let written = |byte: u8| match byte {
        b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(written).collect()
}

/// Base64 without padding, as gRPC writes binary headers.
fn base64(bytes: &[u8]) -> String {
    let padded = metlog_schemas::span::base64(bytes);
    padded.trim_end_matches('=').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_as_others_read_it() {
        let status =
            Status { code: Code::Unavailable, message: "voll: 100 %, é".into(), retry: Some(Duration::from_secs(10)) };
        let headers = status.headers();
        assert_eq!(headers[STATUS], "14");
        assert_eq!(headers[MESSAGE], "voll: 100 %25, %C3%A9");
        let expected = b"\x08\x0e\x12\x0fvoll: 100 %, \xc3\xa9\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x0a";
        assert_eq!(status.to_protobuf(), expected);
        assert!(!headers[DETAILS].as_bytes().contains(&b'='));
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xff\xfe", "//4")] {
            assert_eq!(base64(bytes), text);
        }
    }
}
