//! TLS of the addresses that are served: one certificate, read again when its file has changed.
use crate::config::TlsConfig;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ServerConnection, StreamOwned};
use tokio_rustls::server::TlsStream;

/// HTTP/2 among the protocols that a client offers.
pub(super) const HTTP2_ALPN: &[u8] = b"h2";

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Accepts TLS connections, TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    /// Without tickets: who only sends never reads them, and closing a connection with something unread resets it.
    of_lines: Arc<ServerConfig>,
}

/// A stream that blocks, over TLS.
pub(super) type Blocking<S> = StreamOwned<ServerConnection, S>;

/// The TLS of each port of a listener.
#[derive(Debug, Clone, Default)]
pub struct PortTls {
    tls: Option<Tls>,
    plain: Vec<String>,
}

impl PortTls {
    /// As configured.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn load(config: Option<&TlsConfig>) -> Result<PortTls, String> {
        let Some(TlsConfig { certificate, key, plain }) = config else { return Ok(PortTls::default()) };
        Ok(PortTls { tls: Some(Tls::load(certificate, key)?), plain: plain.clone() })
    }

    /// That of the addresses of a key.
    pub fn of(&self, key: &str) -> Option<Tls> {
        self.tls.clone().filter(|_| !self.plain.iter().any(|plain| plain == key))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// With a certificate and those that vouch for it, and its private key, both in PEM. Read again when one of the files has
    /// changed; where they cannot be used then, what was read before goes on being used, and a log line says so.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, String> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let current = Current { changed: files.changed(), looked: Instant::now(), key: files.read()? };
        let resolver = Renewed { files, current: Mutex::new(current) };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut config = config.with_no_client_auth().with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![HTTP2_ALPN.to_vec(), b"http/1.1".to_vec()];
        let mut of_lines = config.clone();
        of_lines.send_tls13_tickets = 0;
        Ok(Tls { config: Arc::new(config), of_lines: Arc::new(of_lines) })
    }

    /// The handshake. Whoever calls bounds its time.
    ///
    /// # Errors
    /// Where the client and this server find no common ground.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await
    }

    /// TLS over a stream that blocks; the handshake is a part of the first read.
    ///
    /// # Errors
    /// If the configuration is faulty.
    pub(super) fn blocking<S: io::Read + io::Write>(&self, stream: S) -> io::Result<Blocking<S>> {
        let connection = ServerConnection::new(Arc::clone(&self.of_lines)).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    }
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn read(&self) -> Result<Arc<CertifiedKey>, String> {
        let at = |file: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| at(&self.certificate, &error))?;
        if chain.is_empty() {
            return Err(at(&self.certificate, &"there is no certificate in PEM in it"));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| at(&self.key, &error))?;
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
        certified.map(Arc::new).map_err(|error| at(&self.key, &error))
    }

    /// When each was written last.
    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key].map(|file| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
    }
}

struct Current {
    changed: [Option<SystemTime>; 2],
    looked: Instant,
    key: Arc<CertifiedKey>,
}

struct Renewed {
    files: Files,
    current: Mutex<Current>,
}

impl std::fmt::Debug for Renewed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewed").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Renewed {
    fn key(&self, now: Instant) -> Arc<CertifiedKey> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(current.looked) < LOOK_INTERVAL {
            return Arc::clone(&current.key);
        }
        current.looked = now;
        let changed = self.files.changed();
        if changed != current.changed {
            current.changed = changed;
            match self.files.read() {
                Ok(key) => {
                    tracing::info!("the certificate has been read again");
                    current.key = key;
                }
                Err(error) => tracing::error!("the certificate is not renewed: {error}"),
            }
        }
        Arc::clone(&current.key)
    }
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        let error = Tls::load(&certificate, &key).unwrap_err();
        assert!(error.contains("certificate.pem"), "{error}");
        std::fs::write(&certificate, "nothing").unwrap();
        let error = Tls::load(&certificate, &key).unwrap_err();
        assert!(error.contains("certificate.pem"), "{error}");
    }
}
