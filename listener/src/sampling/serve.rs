//! What clients ask: over HTTP as Jaeger's agent and collector answer, and over gRPC as its sampling manager does.
use super::strategy::{Pick, Strategy};
use crate::intake::grpc::{Call, Status, receive, respond, unimplemented};
use crate::intake::server::{Server, Service};
use crate::intake::submit::Submit;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use metlog_schemas::format::otlp::proto::{Cursor, put_bytes, put_fixed64, put_number};
use percent_encoding::percent_decode_str;

/// As it is registered.
pub static SAMPLING: Server = Server {
    key: "sampling",
    name: "listener.sampling",
    default_port: 5778,
    service: |submit| Service::HttpOrGrpc(router(submit)),
};

/// The path of the method of Jaeger's sampling manager.
pub const GRPC_PATH: &str = "/jaeger.api_v2.SamplingManager/GetSamplingStrategy";
/// Longest request over gRPC, and longest name of a service.
const NAME_BYTES_MAX: usize = 4096;

fn router(submit: Submit) -> Router {
    Router::new()
        .route("/sampling", get(strategy))
        .route("/api/sampling", get(strategy))
        .route("/", get(legacy))
        // Jaeger's clients ask for it where baggage is restricted: it never is.
        .route("/baggageRestrictions", get(|| async { ([(header::CONTENT_TYPE, "application/json")], "[]") }))
        .route(GRPC_PATH, post(grpc))
        .fallback(fallback)
        .with_state(submit)
}

async fn fallback(request: Request) -> Response {
    if request.uri().path().starts_with("/jaeger.") {
        return unimplemented(request).await;
    }
    let text = "not found: the paths are /sampling, /api/sampling and /, each with ?service=NAME\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

/// `/sampling`.
pub async fn strategy(State(submit): State<Submit>, request: Request) -> Response {
    answer(&submit, &request, Strategy::json)
}

/// `/`, with numbers instead of words.
async fn legacy(State(submit): State<Submit>, request: Request) -> Response {
    answer(&submit, &request, Strategy::legacy_json)
}

fn answer(submit: &Submit, request: &Request, write: fn(&Strategy) -> serde_json::Value) -> Response {
    match service(request.uri().query().unwrap_or_default()) {
        Some(service) => Json(write(&submit.sampling().strategy(&service))).into_response(),
        None => (StatusCode::BAD_REQUEST, "'service' parameter must be provided once\n").into_response(),
    }
}

/// The only `service` of a query.
fn service(query: &str) -> Option<String> {
    let mut services = query.split('&').filter_map(|pair| pair.strip_prefix("service="));
    let (service, None) = (services.next()?, services.next()) else { return None };
    let decoded = service.replace('+', " ");
    Some(percent_decode_str(&decoded).decode_utf8_lossy().into_owned()).filter(|name| name.len() <= NAME_BYTES_MAX)
}

/// `GetSamplingStrategy`.
pub async fn grpc(State(submit): State<Submit>, request: Request) -> Response {
    let Call { message, encoding, mut room } = match receive(&submit, request, NAME_BYTES_MAX).await {
        Ok(call) => call,
        Err(status) => return status.into_response(),
    };
    let message = match crate::intake::inflate::inflate(encoding, message, NAME_BYTES_MAX, &mut room) {
        Ok(message) => message,
        Err(refused) => return Status::from(refused).into_response(),
    };
    let mut service = String::new();
    let mut cursor = Cursor::new(&message);
    while let Ok(Some((field, value))) = cursor.next() {
        if let (1, Ok(name)) = (field, value.text()) {
            name.clone_into(&mut service);
        }
    }
    respond(&to_protobuf(&submit.sampling().strategy(&service)))
}

/// `SamplingStrategyResponse`. Source: jaeger-idl, proto/api_v2/sampling.proto.
fn to_protobuf(strategy: &Strategy) -> Vec<u8> {
    let double = |field: u32, number: f64, to: &mut Vec<u8>| put_fixed64(field, number.to_bits(), to);
    let rate = |probability: f64| {
        let mut rate = Vec::new();
        double(1, probability, &mut rate);
        rate
    };
    let mut response = Vec::new();
    match strategy.pick {
        Pick::Probability(probability) => put_bytes(2, &rate(probability), &mut response),
        Pick::TracesPerSecond(most) => {
            let mut limit = Vec::new();
            put_number(1, u64::from(most), &mut limit);
            put_number(1, 1, &mut response);
            put_bytes(3, &limit, &mut response);
        }
    }
    if let Some(operations) = &strategy.operations {
        let mut all = Vec::new();
        double(1, operations.default_probability, &mut all);
        double(2, operations.lower_bound_per_second, &mut all);
        for (operation, probability) in &operations.listed {
            let mut one = Vec::new();
            put_bytes(1, operation.as_bytes(), &mut one);
            put_bytes(2, &rate(*probability), &mut one);
            put_bytes(3, &one, &mut all);
        }
        put_bytes(4, &all, &mut response);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_must_be_named_once() {
        for (query, expected) in [
            ("service=a", Some("a")),
            ("x=1&service=a%20b+c", Some("a b c")),
            ("service=", Some("")),
            ("", None),
            ("services=a", None),
            ("service=a&service=b", None),
        ] {
            assert_eq!(service(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn protobuf_has_what_json_has() {
        let bytes = to_protobuf(&Strategy { pick: Pick::TracesPerSecond(300), operations: None });
        assert_eq!(bytes, b"\x08\x01\x1a\x03\x08\xac\x02");
        let bytes = to_protobuf(&Strategy::of_probability(0.5));
        assert_eq!(bytes, b"\x12\x09\x09\x00\x00\x00\x00\x00\x00\xe0\x3f");
    }
}
