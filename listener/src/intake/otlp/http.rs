//! OTLP over HTTP: `POST /v1/traces`, `/v1/logs` and `/v1/metrics`, protobuf or JSON, compressed or not.
//!
//! A response is written as the request was. 429 and 503 say when to come back; other errors are final.
use super::{Failed, Form, REQUEST_BYTES_MAX, Received, export, partial, rejected_name, response};
use crate::intake::body::{self, Unread};
use crate::intake::grpc::{Code, Status};
use crate::intake::inflate::Encoding;
use crate::intake::server::{Server, Service};
use crate::intake::submit::{Submit, Unavailable};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use metlog_schemas::format::otlp::Signal;
use serde_json::json;
use std::net::SocketAddr;

/// As it is registered.
pub static HTTP: Server = Server {
    key: "otlp_http",
    name: "listener.otlp_http",
    default_port: 4318,
    service: |submit| Service::Http(router(submit)),
};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn router(submit: Submit) -> Router {
    let of = |signal| {
        let answered = move |state, peer, request| async move { answer(state, peer, request, signal).await };
        post(answered).fallback(|headers: HeaderMap| async move {
            let form = form_of(&headers).unwrap_or(Form::Json);
            let mut refused =
                refusal(form, StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, "POST an OTLP request");
            refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            refused
        })
    };
    Router::new()
        .route("/v1/traces", of(Signal::Traces))
        .route("/v1/logs", of(Signal::Logs))
        .route("/v1/metrics", of(Signal::Metrics))
        .fallback(|headers: HeaderMap| async move {
            let paths = "not found: the paths are /v1/traces, /v1/logs and /v1/metrics";
            refusal(form_of(&headers).unwrap_or(Form::Json), StatusCode::NOT_FOUND, Code::NotFound, paths)
        })
        .with_state(submit)
}

/// What a body is said to be; `None`: nothing that is read here.
fn form_of(headers: &HeaderMap) -> Option<Form> {
    let of = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    match of.split(';').next()?.trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" | "application/protobuf" => Some(Form::Protobuf),
        "application/json" => Some(Form::Json),
        _ => None,
    }
}

async fn answer(
    State(submit): State<Submit>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    request: Request,
    signal: Signal,
) -> Response {
    let source = peer.map(|Extension(ConnectInfo(address))| address);
    let (head, body) = request.into_parts();
    let Some(form) = form_of(&head.headers) else {
        let types = "the content type must be application/x-protobuf or application/json";
        return refusal(Form::Json, StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, types);
    };
    let encoding =
        head.headers.get(header::CONTENT_ENCODING).map(|name| name.to_str().ok().and_then(Encoding::of_name));
    let Some(encoding) = encoding.unwrap_or(Some(Encoding::Identity)) else {
        let encodings = "the content encoding must be gzip, deflate or identity";
        return refusal(form, StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, encodings);
    };
    let (bytes, room) = match body::read(&submit, &head.headers, body, REQUEST_BYTES_MAX, 1).await {
        Ok(read) => read,
        Err(Unread::TooLong) => return failure(form, Failed::TooLong),
        Err(Unread::Unavailable(unavailable)) => return failure(form, unavailable.into()),
        Err(Unread::Broken(why)) => return refusal(form, StatusCode::BAD_REQUEST, Code::InvalidArgument, &why),
    };
    match export(&submit, Received { signal, form, encoding, bytes }, source, room).await {
        Err(failed) => failure(form, failed),
        Ok(whole) if form == Form::Protobuf => ([(header::CONTENT_TYPE, PROTOBUF)], response(&whole)).into_response(),
        Ok(whole) => {
            let partial = partial(&whole).map(|(rejected, message)| {
                json!({"partialSuccess": {rejected_name(signal): rejected.to_string(), "errorMessage": message}})
            });
            ([(header::CONTENT_TYPE, JSON)], partial.unwrap_or_else(|| json!({})).to_string()).into_response()
        }
    }
}

fn failure(form: Form, failed: Failed) -> Response {
    let status = match &failed {
        Failed::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        Failed::Invalid(_) => StatusCode::BAD_REQUEST,
        Failed::Unavailable(Unavailable::Busy(_)) => StatusCode::TOO_MANY_REQUESTS,
        Failed::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    write(form, status, &failed.into())
}

fn refusal(form: Form, status: StatusCode, code: Code, message: &str) -> Response {
    write(form, status, &Status::new(code, message))
}

/// An error as `google.rpc.Status`.
fn write(form: Form, http: StatusCode, status: &Status) -> Response {
    let mut response = match form {
        Form::Protobuf => (http, [(header::CONTENT_TYPE, PROTOBUF)], status.to_protobuf()).into_response(),
        Form::Json => {
            let body = json!({"code": status.code as i32, "message": status.message});
            (http, [(header::CONTENT_TYPE, JSON)], body.to_string()).into_response()
        }
    };
    if let Some(retry) = status.retry {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry.as_secs().max(1)));
    }
    response
}
