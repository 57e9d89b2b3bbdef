//! Discovery: who is in the mesh.
//!
//! A [`Discovery`] yields [`View`]s: `listed` from a list that somebody wrote, `dns` from the addresses of a name, `gossip` from
//! the nodes themselves, `zookeeper` from a registry that agents of the older system share. `roster` is what they have in
//! common: it turns what is seen now into states with times.
pub mod dns;
pub mod gossip;
pub mod listed;
mod roster;
mod running;
pub mod zookeeper;

#[cfg(test)]
mod tests;

pub use roster::{JOINING_TIME, Roster, Sighting};
pub use running::Running;

use crate::node::View;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Unique in the mesh.
    pub name: String,
    /// Where others reach its probes, UDP and TCP.
    pub address: SocketAddr,
    /// Its zone; may be empty.
    pub zone: String,
    /// Its rack; may be empty.
    pub rack: String,
    /// Whatever else.
    pub labels: BTreeMap<String, String>,
}

/// A stream of views that never ends.
#[async_trait::async_trait]
pub trait Discovery: Send {
    /// The next view: at once the first time, if anything is known, and then whenever something changed or was confirmed.
    /// Where the source fails, the last good view stays and nothing is yielded, so that the age of the last view says how long
    /// the agent has been blind. May be dropped at any point and called again.
    async fn next(&mut self) -> View;

    /// Says to the others that this node goes. Does nothing where nobody listens.
    async fn leave(&mut self) {}
}

/// Why a discovery cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// No usable address in what was configured.
    #[error("`{0}` is not host:port")]
    Address(String),
    /// The gossip's socket.
    #[error("gossip on {address}: {why}")]
    Gossip {
        /// Where it should listen.
        address: SocketAddr,
        /// In words.
        why: String,
    },
}

/// Host and port of `host:port` or `[address]:port`.
fn host_and_port(text: &str) -> Result<(String, u16), DiscoveryError> {
    let wrong = || DiscoveryError::Address(text.to_owned());
    let (host, port) = text.trim().rsplit_once(':').ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().map_err(|_| wrong())?;
    if host.is_empty() || (host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_err()) {
        Err(wrong())
    } else {
        Ok((host.to_owned(), port))
    }
}
