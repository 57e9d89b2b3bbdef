//! What SQL sees while messages come and segments are sealed and stored beneath it: each message, at once, once.
use crate::running::{Running, stdout_of, until};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long messages are sent: dozens of segments.
const SENDING: Duration = Duration::from_secs(4);
const DATAGRAM_MESSAGES: u64 = 10;
/// Datagrams on their way at most, so that no socket is too small for them.
const IN_FLIGHT: u64 = 20;
const COUNTS: &str = "select count(*) as n, count(distinct payload) as d from messages";

/// Sends numbered messages; `sent` is raised before they leave.
fn send_numbered(metlog: &Running, sent: &AtomicU64) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(metlog.address("metlog")).unwrap();
    let started = Instant::now();
    while started.elapsed() < SENDING {
        for _ in 0..IN_FLIGHT {
            let first = sent.fetch_add(DATAGRAM_MESSAGES, Ordering::SeqCst);
            let lines = (first..first + DATAGRAM_MESSAGES).map(|n| format!("{{\"type\":\"n\",\"payload\":\"{n}\"}}\n"));
            socket.send(lines.collect::<String>().as_bytes()).unwrap();
        }
        until("all that was sent is received", || metlog.ledger()["received"] == sent.load(Ordering::SeqCst));
    }
}

/// Scenario: messages come all the time, and every 100 ms a segment of them is sealed, stored and forgotten.
/// Guarantees: at every moment SQL sees each message once, and never loses sight of one.
#[test]
fn every_message_is_seen_once_at_every_moment() {
    let mut metlog = Running::up("roll_after = \"100ms\"\n");
    let (sent, mut seen, mut stored) = (AtomicU64::new(0), 0, BTreeSet::new());
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| send_numbered(&metlog, &sent));
        while !sender.is_finished() {
            stored.insert(metlog.ledger()["stored"].as_u64());
            let counts = metlog.ask(COUNTS);
            let most = sent.load(Ordering::SeqCst);
            let [n, d] = ["n", "d"].map(|column| counts[0][column].as_u64().unwrap());
            assert_eq!(n, d, "{} messages are there twice", n - d);
            assert!((seen..=most).contains(&n), "{n} are seen, {seen} were before, {most} are sent");
            seen = n;
        }
    });
    let all = sent.load(Ordering::SeqCst);
    assert!(stored.len() > 3, "too little was stored meanwhile to tell anything: {stored:?}");
    until("all are seen", || metlog.ask(COUNTS) == json!([{"n": all, "d": all}]));
    metlog.signal("TERM");
    assert_eq!(metlog.wait().code(), Some(0), "{}", metlog.stderr());
    let url = format!("file://{}", metlog.warehouse().display());
    let counted = stdout_of(&["query", "--warehouse", &url, "--format", "csv", COUNTS]);
    assert_eq!(counted.trim(), format!("n,d\n{all},{all}"));
}

/// From sending until the question was asked that showed it: the question's own time does not count.
fn time_to_sight(metlog: &Running, payload: &str) -> Duration {
    let find = format!("select count(*) as n from messages where payload = '{payload}'");
    let sent = Instant::now();
    metlog.send("metlog", &format!("{{\"type\":\"fresh\",\"payload\":\"{payload}\"}}"));
    let mut asked = sent;
    until("it is seen", || {
        asked = Instant::now();
        metlog.ask(&find) == json!([{"n": 1}])
    });
    asked - sent
}

/// The best of some tries, since a machine may be busy with others; were it a matter of waiting for a flush or a
/// seal, no try would be so fast.
#[test]
fn a_message_is_seen_within_100_ms() {
    let metlog = Running::up("roll_after = \"1h\"\n");
    let best = (0..20).map(|n| time_to_sight(&metlog, &format!("try {n}"))).min().unwrap();
    assert!(best < Duration::from_millis(100), "{best:?}");
}
