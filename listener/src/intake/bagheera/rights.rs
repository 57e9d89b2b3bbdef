//! Who may post to which logger: by the logger itself, by a token, and for browsers by the origin of the page.
use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

/// Who may post. Without loggers and tokens nothing is served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubmitConfig {
    /// Loggers that anyone may post to who reaches the address.
    pub loggers: Vec<LoggerPattern>,
    /// Origins of pages that may post, such as `https://www.example.org`; `*` for any. Programs send no origin.
    pub origins: Vec<String>,
    /// Tokens, each for some loggers.
    pub tokens: Vec<SubmitToken>,
}

/// The name of a logger, or what names begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggerPattern {
    begin: String,
    is_prefix: bool,
}

/// A program's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SubmitToken {
    /// The SHA-256 of it.
    pub sha256: [u8; 32],
    /// Seconds since 1970 UTC; none where it never expires.
    pub expires: Option<i64>,
    /// What whoever has it may post to.
    pub loggers: Vec<LoggerPattern>,
}

impl std::fmt::Debug for SubmitToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SubmitToken { loggers, expires, .. } = self;
        f.debug_struct("SubmitToken").field("loggers", loggers).field("expires", expires).finish_non_exhaustive()
    }
}

impl LoggerPattern {
    /// `sync` is that logger; `web_*` those that begin with `web_`; `*` is every one.
    ///
    /// # Errors
    /// Where a `*` is not at the end, or nothing is there.
    pub fn parse(text: &str) -> Result<LoggerPattern, String> {
        let (begin, is_prefix) = text.strip_suffix('*').map_or((text, false), |begin| (begin, true));
        match begin.contains('*') || text.is_empty() {
            true => Err(format!("`{text}` must be a logger, or end in `*` and have no other `*`")),
            false => Ok(LoggerPattern { begin: begin.to_owned(), is_prefix }),
        }
    }

    fn matches(&self, logger: &str) -> bool {
        if self.is_prefix { logger.starts_with(&self.begin) } else { logger == self.begin }
    }

    fn is_every(&self) -> bool {
        self.is_prefix && self.begin.is_empty()
    }
}

/// Why a request is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Nobody may post to this logger.
    UnknownLogger,
    /// A token is needed.
    NoToken,
    /// The token is none, or is none for this logger.
    WrongToken,
    /// The token was valid until recently.
    Expired,
    /// Pages of this origin may not post.
    Origin,
}

impl Denied {
    /// In words.
    pub fn message(self) -> &'static str {
        match self {
            Denied::UnknownLogger => "no such logger: it is not among those of [listener.submit]",
            Denied::NoToken => "this needs a token: Authorization: Bearer TOKEN",
            Denied::WrongToken => "this token is not valid here",
            Denied::Expired => "this token has expired",
            Denied::Origin => "pages of this origin may not post: see `origins` of [listener.submit]",
        }
    }
}

impl SubmitConfig {
    /// True where anything is served.
    pub fn is_on(&self) -> bool {
        !self.loggers.is_empty() || !self.tokens.is_empty()
    }

