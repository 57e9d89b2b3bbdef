//! The section `[alert]`: who is told of alerts. Which there are stands in the reports.
use super::document::Section;
use super::values;
use metlog_sink::http::header;
use std::net::SocketAddr;
use toml::de::DeValue;

/// Who is told of alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertConfig {
    /// The webhook, or an Alertmanager's `/api/v2/alerts`.
    pub webhook: Option<String>,
    /// Sent with each request.
    pub headers: Vec<(String, String)>,
    /// Where this server is reached, for links; without a slash at its end.
    pub url: String,
}

/// Reads the section. `listen` is where the page is, at the first of these.
pub fn read(root: &mut Section<'_>, listen: &[SocketAddr]) -> AlertConfig {
    let mut section = root.section("alert");
    let webhook = section.read("webhook", http_url);
    let headers =
        section.texts("headers", |name, value| header(name, value).map(|_| (name.to_owned(), value.to_owned())));
    let url = section
        .read("url", http_url)
        .unwrap_or_else(|| listen.first().map_or_else(String::new, |address| format!("http://{address}")));
    section.finish();
    AlertConfig { webhook, headers, url: url.trim_end_matches('/').to_owned() }
}

fn http_url(value: &DeValue<'_>) -> Result<String, String> {
    let url = values::text(value)?;
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let is_url = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'));
    if is_url && !url.contains(char::is_whitespace) {
        return Ok(url);
    }
    Err(format!("must be http://host/path or https://host/path, not `{url}`"))
}
