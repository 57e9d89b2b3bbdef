//! The demo's mesh: twelve nodes that never were, whose agents' results are sent as real ones are. Every ten minutes the way up from
//! one rack loses packets for three, so that there is something to find.
use super::reachable;
use metlog_schemas::wire::v1::{Encoder, Pair, Ping, SigningKey};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sketches_ddsketch::{Config, DDSketch};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time between two rows of a pair.
const INTERVAL_SECONDS: i64 = 30;
/// So far back there are rows when the demo starts.
const BEFORE_SECONDS: i64 = 20 * 60;
const PROBES: u64 = 30;
const PAYLOAD_BYTES: u64 = 64;
/// Each ten minutes, from the fourth to the seventh.
const CYCLE_MINUTES: i64 = 10;
const FAULT_MINUTES: std::ops::Range<i64> = 4..7;
const FAULT_RACK: (&str, &str) = ("eu-2", "b");
const FAULT_LOSS: f64 = 0.08;
const DATAGRAM_BYTES: usize = 1_400;
/// Datagrams between two pauses, so that those of the past do not fill a socket's buffer.
const BURST: u64 = 20;
const LOOK: Duration = Duration::from_millis(250);

struct Node {
    name: String,
    zone: &'static str,
    rack: &'static str,
}

/// The first is this host, so that its messages are found beside what the network did.
fn nodes() -> Vec<Node> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let places = [("eu-1", "a"), ("eu-1", "b"), ("eu-2", "a"), ("eu-2", "b")];
    let all = places.into_iter().flat_map(|(zone, rack)| (1..=3).map(move |number| (zone, rack, number)));
    let mut nodes: Vec<Node> =
        all.map(|(zone, rack, number)| Node { name: format!("{zone}-{rack}{number}"), zone, rack }).collect();
    if let (Some(first), false) = (nodes.first_mut(), host.trim().is_empty()) {
        first.name = host.trim().to_owned();
    }
    nodes
}

/// Sends results until the end. Does nothing where the listener takes no UDP.
pub(super) fn run(address: &str, key: Option<&SigningKey>, end: &AtomicBool) {
    let Ok(socket) = UdpSocket::bind(if address.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" }) else { return };
    if address.starts_with('/') || socket.connect(reachable(address)).is_err() {
        return;
    }
    let mut random = StdRng::from_rng(&mut rand::rng());
    let mut encoder = Encoder::new(DATAGRAM_BYTES, random.random(), std::process::id(), "demo", "mesh", key.cloned());
    let (nodes, mut sequence) = (nodes(), 0);
    let mut at = (now() / 1_000_000 - BEFORE_SECONDS) / INTERVAL_SECONDS * INTERVAL_SECONDS;
    while !end.load(Ordering::Relaxed) {
        if (at + INTERVAL_SECONDS) * 1_000_000 > now() {
            std::thread::sleep(LOOK);
            continue;
        }
        for source in &nodes {
            for target in nodes.iter().filter(|target| target.name != source.name) {
                let sketch = sketch(median(source, target), &mut random);
                let ping = Ping { sketch: &sketch, ..ping(at, (source, target), &mut random) };
                if encoder.push_ping(now(), &ping).is_err() {
                    send(&socket, &mut encoder, &mut sequence);
                    _ = encoder.push_ping(now(), &ping);
                }
            }
        }
        send(&socket, &mut encoder, &mut sequence);
        at += INTERVAL_SECONDS;
    }
}

fn send(socket: &UdpSocket, encoder: &mut Encoder, sequence: &mut u64) {
    if !encoder.is_empty() {
        // What is lost here is seen by its number, as with any sender.
        _ = socket.send(encoder.finish(*sequence, 0));
        *sequence += 1;
        encoder.clear();
        if sequence.is_multiple_of(BURST) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn ping<'n>(at: i64, (source, target): (&'n Node, &'n Node), random: &mut StdRng) -> Ping<'n> {
    let is_wrong = FAULT_MINUTES.contains(&(at / 60).rem_euclid(CYCLE_MINUTES));
    let leaves = |node: &Node, other: &Node| {
        (node.zone, node.rack) == FAULT_RACK && (other.zone, other.rack) != FAULT_RACK && is_wrong
    };
    let mut lost =
        |sent: u64, is_lossy: bool| (0..sent).filter(|_| is_lossy && random.random_bool(FAULT_LOSS)).count() as u64;
    let lost_forward = lost(PROBES, leaves(source, target));
    let lost_reverse = lost(PROBES - lost_forward, leaves(target, source));
    let received = PROBES - lost_forward - lost_reverse;
    let median = median(source, target);
    let (rtt_min, rtt_max) = (median - median / 10, median + random.random_range(median / 10..median));
    Ping {
        timestamp: at * 1_000_000,
        interval: INTERVAL_SECONDS as u64 * 1_000_000,
        pair: Pair {
            source: &source.name,
            source_zone: source.zone,
            source_rack: source.rack,
            target: &target.name,
            target_zone: target.zone,
            target_rack: target.rack,
            kind: "udp",
        },
        payload_bytes: PAYLOAD_BYTES,
        sent: PROBES,
        received,
        lost_forward,
        lost_reverse,
        timeouts: lost_forward + lost_reverse,
        rtt_count: received,
        rtt_min,
        rtt_max,
        rtt_sum: received * (median + median / 20),
        ..Ping::default()
    }
}

/// Round trips in µs: within a rack, a zone, between zones.
fn median(source: &Node, target: &Node) -> u64 {
    match (source.zone == target.zone, source.rack == target.rack) {
        (true, true) => 110,
        (true, false) => 240,
        (false, _) => 1_800,
    }
}

fn sketch(median: u64, random: &mut StdRng) -> Vec<u8> {
    let mut sketch = DDSketch::new(Config::defaults());
    for _ in 0..PROBES {
        sketch.add(median as f64 * random.random_range(0.9..1.3));
    }
    sketch.to_java_bytes()
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_up_from_one_rack_loses_packets_for_three_minutes_of_ten() {
        let (nodes, mut random) = (nodes(), StdRng::seed_from_u64(7));
        assert_eq!(nodes.len(), 12);
        let mut lost = |minute: i64, source: usize, target: usize| {
            let rows =
                (0..20).map(|_| ping(minute * 60, (&nodes[source], &nodes[target]), &mut random)).collect::<Vec<_>>();
            assert!(rows.iter().all(|row| row.received + row.lost_forward + row.lost_reverse == row.sent));
            (rows.iter().map(|row| row.lost_forward).sum::<u64>(), rows.iter().map(|row| row.lost_reverse).sum::<u64>())
        };
        assert_eq!((lost(3, 11, 0), lost(7, 11, 0), lost(5, 11, 10), lost(5, 0, 1)), ((0, 0), (0, 0), (0, 0), (0, 0)));
        let (up, down) = (lost(5, 11, 0), lost(15, 0, 11));
        assert!(up.0 > 10 && up.1 == 0 && down.0 == 0 && down.1 > 10, "{up:?} {down:?}");
    }
}
