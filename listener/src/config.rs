//! The listener's validated configuration: nothing required is optional here, and nothing is left to parse.
use crate::intake::bagheera::SubmitConfig;
use crate::privacy::Rule;
use crate::sampling::SamplingConfig;
use metlog_schemas::budget::Budget;
use metlog_schemas::format::statsd::GaugeDeltas;
use metlog_schemas::format::{self, Socket};
use metlog_schemas::wire::v1::SigningKey;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The whole configuration of a listener.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its name in object paths (`metlog_schemas::object_path::is_listener_name`). Two listeners that share a
    /// warehouse must have two names.
    pub name: String,
    /// Host name in rows of `metrics`.
    pub hostname: String,
    /// Its folder: `journal`, `set_aside`, receipts. One process at a time.
    pub data: PathBuf,
    /// Where each socket of the registry of formats listens.
    pub sockets: Vec<Listen>,
    /// TCP addresses for Metlog JSON by HTTP.
    pub http: Vec<SocketAddr>,
    /// TLS at every TCP address of the listener, `http` included, but for those that stay without.
    pub tls: Option<TlsConfig>,
    /// Who may post to which logger at those addresses.
    pub submit: SubmitConfig,
    /// Where each server of the registry of servers listens (`intake/server`); those that are left out do not.
    pub servers: Vec<Serve>,
    /// What clients of tracing are told to sample.
    pub sampling: SamplingConfig,
    /// Receiving threads for each UDP address, with `SO_REUSEPORT`. At least 1.
    pub workers: usize,
    /// Bytes asked of the kernel for each socket's receive buffer.
    pub receive_buffer: usize,
    /// Where any are given, only wire v1 datagrams signed by one of them are taken from the Metlog addresses.
    pub keys: Vec<SigningKey>,
    /// A signed datagram older than this is a replay.
    pub replay_window: Duration,
    /// The journal.
    pub journal: JournalConfig,
    /// Aggregation.
    pub statsd_windows: WindowConfig,
    /// Fields of Metlog JSON counters and timers that become tags of their series; `hostname` is the message's host.
    pub json_tags: Vec<String>,
    /// What a gauge with a sign means.
    pub gauge_deltas: GaugeDeltas,
    /// What must not reach a disk; in order.
    pub privacy: Vec<Rule>,
    /// Bytes of decoded rows kept in memory for segments that are sealed but not yet stored everywhere; above
    /// it the oldest are read back from the journal when they are asked for.
    pub memory_bytes: usize,
    /// The memory of everything together.
    pub budget: Budget,
}

impl Config {
    /// UDP or TCP addresses of the socket of a key; none where it is not configured.
    pub fn addresses(&self, key: &str) -> &[SocketAddr] {
        match self.sockets.iter().find(|listen| listen.socket.key == key).map(|listen| &listen.at) {
            Some(At::Addresses(addresses)) => addresses,
            _ => &[],
        }
    }

    /// Puts addresses in the place of those of the socket of a key; false if there is no such socket.
    pub fn set_addresses(&mut self, key: &str, addresses: Vec<SocketAddr>) -> bool {
        let Some(socket) = format::sockets().into_iter().find(|socket| socket.key == key) else { return false };
        self.sockets.retain(|listen| listen.socket.key != key);
        if !addresses.is_empty() {
            self.sockets.push(Listen { socket, at: At::Addresses(addresses), is_default: false });
        }
        true
    }
}

/// The certificate of the TCP addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM: the certificate, then those that vouch for it.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// Keys of `[listener]` whose addresses have no TLS.
    pub plain: Vec<String>,
}

/// A socket and where it listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Which one.
    pub socket: Socket,
    /// Its addresses.
    pub at: At,
    /// Nobody configured it, and it yields: an address that another program holds is left out.
    pub is_default: bool,
}

/// A server and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// Its key in the registry of servers.
    pub key: &'static str,
    /// Its TCP addresses.
    pub addresses: Vec<SocketAddr>,
    /// Nobody configured it: an address that another program holds is left out.
    pub is_default: bool,
}

/// Addresses of a socket.
#[derive(Debug, Clone)]
pub enum At {
    /// UDP or TCP.
    Addresses(Vec<SocketAddr>),
    /// A Unix socket, for datagrams or streams as its transport says.
    Path(PathBuf),
}

/// How the journal is kept.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// At most this long between a write and its sync.
    pub sync_interval: Duration,
    /// Bytes on disk above which new messages are dropped and counted.
    pub budget_bytes: u64,
    /// A segment is sealed, and so stored, when it is this old …
    pub roll_after: Duration,
    /// … or this large in bytes.
    pub roll_bytes: u64,
}

/// How statsd values are aggregated. It is written with each segment, as JSON: a field may be added, with the meaning
/// that its absence had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowConfig {
    /// Length of a window; at least 100 ms. Windows begin at multiples of it since 1970 UTC.
    pub flush_interval: Duration,
    /// Percentiles of timers: 90, 99.9; negative ones count from the top.
    pub percentiles: Vec<f64>,
    /// A series that got nothing for this long is forgotten.
    pub idle_after: Duration,
    /// Most series at a time; values of further ones are rejected and counted by name.
    pub series_max: usize,
    /// Most tags of a series.
    pub tags_max: usize,
}
