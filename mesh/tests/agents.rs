//! Agents on loopback that probe each other, and what a listener hears of them.
#![allow(clippy::unwrap_used)]
use metlog_mesh::agent::{Agent, Config, Kind, Probing};
use metlog_mesh::discovery::{Identity, listed::Listed};
use metlog_schemas::wire::v1::{Datagram, Frame, Ping};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

fn identity(name: &str) -> Identity {
    let zone = format!("zone-{name}");
    let address = ([127, 0, 0, 1], 0).into();
    Identity { name: name.into(), address, zone, rack: String::new(), labels: BTreeMap::new() }
}

async fn bound(name: &str, kinds: &[Kind]) -> Agent {
    let own = identity(name);
    let listen = own.address;
    let probing = Probing {
        interval: Duration::from_secs(1),
        kinds: kinds.to_vec(),
        train: 5,
        timeout: Duration::from_millis(500),
        ports: 2,
        ..Probing::default()
    };
    Agent::bind(Config { own, listen, probing }).await.unwrap()
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Runs an agent whose peers are these.
fn run(agent: Agent, name: &str, peers: &[String], listener: &UdpSocket) -> Running {
    let mut own = identity(name);
    own.address = agent.address();
    let discovery = Box::new(Listed::new(&own, peers).unwrap());
    let to = listener.local_addr().unwrap();
    let client = metlog::Client::new(metlog::Config::default().destination(to).statsd(false).logger("mesh")).unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(agent.run(discovery, client, async {
        let _ = stopped.await;
    }));
    Running { stop, task }
}

/// A row, owned.
#[derive(Debug)]
struct Row {
    source: String,
    target: String,
    target_zone: String,
    kind: String,
    sent: u64,
    received: u64,
    lost_unknown: u64,
    refused: u64,
    timeouts: u64,
    rtt_count: u64,
    rtt_max: u64,
    source_port: u64,
    sketch: usize,
}

impl Row {
    fn of(ping: &Ping<'_>) -> Row {
        assert_eq!(ping.timestamp % 1_000_000, 0, "intervals begin at multiples of their length");
        Row {
            source: ping.pair.source.into(),
            target: ping.pair.target.into(),
            target_zone: ping.pair.target_zone.into(),
            kind: ping.pair.kind.into(),
            sent: ping.sent,
            received: ping.received,
            lost_unknown: ping.lost_unknown,
            refused: ping.refused,
            timeouts: ping.timeouts,
            rtt_count: ping.rtt_count,
            rtt_max: ping.rtt_max,
            source_port: ping.source_port,
            sketch: ping.sketch.len(),
        }
    }
}

/// Listens until there are enough rows: the test's own limit of time ends it otherwise.
async fn heard(listener: &tokio::net::UdpSocket, rows: &mut Vec<Row>, is_enough: impl Fn(&[Row]) -> bool) {
    let mut bytes = vec![0; 65_536];
    while !is_enough(rows) {
        let length = tokio::time::timeout(Duration::from_secs(30), listener.recv(&mut bytes)).await.unwrap().unwrap();
        let datagram = Datagram::decode(&bytes[..length]).unwrap();
        rows.extend(datagram.frames().filter_map(|frame| match frame.unwrap() {
            Frame::Ping(ping) => Some(Row::of(&ping)),
            _ => None,
        }));
    }
}

fn listener() -> (UdpSocket, tokio::net::UdpSocket) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let other = socket.try_clone().unwrap();
    (socket, tokio::net::UdpSocket::from_std(other).unwrap())
}

fn of<'a>(rows: &'a [Row], source: &str, target: &str, kind: &str) -> Vec<&'a Row> {
    rows.iter().filter(|row| row.source == source && row.target == target && row.kind == kind).collect()
}

/// Those that need no right.
const KINDS: [Kind; 4] = [Kind::Udp, Kind::Tcp, Kind::Http, Kind::Grpc];

/// Guarantees: each agent probes each other one with each kind, and nothing is lost where nothing is lost.
#[tokio::test]
async fn three_agents_probe_each_other_with_every_kind() {
    let (socket, hears) = listener();
    let mut agents = Vec::new();
    for name in ["a", "b", "c"] {
        agents.push((name, bound(name, &KINDS).await));
    }
    let peers: Vec<String> = agents
        .iter()
        .map(|(name, agent)| format!("{name}@zone-{name}/=127.0.0.1:{}", agent.address().port()))
        .collect();
    let running: Vec<_> = agents.into_iter().map(|(name, agent)| run(agent, name, &peers, &socket)).collect();
    let mut rows = Vec::new();
    let pairs = [("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")];
    let is_enough = |rows: &[Row]| {
        pairs.iter().all(|(source, target)| {
            KINDS.iter().all(|kind| of(rows, source, target, kind.name()).iter().any(|row| row.received > 0))
        })
    };
    heard(&hears, &mut rows, is_enough).await;
    assert!(rows.iter().all(|row| row.source != row.target), "nobody probes itself");
    for row in &rows {
        assert_eq!(row.target_zone, format!("zone-{}", row.target));
        assert_eq!(row.sent, if row.kind == "udp" { 5 } else { 1 }, "{row:?}");
        assert_eq!((row.rtt_count > 0, row.rtt_count > 0), (row.sketch > 0, row.rtt_max > 0), "{row:?}");
        assert!(row.rtt_count <= row.received, "{row:?}");
    }
    let ports: std::collections::BTreeSet<u64> =
        rows.iter().filter(|row| row.kind == "tcp").map(|row| row.source_port).collect();
    assert!(ports.len() > 3, "each connection from a port of its own: {ports:?}");
    for agent in running {
        drop(agent.stop);
        agent.task.await.unwrap();
    }
}

/// Guarantees: a node that is gone is not silence: each probe of it is in a row, as a timeout or as refused.
#[tokio::test]
async fn what_a_dead_node_does_not_say_is_a_result() {
    let (socket, hears) = listener();
    let (a, dead) = (bound("a", &[Kind::Udp, Kind::Tcp]).await, bound("dead", &[Kind::Udp]).await);
    let peers = [format!("dead=127.0.0.1:{}", dead.address().port())];
    let running = run(a, "a", &peers, &socket);
    drop(dead);
    let mut rows = Vec::new();
    heard(&hears, &mut rows, |rows| {
        !of(rows, "a", "dead", "udp").is_empty() && !of(rows, "a", "dead", "tcp").is_empty()
    })
    .await;
    for row in of(&rows, "a", "dead", "udp") {
        assert_eq!((row.sent, row.received, row.timeouts, row.lost_unknown, row.sketch), (5, 0, 5, 5, 0), "{row:?}");
    }
    for row in of(&rows, "a", "dead", "tcp") {
        assert_eq!((row.sent, row.received, row.refused, row.timeouts), (1, 0, 1, 0), "{row:?}");
    }
    drop(running.stop);
    running.task.await.unwrap();
}
