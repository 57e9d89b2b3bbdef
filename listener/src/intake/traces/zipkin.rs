//! Zipkin's collector, and the way to what is read at the same address: `POST /api/v2/spans` in JSON or protobuf, and `POST /api/v1/spans` in JSON or Thrift.
use super::{Kind, content_type, take_http};
use crate::intake::server::{Server, Service};
use crate::intake::submit::Submit;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use metlog_schemas::format::zipkin::{self, request};
use tower::ServiceExt;

/// As it is registered.
pub static ZIPKIN: Server = Server {
    key: "zipkin",
    name: "listener.zipkin",
    default_port: 9411,
    service: |submit| Service::Http(router(submit)),
};

const UNREADABLE: &str = "zipkin_unreadable";

const JSON: Kind = Kind {
    code: zipkin::CODE,
    unreadable: UNREADABLE,
    to_journal: |bytes| {
        let list = bytes.trim_ascii();
        request::check_json(list).map_err(|why| format!("it is no JSON list: {why}"))?;
        Ok(list.to_vec())
    },
};

const THRIFT: Kind = Kind {
    code: zipkin::CODE,
    unreadable: UNREADABLE,
    to_journal: |bytes| match request::is_thrift(&bytes) {
        true => Ok(bytes),
        false => Err("it is no list of Thrift spans".to_owned()),
    },
};

const PROTO: Kind = Kind {
    code: zipkin::CODE,
    unreadable: UNREADABLE,
    to_journal: |bytes| match request::is_proto(&bytes) {
        // A list without spans has no bytes at all; this is one in JSON.
        true if bytes.is_empty() => Ok(b"[]".to_vec()),
        true => Ok(bytes),
        false => Err("it is no ListOfSpans".to_owned()),
    },
};

fn router(submit: Submit) -> Router {
    let mut router = Router::new();
    for prefix in ["", "/zipkin"] {
        router = router
            .route(&format!("{prefix}/api/v1/spans"), post(v1).fallback(read))
            .route(&format!("{prefix}/api/v2/spans"), post(v2).fallback(read));
    }
    router.fallback(read).with_state(submit)
}

/// Everything else is read, where somebody serves that.
async fn read(State(submit): State<Submit>, request: Request) -> Response {
    match submit.reads() {
        Some(routes) => routes.clone().oneshot(request).await.into_response(),
        None => (StatusCode::NOT_FOUND, "no such path: spans are sent to /api/v2/spans\n").into_response(),
    }
}

async fn v1(State(submit): State<Submit>, request: Request) -> Response {
    let kind = match content_type(&request).as_deref() {
        Some("application/x-thrift" | "application/vnd.apache.thrift.binary") => THRIFT,
        _ => JSON,
    };
    take_http(&submit, request, kind).await
}

async fn v2(State(submit): State<Submit>, request: Request) -> Response {
    let kind = match content_type(&request).as_deref() {
        Some("application/x-protobuf" | "application/protobuf") => PROTO,
        Some("application/x-thrift") => THRIFT,
        _ => JSON,
    };
    take_http(&submit, request, kind).await
}
