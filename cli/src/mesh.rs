//! The agent of the mesh in this process: from its configuration to a running agent.
use crate::config::{Discovery, MeshConfig};
use crate::failure::Failure;
use metlog::{Client, Config as ClientConfig};
use metlog_mesh::agent::{Agent, Config};
use metlog_mesh::discovery::{self, DiscoveryError, Identity};
use metlog_schemas::wire::v1::SigningKey;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running agent.
#[derive(Debug)]
pub struct Mesh {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    /// Where it responds.
    pub address: SocketAddr,
}

impl Mesh {
    /// Starts it. Results go to `to`, signed with `key`. Needs a runtime.
    ///
    /// # Errors
    /// In words, with the key of the configuration that is at fault.
    pub async fn start(config: &MeshConfig, to: &str, key: Option<&SigningKey>) -> Result<Mesh, Failure> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Failure::failed(format!("{what}: {error}"));
        let client = client(config, to, key).map_err(|error| failed("mesh.to", &error))?;
        let mut own = Identity {
            name: config.name.clone(),
            address: config.listen,
            zone: config.zone.clone(),
            rack: config.rack.clone(),
            labels: config.labels.clone(),
        };
        let agent =
            Agent::bind(Config { own: own.clone(), listen: config.listen, probing: config.probing.clone() }).await;
        let agent =
            agent.map_err(|error| failed(&format!("mesh.listen: cannot listen on {}", config.listen), &error))?;
        own.address = advertised(config, agent.address().port()).map_err(|error| failed("mesh.advertise", &error))?;
        let discovery = discovery(config, &own).await.map_err(|error| failed("mesh.peers", &error))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let address = agent.address();
        tracing::info!("mesh: {} responds at {address}, and is reached at {}", own.name, own.address);
        let task = tokio::spawn(agent.run(discovery, client, async {
            let _ = stopped.await;
        }));
        Ok(Mesh { stop: Some(stop), task, address })
    }

    /// Says to the others that it goes, and waits for what is under way.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let _ = self.task.await;
    }
}

fn client(config: &MeshConfig, to: &str, key: Option<&SigningKey>) -> Result<Client, String> {
    let destination: metlog::Destination = to.parse().map_err(|error| format!("{error}"))?;
    let mut client =
        ClientConfig::default().destination(destination).statsd(false).logger("mesh").hostname(config.name.clone());
    if let Some(key) = key {
        client = client.key(key.id.clone(), key.secret.clone());
    }
    Client::new(client).map_err(|error| error.to_string())
}

/// Where others reach this node: as configured, or at the address that reaches its first peer.
fn advertised(config: &MeshConfig, port: u16) -> Result<SocketAddr, String> {
    if let Some(text) = &config.advertise {
        let found = text.to_socket_addrs().ok().and_then(|mut found| found.next());
        return found.ok_or_else(|| format!("`{text}` is not host:port, or has no address"));
    }
    if !config.listen.ip().is_unspecified() {
        return Ok(SocketAddr::new(config.listen.ip(), port));
    }
    let peer = config
        .peers
        .iter()
        .filter_map(|peer| peer.rsplit('=').next())
        .find_map(|peer| peer.to_socket_addrs().ok()?.next());
    // An address of no host: nothing is sent, the kernel only says by which of ours it would be.
    let peer = peer.unwrap_or(SocketAddr::from(([192, 0, 2, 1], 9)));
    let any: SocketAddr = if peer.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let own = UdpSocket::bind(any).and_then(|socket| socket.connect(peer).and_then(|()| socket.local_addr()));
    let ip = own.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |own| own.ip());
    Ok(SocketAddr::new(ip, port))
}

async fn discovery(config: &MeshConfig, own: &Identity) -> Result<Box<dyn discovery::Discovery>, DiscoveryError> {
    Ok(match config.discovery {
        Discovery::Static => Box::new(discovery::listed::Listed::new(own, &config.peers)?),
        Discovery::Dns => Box::new(discovery::dns::Dns::new(own, &config.peers)?),
        Discovery::Zookeeper => Box::new(discovery::zookeeper::ZooKeeper::new(own, config.zookeeper.clone())),
        Discovery::Gossip => {
            let gossip = discovery::gossip::Config {
                listen: config.gossip,
                advertise: SocketAddr::new(own.address.ip(), config.gossip.port()),
                mesh: config.mesh.clone(),
                seeds: config.peers.clone(),
                interval: std::time::Duration::from_secs(1),
            };
            Box::new(discovery::gossip::Gossip::start(own, gossip).await?)
        }
    })
}
