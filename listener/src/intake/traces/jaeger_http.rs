//! Jaeger's collector over HTTP: `POST /api/traces` with a Thrift `Batch` in the binary protocol.
use super::{Kind, content_type, take_http};
use crate::intake::server::{Server, Service};
use crate::intake::submit::Submit;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use metlog_schemas::format::jaeger;

/// As it is registered.
pub static JAEGER_HTTP: Server = Server {
    key: "jaeger_http",
    name: "listener.jaeger_http",
    default_port: 14268,
    service: |submit| Service::Http(router(submit)),
};

const BATCH: Kind = Kind {
    code: jaeger::CODE,
    unreadable: "jaeger_unreadable",
    to_journal: |bytes| {
        jaeger::request::batch(&bytes).map_err(|error| format!("it is no Thrift batch: {}", error.reason()))
    },
};

fn router(submit: Submit) -> Router {
    Router::new()
        .route("/api/traces", post(traces))
        // Where its clients asked for strategies before agents did.
        .route("/api/sampling", get(crate::sampling::serve::strategy))
        .with_state(submit)
}

async fn traces(State(submit): State<Submit>, request: Request) -> Response {
    match content_type(&request).as_deref() {
        Some("application/x-thrift" | "application/vnd.apache.thrift.binary") => {
            take_http(&submit, request, BATCH).await
        }
        None => (StatusCode::BAD_REQUEST, "Cannot parse content type: mime: no media type\n").into_response(),
        Some(other) => (StatusCode::BAD_REQUEST, format!("Unsupported content type: {other}\n")).into_response(),
    }
}