    /// Whether a request with these headers may post to a logger. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allow(&self, logger: &str, headers: &HeaderMap, now: i64) -> Result<(), Denied> {
        self.allow_origin(headers)?;
        let has = |loggers: &[LoggerPattern]| loggers.iter().any(|pattern| pattern.matches(logger));
        if has(&self.loggers) {
            return Ok(());
        }
        self.allow_token(headers, now, has, || match self.tokens.iter().any(|token| has(&token.loggers)) {
            true => Denied::NoToken,
            false => Denied::UnknownLogger,
        })
    }

    /// Whether a request may post to any logger, which its messages name themselves.
    ///
    /// # Errors
    /// [`Denied`], where it needs a token for all loggers.
    pub fn allow_any(&self, headers: &HeaderMap, now: i64) -> Result<(), Denied> {
        if !self.is_on() {
            return Ok(());
        }
        self.allow_origin(headers)?;
        let every = |loggers: &[LoggerPattern]| loggers.iter().any(LoggerPattern::is_every);
        if self.tokens.is_empty() || every(&self.loggers) {
            return Ok(());
        }
        self.allow_token(headers, now, every, || Denied::NoToken)
    }

    /// Whether a page of the request's origin may post; a request without one comes from no page.
    ///
    /// # Errors
    /// [`Denied::Origin`].
    pub fn allow_origin(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Denied> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(None) };
        let is_listed = self.origins.iter().any(|listed| listed == "*" || listed.as_bytes() == origin.as_bytes());
        if is_listed { Ok(Some(origin.clone())) } else { Err(Denied::Origin) }
    }

    fn allow_token(
        &self,
        headers: &HeaderMap,
        now: i64,
        grants: impl Fn(&[LoggerPattern]) -> bool,
        without: impl Fn() -> Denied,
    ) -> Result<(), Denied> {
        let Some(authorization) = headers.get(header::AUTHORIZATION) else { return Err(without()) };
        let token = authorization.to_str().ok().and_then(|value| value.trim().split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        // Whoever compares hashes learns nothing of a secret from the time that it takes.
        let hash: [u8; 32] = Sha256::digest(token.ok_or(Denied::WrongToken)?.as_bytes()).into();
        let known = self.tokens.iter().find(|known| known.sha256 == hash).ok_or(Denied::WrongToken)?;
        match grants(&known.loggers) {
            false => Err(Denied::WrongToken),
            true if known.expires.is_some_and(|expires| expires <= now) => Err(Denied::Expired),
            true => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<LoggerPattern> {
        texts.iter().map(|text| LoggerPattern::parse(text).unwrap()).collect()
    }

    fn headers(list: &[(header::HeaderName, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_logger_is_open_or_needs_its_token() {
        let token = |secret: &str, expires, loggers: &[&str]| SubmitToken {
            sha256: Sha256::digest(secret.as_bytes()).into(),
            expires,
            loggers: patterns(loggers),
        };
        let config = SubmitConfig {
            loggers: patterns(&["web_*", "demo"]),
            origins: vec!["https://a.example".into()],
            tokens: vec![token("s", None, &["sync"]), token("old", Some(10), &["sync"]), token("all", None, &["*"])],
        };
        let bearer = |secret: &str| headers(&[(header::AUTHORIZATION, &format!("Bearer {secret}"))]);
        let none = HeaderMap::new();
        for (logger, headers, expected) in [
            ("web_shop", &none, Ok(())),
            ("demo", &none, Ok(())),
            ("demo2", &none, Err(Denied::NoToken)),
            ("sync", &none, Err(Denied::NoToken)),
            ("sync", &bearer("s"), Ok(())),
            ("syn", &bearer("s"), Err(Denied::WrongToken)),
            ("sync", &bearer("S"), Err(Denied::WrongToken)),
            ("sync", &bearer("old"), Err(Denied::Expired)),
            ("anything", &bearer("all"), Ok(())),
            ("sync", &headers(&[(header::AUTHORIZATION, "Basic cw==")]), Err(Denied::WrongToken)),
            ("demo", &headers(&[(header::ORIGIN, "https://a.example")]), Ok(())),
            ("demo", &headers(&[(header::ORIGIN, "https://a.example.evil")]), Err(Denied::Origin)),
            ("demo", &headers(&[(header::ORIGIN, "null")]), Err(Denied::Origin)),
        ] {
            assert_eq!(config.allow(logger, headers, 10), expected, "{logger} {headers:?}");
        }
        assert_eq!(config.allow_any(&none, 0), Err(Denied::NoToken));
        assert_eq!(config.allow_any(&bearer("s"), 0), Err(Denied::WrongToken));
        assert_eq!(config.allow_any(&bearer("all"), 0), Ok(()));
        assert_eq!(SubmitConfig::default().allow_any(&headers(&[(header::ORIGIN, "null")]), 0), Ok(()));
        let closed = SubmitConfig { loggers: patterns(&["a"]), ..SubmitConfig::default() };
        assert_eq!(closed.allow("b", &none, 0), Err(Denied::UnknownLogger));
    }

    #[test]
    fn a_pattern_has_one_star_at_its_end() {
        for wrong in ["", "a*b", "*a", "**"] {
            assert!(LoggerPattern::parse(wrong).is_err(), "{wrong}");
        }
        assert!(LoggerPattern::parse("*").unwrap().is_every());
    }
}
