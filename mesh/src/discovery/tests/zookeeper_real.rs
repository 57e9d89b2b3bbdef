//! With a real ZooKeeper, which a script starts and names in `METLOG_TEST_ZOOKEEPER`; it also plays the older system's agents.
//! Without it, what happens where there is none.
use super::*;
use crate::discovery::zookeeper::{Config, PROTOCOL_GRPC, PROTOCOL_LABEL, ZooKeeper};
use zookeeper_client::Client;

#[tokio::test]
async fn without_a_server_nothing_is_yielded() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config =
        Config { servers: closed.to_string(), connect_timeout: Duration::from_millis(200), ..Config::default() };
    let mut discovery = ZooKeeper::new(&identity("a", 1), config);
    assert!(
        tokio::time::timeout(Duration::from_secs(2), discovery.next()).await.is_err(),
        "the age of the view must grow"
    );
}

/// Scenario: two new agents and one of the older system, which the script plays; one of the new loses its
/// session, and then leaves.
/// Guarantees: all see all, the lost session is made anew and registered again, and its place is free at once when it leaves.
#[tokio::test]
async fn old_and_new_agents_see_each_other_in_a_real_zookeeper() {
    let Ok(servers) = std::env::var("METLOG_TEST_ZOOKEEPER") else { return };
    let root = std::env::var("METLOG_TEST_ZOOKEEPER_ROOT").unwrap();
    let timeout = Duration::from_secs(4);
    let config = Config { servers: servers.clone(), root: root.clone(), session_timeout: timeout, ..Config::default() };
    let (mut a, mut b) =
        (ZooKeeper::new(&identity("a", 7001), config.clone()), ZooKeeper::new(&identity("b", 7002), config));
    until(&mut a, "a sees the old one", |view| view.nodes.len() == 2).await;
    until(&mut b, "b sees both", |view| view.nodes.len() == 3).await;
    let old = Client::connect(&servers).await.unwrap();
    let folder = format!("/{root}/heart_beat_nodes");
    for agent in [&mut a, &mut b] {
        let view = until(agent, "both see the old one", |view| view.nodes.len() == 3).await;
        let found = view.node("127.0.0.1:4000").unwrap();
        assert_eq!((found.labels[PROTOCOL_LABEL].as_str(), found.address.port()), (PROTOCOL_GRPC, 4000));
    }
    // What the old one reads: every name by the rule of its library, every content with its keys.
    let (children, _) = old.get_children(&folder).await.unwrap();
    let ours: Vec<&String> = children.iter().filter(|child| child.contains(":700")).collect();
    assert_eq!(ours.len(), 2);
    for child in ours {
        let (guid, rest) = child.strip_prefix("_c_").unwrap().split_once('-').unwrap();
        let (address, sequence) = rest.split_at(rest.len() - 10);
        assert!(guid.len() == 32 && guid.bytes().all(|byte| byte.is_ascii_hexdigit()), "{child}");
        assert!(address.starts_with("127.0.0.1:700") && sequence.bytes().all(|byte| byte.is_ascii_digit()), "{child}");
        let (data, _) = old.get_data(&format!("{folder}/{child}")).await.unwrap();
        let value: serde_json::Value = serde_json::from_slice(&data).unwrap();
        assert_eq!((value["My_address"].as_str(), value["Poll_interval"].as_i64()), (Some("127.0.0.1"), Some(10_000)));
    }
    // Its session ends, as when the server heard nothing of it for too long.
    let mut tries = 0;
    let taken_over = loop {
        tries += 1;
        // The agent takes it back when it can: on a busy machine this may come too late.
        match Client::connector().with_session(a.session_info().unwrap()).connect(&servers).await {
            Ok(client) => break client,
            Err(error) => assert!(tries < 5, "{error}"),
        }
    };
    drop(taken_over);
    until(&mut b, "a is lost", |view| view.node("a").is_some_and(|node| node.state == State::Lost)).await;
    until(&mut a, "a registers again", |view| view.nodes.len() == 3).await;
    until(&mut b, "and is back", |view| view.node("a").is_some_and(|node| node.state == State::Joining)).await;
    a.leave().await;
    until(&mut b, "a is gone at once", |view| view.node("a").is_some_and(|node| node.state == State::Lost)).await;
}
