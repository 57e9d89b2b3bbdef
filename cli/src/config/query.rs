//! The section `[query]`: where queries are served, and how much one may cost.
use super::document::Section;
use super::values;
use crate::arguments::AddressOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use toml::de::DeValue;

/// HTTP port of queries and of the state of the listener.
pub const PORT_QUERY: u16 = 5580;
const MIB: u64 = 1 << 20;

/// What one query may cost, and where queries are served.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryConfig {
    /// HTTP addresses, at least one.
    pub listen: Vec<SocketAddr>,
    /// Addresses of Flight SQL; none where it is not served.
    pub flight: Vec<SocketAddr>,
    /// Bytes that one query may use for sorting, joining and grouping.
    pub memory_bytes: usize,
    /// Queries that run at a time; others wait.
    pub concurrency: usize,
    /// Most rows of an answer.
    pub rows_max: usize,
    /// A query that takes longer is cancelled.
    pub time_max: Duration,
    /// How long a query waits for the store to answer.
    pub store_wait: Duration,
}

fn some_addresses(value: &DeValue<'_>) -> Result<Vec<SocketAddr>, String> {
    let addresses = values::addresses(value)?;
    if addresses.is_empty() { values::address(value).map(|address| vec![address]) } else { Ok(addresses) }
}

/// Reads the section.
pub fn read(root: &mut Section<'_>, flags: &AddressOptions) -> QueryConfig {
    let mut section = root.section("query");
    let on_loopback = || vec![SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_QUERY + flags.listen_offset))];
    let typed = section.read("listen", some_addresses);
    let time_bounds = Duration::from_millis(100)..=Duration::from_secs(86_400);
    let wait_bounds = Duration::from_millis(100)..=Duration::from_secs(3_600);
    let config = QueryConfig {
        listen: flags.http.map(|address| vec![address]).or(typed).unwrap_or_else(on_loopback),
        flight: section.read("flight", values::addresses).unwrap_or_default(),
        memory_bytes: section.read("memory", values::size(16 * MIB..=1024 * 1024 * MIB)).unwrap_or(256 * MIB) as usize,
        concurrency: section.read("concurrency", values::integer(1..=1_000)).unwrap_or(4) as usize,
        rows_max: section.read("rows_max", values::integer(1..=1_000_000_000)).unwrap_or(1_000_000) as usize,
        time_max: section.read("time_max", values::duration(time_bounds)).unwrap_or(Duration::from_secs(30)),
        store_wait: section.read("store_wait", values::duration(wait_bounds)).unwrap_or(Duration::from_secs(5)),
    };
    section.finish();
    config
}
