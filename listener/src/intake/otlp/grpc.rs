//! OTLP over gRPC: the three services' `Export`.
use super::{Failed, Form, REQUEST_BYTES_MAX, Received, export, response};
use crate::intake::grpc::{Call, Code, Status, receive, respond, unimplemented};
use crate::intake::server::{Server, Service};
use crate::intake::submit::Submit;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use metlog_schemas::format::otlp::Signal;
use std::net::SocketAddr;

/// As it is registered.
pub static GRPC: Server = Server {
    key: "otlp_grpc",
    name: "listener.otlp_grpc",
    default_port: 4317,
    service: |submit| Service::Grpc(router(submit)),
};

fn router(submit: Submit) -> Router {
    let service = |service: &str| format!("/opentelemetry.proto.collector.{service}/Export");
    let of = |signal| post(move |state, peer, request| async move { answer(state, peer, request, signal).await });
    Router::new()
        .route(&service("trace.v1.TraceService"), of(Signal::Traces))
        .route(&service("logs.v1.LogsService"), of(Signal::Logs))
        .route(&service("metrics.v1.MetricsService"), of(Signal::Metrics))
        .fallback(unimplemented)
        .with_state(submit)
}

async fn answer(
    State(submit): State<Submit>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    request: Request,
    signal: Signal,
) -> Response {
    let source = peer.map(|Extension(ConnectInfo(address))| address);
    let Call { message, encoding, room } = match receive(&submit, request, REQUEST_BYTES_MAX).await {
        Ok(call) => call,
        Err(status) => return status.into_response(),
    };
    let received = Received { signal, form: Form::Protobuf, encoding, bytes: message };
    match export(&submit, received, source, room).await {
        Ok(whole) => respond(&response(&whole)),
        Err(failed) => Status::from(failed).into_response(),
    }
}

impl From<Failed> for Status {
    fn from(failed: Failed) -> Status {
        match failed {
            Failed::TooLong => {
                Status::new(Code::ResourceExhausted, format!("a message has at most {REQUEST_BYTES_MAX} bytes"))
            }
            Failed::Invalid(why) => Status::new(Code::InvalidArgument, why),
            Failed::Unavailable(unavailable) => unavailable.into(),
        }
    }
}
