//! What an agent is told to do.
use crate::discovery::Identity;
use crate::plan::{Floors, PAYLOAD_BYTES_MAX};
use crate::probe::packet::{PAYLOAD_BYTES_MIN, TRAIN_MAX};
use std::net::SocketAddr;
use std::time::Duration;

/// A kind of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A train of datagrams.
    Udp,
    /// A connection.
    Tcp,
    /// `GET /` of a connection of its own.
    Http,
    /// `PingNode`, as agents of the older system have it.
    Grpc,
    /// An echo request, where this process may send one.
    Icmp,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [Kind::Udp, Kind::Tcp, Kind::Http, Kind::Grpc, Kind::Icmp];

    /// As it is written in tables and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Udp => "udp",
            Kind::Tcp => "tcp",
            Kind::Http => "http",
            Kind::Grpc => "grpc",
            Kind::Icmp => "icmp",
        }
    }
}

/// An agent's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// What it says of itself.
    pub own: Identity,
    /// Where it responds, UDP and TCP.
    pub listen: SocketAddr,
    /// How it probes.
    pub probing: Probing,
}

/// How an agent probes.
#[derive(Debug, Clone)]
pub struct Probing {
    /// Time between two trains of a pair.
    pub interval: Duration,
    /// The kinds of probes.
    pub kinds: Vec<Kind>,
    /// Datagrams of a train.
    pub train: u8,
    /// Payload of a datagram.
    pub payload_bytes: usize,
    /// A probe that is not replied to in this time is lost.
    pub timeout: Duration,
    /// Source ports of trains, walked one after the other.
    pub ports: u16,
    /// The first of them; 0: free ones.
    pub first_port: u16,
    /// The share of unremarkable probes that have a row of their own.
    pub share: f64,
}

impl Default for Probing {
    fn default() -> Probing {
        Probing {
            interval: Duration::from_secs(10),
            kinds: vec![Kind::Udp, Kind::Tcp],
            train: 10,
            payload_bytes: 64,
            timeout: Duration::from_secs(3),
            ports: 16,
            first_port: 0,
            share: 0.0,
        }
    }
}

impl Probing {
    /// What it comes to with so many peers: nothing passes the floors.
    pub(super) fn kept(&self, peers: usize) -> Floors {
        // A query for each train, and about six packets for each connection.
        let packets: u32 =
            self.kinds.iter().map(|kind| if *kind == Kind::Udp { u32::from(self.count()) + 1 } else { 6 }).sum();
        let floors = Floors {
            interval: self.interval,
            packets_per_pair: packets,
            payload_bytes: self.payload_bytes.clamp(PAYLOAD_BYTES_MIN, PAYLOAD_BYTES_MAX),
        };
        floors.kept(peers)
    }

    /// Datagrams of a train that there will be.
    pub(super) fn count(&self) -> u8 {
        self.train.clamp(1, TRAIN_MAX)
    }
}
