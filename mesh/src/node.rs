//! A node of the mesh and a view of all of them, with states that have times: what discovery says and the plan reads.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::SystemTime;

/// What is known of whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It was seen for the first time and has not yet been heard for long enough to be probed without false alarms.
    Joining,
    /// It is there.
    Alive,
    /// It said that it goes.
    Leaving,
    /// It is not heard any more, and did not say why.
    Lost,
}

impl State {
    /// As it is written in tables and logs.
    pub fn name(self) -> &'static str {
        match self {
            State::Joining => "joining",
            State::Alive => "alive",
            State::Leaving => "leaving",
            State::Lost => "lost",
        }
    }
}

/// A node of the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Unique in the mesh.
    pub name: String,
    /// Where it answers probes, UDP and TCP.
    pub address: SocketAddr,
    /// Its zone; empty where nothing is known.
    pub zone: String,
    /// Its rack; empty where nothing is known.
    pub rack: String,
    /// Whatever else its owner says of it.
    pub labels: BTreeMap<String, String>,
    /// Whether it is there.
    pub state: State,
    /// Since when it is in this state, by the clock of this host.
    pub since: SystemTime,
}

impl Node {
    /// Whether it is probed: one that leaves or is lost would only be a false alarm.
    pub fn is_probed(&self) -> bool {
        matches!(self.state, State::Joining | State::Alive)
    }
}

/// All nodes that are known, this one included where discovery knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Sorted by name; a name comes once.
    pub nodes: Vec<Node>,
    /// Grows with each view of one discovery.
    pub version: u64,
    /// When discovery last knew it to be so: a view that is confirmed without a change is a new one.
    pub at: SystemTime,
}

impl View {
    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.binary_search_by(|node| node.name.as_str().cmp(name)).ok().and_then(|at| self.nodes.get(at))
    }

    /// The nodes that are probed, for a plan.
    pub fn places(&self) -> Vec<crate::plan::Place<'_>> {
        let probed = self.nodes.iter().filter(|node| node.is_probed());
        probed.map(|node| crate::plan::Place { name: &node.name, zone: &node.zone }).collect()
    }
}
