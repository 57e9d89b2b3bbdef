//! The headers that keep a browser from running, framing or passing on what it is shown.
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

/// What a document may load and do: its own files, nothing inline, nothing from elsewhere.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The same of a response that is data: a browser that shows it as a document can do nothing with it.
pub const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// The headers of the page's own responses.
pub async fn of_page(response: Response) -> Response {
    with_headers(response, PAGE_POLICY)
}

/// The headers of all other responses of the server.
pub async fn of_api(response: Response) -> Response {
    with_headers(response, API_POLICY)
}

fn with_headers(mut response: Response, policy: &'static str) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, policy);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    response
}
