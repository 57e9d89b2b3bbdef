//! The layer around all routes of an address.
use super::{Access, Refusal, credentials, login, origin};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Json, Router};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// What everybody may see: whether it is up, and how to log in.
const OPEN_PATHS: [&str; 3] = ["/health", "/login", "/logout"];

/// Files of the page that are the same for everybody.
const OPEN_FOLDER: &str = "/assets/";

/// How requests reach a router.
#[derive(Debug, Clone, Copy)]
struct Way {
    is_loopback: bool,
    is_tls: bool,
}

/// Lets requests pass that may, each with the [`metlog_query::Rights`] of who sends it, to routes that are served at `address`.
pub fn protect(access: &Arc<Access>, routes: Router, address: SocketAddr, is_tls: bool) -> Router {
    let way = Way { is_loopback: address.ip().to_canonical().is_loopback(), is_tls };
    let access = Arc::clone(access);
    let routes = routes.merge(login::routes(&access));
    routes.layer(from_fn(move |request: Request, next: Next| {
        let access = Arc::clone(&access);
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        async move {
            let response = match admit(&access, request, way).await {
                Ok(request) => next.run(request).await,
                Err(refused) if is_grpc => in_grpc(&refused),
                Err(refused) => *refused,
            };
            let mut response = metlog_web::headers::of_api(response).await;
            let cache = HeaderValue::from_static("no-store");
            response.headers_mut().entry(header::CACHE_CONTROL).or_insert(cache);
            response
        }
    }))
}

async fn admit(access: &Access, mut request: Request, way: Way) -> Result<Request, Box<Response>> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let is_trusted = access.is_trusted(peer);
    if way.is_loopback && !is_trusted && !origin::is_for_us(uri, headers, &access.hosts) {
        let message = "this server is on loopback and not known by that name: add it to `hosts` in [access]";
        return Err(refused(StatusCode::MISDIRECTED_REQUEST, "forbidden", message));
    }
    let has_only_token = matches!(credentials::authorization(headers), Some(credentials::Authorization::Bearer(_)))
        && !headers.contains_key(header::COOKIE);
    if !has_only_token && origin::is_of_another_site(method, uri, headers) {
        return Err(refused(StatusCode::FORBIDDEN, "forbidden", "a page of another site may not ask"));
    }
    let is_tls = way.is_tls || (is_trusted && headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https"));
    let is_open = OPEN_PATHS.contains(&uri.path()) || uri.path().starts_with(OPEN_FOLDER);
    let rights = match access.authenticate(headers, peer, is_tls).await {
        Ok(rights) => Some(rights),
        Err(_) if is_open => None,
        Err(refusal) => return Err(unauthenticated(&request, refusal)),
    };
    let has_session = rights.is_some() && access.has_session(headers, is_tls);
    request.extensions_mut().insert(login::Connection { is_tls });
    if has_session {
        request.extensions_mut().insert(metlog_web::Session);
    }
    if let Some(rights) = rights {
        request.extensions_mut().insert(rights);
    }
    Ok(request)
}

/// As gRPC says it: in headers that are trailers as well.
fn in_grpc(refused: &Response) -> Response {
    let (code, message) = match refused.status() {
        StatusCode::UNAUTHORIZED => ("16", "the token, or the name or password, is missing, is wrong or has expired"),
        StatusCode::TOO_MANY_REQUESTS => ("8", Refusal::TooMany.message()),
        _ => ("7", "this caller may not ask here"),
    };
    let headers = [("content-type", "application/grpc"), ("grpc-status", code), ("grpc-message", message)];
    headers.into_response()
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Box<Response> {
    Box::new((status, Json(json!({"error": {"kind": kind, "message": message}}))).into_response())
}

/// People are sent to the login, programs are told what is missing. A script of the page gets no challenge that would make the
/// browser ask for a password in a window of its own.
fn unauthenticated(request: &Request, refusal: Refusal) -> Box<Response> {
    let headers = request.headers();
    let wants_page = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
    if refusal == Refusal::Nobody && request.method() == Method::GET && wants_page {
        let here = request.uri().path_and_query().map_or("/", |here| here.as_str());
        let here = utf8_percent_encode(here, NON_ALPHANUMERIC);
        return Box::new(Redirect::to(&format!("/login?next={here}")).into_response());
    }
    let status = match refusal {
        Refusal::Nobody | Refusal::Wrong => StatusCode::UNAUTHORIZED,
        Refusal::Unknown => StatusCode::FORBIDDEN,
        Refusal::TooMany => StatusCode::TOO_MANY_REQUESTS,
    };
    let mut response = refused(status, "forbidden", refusal.message());
    if status == StatusCode::UNAUTHORIZED {
        let is_script = headers.get("sec-fetch-mode").is_some_and(|mode| mode != "navigate");
        let challenges: &[&str] = if is_script {
            &["Bearer realm=\"metlog\""]
        } else {
            &["Basic realm=\"metlog\", charset=\"UTF-8\"", "Bearer realm=\"metlog\""]
        };
        for challenge in challenges {
            response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
