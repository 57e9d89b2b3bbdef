//! ZooKeeper, as the older system of heartbeat agents registers: old and new agents see each other.
//!
//! A node is an ephemeral sequential child `_c_<32 hex>-<host:port><10 digits>` of `/<root>/<path>`, whose data is JSON with
//! `My_address`, `My_port`, `Poll_timeout` and `Poll_interval`. Ours has more keys, which old agents skip. One without them speaks
//! only gRPC, which the label [`PROTOCOL_LABEL`] says.
mod record;
mod session;

pub use record::{PROTOCOL_GRPC, PROTOCOL_LABEL};

use super::{Discovery, Identity, Roster, Sighting};
use crate::node::View;
use record::Record;
use session::Session;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// First and longest wait after ZooKeeper could not be reached.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// A view is confirmed this often, as the session lives.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(10);

/// Where the registry is.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub servers: String,
    /// `ROOT_PATH_ZK`; `distributed_trace` by default.
    pub root: String,
    /// `HEART_BEAT_NODE_PATH`; `heart_beat_nodes` by default.
    pub path: String,
    /// What this node registers as its host, where that is not its address.
    pub host: Option<String>,
    /// Longest silence until ZooKeeper ends the session, and the node is lost to others.
    pub session_timeout: Duration,
    /// `CONN_TIMEOUT`: longest wait for a connection.
    pub connect_timeout: Duration,
    /// What is said of this node's probes to old agents, which do not use it.
    pub interval: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            servers: "localhost:2181".to_owned(),
            root: "distributed_trace".to_owned(),
            path: "heart_beat_nodes".to_owned(),
            host: None,
            session_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            interval: Duration::from_secs(10),
        }
    }
}

/// Views of a registry. A session that is lost is made anew, and the node registered again.
pub struct ZooKeeper {
    own: Identity,
    config: Config,
    session: Option<Session>,
    backoff: Duration,
    /// Nodes of the last good look, by the name of their registration.
    known: BTreeMap<String, Sighting>,
    roster: Roster,
    has_looked: bool,
}

impl ZooKeeper {
    /// Connects when the first view is asked for.
    pub fn new(own: &Identity, config: Config) -> ZooKeeper {
        let (own, backoff) = (own.clone(), BACKOFF.0);
        ZooKeeper {
            own,
            config,
            session: None,
            backoff,
            known: BTreeMap::new(),
            roster: Roster::default(),
            has_looked: false,
        }
    }

    #[cfg(test)]
    pub(super) fn session_info(&self) -> Option<zookeeper_client::SessionInfo> {
        self.session.as_ref().map(Session::info)
    }

    async fn step(&mut self) -> Result<(), zookeeper_client::Error> {
        if self.session.is_none() {
            let record = Record::of(&self.own, &self.config);
            self.session = Some(Session::open(&self.config, &record).await?);
            self.has_looked = false;
        }
        let Some(session) = &mut self.session else { return Ok(()) };
        if self.has_looked {
            session.changed(CONFIRM_INTERVAL).await?;
        }
        let records = session.records().await?;
        let mut known = BTreeMap::new();
        for (registration, record) in records {
            match record.sighting().await {
                Some(sighting) => _ = known.insert(registration, sighting),
                // Its name is not resolved now: what was known of it stays.
                None => known.extend(self.known.remove(&registration).map(|sighting| (registration, sighting))),
            }
        }
        self.known = known;
        self.has_looked = true;
        Ok(())
    }
}

#[async_trait::async_trait]
impl Discovery for ZooKeeper {
    async fn next(&mut self) -> View {
        while let Err(error) = self.step().await {
            tracing::warn!(%error, servers = %self.config.servers, "ZooKeeper: the last view stays, and the session is made anew");
            self.session = None;
            tokio::time::sleep(self.backoff).await;
            self.backoff = (self.backoff * 2).min(BACKOFF.1);
        }
        self.backoff = BACKOFF.0;
        let others = self.known.values().filter(|sighting| sighting.name != self.own.name);
        // A node that registers twice, as after a lost session, is one node.
        let seen: BTreeMap<&str, &Sighting> = others.map(|sighting| (sighting.name.as_str(), sighting)).collect();
        let own = Sighting::from(&self.own);
        self.roster.look(seen.into_values().cloned().chain([own]), SystemTime::now())
    }

    async fn leave(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}
