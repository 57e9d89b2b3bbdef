//! The section `[access]`: who may ask, and how they say who they are.
use super::document::{Document, Section};
use super::query::QueryConfig;
use super::values;
use crate::access::network::Network;
use crate::access::{password, token};
use metlog_query::{Rights, Role};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;

/// Who may ask.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessConfig {
    /// People, and programs with passwords.
    pub users: Vec<User>,
    /// Programs.
    pub tokens: Vec<Token>,
    /// True where everybody who reaches an address beyond loopback may read everything.
    pub insecure: bool,
    /// Proxies that say who the user is.
    pub trusted_proxies: Vec<Network>,
    /// The header in which they say it, in lower case.
    pub user_header: String,
    /// Names, besides those of this host, by which browsers may reach a loopback address.
    pub hosts: Vec<String>,
    /// How long somebody stays logged in.
    pub session_time: Duration,
    /// The certificate of the addresses that are served.
    pub tls: Option<TlsFiles>,
}

/// Files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate, then those that vouch for it.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// Somebody with a name.
#[derive(Clone, PartialEq)]
pub struct User {
    /// Theirs.
    pub name: String,
    /// An argon2id hash; none for those whom a proxy vouches for.
    pub password: Option<String>,
    /// What they may see.
    pub rights: Rights,
}

/// A program's secret.
#[derive(Clone, PartialEq)]
pub struct Token {
    /// The SHA-256 of it.
    pub sha256: [u8; 32],
    /// Seconds since 1970 UTC; none where it never expires.
    pub expires: Option<i64>,
    /// What whoever has it may see; the user is the token's name.
    pub rights: Rights,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("rights", &self.rights).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Token { rights, expires, .. } = self;
        f.debug_struct("Token").field("rights", rights).field("expires", expires).finish_non_exhaustive()
    }
}

impl AccessConfig {
    /// True where whoever asks must say who they are.
    pub fn is_required(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }
}

/// Reads the section.
pub fn read(root: &mut Section<'_>) -> AccessConfig {
    let mut section = root.section("access");
    let trusted_proxies = section.read("trusted_proxies", networks).unwrap_or_default();
    let users = users(&mut section, !trusted_proxies.is_empty());
    let tokens = tokens(&mut section);
    let day = Duration::from_secs(86_400);
    let config = AccessConfig {
        users,
        tokens,
        insecure: section.read("insecure", values::boolean).unwrap_or(false),
        trusted_proxies,
        user_header: section.read("user_header", header).unwrap_or_else(|| "x-forwarded-user".to_owned()),
        hosts: section.read("hosts", values::texts).unwrap_or_default(),
        session_time: section
            .read("session_time", values::duration(Duration::from_secs(60)..=90 * day))
            .unwrap_or(Duration::from_secs(12 * 3_600)),
        tls: tls(&mut section, |_| ()).0,
    };
    if !config.trusted_proxies.is_empty() && config.users.is_empty() {
        section.problem("trusted_proxies", "needs [[access.users]]: a user whom nobody named has no rights");
    }
    section.finish();
    config
}

/// Notes addresses that everybody could read from.
pub fn check(document: &Document<'_>, access: &AccessConfig, query: &QueryConfig) {
    if access.is_required() || access.insecure {
        return;
    }
    let open = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
    for (key, addresses) in [("query.listen", &query.listen), ("query.flight", &query.flight)] {
        let Some(address) = addresses.iter().find(open) else { continue };
        let message = format!(
            "everybody who reaches {address} could read everything: configure [[access.users]] or [[access.tokens]], or set \
             `insecure = true` in [access]"
        );
        document.conflict(&[key], message);
    }
}

/// Reads a table `tls`; `more` reads its other keys.
pub(super) fn tls<T>(section: &mut Section<'_>, more: impl FnOnce(&mut Section<'_>) -> T) -> (Option<TlsFiles>, T) {
    let mut tls = section.section("tls");
    let files = (tls.read("certificate", values::path), tls.read("key", values::path));
    let has = (tls.has("certificate"), tls.has("key"));
    match has {
        (true, false) => tls.problem("certificate", "needs a `key` as well"),
        (false, true) => tls.problem("key", "needs a `certificate` as well"),
        _ => (),
    }
    let more = more(&mut tls);
    tls.finish();
    let (Some(certificate), Some(key)) = files else { return (None, more) };
    (Some(TlsFiles { certificate, key }), more)
}

