//! Rights of an HTTP request: whoever authenticates it puts them there. A request without any is refused.
use super::Rights;
use crate::error::{Error, Kind};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

impl<S: Send + Sync> FromRequestParts<S> for Rights {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Rights, Response> {
        let rights = parts.extensions.get::<Rights>().cloned();
        rights.ok_or_else(|| {
            let error = Error::new(Kind::Forbidden, "authentication is required");
            (StatusCode::UNAUTHORIZED, axum::Json(error.to_json())).into_response()
        })
    }
}
