//! The examples run, and what they send is what they say. Cargo builds them before it runs this.
#![allow(clippy::unwrap_used)]
use metlog_wire::v1::{Datagram, Frame};
use std::net::UdpSocket;
use std::process::{Command, Output};
use std::time::Duration;

/// Runs an example to its end, and gives what it sent: the datagrams of messages, and the statsd lines.
fn run(name: &str) -> (Vec<Vec<u8>>, Vec<String>) {
    let (messages, statsd) = (socket(), socket());
    let output: Output = command(name)
        .env("METLOG_DESTINATION", messages.local_addr().unwrap().to_string())
        .env("METLOG_STATSD_DESTINATION", statsd.local_addr().unwrap().to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = received(&statsd);
    (
        received(&messages),
        lines
            .iter()
            .flat_map(|lines| String::from_utf8_lossy(lines).lines().map(str::to_owned).collect::<Vec<_>>())
            .collect(),
    )
}

fn command(name: &str) -> Command {
    // `<target>/debug/deps/examples-…` runs this, `<target>/debug/examples/<name>` is the example.
    let this = std::env::current_exe().unwrap();
    let path = this.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is not built: `cargo test -p metlog --all-features` builds it", path.display());
    Command::new(path)
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    socket
}

/// What has arrived already: whoever sent it has ended.
fn received(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut bytes = vec![0; 65_536];
    std::iter::from_fn(|| socket.recv(&mut bytes).ok().map(|length| bytes[..length].to_vec())).collect()
}

/// Messages as `logger: payload`, and spans by their names.
fn frames(datagrams: &[Vec<u8>]) -> Vec<String> {
    let decoded = datagrams.iter().map(|bytes| Datagram::decode(bytes).unwrap());
    let described = |frame| match frame {
        Frame::Span(span) => format!("span {}", span.name),
        Frame::Ping(_) | Frame::Probe(_) => panic!("no result of the mesh is sent here"),
        Frame::Message(message) => {
            let message = message.to_message();
            format!("{}: {}", message.logger, message.payload)
        }
    };
    decoded.flat_map(|datagram| datagram.frames().map(|frame| described(frame.unwrap())).collect::<Vec<_>>()).collect()
}

#[cfg(feature = "metrics")]
#[test]
fn metrics() {
    let (messages, lines) = run("metrics");
    assert_eq!(frames(&messages), Vec::<String>::new());
    let of = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(
        (of("requests.open:+1|g"), of("requests.open:-1|g"), of("requests:1|c|#route:/cart")),
        (3, 3, 3),
        "{lines:?}"
    );
    assert_eq!((of("response.size:512|h|#route:/cart"), of("request.time:"), lines.len()), (1, 3, 15));
}

#[cfg(feature = "tracing")]
#[test]
fn tracing_layer() {
    let (messages, _) = run("tracing_layer");
    assert_eq!(
        frames(&messages),
        ["tracing_layer: started", "sync::login: bad password", "tracing_layer: could not store"]
    );
}

#[test]
fn service() {
    let (messages, lines) = run("service");
    assert_eq!(frames(&messages).len(), 30);
    assert_eq!(lines.iter().filter(|line| line.ends_with("requests:1|c")).count(), 30, "{lines:?}");
}

#[cfg(feature = "log")]
#[test]
fn log() {
    let (messages, _) = run("log");
    assert_eq!(frames(&messages), ["log: started", "sync::login: bad password", "log: could not store"]);
}
