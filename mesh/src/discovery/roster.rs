//! States with times, from what is seen at each moment. Pure: time is an argument.
use crate::node::{Node, State, View};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// For so long a node that was not there before is *joining*.
pub const JOINING_TIME: Duration = Duration::from_secs(30);

/// For so long a node that left or was lost stays in the view.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// Most nodes that are kept, those that are gone included: a registry that anybody may write to cannot fill the memory.
const NODES_MAX: usize = 50_000;

/// A node that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its name.
    pub name: String,
    /// Where it answers probes.
    pub address: SocketAddr,
    /// Its zone.
    pub zone: String,
    /// Its rack.
    pub rack: String,
    /// Whatever else.
    pub labels: BTreeMap<String, String>,
    /// It says that it goes.
    pub is_leaving: bool,
}

/// All nodes that were seen, until they are forgotten.
#[derive(Debug, Default)]
pub struct Roster {
    nodes: BTreeMap<String, Node>,
    version: u64,
    /// The first look is no news: nodes of an old mesh do not all join because this agent has started.
    has_looked: bool,
}

impl Roster {
    /// What is seen at this moment, and nothing else, as a view.
    pub fn look(&mut self, seen: impl IntoIterator<Item = Sighting>, now: SystemTime) -> View {
        let mut missing: Vec<String> = self.nodes.keys().cloned().collect();
        for sighting in seen {
            if let Ok(at) = missing.binary_search(&sighting.name) {
                missing.remove(at);
            }
            self.seen(sighting, now);
        }
        for name in missing {
            self.missed(&name, now);
        }
        self.nodes.retain(|_, node| !is_gone(node) || elapsed(node.since, now) < REMEMBERED);
        self.has_looked = true;
        self.version += 1;
        View { nodes: self.nodes.values().cloned().collect(), version: self.version, at: now }
    }

    fn seen(&mut self, sighting: Sighting, now: SystemTime) {
        let (is_leaving, known) = (sighting.is_leaving, self.nodes.get(&sighting.name));
        let (state, since) = match known.map(|node| (node.state, node.since)) {
            Some((State::Leaving, since)) if is_leaving => (State::Leaving, since),
            _ if is_leaving => (State::Leaving, now),
            Some((State::Joining, since)) if elapsed(since, now) < JOINING_TIME => (State::Joining, since),
            Some((State::Joining, _)) => (State::Alive, now),
            Some((State::Alive, since)) => (State::Alive, since),
            Some((State::Leaving | State::Lost, _)) => (State::Joining, now),
            None if self.has_looked => (State::Joining, now),
            None => (State::Alive, now),
        };
        if known.is_none() && self.nodes.len() >= NODES_MAX {
            return;
        }
        let Sighting { name, address, zone, rack, labels, .. } = sighting;
        self.nodes.insert(name.clone(), Node { name, address, zone, rack, labels, state, since });
    }

    fn missed(&mut self, name: &str, now: SystemTime) {
        if let Some(node) = self.nodes.get_mut(name).filter(|node| !is_gone(node)) {
            (node.state, node.since) = (State::Lost, now);
        }
    }
}

/// One that said that it goes stays *leaving* when it is gone: it is not lost.
fn is_gone(node: &Node) -> bool {
    matches!(node.state, State::Leaving | State::Lost)
}

/// Nothing where the clock was set back.
fn elapsed(since: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(since).unwrap_or_default()
}

impl From<&super::Identity> for Sighting {
    fn from(own: &super::Identity) -> Sighting {
        Sighting {
            name: own.name.clone(),
            address: own.address,
            zone: own.zone.clone(),
            rack: own.rack.clone(),
            labels: own.labels.clone(),
            is_leaving: false,
        }
    }
}
