//! The configuration of the HTTP sink, and the template of its URLs.
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;
use uuid::Uuid;

/// Where documents go and how.
#[derive(Clone)]
pub struct Config {
    /// See [`UrlTemplate`].
    pub url: UrlTemplate,
    /// Sent with each document.
    pub headers: Vec<(String, String)>,
    /// Sent as `Authorization: Bearer …`.
    pub bearer_token: Option<String>,
    /// Documents go compressed.
    pub gzip: bool,
    /// Most messages of a document. At least 1.
    pub batch_messages: usize,
    /// Bytes, uncompressed, above which a document of several messages is halved.
    pub batch_bytes: usize,
    /// Documents on their way at a time. At least 1.
    pub in_flight: usize,
    /// Longest wait for the answer to one document, the connection included.
    pub timeout: Duration,
    /// Folder for documents that were refused for good; it is made when it is needed.
    pub set_aside: PathBuf,
}

impl Config {
    /// The defaults.
    pub fn new(url: UrlTemplate, set_aside: impl Into<PathBuf>) -> Config {
        Config {
            url,
            headers: Vec::new(),
            bearer_token: None,
            gzip: true,
            batch_messages: 100,
            batch_bytes: 1_000_000,
            in_flight: 8,
            timeout: Duration::from_secs(30),
            set_aside: set_aside.into(),
        }
    }
}

/// Omits secrets: the token and the values of the headers.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("url", &self.url).field("set_aside", &self.set_aside).finish_non_exhaustive()
    }
}

/// What stands for an empty value in a URL.
const NONE: &str = "none";
/// What may stand unescaped: RFC 3986 "unreserved".
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A URL with `{uuid}` and, as wanted, `{logger}`, `{type}` and `{listener}` in it.
///
/// Values are percent-encoded, so that none can leave its place in the path. An empty one is `none`; one of
/// nothing but dots, which a URL takes for a folder, has `_` for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate(String);

const PLACES: [&str; 4] = ["{uuid}", "{logger}", "{type}", "{listener}"];

impl UrlTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// A description, if it is not an http or https URL, has an unknown placeholder, or lacks `{uuid}`: without it a
    /// retry would create a second document.
    pub fn parse(text: &str) -> Result<UrlTemplate, String> {
        let rest = PLACES.iter().fold(text.to_owned(), |rest, place| rest.replace(place, "x"));
        if rest.contains(['{', '}']) {
            return Err(format!("`{text}`: the placeholders are {}", PLACES.join(", ")));
        }
        if !text.contains("{uuid}") {
            return Err(format!("`{text}`: {{uuid}} is required, to tell a retry from a new document"));
        }
        match Url::parse(&rest) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => Err(format!("`{text}` is not http or https")),
            Ok(url) if !text.contains(url.host_str().unwrap_or_default()) => {
                Err(format!("`{text}`: the host cannot contain a placeholder"))
            }
            Ok(_) => Ok(UrlTemplate(text.to_owned())),
            Err(error) => Err(format!("`{text}`: {error}")),
        }
    }

    /// True if documents are split by type.
    pub(super) fn has_type(&self) -> bool {
        self.0.contains("{type}")
    }

    /// True if documents are split by logger.
    pub(super) fn has_logger(&self) -> bool {
        self.0.contains("{logger}")
    }

    /// The URL of a document.
    pub(super) fn fill(&self, uuid: Uuid, logger: &str, r#type: &str, listener: &str) -> String {
        // In pieces, so that a value that looks like a place is not filled in turn.
        let mut url = String::with_capacity(self.0.len() + 64);
        let mut rest = self.0.as_str();
        while let Some((before, behind)) = rest.split_once('{') {
            url.push_str(before);
            let (place, behind) = behind.split_once('}').unwrap_or_default();
            match place {
                "uuid" => url.push_str(&uuid.to_string()),
                "logger" => url.push_str(&escaped(logger)),
                "type" => url.push_str(&escaped(r#type)),
                _ => url.push_str(&escaped(listener)),
            }
            rest = behind;
        }
        url.push_str(rest);
        url
    }
}

fn escaped(value: &str) -> String {
    if value.is_empty() {
        NONE.to_owned()
    } else if value.bytes().all(|byte| byte == b'.') {
        "_".repeat(value.len())
    } else {
        utf8_percent_encode(value, ESCAPED).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_place() {
        let template = UrlTemplate::parse("http://h:1/submit/{logger}/{type}/{uuid}?by={listener}").unwrap();
        let url = |logger: &str, r#type: &str| template.fill(Uuid::nil(), logger, r#type, "l_1");
        let nil = Uuid::nil();
        assert_eq!(url("web", "login"), format!("http://h:1/submit/web/login/{nil}?by=l_1"));
        assert_eq!(url("", ".."), format!("http://h:1/submit/none/__/{nil}?by=l_1"));
        assert_eq!(
            url("a/b?c#d%é", "{uuid}"),
            format!("http://h:1/submit/a%2Fb%3Fc%23d%25%C3%A9/%7Buuid%7D/{nil}?by=l_1")
        );
        let parsed = Url::parse(&url("../../x", "\\..\\")).unwrap();
        assert_eq!(parsed.path().split('/').count(), 5, "{parsed}");
    }

    #[test]
    fn a_wrong_template_says_why() {
        for (text, said) in [
            ("http://h/submit/{logger}", "{uuid} is required"),
            ("http://h/{uuid}/{loger}", "the placeholders are {uuid}"),
            ("http://h/{uuid}/{", "the placeholders are"),
            ("ftp://h/{uuid}", "not http or https"),
            ("h/{uuid}", "relative URL"),
            ("http://{logger}/{uuid}", "the host cannot contain a placeholder"),
        ] {
            let error = UrlTemplate::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut config = Config::new(UrlTemplate::parse("http://h/{uuid}").unwrap(), "folder");
        config.bearer_token = Some("s3cret".into());
        config.headers.push(("x-key".into(), "s3cret".into()));
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
