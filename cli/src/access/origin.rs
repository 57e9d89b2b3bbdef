//! Where a request comes from: a page of another site must neither ask with a user's credentials, nor reach a server
//! on loopback under a name of its own (DNS rebinding).
use axum::http::{HeaderMap, Method, Uri, header};
use std::net::IpAddr;

/// The host that a request is for, without its port, in lower case; none where it does not say.
fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let named = headers.get(header::HOST).map(|host| host.to_str().unwrap_or("?"));
    named.or_else(|| uri.authority().map(|authority| authority.as_str()))
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    }
}

/// True where the name in a request is an address, `localhost` or one of `hosts`. A page under any other name that
/// leads here is somebody else's.
pub fn is_for_us(uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> bool {
    let Some(host) = host(uri, headers) else { return true };
    let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
    let is_known = |known: &String| known.trim_end_matches('.').eq_ignore_ascii_case(&name);
    name.parse::<IpAddr>().is_ok() || name == "localhost" || name.ends_with(".localhost") || hosts.iter().any(is_known)
}

/// True where a browser sends the request for a page of another site. Programs say nothing of this, and are believed;
/// links and bookmarks may open what is only read.
pub fn is_of_another_site(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let only_reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => false,
        Some(_) => {
            !(only_reads && text("sec-fetch-mode") == Some("navigate") && text("sec-fetch-dest") == Some("document"))
        }
        None if only_reads => false,
        None => text("origin").is_some_and(|origin| {
            let origin = origin.split_once("://").map(|(_, authority)| authority.to_ascii_lowercase());
            origin.is_none() || origin != host(uri, headers).map(str::to_ascii_lowercase)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn other_names_are_not_ours() {
        let hosts = ["metlog.example.org".to_owned()];
        for (host, expected) in [
            ("127.0.0.1:5580", true),
            ("localhost:5580", true),
            ("LOCALHOST", true),
            ("a.localhost:1", true),
            ("[::1]:5580", true),
            ("metlog.example.org", true),
            ("Metlog.Example.org.:5580", true),
            ("evil.example.org:5580", false),
            ("localhost.evil.example.org", false),
            ("127.0.0.1.evil.example.org", false),
            ("evil.example.org:80:127.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(is_for_us(&Uri::from_static("/"), &headers(&[("host", host)]), &hosts), expected, "{host}");
        }
        assert!(is_for_us(&Uri::from_static("/"), &HeaderMap::new(), &hosts), "no browser leaves it out");
        assert!(!is_for_us(&Uri::from_static("http://evil.example.org/"), &HeaderMap::new(), &hosts), "HTTP/2");
    }

    #[test]
    fn pages_of_other_sites_do_not_ask() {
        let foreign = |method: Method, pairs: &[(&'static str, &str)]| {
            let mut headers = headers(pairs);
            headers.insert("host", "127.0.0.1:5580".parse().unwrap());
            is_of_another_site(&method, &Uri::from_static("/api/sql"), &headers)
        };
        for (pairs, post, get) in [
            (&[][..], false, false),
            (&[("sec-fetch-site", "same-origin")], false, false),
            (&[("sec-fetch-site", "none")], false, false),
            (&[("sec-fetch-site", "cross-site")], true, true),
            (&[("sec-fetch-site", "same-site")], true, true),
            (
                &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
                true,
                false,
            ),
            (
                &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                true,
                true,
            ),
            (
                &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
                true,
                true,
            ),
            (&[("origin", "http://127.0.0.1:5580")], false, false),
            (&[("origin", "http://127.0.0.1:8000")], true, false),
            (&[("origin", "https://evil.example.org")], true, false),
            (&[("origin", "null")], true, false),
        ] {
            assert_eq!((foreign(Method::POST, pairs), foreign(Method::GET, pairs)), (post, get), "{pairs:?}");
        }
    }
}
