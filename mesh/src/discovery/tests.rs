//! Discoveries of several nodes on loopback; ZooKeeper's are in `zookeeper_real`, with a real server.
mod gossiping;
mod names;
mod zookeeper_real;

use super::*;
use crate::node::State;
use std::time::{Duration, SystemTime};

fn identity(name: &str, port: u16) -> Identity {
    Identity {
        name: name.to_owned(),
        address: ([127, 0, 0, 1], port).into(),
        zone: "z".to_owned(),
        rack: "r".to_owned(),
        labels: [("role".to_owned(), name.to_owned())].into(),
    }
}

/// Views of a discovery until one is as wanted; a test that waits too long says what it saw last.
async fn until(discovery: &mut dyn Discovery, what: &str, wanted: impl Fn(&View) -> bool) -> View {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    let mut last = None;
    loop {
        match tokio::time::timeout_at(end, discovery.next()).await {
            Ok(view) if wanted(&view) => return view,
            Ok(view) => last = Some(view),
            Err(_) => panic!("{what}: not within a minute; last was {last:#?}"),
        }
    }
}

fn states(view: &View) -> Vec<(&str, State)> {
    view.nodes.iter().map(|node| (node.name.as_str(), node.state)).collect()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

fn sighting(name: &str, is_leaving: bool) -> Sighting {
    Sighting { is_leaving, ..Sighting::from(&identity(name, 7)) }
}

#[test]
fn states_have_times() {
    let mut roster = Roster::default();
    let view = roster.look([sighting("a", false), sighting("b", false)], at(0));
    assert_eq!(
        states(&view),
        [("a", State::Alive), ("b", State::Alive)],
        "who was there before this agent does not join"
    );
    let view = roster.look([sighting("a", false), sighting("b", true), sighting("c", false)], at(10));
    assert_eq!(states(&view), [("a", State::Alive), ("b", State::Leaving), ("c", State::Joining)]);
    let view = roster.look([sighting("c", false)], at(50));
    assert_eq!(states(&view), [("a", State::Lost), ("b", State::Leaving), ("c", State::Alive)], "leaving is not lost");
    let since: Vec<SystemTime> = view.nodes.iter().map(|node| node.since).collect();
    assert_eq!(since, [at(50), at(10), at(50)]);
    assert_eq!((view.version, view.places().len(), view.node("b").unwrap().is_probed()), (3, 1, false));
    let view = roster.look([sighting("a", false), sighting("c", false)], at(60));
    assert_eq!(states(&view)[0], ("a", State::Joining), "it came back");
    let view = roster.look([sighting("c", false)], at(4_000));
    assert_eq!(states(&view), [("a", State::Lost), ("c", State::Alive)], "b is forgotten after an hour");
    assert_eq!(
        roster.look([sighting("c", false)], at(3_000)).nodes.len(),
        2,
        "a clock that is set back forgets nobody"
    );
}
