//! The section `[mesh]`: the agent that measures the network to other nodes.
use super::document::Section;
use super::values;
use metlog_mesh::agent::{Kind, Probing};
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;
use toml::de::DeValue;

/// Port of agents: probes, UDP and TCP.
pub const PORT_MESH: u16 = 5570;
/// Port of gossip, UDP.
pub const PORT_GOSSIP: u16 = 5571;
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How other nodes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// They are `peers`.
    Static,
    /// They are the addresses of the names in `peers`.
    Dns,
    /// They find each other.
    Gossip,
    /// They are registered in ZooKeeper.
    Zookeeper,
}

/// The agent, as configured.
#[derive(Debug, Clone)]
pub struct MeshConfig {
    /// The file has the section: `metlog up` is an agent too.
    pub is_there: bool,
    /// Its name; unique in the mesh.
    pub name: String,
    /// Where it is.
    pub zone: String,
    /// Where it is.
    pub rack: String,
    /// Whatever else is said of it.
    pub labels: BTreeMap<String, String>,
    /// Where it responds, UDP and TCP.
    pub listen: SocketAddr,
    /// Where others reach it; `None`: at the address that reaches them.
    pub advertise: Option<String>,
    /// How others are found.
    pub discovery: Discovery,
    /// Other nodes, or where to begin to look for them.
    pub peers: Vec<String>,
    /// Where gossip is received.
    pub gossip: SocketAddr,
    /// Only agents of the same mesh hear each other.
    pub mesh: String,
    /// The listener that gets results; `None`: that of this process, or of this host.
    pub to: Option<String>,
    /// How it probes.
    pub probing: Probing,
    /// ZooKeeper.
    pub zookeeper: metlog_mesh::discovery::zookeeper::Config,
}

/// Reads the section. Default ports are moved by `offset`.
pub fn read(root: &mut Section<'_>, hostname: &str, offset: u16) -> MeshConfig {
    let is_there = root.has("mesh");
    let mut section = root.section("mesh");
    let at_any = |port: u16| SocketAddr::from(([0, 0, 0, 0], port + offset));
    let list = values::texts;
    let mut config = MeshConfig {
        is_there,
        name: section.read("name", node_name).unwrap_or_else(|| hostname.to_owned()),
        zone: section.read("zone", place).unwrap_or_default(),
        rack: section.read("rack", place).unwrap_or_default(),
        labels: section.texts("labels", |name, value| Ok((name.to_owned(), value.to_owned()))).into_iter().collect(),
        listen: section.read("listen", values::address).unwrap_or_else(|| at_any(PORT_MESH)),
        advertise: section.read("advertise", values::text),
        discovery: section.read("discovery", discovery).unwrap_or(Discovery::Gossip),
        peers: section.read("peers", list).unwrap_or_default(),
        gossip: section.read("gossip", values::address).unwrap_or_else(|| at_any(PORT_GOSSIP)),
        mesh: section.read("mesh", values::text).unwrap_or_else(|| "metlog".to_owned()),
        to: section.read("to", values::text),
        probing: probing(&mut section),
        zookeeper: metlog_mesh::discovery::zookeeper::Config::default(),
    };
    zookeeper(&mut section, &mut config);
    if is_there
        && config.discovery != Discovery::Gossip
        && config.discovery != Discovery::Zookeeper
        && config.peers.is_empty()
    {
        section.problem("peers", "is required with this discovery: there is nobody to probe");
    }
    section.finish();
    config
}

fn probing(section: &mut Section<'_>) -> Probing {
    let usual = Probing::default();
    Probing {
        interval: section.read("interval", values::duration(INTERVAL.0..=INTERVAL.1)).unwrap_or(usual.interval),
        kinds: section.read("kinds", kinds).unwrap_or(usual.kinds),
        train: section.read("train", values::integer(1..=64)).map_or(usual.train, |train| train as u8),
        payload_bytes: section
            .read("payload_bytes", values::integer(36..=1_400))
            .map_or(usual.payload_bytes, |bytes| bytes as usize),
        timeout: section.read("timeout", values::duration(TIMEOUT.0..=TIMEOUT.1)).unwrap_or(usual.timeout),
        ports: section.read("source_ports", values::integer(1..=256)).map_or(usual.ports, |ports| ports as u16),
        first_port: section
            .read("first_source_port", values::integer(0..=65_000))
            .map_or(usual.first_port, |port| port as u16),
        share: section.read("share", values::number(0.0..=1.0)).unwrap_or(usual.share),
    }
}

