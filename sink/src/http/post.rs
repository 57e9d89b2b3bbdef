//! Posts one document and returns the outcome.
use super::config::Config;
use super::documents::Document;
use crate::{Next, SinkError};
use bytes::Bytes;
use chrono::DateTime;
use flate2::Compression;
use flate2::write::GzEncoder;
use metlog_schemas::error::with_causes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, redirect};
use std::io::Write;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// Longest wait that a server may ask for; beyond it we ask again.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// Maximum characters of a refusal that are shown to an operator.
const REFUSAL_CHARS_MAX: usize = 200;

/// What a server made of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is over there.
    Taken,
    /// It is larger than the server takes.
    TooLarge,
    /// It will never be taken; why.
    Refused(String),
}

/// A header as it is sent; its value is not printed.
///
/// # Errors
/// In words for an operator, where it cannot be sent.
pub fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = |what: &str| format!("header `{}`: {what} cannot be sent", name.escape_debug());
    let header = HeaderName::try_from(name).map_err(|_| wrong("the name"))?;
    let mut value = HeaderValue::try_from(value).map_err(|_| wrong("the value"))?;
    value.set_sensitive(true);
    Ok((header, value))
}

/// Sends documents.
#[derive(Debug, Clone)]
pub struct Poster {
    client: Client,
    gzip: bool,
}

impl Poster {
    /// # Errors
    /// In words for an operator, where a header or the token cannot be sent or TLS cannot be set up.
    pub fn new(config: &Config) -> Result<Poster, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let token = config.bearer_token.iter().map(|token| ("authorization".to_owned(), format!("Bearer {token}")));
        for (name, value) in config.headers.iter().cloned().chain(token) {
            let (name, value) = header(&name, &value)?;
            headers.insert(name, value);
        }
        let client = Client::builder()
            .user_agent(concat!("metlog/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .timeout(config.timeout)
            // Following one would turn the POST into a GET.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| with_causes(&error))?;
        Ok(Poster { client, gzip: config.gzip })
    }

    /// Posts a body.
    pub async fn post(&self, url: &str, body: Bytes) -> Result<Answer, SinkError> {
        let mut request = self.client.post(url).body(body);
        if self.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        let failed = |error: reqwest::Error| SinkError::retry(format!("{url}: {}", with_causes(&error.without_url())));
        let response = request.send().await.map_err(failed)?;
        judge(url, response).await
    }

    /// Sends OPTIONS to a URL, which is harmless. Most servers do not support it, and any response shows that they are
    /// reachable; only a proxy's report that they are not, and a refusal of the token, count as failures.
    pub async fn probe(&self, url: &str) -> Result<(), SinkError> {
        let request = self.client.request(Method::OPTIONS, url);
        let failed = |error: reqwest::Error| SinkError::retry(format!("{url}: {}", with_causes(&error.without_url())));
        let response = request.send().await.map_err(failed)?;
        match response.status() {
            StatusCode::UNAUTHORIZED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(later(url, &response)),
            _ => Ok(()),
        }
    }

    /// The bytes sent for a document: compressed if configured.
    pub fn pack(&self, body: Vec<u8>) -> std::io::Result<Vec<u8>> {
        if !self.gzip {
            return Ok(body);
        }
        let mut packed = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        packed.write_all(&body)?;
        packed.finish()
    }
}

/// What a status means. 401, 407 and redirects are for the operator to fix and not the document's fault; the batch waits.
async fn judge(url: &str, response: Response) -> Result<Answer, SinkError> {
    let status = response.status();
    match status {
        _ if status.is_success() => Ok(Answer::Taken),
        StatusCode::PAYLOAD_TOO_LARGE => Ok(Answer::TooLarge),
        StatusCode::UNAUTHORIZED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::TOO_EARLY
        | StatusCode::TOO_MANY_REQUESTS => Err(later(url, &response)),
        _ if status.is_client_error() => {
            let said = response.text().await.unwrap_or_default();
            let said: String = said.chars().take(REFUSAL_CHARS_MAX).collect();
            Ok(Answer::Refused(format!("{url}: {status}: {said}")))
        }
        _ => Err(later(url, &response)),
    }
}

fn later(url: &str, response: &Response) -> SinkError {
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| retry_after(text, SystemTime::now()));
    SinkError { next: Next::Retry(after), message: format!("{url}: {}", response.status()) }
}

/// Reads `Retry-After`: seconds, or a date as in `Wed, 21 Oct 2015 07:28:00 GMT`.
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let wait = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = SystemTime::from(DateTime::parse_from_rfc2822(text.trim()).ok()?);
            date.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// A URL and body ready to go.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Which document this is.
    pub uuid: Uuid,
    /// Where it goes.
    pub url: String,
    /// The document itself.
    pub document: Document,
    /// Its JSON.
    pub body: Bytes,
    /// What goes out.
    pub packed: Bytes,
}
