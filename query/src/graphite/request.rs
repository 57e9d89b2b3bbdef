//! What a request says, in its address and in its form, and how it is refused: in a line of text, as Graphite does.
use super::attime;
use crate::error::{Error, Kind};
use arrow::array::timezone::Tz;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::str::FromStr;
use url::form_urlencoded;

/// Longest form.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Parameters of a request.
const PARAMETERS_MAX: usize = 10_000;

/// Parameters by name, those of the address before those of the form.
#[derive(Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Parameters, Refusal> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Refusal(rejection.status(), format!("the form: {}", rejection.body_text())))?;
        let both = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(&body));
        let parameters: Vec<_> =
            both.map(|(name, value)| (name.into_owned(), value.into_owned())).take(PARAMETERS_MAX + 1).collect();
        if parameters.len() > PARAMETERS_MAX {
            return Err(Refusal::request(format!("more than {PARAMETERS_MAX} parameters")));
        }
        Ok(Parameters(parameters))
    }
}

impl Parameters {
    /// These.
    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Parameters {
        Parameters(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// The last value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter: `target=a&target=b`, or else `target[]=a&target[]=b`.
    pub fn all(&self, name: &str) -> Vec<String> {
        let list = format!("{name}[]");
        let values = |name: &str| {
            self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let plain = values(name);
        if plain.is_empty() { values(&list) } else { plain }
    }

    /// `template[name]=value`
    pub fn templates(&self) -> Vec<(String, String)> {
        let of = |(key, value): &(String, String)| {
            let name = key.strip_prefix("template[")?.strip_suffix(']')?;
            Some((name.to_owned(), value.clone()))
        };
        self.0.iter().filter_map(of).collect()
    }

    /// A whole number.
    pub fn integer(&self, name: &str, default: i64) -> Result<i64, Refusal> {
        match self.get(name) {
            None => Ok(default),
            Some(text) => {
                text.trim().parse().map_err(|_| Refusal::request(format!("{name} must be an integer, not `{text}`")))
            }
        }
    }

    /// Whose days are meant: `tz`, or UTC; also where no such zone is known.
    pub fn zone(&self) -> Tz {
        let utc = || Tz::from_str("UTC").ok();
        let named = self.get("tz").and_then(|name| Tz::from_str(name).ok());
        // `+00:00` always is one.
        named.or_else(utc).unwrap_or_else(|| match Tz::from_str("+00:00") {
            Ok(zone) => zone,
            Err(_) => unreachable!("an offset is a time zone"),
        })
    }

    /// `now`, or the given time.
    pub fn now(&self, now: i64) -> Result<i64, Refusal> {
        self.time("now", now).map(|found| found.unwrap_or(now))
    }

    /// A time, where it is given.
    pub fn time(&self, name: &str, now: i64) -> Result<Option<i64>, Refusal> {
        let text = self.get(name).filter(|text| !text.is_empty() && *text != "-1");
        let parsed = text.map(|text| attime::parse(text, self.zone(), now)).transpose();
        parsed.map_err(|why| Refusal::request(format!("{name}: {why}")))
    }
}

/// A status, and why.
#[derive(Debug)]
pub struct Refusal(pub StatusCode, pub String);

impl Refusal {
    /// The request is wrong.
    pub fn request(why: impl Into<String>) -> Refusal {
        Refusal(StatusCode::BAD_REQUEST, why.into())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        let status = match error.kind {
            Kind::Sql | Kind::Request | Kind::Limit => StatusCode::BAD_REQUEST,
            Kind::ReadOnly | Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Kind::Storage => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refusal(status, error.message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = crate::format::harmless(&self.1);
        (self.0, with_type("text/plain; charset=utf-8", text)).into_response()
    }
}

/// A body that no browser takes for something else, and that nobody keeps.
pub fn with_type(media_type: &'static str, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    (headers, body).into_response()
}

/// JSON.
pub fn json(value: &serde_json::Value) -> Response {
    with_type("application/json", value.to_string())
}
