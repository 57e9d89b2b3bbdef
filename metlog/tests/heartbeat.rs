//! Heartbeats, as a listener receives them: what makes the loss of a client's last datagrams known.
#![allow(clippy::unwrap_used)]
use metlog::{Client, Config, Outcome};
use metlog_wire::v1::{Datagram, Heartbeat};
use std::net::UdpSocket;
use std::time::Duration;

/// What one datagram says.
#[derive(Debug, PartialEq, Clone, Copy)]
enum Seen {
    Messages { sender: u64, sequence: u64 },
    Heartbeat(Heartbeat),
}

fn listener() -> (UdpSocket, Config) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let config = Config::default().destination(socket.local_addr().unwrap()).statsd(false);
    (socket, config)
}

fn receive(socket: &UdpSocket) -> Seen {
    let mut bytes = [0; 2_048];
    let length = socket.recv(&mut bytes).unwrap();
    let datagram = Datagram::decode(&bytes[..length]).unwrap();
    match datagram.heartbeat {
        Some(heartbeat) => Seen::Heartbeat(heartbeat),
        None => Seen::Messages { sender: datagram.header.sender, sequence: datagram.header.sequence },
    }
}

/// Scenario: a client sends one message and falls silent; nobody flushes.
/// Guarantees: it repeats how many datagrams it has sent, more than once, and goes on from there.
#[test]
fn a_silent_client_repeats_how_many_it_has_sent() {
    let (socket, config) = listener();
    let client = Client::new(config).unwrap();
    client.send(["a"], "first");
    let Seen::Messages { sender, sequence: 0 } = receive(&socket) else { panic!("the message comes first") };
    let once = Seen::Heartbeat(Heartbeat { sender, next: 1, dropped: 0 });
    assert_eq!([receive(&socket), receive(&socket)], [once, once]);
    assert_eq!(client.send(["a"], "x".repeat(2_000)), Outcome::Oversize);
    client.send(["a"], "second");
    let mut seen = receive(&socket);
    while seen == once {
        seen = receive(&socket);
    }
    assert_eq!(seen, Seen::Messages { sender, sequence: 1 }, "a heartbeat has no number");
    assert_eq!(receive(&socket), Seen::Heartbeat(Heartbeat { sender, next: 2, dropped: 1 }));
    assert_eq!(client.stats().datagrams, 2, "a heartbeat is not counted");
}

/// Scenario: a client that has sent nothing is flushed; then it sends, and is flushed and dropped.
/// Guarantees: nothing is said of nothing; one heartbeat has been sent when `flush` returns, and three follow all
/// datagrams when the client is gone.
#[test]
fn flush_and_close_repeat_it() {
    let (socket, config) = listener();
    let client = Client::new(config.datagram_bytes(256)).unwrap();
    assert!(client.flush());
    for _ in 0..20 {
        client.send(["a"], "x".repeat(100));
    }
    assert!(client.flush());
    let datagrams = client.stats().datagrams;
    let seen: Vec<Seen> = (0..datagrams).map(|_| receive(&socket)).collect();
    let Seen::Messages { sender, .. } = seen[0] else { panic!("a heartbeat before the first datagram") };
    assert!(seen.iter().copied().eq((0..datagrams).map(|sequence| Seen::Messages { sender, sequence })));
    let heartbeat = |next| Seen::Heartbeat(Heartbeat { sender, next, dropped: 0 });
    socket.set_nonblocking(true).unwrap();
    assert_eq!(receive(&socket), heartbeat(datagrams), "it was sent before `flush` returned");
    socket.set_nonblocking(false).unwrap();
    client.send(["a"], "last");
    drop(client);
    let mut seen = receive(&socket);
    while seen == heartbeat(datagrams) {
        seen = receive(&socket);
    }
    assert_eq!(seen, Seen::Messages { sender, sequence: datagrams });
    let ends = [receive(&socket), receive(&socket), receive(&socket)];
    assert_eq!(ends, [heartbeat(datagrams + 1); 3]);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 8]).is_err(), "the client is gone");
}

#[test]
fn a_heartbeat_is_signed_where_its_messages_are() {
    let (socket, config) = listener();
    let client = Client::new(config.key("k1", "secret")).unwrap();
    client.send(["a"], "b");
    assert!(client.flush());
    let mut bytes = [0; 2_048];
    for is_heartbeat in [false, true] {
        let length = socket.recv(&mut bytes).unwrap();
        let datagram = Datagram::decode(&bytes[..length]).unwrap();
        assert_eq!((datagram.heartbeat.is_some(), datagram.verify(b"secret")), (is_heartbeat, Ok(())));
    }
}
