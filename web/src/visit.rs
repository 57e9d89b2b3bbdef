//! One request for a view: what its address says, and how links are made that keep it.
use crate::login::Session;
use crate::page::Page;
use crate::range::{Micros, Range, Zone};
use crate::site::Site;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use metlog_query::Rights;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays as it is in a query of an address.
const KEPT: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*').remove(b',').remove(b':');

/// A request for a view.
#[derive(Debug, Clone)]
pub struct Visit {
    /// What the page is made of.
    pub site: Site,
    /// Who asks. Everything that is shown goes by it: queries, live rows, senders, counts.
    pub rights: Rights,
    /// The path of the address.
    pub path: String,
    /// Each parameter of the address, decoded, in order. A name may stand there several times.
    pub parameters: Vec<(String, String)>,
    /// When it came, µs since 1970 UTC.
    pub now: Micros,
    /// The time range; the usual one where the address has none, or one that cannot be read.
    pub range: Range,
    /// Why the range of the address cannot be read.
    pub range_error: Option<String>,
    /// The zone that times are shown in.
    pub zone: Zone,
    /// True where whoever asks has logged in by the form, and may log out.
    pub has_session: bool,
}

impl FromRequestParts<Site> for Visit {
    type Rejection = <Rights as FromRequestParts<Site>>::Rejection;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Visit, Self::Rejection> {
        let rights = Rights::from_request_parts(parts, site).await?;
        let now = chrono::Utc::now().timestamp_micros();
        let visit = Visit::new(site.clone(), rights, parts.uri.path(), parts.uri.query().unwrap_or_default(), now);
        Ok(Visit { has_session: parts.extensions.get::<Session>().is_some(), ..visit })
    }
}

impl Visit {
    /// A request for an address, at a time.
    pub fn new(site: Site, rights: Rights, path: &str, query: &str, now: Micros) -> Visit {
        let parameters = pairs(query);
        let find = |name: &str| {
            let found = parameters.iter().find(|(key, value)| key == name && !value.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        let range = Range::read(find("from").unwrap_or(crate::range::FROM), find("to").unwrap_or("now"), now);
        let zone = if find("zone") == Some("local") { Zone::Local } else { Zone::Utc };
        let range_error = range.as_ref().err().cloned();
        let range = range.unwrap_or_else(|_| Range::usual(now));
        Visit { site, rights, path: path.to_owned(), parameters, now, range, range_error, zone, has_session: false }
    }

    /// A parameter, where it stands in the address and is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Each value of a parameter that is not empty.
    pub fn all<'v>(&'v self, name: &'v str) -> impl Iterator<Item = &'v str> {
        self.parameters
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The address of a path that keeps range and zone, with further parameters.
    pub fn link(&self, path: &str, more: &[(&str, &str)]) -> String {
        let frame = self.parameters.iter().filter(|(key, _)| matches!(key.as_str(), "from" | "to" | "zone"));
        let kept = frame.filter(|(key, _)| more.iter().all(|(other, _)| other != key));
        let kept = kept.map(|(key, value)| (key.as_str(), value.as_str()));
        address(path, kept.chain(more.iter().copied()))
    }

    /// Likewise, where the range is said also if this address has none, since the other view's usual one may differ.
    pub fn link_with_range(&self, path: &str, more: &[(&str, &str)]) -> String {
        let range =
            [("from", self.range.from.as_str()), ("to", if self.range.to == "now" { "" } else { &self.range.to })];
        self.link(path, &[&range, more].concat())
    }

    /// Has the time range begin there, where the address does not say it.
    pub fn begin_at(&mut self, from: &str) {
        if self.get("from").is_none()
            && let Ok(range) = Range::read(from, self.get("to").unwrap_or("now"), self.now)
        {
            self.range = range;
            self.range_error = None;
        }
    }

    /// This address with some parameters replaced: each value of such a name is taken out, then those that are not
    /// empty are added.
    pub fn here_with(&self, changes: &[(&str, &str)]) -> String {
        let kept = self.parameters.iter().filter(|(key, _)| changes.iter().all(|(changed, _)| changed != key));
        let kept = kept.map(|(key, value)| (key.as_str(), value.as_str()));
        address(&self.path, kept.chain(changes.iter().copied()))
    }

    /// A page for this request.
    pub fn page(&self, title: impl Into<String>) -> Page {
        Page::new(self.clone(), title.into())
    }
}

/// An address. Parameters without a value are left out.
pub fn address<'a>(path: &str, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = path.to_owned();
    for (key, value) in parameters.filter(|(_, value)| !value.is_empty()) {
        out.push(if out.contains('?') { '&' } else { '?' });
        out.extend(utf8_percent_encode(key, &KEPT));
        out.push('=');
        out.extend(utf8_percent_encode(value, &KEPT));
    }
    out
}

/// One segment of a path that is somebody's own text.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, &KEPT).to_string()
}

/// The parameters of a query or of a form.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(query: &str) -> Visit {
        let site = Site::new(None, None, None, String::new());
        Visit::new(site, Rights::everything(), "/messages", query, 1_767_323_045_000_000)
    }

    #[test]
    fn links_keep_range_and_zone_and_nothing_else() {
        let visit = visit("from=-3h&zone=local&filter=type%3Dlogin+and+x&to=");
        assert_eq!(visit.get("filter"), Some("type=login and x"));
        assert_eq!(
            visit.link("/explore", &[("sql", "select '1' & 2")]),
            "/explore?from=-3h&zone=local&sql=select%20%271%27%20%26%202"
        );
        assert_eq!(
            visit.here_with(&[("from", "-1h"), ("zone", "")]),
            "/messages?filter=type%3Dlogin%20and%20x&from=-1h"
        );
    }

    #[test]
    fn a_range_that_cannot_be_read_is_said_and_replaced() {
        let visit = visit("from=soon");
        assert!(visit.range_error.is_some_and(|why| why.contains("`soon`")));
        assert_eq!(visit.range.from, "-1h");
    }
}
