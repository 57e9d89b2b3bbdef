//! The section `[listener.submit]`: who may post to which logger over HTTP.
use super::document::Section;
use super::{access, values};
use metlog_listener::{LoggerPattern, SubmitConfig, SubmitToken};
use std::collections::BTreeSet;
use toml::de::DeValue;

/// Reads the section, a table of `[listener]`.
pub fn read(listener: &mut Section<'_>) -> SubmitConfig {
    let mut section = listener.section("submit");
    let config = SubmitConfig {
        loggers: section.read("loggers", loggers).unwrap_or_default(),
        origins: section.read("origins", origins).unwrap_or_default(),
        tokens: tokens(&mut section),
    };
    section.finish();
    config
}

fn tokens(section: &mut Section<'_>) -> Vec<SubmitToken> {
    let (mut tokens, mut names) = (Vec::new(), BTreeSet::new());
    for mut token in section.sections("tokens") {
        access::name(&mut token, &mut names);
        let sha256 = token.read("sha256", access::sha256);
        let expires = token.read("expires", access::time);
        let patterns = token.read("loggers", loggers);
        if !token.has("sha256") {
            token.problem("sha256", "is required: `metlog token` makes a token and prints the lines");
        }
        if !token.has("loggers") {
            token.problem("loggers", "is required: [\"*\"] is every logger");
        }
        // A time that is wrong must not become no time.
        let is_usable = !token.has("expires") || expires.is_some();
        token.finish();
        let made = sha256.zip(patterns).filter(|_| is_usable);
        tokens.extend(made.map(|(sha256, loggers)| SubmitToken { sha256, expires, loggers }));
    }
    tokens
}

fn loggers(value: &DeValue<'_>) -> Result<Vec<LoggerPattern>, String> {
    values::texts(value)?.iter().map(|text| LoggerPattern::parse(text)).collect()
}

/// Origins as browsers write them: no path, lower case, no port where it is the usual one.
fn origins(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let origins = values::texts(value)?;
    let is_written = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]_".contains(&byte);
    let is_origin = |origin: &&String| {
        let (host, usual) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
            (Some(host), _) => (host, ":443"),
            (_, Some(host)) => (host, ":80"),
            _ => return origin.as_str() == "*",
        };
        !host.is_empty() && host.bytes().all(is_written) && !host.ends_with(usual)
    };
    match origins.iter().find(|origin| !is_origin(origin)) {
        Some(wrong) => Err(format!(
            "`{wrong}` is no origin as browsers write it, such as \"https://www.example.org\" or \"http://localhost:3000\""
        )),
        None => Ok(origins),
    }
}
