//! TLS at every TCP address of the listener: each protocol is served over it, and nothing that comes without is taken.
use super::*;
use metlog_listener::SERVERS;
use metlog_listener::config::{Serve, TlsConfig};
use std::io::{Read, Write};
use std::net::TcpStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

type Client = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for `localhost` that is its own authority, and its key; for tests alone.
fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sink/tests/tls").join(name)
}

fn with_tls(data: &Path, plain: &[&str]) -> Config {
    let plain = plain.iter().map(|key| (*key).to_owned()).collect();
    let tls = TlsConfig { certificate: tls_file("certificate.pem"), key: tls_file("key.pem"), plain };
    let any = || vec!["127.0.0.1:0".parse().unwrap()];
    let servers = SERVERS.iter().map(|server| Serve { key: server.key, addresses: any(), is_default: false }).collect();
    Config { http: any(), servers, tls: Some(tls), ..config(data) }
}

fn connect(to: &str, protocol: Option<&[u8]>) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(tls_file("certificate.pem")).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocol.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

/// The first bytes that come back.
fn asked(to: &str, protocol: Option<&[u8]>, request: &[u8]) -> Vec<u8> {
    let mut client = connect(to, protocol);
    client.write_all(request).unwrap();
    let mut first = vec![0; 256];
    let read = client.read(&mut first).unwrap();
    first.truncate(read);
    first
}

fn http(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_port_speaks_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(with_tls(&data, &[]), &store);
    let at = |key: &str| address(&listener, key);
    let message = http("/api/messages", "application/json", br#"{"type":"t","payload":"tls"}"#);
    let trace = http("/v1/traces", "application/json", b"{}");
    let spans = http("/api/v2/spans", "application/json", b"[]");
    let batch = http("/api/traces", "application/x-thrift", &[0]);
    let strategy = b"GET /sampling?service=s HTTP/1.1\r\nHost: x\r\n\r\n";
    for (key, request, status) in [
        ("http", &message[..], "200"),
        ("otlp_http", &trace[..], "200"),
        ("zipkin", &spans[..], "202"),
        ("jaeger_http", &batch[..], "202"),
        ("sampling", &strategy[..], "200"),
    ] {
        let answer = String::from_utf8(asked(&at(key), None, request)).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{key}: {answer}");
    }
    // gRPC: what an HTTP/2 client begins with is answered by settings.
    let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    for key in ["otlp_grpc", "jaeger_grpc", "sampling", "http"] {
        assert_eq!(asked(&at(key), Some(b"h2"), &preface)[3], 4, "{key}");
    }
    // A call of Thrift that nobody knows gets an exception, behind its length.
    let call = [&[0, 0, 0, 17, 0x80, 1, 0, 1, 0, 0, 0, 4][..], b"nope", &[0, 0, 0, 1, 0]].concat();
    for key in ["scribe", "milo"] {
        let answer = asked(&at(key), None, &call);
        assert_eq!(answer[4..8], [0x80, 1, 0, 3], "{key}: {answer:?}");
    }
    let mut lines = connect(&at("statsd_tcp"), None);
    lines.write_all(b"tls.lines:3|c\ntls.lines:4|c\ntls.lines:5|c").unwrap();
    lines.conn.send_close_notify();
    lines.flush().unwrap();
    drop(lines);
    until("all came", || listener.ledger().received >= 4).await;
    stop(&listener).await;
    assert_eq!((store.payloads(), store.count_of("tls.lines")), (vec!["tls".to_owned()], 12.0));
}

/// Scenario: plain text at ports with TLS, connections that are cut off or say nothing, and one port that stays without.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_without_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(with_tls(&data, &["otlp_http"]), &store);
    let plain = |key: &str, bytes: &[u8]| {
        let mut stream = TcpStream::connect(address(&listener, key)).unwrap();
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let silent = TcpStream::connect(address(&listener, "statsd_tcp")).unwrap();
    plain("statsd_tcp", b"plain.lines:1|c\nplain.lines:1|c\n");
    plain("http", &http("/api/messages", "text/plain", br#"{"type":"t"}"#));
    plain("scribe", &[0, 0, 0, 1, 0]);
    assert!(plain("otlp_http", &http("/v1/traces", "application/json", b"{}")).starts_with("HTTP/1.1 200 "));
    // Without the end that TLS has, the last line may be cut off.
    let mut cut = connect(&address(&listener, "statsd_tcp"), None);
    cut.write_all(b"cut.lines:1|c\ncut.lines:1").unwrap();
    cut.flush().unwrap();
    cut.sock.shutdown(std::net::Shutdown::Both).unwrap();
    until("the cut line is counted", || listener.ledger().rejected >= 1).await;
    let ledger = listener.ledger();
    assert_eq!((ledger.received, ledger.rejected_by_reason.get("line_cut_off")), (2, Some(&1)), "{ledger:?}");
    drop(silent);
    stop(&listener).await;
    assert_eq!((store.count_of("plain.lines"), store.count_of("cut.lines")), (0.0, 1.0));
    assert!(store.payloads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut wrong = with_tls(&data, &[]);
    wrong.tls.as_mut().unwrap().key = folder.path().join("nothing.pem");
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(Store::default())];
    let error = Listener::start(wrong, sinks, &tokio::runtime::Handle::current()).unwrap_err().to_string();
    assert!(error.starts_with("listener.tls: ") && error.contains("nothing.pem"), "{error}");
}
