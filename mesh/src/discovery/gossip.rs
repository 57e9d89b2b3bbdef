//! Gossip: nodes learn of each other from each other, and nothing central is needed.
//!
//! Each node spreads its name, address of probes, zone, rack and labels as key values of its own. One that goes says so first, and
//! is then *leaving* for all, not lost.
use super::{Discovery, DiscoveryError, Identity, Roster, Sighting};
use crate::node::View;
use chitchat::transport::UdpTransport;
use chitchat::{
    ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, NodeState, ProtocolVersion, spawn_chitchat,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Keys of a node. Labels have the prefix.
const ADDRESS: &str = "address";
const ZONE: &str = "zone";
const RACK: &str = "rack";
const LEAVING: &str = "leaving";
const LABEL: &str = "label.";

/// How often a view is made, at least.
const LOOK_INTERVALS: u32 = 5;

/// How many rounds a node that leaves goes on, for its word to spread.
const LEAVING_ROUNDS: u32 = 5;

/// A node that said nothing for long is forgotten by the protocol after this time.
const FORGOTTEN: Duration = Duration::from_secs(3_600);

/// What gossip needs to begin.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where gossip is received, UDP.
    pub listen: SocketAddr,
    /// Where others reach it; with port 0 that of `listen`.
    pub advertise: SocketAddr,
    /// Only nodes of the same mesh hear each other.
    pub mesh: String,
    /// Gossip addresses of some nodes, `host:port`; names are resolved again and again.
    pub seeds: Vec<String>,
    /// Time between two rounds.
    pub interval: Duration,
}

/// Views of a gossiping mesh.
pub struct Gossip {
    handle: ChitchatHandle,
    own: Identity,
    interval: Duration,
    roster: Roster,
    is_begun: bool,
}

impl Gossip {
    /// Begins to gossip. Needs a runtime.
    ///
    /// # Errors
    /// Where the socket cannot be opened.
    pub async fn start(own: &Identity, config: Config) -> Result<Gossip, DiscoveryError> {
        // A node that comes back is a new one with the same name: the later generation is the one that counts.
        let generation = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
        let id = ChitchatId::new(own.name.as_str(), generation, config.advertise);
        let mut pairs = vec![
            (ADDRESS.to_owned(), own.address.to_string()),
            (ZONE.to_owned(), own.zone.clone()),
            (RACK.to_owned(), own.rack.clone()),
        ];
        pairs.extend(own.labels.iter().map(|(key, value)| (format!("{LABEL}{key}"), value.clone())));
        let detector = FailureDetectorConfig {
            max_interval: config.interval * 10,
            initial_interval: config.interval * 5,
            dead_node_grace_period: FORGOTTEN,
            ..FailureDetectorConfig::default()
        };
        let chitchat = ChitchatConfig {
            chitchat_id: id,
            cluster_id: config.mesh,
            gossip_interval: config.interval,
            listen_addr: config.listen,
            seed_nodes: config.seeds,
            failure_detector_config: detector,
            marked_for_deletion_grace_period: FORGOTTEN,
            catchup_callback: None,
            extra_liveness_predicate: None,
            protocol_version: ProtocolVersion::V0,
        };
        let handle = spawn_chitchat(chitchat, pairs, &UdpTransport)
            .await
            .map_err(|why| DiscoveryError::Gossip { address: config.listen, why: format!("{why:#}") })?;
        Ok(Gossip { handle, own: own.clone(), interval: config.interval, roster: Roster::default(), is_begun: false })
    }

    /// All nodes that gossip hears now, and those that said that they leave.
    async fn look(&mut self) -> View {
        let seen = self.handle.with_chitchat(|chitchat| {
            let live: BTreeSet<ChitchatId> = chitchat.live_nodes().cloned().collect();
            let mut newest: BTreeMap<String, (u64, Sighting)> = BTreeMap::new();
            for (id, state) in chitchat.node_states() {
                let Some(sighting) = sighting(id, state) else { continue };
                if !live.contains(id) && !sighting.is_leaving {
                    continue;
                }
                let known = newest.get(&sighting.name).map_or(0, |(generation, _)| *generation);
                if id.generation_id >= known {
                    newest.insert(sighting.name.clone(), (id.generation_id, sighting));
                }
            }
            newest
        });
        let mut seen = seen.await;
        seen.entry(self.own.name.clone()).or_insert_with(|| (0, Sighting::from(&self.own)));
        self.roster.look(seen.into_values().map(|(_, sighting)| sighting), SystemTime::now())
    }
}

fn sighting(id: &ChitchatId, state: &NodeState) -> Option<Sighting> {
    let text = |key: &str| state.get(key).unwrap_or_default().to_owned();
    let label = |(key, value): (&str, &str)| Some((key.strip_prefix(LABEL)?.to_owned(), value.to_owned()));
    Some(Sighting {
        name: id.node_id.to_string(),
        address: state.get(ADDRESS)?.parse().ok()?,
        zone: text(ZONE),
        rack: text(RACK),
        labels: state.key_values().filter_map(label).collect(),
        is_leaving: state.get(LEAVING).is_some(),
    })
}

#[async_trait::async_trait]
impl Discovery for Gossip {
    async fn next(&mut self) -> View {
        if self.is_begun {
            tokio::time::sleep(self.interval * LOOK_INTERVALS).await;
        }
        self.is_begun = true;
        self.look().await
    }

    async fn leave(&mut self) {
        self.handle.with_chitchat(|chitchat| chitchat.self_node_state().set(LEAVING, "true")).await;
        tokio::time::sleep(self.interval * LEAVING_ROUNDS).await;
        if let Err(error) = self.handle.initiate_shutdown() {
            tracing::debug!(%error, "gossip had ended before");
        }
    }
}

impl Drop for Gossip {
    fn drop(&mut self) {
        self.handle.abort();
    }
}
