//! Several gossiping nodes on loopback.
use super::*;
use crate::discovery::gossip::{Config, Gossip};

const INTERVAL: Duration = Duration::from_millis(50);

async fn start(name: &str, seeds: &[SocketAddr]) -> (Gossip, SocketAddr) {
    // The kernel chooses a port; another process could take it in between, which is why it is tried again.
    for _ in 0..20 {
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let seeds = seeds.iter().map(SocketAddr::to_string).collect();
        let config = Config { listen: free, advertise: free, mesh: "test".to_owned(), seeds, interval: INTERVAL };
        if let Ok(gossip) = Gossip::start(&identity(name, free.port()), config).await {
            return (gossip, free);
        }
    }
    panic!("no port is free");
}

/// Scenario: three nodes of which one is killed and one leaves.
/// Guarantees: all see all with their places, the killed one is lost, and the one that said so is leaving and never lost.
#[tokio::test]
async fn a_killed_node_is_lost_and_one_that_leaves_is_not() {
    let (mut a, seed) = start("a", &[]).await;
    let (mut b, _) = start("b", &[seed]).await;
    let (mut c, _) = start("c", &[seed]).await;
    let here = |view: &View| view.nodes.len() == 3 && view.nodes.iter().all(|node| node.is_probed());
    for node in [&mut a, &mut b, &mut c] {
        let view = until(node, "all see all", here).await;
        let found = view.node("b").unwrap();
        assert_eq!((found.zone.as_str(), found.rack.as_str(), found.labels["role"].as_str()), ("z", "r", "b"));
    }
    c.leave().await;
    let leaving = |view: &View| view.node("c").is_some_and(|node| node.state == State::Leaving);
    until(&mut a, "c leaves", leaving).await;
    until(&mut b, "c leaves", leaving).await;
    drop((b, c));
    let view = until(&mut a, "b is lost", |view| view.node("b").is_some_and(|node| node.state == State::Lost)).await;
    assert_eq!(states(&view)[2], ("c", State::Leaving));
    assert_eq!(view.places().len(), 1, "only this node is left to be probed");
    let (mut again, _) = start("b", &[seed]).await;
    until(&mut a, "b comes back", |view| view.node("b").is_some_and(Node::is_probed)).await;
    until(&mut again, "and sees a", |view| view.node("a").is_some_and(Node::is_probed)).await;
}

use crate::node::Node;

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let config = Config { listen, advertise: listen, mesh: "test".to_owned(), seeds: Vec::new(), interval: INTERVAL };
    let error = Gossip::start(&identity("a", 1), config).await.err().unwrap().to_string();
    assert!(error.starts_with(&format!("gossip on {listen}: ")), "{error}");
}
