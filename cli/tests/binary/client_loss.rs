//! Loss of the Rust client is exact: whatever is done to listener, queue or process, the ledger's numbers add up to what was
//! called.
use crate::running::{Running, until};
use metlog::{Client, Config, Outcome};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// So large that each message has a datagram of its own: then lost datagrams are lost messages.
const PAYLOAD_BYTES: usize = 900;
/// Where the process that is killed sends to.
const CHILD: &str = "METLOG_TEST_LOSS_TO";

fn client(to: &str) -> Config {
    Config::default().destination(to).statsd(false).logger("loss")
}

fn put(client: &Client, count: usize) -> usize {
    let payload = "x".repeat(PAYLOAD_BYTES);
    for n in 0..count {
        assert_eq!(client.send(["n"], &payload), Outcome::Queued);
        if n % 20 == 19 {
            assert!(client.flush());
        }
    }
    assert!(client.flush());
    count
}

/// Received, lost, and dropped by clients.
fn counted(of: &Running) -> [u64; 3] {
    let ledger = of.ledger();
    ["received", "lost", "dropped_by_clients"].map(|key| ledger[key].as_u64().unwrap())
}

#[test]
fn a_listener_that_is_killed_and_started_again() {
    let mut listener = Running::up("");
    let client = Client::new(client(&listener.address("metlog"))).unwrap();
    let mut called = put(&client, 200);
    until("all is received", || counted(&listener) == [200, 0, 0]);
    listener.signal("KILL");
    listener.wait();
    called += put(&client, 60);
    listener.start_again("");
    called += put(&client, 100);
    until("it adds up", || counted(&listener)[..2].iter().sum::<u64>() == called as u64);
    let [received, lost, dropped] = counted(&listener);
    assert!((60..=61).contains(&lost) && dropped == 0, "{lost}: one more where the kernel told of the one before");
    let stats = client.stats();
    assert_eq!((stats.queued, stats.datagrams, stats.dropped), (360, 360, 0));
    assert_eq!(listener.query("select count(*) as n from messages where logger = 'loss'"), json!([{ "n": received }]));
}

/// Guarantees: what finds no room, and what never fits, is counted by the listener as by the client, the last one too.
#[test]
fn a_full_queue_and_what_is_too_large() {
    let listener = Running::up("");
    let config = client(&listener.address("metlog")).queue_bytes(16_384).datagram_bytes(1_432);
    let client = Client::new(config).unwrap();
    let payload = "x".repeat(PAYLOAD_BYTES);
    let mut outcomes: Vec<Outcome> = (0..20_000).map(|_| client.send(["n"], &payload)).collect();
    outcomes.push(client.send(["n"], "x".repeat(2_000)));
    outcomes.push(client.message("x").field("f", "x".repeat(2_000)).send());
    assert!(client.flush(), "now there is room again");
    client.span("large").attribute("a", "x".repeat(2_000).as_str()); // sent, without its attribute
    assert!(client.flush());
    let of = |outcome| outcomes.iter().filter(|of| **of == outcome).count() as u64;
    let (queued, dropped) = (of(Outcome::Queued) + 1, of(Outcome::Dropped) + of(Outcome::Oversize));
    assert_eq!((queued + dropped, of(Outcome::Oversize)), (20_003, 2), "nothing else became of any");
    let stats = client.stats();
    assert_eq!((stats.queued, stats.dropped, stats.oversize), (queued, dropped, 2));
    assert!(of(Outcome::Dropped) > 0, "the queue was never full");
    until("it adds up", || counted(&listener).iter().sum::<u64>() == 20_003);
    assert_eq!(counted(&listener)[2], dropped);
}

/// The process that is killed: no test where nobody asked for it.
#[test]
fn child() {
    let Ok(to) = std::env::var(CHILD) else { return };
    let client = Client::new(client(&to)).unwrap();
    println!("\nflushed {}", put(&client, 100));
    let payload = "x".repeat(PAYLOAD_BYTES);
    loop {
        client.send(["n"], &payload);
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
}

/// Guarantees: of a client that is killed, everything up to its last flush is known, as received or as lost; what waited in it
/// is gone with it.
#[test]
fn a_client_that_is_killed() {
    let listener = Running::up("");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "client_loss::child", "--nocapture"]).env(CHILD, listener.address("metlog"));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let flushed = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("flushed ")?.parse::<u64>().ok());
    until("more is received", || counted(&listener)[0] > flushed.unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    let row = || listener.query("select datagrams, lost, dropped from senders");
    let mut last = row();
    until("nothing more comes", || std::mem::replace(&mut last, row()) == last);
    let [received, lost, _] = counted(&listener);
    let count = |name: &str| last[0][name].as_u64().unwrap();
    assert_eq!(received + lost, count("datagrams") + count("lost"), "each message has a datagram of its own");
    assert!(received + lost > flushed.unwrap(), "{received} and {lost}");
}
