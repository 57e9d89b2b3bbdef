//! Who asks: authentication of every request to the addresses that show anything, before any of it is served.
//!
//! A request has a token, a name and a password, a session's cookie, or comes from a proxy that says who it is for;
//! otherwise it is refused, but for `/health` and the login itself. Where neither users nor tokens are configured, everybody who
//! reaches the address may do everything, and the address is on loopback unless `insecure` says otherwise.
mod credentials;
mod guard;
mod login;
pub mod network;
mod origin;
pub mod password;
mod sessions;
pub mod token;

pub use guard::protect;

use crate::config::AccessConfig;
use axum::http::HeaderMap;
use credentials::Authorization;
use metlog_query::Rights;
use password::{Outcome, Passwords};
use sessions::Sessions;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not say who asks.
    Nobody,
    /// What it says is wrong, or has expired.
    Wrong,
    /// A proxy names a user who is not configured.
    Unknown,
    /// Too many passwords are being compared.
    TooMany,
}

impl Refusal {
    /// For people.
    pub fn message(self) -> &'static str {
        match self {
            Refusal::Nobody => "authentication is required: log in, or send a token or a name and a password",
            Refusal::Wrong => "the token, or the name or password, is wrong or has expired",
            Refusal::Unknown => "the proxy's user is not in [[access.users]]",
            Refusal::TooMany => "too many logins at the same time: try again",
        }
    }
}

/// What a server knows of its users.
pub struct Access {
    config: AccessConfig,
    passwords: Arc<Passwords>,
    sessions: Sessions,
    /// Names by which a browser may reach it on loopback.
    hosts: Vec<String>,
}

impl Access {
    /// As configured.
    pub fn new(config: &AccessConfig, hostname: &str) -> Arc<Access> {
        let own = (!hostname.is_empty()).then(|| hostname.to_owned());
        let hosts = config.hosts.iter().cloned().chain(own).collect();
        let sessions = Sessions::new(config.session_time);
        Arc::new(Access { config: config.clone(), passwords: Arc::new(Passwords::new()), sessions, hosts })
    }

    /// Who sends a request with these headers from there.
    ///
    /// # Errors
    /// Where that is nobody who may.
    pub async fn authenticate(&self, headers: &HeaderMap, peer: IpAddr, is_tls: bool) -> Result<Rights, Refusal> {
        if let Some(authorization) = credentials::authorization(headers).filter(|_| self.config.is_required()) {
            return match authorization {
                Authorization::Basic(user, password) => self.by_password(&user, &password).await,
                // Of Flight SQL's handshake, a session.
                Authorization::Bearer(token) => match self.by_session(&token) {
                    Some(rights) => Ok(rights),
                    None => self.by_token(&token),
                },
                Authorization::Unreadable => Err(Refusal::Wrong),
            };
        }
        if !self.config.is_required() {
            return Ok(Rights::everything());
        }
        if let Some(user) = self.proxied(headers, peer) {
            return self
                .config
                .users
                .iter()
                .find(|known| known.name == user)
                .map(|known| known.rights.clone())
                .ok_or(Refusal::Unknown);
        }
        let session = credentials::session(headers, is_tls).ok_or(Refusal::Nobody)?;
        self.by_session(session).ok_or(Refusal::Nobody)
    }

    /// The user of a name, where the password is theirs.
    ///
    /// # Errors
    /// Where it is not.
    pub async fn by_password(&self, user: &str, password: &str) -> Result<Rights, Refusal> {
        let known = self.config.users.iter().find(|known| known.name == user);
        let hash = known.and_then(|known| known.password.as_deref());
        match (self.passwords.compare(user, hash, password).await, known) {
            (Outcome::Right, Some(known)) => Ok(known.rights.clone()),
            (Outcome::TooMany, _) => Err(Refusal::TooMany),
            _ => {
                tracing::warn!(?user, "a login failed");
                Err(Refusal::Wrong)
            }
        }
    }

    /// Who has a token.
    ///
    /// # Errors
    /// Where nobody has it, or it has expired.
    pub fn by_token(&self, token: &str) -> Result<Rights, Refusal> {
        let hash = token::hash(token);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed());
        // All are looked at, whichever it is.
        let found = self
            .config
            .tokens
            .iter()
            .fold(None, |found, known| if bool::from(known.sha256.ct_eq(&hash)) { Some(known) } else { found });
        let valid = found.filter(|known| known.expires.is_none_or(|expires| now < expires));
        valid.map(|known| known.rights.clone()).ok_or(Refusal::Wrong)
    }

    /// Whose session it is.
    pub fn by_session(&self, session: &str) -> Option<Rights> {
        self.sessions.rights(session, Instant::now())
    }

    /// True where it is a session's cookie that lets the request in.
    pub fn has_session(&self, headers: &HeaderMap, is_tls: bool) -> bool {
        let session = credentials::session(headers, is_tls).filter(|_| credentials::authorization(headers).is_none());
        session.is_some_and(|session| self.by_session(session).is_some())
    }

    /// A new session, and how long it lasts, in seconds.
    pub fn begin_session(&self, rights: Rights) -> (String, u64) {
        (self.sessions.begin(rights, Instant::now()), self.sessions.time().as_secs())
    }

    fn is_trusted(&self, peer: IpAddr) -> bool {
        self.config.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    /// The user that a trusted proxy names.
    fn proxied<'h>(&self, headers: &'h HeaderMap, peer: IpAddr) -> Option<&'h str> {
        let name = headers.get(&self.config.user_header)?;
        self.is_trusted(peer).then(|| name.to_str().unwrap_or_default())
    }
}
