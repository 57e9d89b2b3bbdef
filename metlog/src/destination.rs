//! Where datagrams go: written as text in a configuration, or one of the two that serve tests.
use crate::capture::Captured;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A place that datagrams are sent to: UDP over IPv4 or IPv6, a Unix datagram socket, or, for tests, memory
/// or nowhere.
///
/// As text: `host:port`, `[::1]:5565` or `unix:/path`. A host's name is looked up by the sender thread, not
/// by the caller; of several addresses the first IPv4 one is taken.
#[derive(Debug, Clone)]
pub struct Destination(pub(crate) Target);

#[derive(Debug, Clone)]
pub(crate) enum Target {
    Udp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
    Capture(Captured),
    Noop,
    /// An invalid destination: refused, with its text, when the client is created.
    Malformed(String),
}

impl Destination {
    /// A destination that captures what is sent, for tests; read it from the second value.
    pub fn capture() -> (Destination, Captured) {
        let captured = Captured::default();
        (Destination(Target::Capture(captured.clone())), captured)
    }

    /// A destination that accepts everything and keeps nothing.
    pub fn noop() -> Destination {
        Destination(Target::Noop)
    }

    /// A Unix datagram socket.
    pub fn unix(path: impl Into<PathBuf>) -> Destination {
        Destination(Target::Unix(path.into()))
    }
}

/// Text that is neither `host:port` nor `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedDestination(pub String);

impl fmt::Display for MalformedDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is neither host:port nor unix:/path", self.0)
    }
}

impl std::error::Error for MalformedDestination {}

impl FromStr for Destination {
    type Err = MalformedDestination;

    fn from_str(text: &str) -> Result<Destination, MalformedDestination> {
        parse(text.trim()).map(Destination).ok_or_else(|| MalformedDestination(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Target> {
    if let Some(path) = text.strip_prefix("unix:") {
        return (!path.is_empty()).then(|| Target::Unix(path.into()));
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|&port| port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').filter(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok())?,
        None => host,
    };
    let bare_v6 = host.contains(':') && !text.starts_with('[');
    let valid = !host.is_empty() && !bare_v6 && !host.contains(|c: char| c.is_whitespace() || "[]/".contains(c));
    valid.then(|| Target::Udp { host: host.to_owned(), port })
}

/// Invalid text is refused when the client is created.
impl From<&str> for Destination {
    fn from(text: &str) -> Destination {
        text.parse().unwrap_or_else(|MalformedDestination(text)| Destination(Target::Malformed(text)))
    }
}

impl From<String> for Destination {
    fn from(text: String) -> Destination {
        Destination::from(text.as_str())
    }
}

impl From<std::net::SocketAddr> for Destination {
    fn from(address: std::net::SocketAddr) -> Destination {
        Destination(Target::Udp { host: address.ip().to_string(), port: address.port() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = match text.parse::<Destination>() {
            Ok(Destination(Target::Udp { host, port })) => format!("udp {host} {port}"),
            Ok(Destination(Target::Unix(path))) => format!("unix {}", path.display()),
            Ok(other) => format!("{other:?}"),
            Err(_) => "malformed".to_owned(),
        };
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn texts() {
        check("127.0.0.1:5565", "udp 127.0.0.1 5565");
        check("logs.example.com:5565", "udp logs.example.com 5565");
        check("[::1]:8125", "udp ::1 8125");
        check(" localhost:1 ", "udp localhost 1");
        check("unix:/run/metlog.sock", "unix /run/metlog.sock");
        for text in ["", "localhost", ":5565", "a:0", "a:65536", "a:b", "::1:8125", "[x]:1", "[::1:8", "unix:", "a b:1"]
        {
            check(text, "malformed");
        }
    }

    #[test]
    fn a_socket_address_is_a_destination() {
        let address: std::net::SocketAddr = "[::1]:7".parse().unwrap();
        assert!(matches!(Destination::from(address).0, Target::Udp { host, port: 7 } if host == "::1"));
    }
}
