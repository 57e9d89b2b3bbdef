//! The configuration of the Graphite sink.
use std::time::Duration;

/// Carbon's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// One line per point; carbon's port 2003.
    #[default]
    Plaintext,
    /// Python pickles, each preceded by its length; carbon's port 2004.
    Pickle,
}

/// Where carbon is and how names are built.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`; the name is looked up at each connect.
    pub address: String,
    /// The protocol.
    pub protocol: Protocol,
    /// Prefix of every name, followed by a dot; `{hostname}` in it is the window's host, with dots replaced by `_`.
    /// Empty: none.
    pub prefix: String,
    /// `stats.K` and `stats_counts.K` for counters, as statsd named them first, in place of
    /// `stats.counters.K.rate` and `.count`.
    pub legacy_namespace: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for written data to be accepted, by this kernel and then by the peer's.
    pub write_timeout: Duration,
}

impl Config {
    /// The defaults, for carbon at `address`.
    pub fn new(address: impl Into<String>) -> Config {
        Config {
            address: address.into(),
            protocol: Protocol::default(),
            prefix: String::new(),
            legacy_namespace: false,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
        }
    }
}
