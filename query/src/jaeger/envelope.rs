//! The envelope of v1: `{"data", "total", "limit", "offset", "errors"}`, also around errors.
use super::parameters::Parameters;
use crate::{Error, Kind};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A result as v1 writes it.
#[derive(Debug, Serialize)]
pub(super) struct Envelope<D: Serialize> {
    pub(super) data: D,
    pub(super) total: usize,
    pub(super) limit: usize,
    pub(super) offset: usize,
    pub(super) errors: Option<Vec<Problem>>,
}

/// Why there is no result, or not all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<u16>,
    pub(super) msg: String,
    #[serde(rename = "traceID", skip_serializing_if = "Option::is_none")]
    pub(super) trace_id: Option<String>,
}

impl<D: Serialize> Envelope<D> {
    /// All of it.
    pub(super) fn of(data: D, total: usize) -> Envelope<D> {
        Envelope { data, total, limit: 0, offset: 0, errors: None }
    }

    /// Adds why something is missing.
    pub(super) fn but(mut self, problem: Option<Problem>) -> Envelope<D> {
        if let Some(problem) = problem {
            self.errors.get_or_insert_default().push(problem);
        }
        self
    }
}

/// A problem of a result that has a part of the rows only.
pub(super) fn partial(reason: Option<String>) -> Option<Problem> {
    reason.map(|reason| Problem { msg: format!("not all spans: {reason}"), ..Problem::default() })
}

/// An error and how HTTP calls it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn bad(message: impl Into<String>) -> Refusal {
        Refusal { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    pub(super) fn not_found() -> Refusal {
        Refusal { status: StatusCode::NOT_FOUND, message: super::texts::TRACE_NOT_FOUND.to_owned() }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { status: status_of(error.kind), message: error.to_string() }
    }
}

/// How HTTP calls an error of a query.
pub(crate) fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Request | Kind::Limit => StatusCode::BAD_REQUEST,
        Kind::ReadOnly | Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::Storage => StatusCode::SERVICE_UNAVAILABLE,
        // The SQL is ours.
        Kind::Sql | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// As Go's `http.Error` sends it: text, though it is JSON.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = Problem { code: Some(self.status.as_u16()), msg: self.message, trace_id: None };
        let body = Envelope { data: (), total: 0, limit: 0, offset: 0, errors: Some(vec![problem]) };
        as_error(self.status, &body)
    }
}

/// JSON of an error, with the headers that Jaeger gives it.
pub(super) fn as_error(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, text).into_response()
}

/// JSON in one line, or over many where the request wants to be read by people.
pub(super) fn written(body: &impl Serialize, parameters: &Parameters) -> Response {
    let pretty = parameters.get("prettyPrint").is_some_and(|value| !value.is_empty() && value != "false");
    let text = if pretty {
        let mut text = Vec::new();
        let indented = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, indented);
        body.serialize(&mut serializer).map(|()| text)
    } else {
        serde_json::to_vec(body)
    };
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, message: error.to_string() }.into_response(),
    }
}
