//! What a request says of who sends it.
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The name of the session's cookie where TLS protects it: browsers take it from this very host over TLS only.
pub const COOKIE_TLS: &str = "__Host-metlog";

/// The same without TLS.
pub const COOKIE: &str = "metlog_session";

/// The header `Authorization`.
#[derive(Debug, PartialEq, Eq)]
pub enum Authorization {
    /// A user and a password.
    Basic(String, String),
    /// A token.
    Bearer(String),
    /// Something else.
    Unreadable,
}

/// What the header says, where it is there.
pub fn authorization(headers: &HeaderMap) -> Option<Authorization> {
    let value = headers.get(header::AUTHORIZATION)?;
    Some(value.to_str().ok().and_then(parse).unwrap_or(Authorization::Unreadable))
}

/// Reads the header's value. A password may have colons; a name has none.
pub fn parse(value: &str) -> Option<Authorization> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return (!rest.is_empty()).then(|| Authorization::Bearer(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Authorization::Basic(user.to_owned(), password.to_owned()))
}

/// The session that a cookie names. Over TLS only the cookie that another host cannot have set.
pub fn session(headers: &HeaderMap, is_tls: bool) -> Option<&str> {
    let wanted = if is_tls { COOKIE_TLS } else { COOKIE };
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// The header that sets the cookie; an empty session removes it.
pub fn set_cookie(session: &str, is_tls: bool, seconds: u64) -> String {
    let (name, secure) = if is_tls { (COOKIE_TLS, "; Secure") } else { (COOKIE, "") };
    format!("{name}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read() {
        let basic = |text: &str| parse(&format!("Basic {}", STANDARD.encode(text)));
        assert_eq!(basic("ann:a:b c"), Some(Authorization::Basic("ann".into(), "a:b c".into())));
        assert_eq!(basic(":"), Some(Authorization::Basic(String::new(), String::new())));
        assert_eq!(basic("ann"), None);
        assert_eq!(parse("bearer  abc "), Some(Authorization::Bearer("abc".into())));
        for wrong in ["", "Basic", "Basic !", "Bearer", "Bearer ", "Digest x", "Basic //79"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_cookie_is_that_of_the_connection() {
        let headers: HeaderMap =
            [(header::COOKIE, "a=b; metlog_session=plain; __Host-metlog=tls".parse().unwrap())].into_iter().collect();
        assert_eq!((session(&headers, false), session(&headers, true)), (Some("plain"), Some("tls")));
        assert_eq!(session(&HeaderMap::new(), true), None);
        assert_eq!(set_cookie("x", true, 60), "__Host-metlog=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure");
    }
}