fn zookeeper(section: &mut Section<'_>, config: &mut MeshConfig) {
    let mut section = section.section("zookeeper");
    let to = &mut config.zookeeper;
    to.interval = config.probing.interval;
    to.servers = section.read("servers", values::text).unwrap_or_else(|| to.servers.clone());
    to.root = section.read("root", values::text).unwrap_or_else(|| to.root.clone());
    to.path = section.read("path", values::text).unwrap_or_else(|| to.path.clone());
    let time = values::duration(Duration::from_millis(100)..=Duration::from_secs(600));
    to.connect_timeout = section.read("connect_timeout", time).unwrap_or(to.connect_timeout);
    section.finish();
}

/// The variables of the older agent, where they are set: they say what the file does not.
///
/// # Errors
/// In words, which one cannot be read.
pub fn with_environment(config: &mut MeshConfig, variable: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    let port = |name: &str| -> Result<Option<u16>, String> {
        let Some(text) = variable(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{name}: must be a port, not `{text}`"))
    };
    if let Some(servers) = variable("SERVERS_ZK") {
        config.zookeeper.servers = servers;
        config.discovery = Discovery::Zookeeper;
    }
    if let Some(root) = variable("ROOT_PATH_ZK") {
        config.zookeeper.root = root;
    }
    if let Some(path) = variable("HEART_BEAT_NODE_PATH") {
        config.zookeeper.path = path;
    }
    if let Some(text) = variable("CONN_TIMEOUT") {
        let seconds = text.parse().map_err(|_| format!("CONN_TIMEOUT: must be a number of seconds, not `{text}`"))?;
        config.zookeeper.connect_timeout = Duration::from_secs(seconds);
    }
    if let Some(port) = port("REGISTER_LISTENER_PORT")? {
        config.listen.set_port(port);
    }
    if let Some(host) = variable("REGISTER_LISTENER_DNS") {
        let found = (host.as_str(), config.listen.port()).to_socket_addrs().ok().and_then(|mut found| found.next());
        config.listen = found.ok_or_else(|| format!("REGISTER_LISTENER_DNS: `{host}` has no address"))?;
    }
    let (host, port) = (variable("REGISTER_PUBLIC_DNS"), port("REGISTER_PUBLIC_PORT")?);
    if host.is_some() || port.is_some() {
        let port = port.unwrap_or(config.listen.port());
        let host = host.unwrap_or_else(|| "localhost".to_owned());
        config.advertise = Some(format!("{host}:{port}"));
        config.zookeeper.host = Some(host);
    }
    Ok(())
}

fn discovery(value: &DeValue<'_>) -> Result<Discovery, String> {
    match values::text(value)?.as_str() {
        "static" => Ok(Discovery::Static),
        "dns" => Ok(Discovery::Dns),
        "gossip" => Ok(Discovery::Gossip),
        "zookeeper" => Ok(Discovery::Zookeeper),
        other => Err(format!("must be \"static\", \"dns\", \"gossip\" or \"zookeeper\", not `{other}`")),
    }
}

fn kinds(value: &DeValue<'_>) -> Result<Vec<Kind>, String> {
    let names = values::texts(value)?;
    let kind = |name: &String| {
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| format!("must be of \"udp\", \"tcp\", \"http\", \"grpc\" and \"icmp\", not `{name}`"))
    };
    let kinds = names.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    let is_twice = kinds.iter().enumerate().any(|(at, kind)| kinds[..at].contains(kind));
    if kinds.is_empty() || is_twice { Err("must name at least one, and each once".to_owned()) } else { Ok(kinds) }
}

/// One that fits the wire.
fn place(value: &DeValue<'_>) -> Result<String, String> {
    let text = values::any_text(value)?;
    if text.len() <= 255 { Ok(text) } else { Err("must be at most 255 bytes long".to_owned()) }
}

fn node_name(value: &DeValue<'_>) -> Result<String, String> {
    values::text(value)?;
    place(value)
}
