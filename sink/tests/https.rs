//! The HTTP sink over TLS, with the certificates that the system trusts.
//!
//! What a process trusts is read from its environment, so each test runs its client in a process of its own: this
//! test's binary once more.
use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use metlog_sink::conformance::sample_batch;
use metlog_sink::http::{Config, Http, UrlTemplate};
use metlog_sink::{Next, Sink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where the client is told to send to.
const URL: &str = "METLOG_TEST_URL";

/// A certificate for `localhost` that is its own authority, and its key; for tests alone.
fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

/// A server that takes everything; its port, and how many requests it answered.
async fn server() -> (u16, Arc<AtomicUsize>) {
    let certificate = CertificateDer::from_pem_file(tls_file("certificate.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(tls_file("key.pem")).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a configuration")));
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = answered.clone();
    let count = move || async move {
        counter.fetch_add(1, Ordering::SeqCst);
        StatusCode::CREATED
    };
    let routes = Router::new().route("/{*path}", any(count));
    let listener = tokio::net::TcpListener::bind("localhost:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(routes.clone()));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (port, answered)
}

/// Runs [`client`] in a process that trusts what is in `trusted`.
async fn run_client(port: u16, trusted: PathBuf) -> Output {
    let mut client = Command::new(std::env::current_exe().expect("this test"));
    client.args(["--exact", "client", "--ignored", "--nocapture"]);
    client.env(URL, format!("https://localhost:{port}/submit/{{logger}}/{{uuid}}")).env("SSL_CERT_FILE", trusted);
    client.env_remove("SSL_CERT_DIR").env("NO_PROXY", "localhost");
    tokio::task::spawn_blocking(move || client.output()).await.expect("it ran").expect("it started")
}

/// Probes and writes a batch, and prints what came of each.
#[tokio::test]
#[ignore = "the other tests run it, in a process of its own"]
async fn client() {
    let Ok(url) = std::env::var(URL) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let url = UrlTemplate::parse(&url).expect("a URL");
    let mut sink = Http::new(Config::new(url, folder.path())).expect("a sink");
    for (what, result) in
        [("probe", sink.probe().await), ("write", sink.write(&sample_batch().expect("a batch")).await.map(|_| ()))]
    {
        match result {
            Ok(()) => println!("{what}: taken"),
            Err(error) => println!("{what}: {}: {error}", if error.next == Next::SetAside { "gone" } else { "later" }),
        }
    }
}

#[tokio::test]
async fn documents_go_to_a_server_whose_certificate_is_trusted() {
    let (port, answered) = server().await;
    let output = run_client(port, tls_file("certificate.pem")).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("probe: taken") && said.contains("write: taken"), "{output:?}");
    assert_eq!(answered.load(Ordering::SeqCst), 1 + 2, "the probe and two documents");
}

/// Guarantees: what a stranger answers is no receipt.
#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (port, answered) = server().await;
    let nobody = tempfile::NamedTempFile::new().expect("a file");
    let output = run_client(port, nobody.path().to_owned()).await;
    let said = String::from_utf8_lossy(&output.stdout);
    for what in ["probe: later: ", "write: later: "] {
        let line = said.lines().find_map(|line| line.split_once(what)).map(|(_, why)| why);
        assert!(line.is_some_and(|why| why.contains("certificate")), "{output:?}");
    }
    assert_eq!(answered.load(Ordering::SeqCst), 0);
}
