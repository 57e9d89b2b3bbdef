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

/// Ends a service however the test ends.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One request of HTTP/1.1; gives its head, or a response's head and body.
#[cfg(feature = "tower")]
fn http(mut connection: std::net::TcpStream, send: &str) -> String {
    use std::io::{Read, Write};
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection.write_all(send.as_bytes()).unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    text
}

/// Scenario: a request for a user, and one of the W3C's suite, which has the service call back.
/// Guarantees: the call carries a child of the context that came in, and the service's spans are sent.
#[cfg(feature = "tower")]
#[test]
fn axum() {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    let messages = socket();
    messages.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut command = command("axum");
    command.arg("127.0.0.1:0").env("METLOG_DESTINATION", messages.local_addr().unwrap().to_string());
    let mut service =
        Running(command.env("METLOG_STATSD", "false").stdout(std::process::Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(service.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_owned();
    let connect = || TcpStream::connect(&address).unwrap();

    let get = http(connect(), "GET /users/1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(get.starts_with("HTTP/1.1 200") && get.ends_with("bob"), "{get}");

    let back = TcpListener::bind("127.0.0.1:0").unwrap();
    let body = format!(r#"[{{"url": "http://{}/back", "arguments": []}}]"#, back.local_addr().unwrap());
    let head = "POST /test HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("traceparent: 00-{trace}-00f067aa0ba902b7-01\r\ntracestate: a=1\r\nbaggage: user=jo\r\n");
    let request = format!("{head}{parent}content-length: {}\r\n\r\n{body}", body.len());
    let caller = std::thread::spawn(move || http(TcpStream::connect(address).unwrap(), &request));
    let (mut called, _) = back.accept().unwrap();
    let mut bytes = vec![0; 4_096];
    let length = called.read(&mut bytes).unwrap();
    called.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    let call = String::from_utf8_lossy(&bytes[..length]).to_lowercase();
    assert!(caller.join().unwrap().starts_with("HTTP/1.1 200"));
    assert!(call.contains(&format!("\r\ntraceparent: 00-{trace}-")) && !call.contains("00f067aa0ba902b7"), "{call}");
    assert!(call.contains("\r\ntracestate: a=1\r\n") && call.contains("\r\nbaggage: user=jo\r\n"), "{call}");

    let mut found = Vec::new();
    while found.len() < 5 {
        let mut bytes = vec![0; 65_536];
        let length = messages.recv(&mut bytes).unwrap();
        found.extend(frames(&[bytes[..length].to_vec()]));
    }
    assert_eq!(found, ["axum: 1", "span select", "span GET /users/{id}", "span POST", "span POST /test"]);
}
