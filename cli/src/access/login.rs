//! The login of people: a form, and the session that it begins.
use super::{Access, Refusal, credentials};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use metlog_query::Rights;
use metlog_web::{LOGIN_POLICY, Notice, login_page};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// How a request came.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    /// Over TLS, at least as far as the proxy.
    pub is_tls: bool,
}

/// The paths of logging in and out, and who is logged in.
pub fn routes(access: &Arc<Access>) -> Router {
    Router::new()
        .route("/login", get(form).post(log_in))
        .route("/logout", post(log_out))
        .route("/api/user", get(user))
        .with_state(Arc::clone(access))
}

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn form(
    Query(Next { next }): Query<Next>,
    rights: Option<Extension<Rights>>,
    Extension(Connection { is_tls }): Extension<Connection>,
    headers: HeaderMap,
) -> Response {
    if rights.is_some() {
        return Redirect::to(path_of(&next)).into_response();
    }
    // The cookie is still there, and its session is not: it has expired, or the server was started again.
    let is_over = credentials::session(&headers, is_tls).is_some();
    page(&next, "", None, is_over)
}

#[derive(Deserialize)]
struct Login {
    user: String,
    password: String,
    #[serde(default)]
    next: String,
}

async fn log_in(
    State(access): State<Arc<Access>>,
    Extension(Connection { is_tls }): Extension<Connection>,
    Form(Login { user, password, next }): Form<Login>,
) -> Response {
    match access.by_password(&user, &password).await {
        Ok(rights) => {
            let (session, seconds) = access.begin_session(rights);
            with_cookie(Redirect::to(path_of(&next)), &credentials::set_cookie(&session, is_tls, seconds))
        }
        Err(refusal) => page(&next, &user, Some(refusal), false),
    }
}

async fn log_out(
    State(access): State<Arc<Access>>,
    Extension(Connection { is_tls }): Extension<Connection>,
    headers: HeaderMap,
) -> Response {
    if let Some(session) = credentials::session(&headers, is_tls) {
        access.sessions.end(session);
    }
    with_cookie(Redirect::to("/login"), &credentials::set_cookie("", is_tls, 0))
}

/// Who asks, and what they may see.
async fn user(rights: Rights) -> Response {
    let role = if rights.is_admin() { "admin" } else { "reader" };
    Json(json!({"user": rights.user(), "role": role, "loggers": rights.loggers()})).into_response()
}

fn with_cookie(response: Redirect, cookie: &str) -> Response {
    let mut response = response.into_response();
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// A path of this server, and nothing that a browser takes for another one.
fn path_of(next: &str) -> &str {
    let second = next.chars().nth(1);
    let is_ours =
        next.starts_with('/') && second != Some('/') && second != Some('\\') && !next.contains(char::is_control);
    if is_ours && next != "/login" { next } else { "/" }
}

fn page(next: &str, user: &str, refusal: Option<Refusal>, is_over: bool) -> Response {
    let notice = match (refusal, is_over) {
        (Some(Refusal::TooMany), _) => Some(Notice::Fault(Refusal::TooMany.message())),
        (Some(_), _) => Some(Notice::Fault("The name or the password is wrong.")),
        (None, true) => Some(Notice::Note("Your session has ended. Log in again to go on where you were.")),
        (None, false) => None,
    };
    let page = login_page(path_of(next), user, notice);
    let status = match refusal {
        None => StatusCode::OK,
        Some(Refusal::TooMany) => StatusCode::TOO_MANY_REQUESTS,
        Some(_) => StatusCode::UNAUTHORIZED,
    };
    (status, [(header::CONTENT_SECURITY_POLICY, LOGIN_POLICY)], Html(page.into_string())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_server() {
        assert_eq!(path_of("/messages?q=1"), "/messages?q=1");
        for other in [
            "",
            "//evil.example.org",
            "/\\evil.example.org",
            "https://evil.example.org",
            "/\t/evil",
            "javascript:x",
            "/login",
        ] {
            assert_eq!(path_of(other), "/", "{other}");
        }
    }
}
