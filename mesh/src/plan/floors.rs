//! Bounds in code that no configuration passes: a mesh must never be what breaks the network.
use std::time::Duration;

/// Shortest time between two trains of a pair, in one direction.
pub const PAIR_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Longest payload of a probe, in bytes: with headers it fits into one frame of Ethernet.
pub const PAYLOAD_BYTES_MAX: usize = 1_400;

/// Most packets that one agent sends as probes, each second.
pub const AGENT_PACKETS_PER_SECOND_MAX: u32 = 2_000;

/// How often a discovery confirms its view, at least: an agent with a shorter interval is not blind in between.
pub const VIEW_CONFIRMED: Duration = Duration::from_secs(10);

/// For so many intervals an agent goes on probing what it saw last; then it stops by itself.
pub const VIEW_INTERVALS_MAX: u32 = 3;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floors {
    /// Time between two trains of a pair.
    pub interval: Duration,
    /// Packets that the agent sends to one peer in an interval, over all kinds of probes.
    pub packets_per_pair: u32,
    /// Payload of a probe, in bytes.
    pub payload_bytes: usize,
}

impl Floors {
    /// What is done instead, with so many peers: the interval is never shorter than [`PAIR_INTERVAL_MIN`], and longer than asked
    /// where the agent would otherwise send more than [`AGENT_PACKETS_PER_SECOND_MAX`]; the payload is cut.
    pub fn kept(self, peers: usize) -> Floors {
        let packets = peers as f64 * f64::from(self.packets_per_pair);
        let needed = Duration::from_secs_f64(packets / f64::from(AGENT_PACKETS_PER_SECOND_MAX));
        Floors {
            interval: self.interval.max(PAIR_INTERVAL_MIN).max(needed),
            payload_bytes: self.payload_bytes.min(PAYLOAD_BYTES_MAX),
            ..self
        }
    }

    /// Whether an agent whose view is so old must not probe any more.
    pub fn is_blind(self, view_age: Duration) -> bool {
        view_age > self.interval.max(VIEW_CONFIRMED).saturating_mul(VIEW_INTERVALS_MAX)
    }
}