fn users(section: &mut Section<'_>, may_lack_passwords: bool) -> Vec<User> {
    let (mut users, mut names) = (Vec::new(), BTreeSet::new());
    for mut user in section.sections("users") {
        let name = name(&mut user, &mut names);
        let password = user.read("password", password_hash);
        if !user.has("password") && !may_lack_passwords {
            user.problem("password", "is required: `metlog password` prints the line");
        }
        let rights = rights(&mut user, name.as_deref());
        user.finish();
        users.extend(name.zip(rights).map(|(name, rights)| User { name, password, rights }));
    }
    users
}

fn tokens(section: &mut Section<'_>) -> Vec<Token> {
    let (mut tokens, mut names) = (Vec::new(), BTreeSet::new());
    for mut token in section.sections("tokens") {
        let name = name(&mut token, &mut names);
        let sha256 = token.read("sha256", sha256);
        if !token.has("sha256") {
            token.problem("sha256", "is required: `metlog token` makes a token and prints the lines");
        }
        let expires = token.read("expires", time);
        let rights = rights(&mut token, name.as_deref());
        token.finish();
        tokens.extend(sha256.zip(rights).map(|(sha256, rights)| Token { sha256, expires, rights }));
    }
    tokens
}

pub(super) fn name(section: &mut Section<'_>, names: &mut BTreeSet<String>) -> Option<String> {
    let name = section.read("name", user_name);
    if !section.has("name") {
        section.problem("name", "is required");
    }
    if name.as_ref().is_some_and(|name| !names.insert(name.clone())) {
        section.problem("name", "is taken: names must differ");
    }
    name
}

fn rights(section: &mut Section<'_>, name: Option<&str>) -> Option<Rights> {
    let role = section.read("role", values::choice(&[("reader", Role::Reader), ("admin", Role::Admin)]));
    let loggers = section.read("loggers", values::texts);
    let name = name?;
    match role.unwrap_or(Role::Reader) {
        // A list that is wrong must not become all of them.
        _ if section.has("loggers") && loggers.is_none() => None,
        _ if section.has("role") && role.is_none() => None,
        Role::Admin if loggers.is_some() => {
            section.problem("loggers", "an admin sees all loggers: leave this out, or make it a reader");
            None
        }
        Role::Admin => Some(Rights::admin(name)),
        Role::Reader => Some(Rights::reader(name, loggers)),
    }
}

fn user_name(value: &DeValue<'_>) -> Result<String, String> {
    let name = values::text(value)?;
    match name.contains([':', '\n', '\r', '\0']) {
        true => Err("must be without colons and line breaks, which HTTP has no room for".to_owned()),
        false => Ok(name),
    }
}

fn password_hash(value: &DeValue<'_>) -> Result<String, String> {
    let hash = values::text(value)?;
    password::check_hash(&hash)?;
    Ok(hash)
}

pub(super) fn sha256(value: &DeValue<'_>) -> Result<[u8; 32], String> {
    let text = values::text(value)?;
    token::parse_hash(&text).ok_or_else(|| "must be 64 hexadecimal digits, as `metlog token` prints them".to_owned())
}

/// `"2027-01-31"`, the end of that day, or `"2027-01-31T12:00:00Z"`; with or without quotes.
pub(super) fn time(value: &DeValue<'_>) -> Result<i64, String> {
    let refused = || "must be a date such as \"2027-01-31\" or a time such as \"2027-01-31T12:00:00Z\"".to_owned();
    let text = match value {
        DeValue::Datetime(time) => time.to_string(),
        value => values::text(value).map_err(|_| refused())?,
    };
    token::parse_time(&text).ok_or_else(refused)
}

fn header(value: &DeValue<'_>) -> Result<String, String> {
    let name = values::text(value)?.to_ascii_lowercase();
    match axum::http::HeaderName::try_from(&name) {
        Ok(_) if name != "authorization" && name != "cookie" && name != "host" => Ok(name),
        _ => Err("must be the name of a header such as \"X-Forwarded-User\"".to_owned()),
    }
}

fn networks(value: &DeValue<'_>) -> Result<Vec<Network>, String> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|()| format!("`{text}` is no address such as \"127.0.0.1\" and no network such as \"10.0.0.0/8\""))
    };
    values::texts(value)?.iter().map(parse).collect()
}
