//! Who probes whom, when, and from which port: pure, and the same in every agent that sees the same nodes.
//!
//! Up to [`FULL_MESH_NODES_MAX`] nodes every node probes every other. Beyond it the mesh is complete within each zone, and
//! between two zones there are as many edges as [`Plan::edges_between_zones`]: each of them is a slot, and the node of each
//! zone that has the highest hash for the slot takes it (rendezvous). A node that joins or leaves therefore changes only the
//! slots that it takes or held.
//!
//! **Invariant.** Each edge is probed from both ends: a loss in one direction is told from one in the other by comparing them.
mod floors;
mod hash;
mod ports;
#[cfg(test)]
mod tests;

pub use floors::{
    AGENT_PACKETS_PER_SECOND_MAX, Floors, PAIR_INTERVAL_MIN, PAYLOAD_BYTES_MAX, VIEW_CONFIRMED, VIEW_INTERVALS_MAX,
};
pub use ports::{PORTS_MAX, Walk, ports_for};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most nodes that all probe each other, whatever their zones.
pub const FULL_MESH_NODES_MAX: usize = 128;

/// Edges between two zones beyond that: enough that a lost one in a thousand probes is seen within ten minutes.
pub const EDGES_BETWEEN_ZONES: usize = 16;

/// A node, as far as the plan is concerned. Names are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place<'a> {
    /// The node's name.
    pub name: &'a str,
    /// Its zone; empty is a zone of its own.
    pub zone: &'a str,
}

/// How a plan is made. All agents of a mesh must have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Edges between two zones of a large mesh.
    pub edges_between_zones: usize,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { edges_between_zones: EDGES_BETWEEN_ZONES }
    }
}

impl Plan {
    /// Whom `me` probes, sorted: never itself, and nobody if it is not one of `places`. The order of `places` is of no
    /// matter.
    pub fn peers<'a>(&self, me: &str, places: &[Place<'a>]) -> Vec<&'a str> {
        let Some(own) = places.iter().find(|place| place.name == me).copied() else { return Vec::new() };
        let is_full = places.len() <= FULL_MESH_NODES_MAX;
        let mut peers: BTreeSet<&'a str> = BTreeSet::new();
        let mut zones: BTreeMap<&'a str, Vec<&'a str>> = BTreeMap::new();
        for place in places {
            zones.entry(place.zone).or_default().push(place.name);
            if place.name != me && (is_full || place.zone == own.zone) {
                peers.insert(place.name);
            }
        }
        if !is_full {
            let (own_zone, own_nodes) = (own.zone, zones.remove(own.zone).unwrap_or_default());
            for (zone, nodes) in &zones {
                self.add_between(me, (own_zone, &own_nodes), (zone, nodes), &mut peers);
            }
        }
        peers.into_iter().collect()
    }

    /// All edges, as places in `places`: what [`Plan::peers`] is for each of them, made at once. Each edge is there both ways.
    pub fn edges(&self, places: &[Place<'_>]) -> BTreeSet<(usize, usize)> {
        let mut edges = BTreeSet::new();
        let is_full = places.len() <= FULL_MESH_NODES_MAX;
        let mut zones: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, place) in places.iter().enumerate() {
            zones.entry(if is_full { "" } else { place.zone }).or_default().push(at);
        }
        for nodes in zones.values() {
            let to_others =
                |one: usize| nodes.iter().filter(move |other| **other != one).map(move |other| (one, *other));
            edges.extend(nodes.iter().flat_map(|one| to_others(*one)));
        }
        let zones: Vec<(&str, &Vec<usize>)> = zones.iter().map(|(zone, nodes)| (*zone, nodes)).collect();
        for (at, (low, low_nodes)) in zones.iter().enumerate() {
            for (high, high_nodes) in &zones[at + 1..] {
                let pair = hash::of(&[low, high]);
                let named = |nodes: &[usize]| -> (Vec<&str>, Vec<u64>) {
                    let names = nodes.iter().map(|node| places[*node].name);
                    names.map(|name| (name, hash::with(pair, hash::of(&[name])))).unzip()
                };
                let (low_named, high_named) = (named(low_nodes), named(high_nodes));
                for slot in 0..self.edges_between_zones as u64 {
                    let one = holder(&low_named.0, &low_named.1, slot).and_then(|name| find(low_nodes, places, name));
                    let other =
                        holder(&high_named.0, &high_named.1, slot).and_then(|name| find(high_nodes, places, name));
                    edges.extend(one.zip(other).into_iter().flat_map(|(one, other)| [(one, other), (other, one)]));
                }
            }
        }
        edges
    }

    /// Peers of `me` in another zone: in each slot that `me` holds for its zone, the node that holds it for the other.
    fn add_between<'a>(
        &self,
        me: &str,
        (own_zone, own): (&'a str, &[&'a str]),
        (zone, nodes): (&'a str, &[&'a str]),
        peers: &mut BTreeSet<&'a str>,
    ) {
        // Both ends name the pair of zones in the same order, so that they mean the same slots.
        let (low, high) = if own_zone < zone { (own_zone, zone) } else { (zone, own_zone) };
        let pair = hash::of(&[low, high]);
        let mine = own.iter().map(|name| hash::with(pair, hash::of(&[name]))).collect::<Vec<_>>();
        let theirs = nodes.iter().map(|name| hash::with(pair, hash::of(&[name]))).collect::<Vec<_>>();
        for slot in 0..self.edges_between_zones as u64 {
            if holder(own, &mine, slot) == Some(me)
                && let Some(peer) = holder(nodes, &theirs, slot)
            {
                peers.insert(peer);
            }
        }
    }
}

fn find(nodes: &[usize], places: &[Place<'_>], name: &str) -> Option<usize> {
    nodes.iter().copied().find(|node| places[*node].name == name)
}

/// Who has the highest hash for a slot; of two with the same, the greater name.
fn holder<'a>(names: &[&'a str], hashes: &[u64], slot: u64) -> Option<&'a str> {
    names.iter().zip(hashes).map(|(name, hash)| (hash::with(*hash, slot), *name)).max().map(|(_, name)| name)
}

/// When in each interval a source probes a target: spread evenly over the pairs, and the same after a restart, so that the
/// probes of many agents that start at once do not come at once. Less than `interval`.
pub fn phase(source: &str, target: &str, interval: Duration) -> Duration {
    let part = hash::of(&["phase", source, target]) as f64 / (u64::MAX as f64 + 1.0);
    interval.mul_f64(part).min(interval.saturating_sub(Duration::from_nanos(1)))
}
