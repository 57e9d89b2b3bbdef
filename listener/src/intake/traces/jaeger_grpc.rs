//! Jaeger's collector over gRPC: `PostSpans`, and the strategies of its sampling manager.
use super::{Failed, Kind, REQUEST_BYTES_MAX, refused, source_of, take};
use crate::intake::grpc::{Call, Code, Status, receive, respond, unimplemented};
use crate::intake::server::{Server, Service};
use crate::intake::submit::Submit;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use metlog_schemas::format::jaeger;

/// As it is registered.
pub static JAEGER_GRPC: Server = Server {
    key: "jaeger_grpc",
    name: "listener.jaeger_grpc",
    default_port: 14250,
    service: |submit| Service::Grpc(router(submit)),
};

const POST_SPANS: Kind = Kind {
    code: jaeger::CODE,
    unreadable: "jaeger_unreadable",
    to_journal: |bytes| match jaeger::request::is_post_spans(&bytes) {
        true => Ok(bytes),
        false => Err("it is no PostSpansRequest".to_owned()),
    },
};

fn router(submit: Submit) -> Router {
    Router::new()
        .route("/jaeger.api_v2.CollectorService/PostSpans", post(post_spans))
        .route(crate::sampling::serve::GRPC_PATH, post(crate::sampling::serve::grpc))
        .fallback(unimplemented)
        .with_state(submit)
}

async fn post_spans(State(submit): State<Submit>, request: Request) -> Response {
    let source = source_of(&request);
    let Call { message, encoding, room } = match receive(&submit, request, REQUEST_BYTES_MAX).await {
        Ok(call) => call,
        Err(status) => return status.into_response(),
    };
    // Without spans there is nothing to journal, and nothing that would tell what it is.
    if message.is_empty() {
        return respond(b"");
    }
    match take(&submit, POST_SPANS, encoding, message, source, room).await {
        Ok(whole) if whole.accepted == 0 && !whole.rejected.is_empty() => {
            Status::new(Code::InvalidArgument, refused(&whole)).into_response()
        }
        Ok(_) => respond(b""),
        Err(Failed::TooLong) => {
            let text = format!("a message has at most {REQUEST_BYTES_MAX} bytes");
            Status::new(Code::ResourceExhausted, text).into_response()
        }
        Err(Failed::Invalid(why)) => Status::new(Code::InvalidArgument, why).into_response(),
        Err(Failed::Unavailable(unavailable)) => Status::from(unavailable).into_response(),
    }
}
