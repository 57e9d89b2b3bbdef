//! Intake: sockets that nobody waits on, each with a thread of its own, straight into the pipeline.
//!
//! Which sockets there are is decided by the registry of formats; where they listen, by the configuration.
pub mod admission;
mod backlog;
pub mod bagheera;
mod bind;
pub mod body;
pub mod connections;
pub mod grpc;
pub mod http;
pub mod inflate;
mod otlp;
pub mod privacy;
mod receive;
pub mod server;
mod stream;
pub mod submit;
pub mod tls;
mod traces;

pub use receive::SocketState;

use crate::config::{At, Config, Listen};
use crate::pipeline::Pipeline;
use backlog::Backlog;
use bind::Bound;
use metlog_schemas::format::{Socket, Transport};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use tls::PortTls;

/// A socket that is bound.
#[derive(Debug)]
pub struct Source {
    /// Which one it is.
    pub socket: Socket,
    /// Where it is bound, as text.
    pub address: String,
    kind: SourceKind,
}

#[derive(Debug)]
enum SourceKind {
    Datagrams(Bound),
    Lines(socket2::Socket),
}

/// Binds all that is configured. A default address that yields is left out where another program holds it, and described
/// in `left_out`.
///
/// # Errors
/// The first that cannot be bound, with its address.
pub fn bind_all(config: &Config, left_out: &mut Vec<String>) -> std::io::Result<Vec<Source>> {
    let (mut sources, mut backlog) = (Vec::new(), Backlog::default());
    let (yielding, firm): (Vec<_>, Vec<_>) = config.sockets.iter().partition(|listen| listen.is_default);
    for listen in firm {
        bind_one(listen, config, &mut backlog, &mut sources)?;
    }
    for listen in yielding {
        match bind_one(listen, config, &mut backlog, &mut sources) {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                let At::Addresses(addresses) = &listen.at else { return Err(error) };
                left_out.extend(addresses.iter().map(|address| server::in_use(listen.socket.key, *address)));
            }
            bound => bound?,
        }
    }
    Ok(sources)
}

fn bind_one(listen: &Listen, config: &Config, backlog: &mut Backlog, sources: &mut Vec<Source>) -> std::io::Result<()> {
    let socket = listen.socket;
    match (&listen.at, socket.transport) {
        (At::Path(path), Transport::UnixLines) => {
            let (listener, address) = (bind::unix_stream(path)?, format!("unix:{}", path.display()));
            sources.push(Source { socket, address, kind: SourceKind::Lines(listener) });
        }
        (At::Path(path), _) => {
            backlog.ensure();
            let bound = bind::unix(path, config.receive_buffer)?;
            sources.push(Source { socket, address: bound.address.clone(), kind: SourceKind::Datagrams(bound) });
        }
        (At::Addresses(addresses), Transport::TcpLines) => {
            for address in addresses {
                let listener = bind::tcp(*address)?;
                let bound = listener.local_addr().ok().and_then(|bound| bound.as_socket()).unwrap_or(*address);
                let bound = bound.to_string();
                sources.push(Source { socket, address: bound, kind: SourceKind::Lines(listener) });
            }
        }
        (At::Addresses(addresses), _) => {
            for address in addresses {
                let mut address = *address;
                for _ in 0..config.workers.max(1) {
                    let bound = bind::udp(address, config.workers > 1, config.receive_buffer)?;
                    // Where the port was 0, the other workers share the one that the kernel chose.
                    address = bound.address.parse().unwrap_or(address);
                    sources.push(Source { socket, address: bound.address.clone(), kind: SourceKind::Datagrams(bound) });
                }
            }
        }
    }
    Ok(())
}

impl Source {
    /// What is known of it while it is received from; `None` for streams.
    pub fn state(&self) -> Option<Arc<SocketState>> {
        match &self.kind {
            SourceKind::Datagrams(bound) => {
                let (address, receive_buffer) = (self.address.clone(), bound.receive_buffer);
                Some(Arc::new(SocketState { address, receive_buffer, kernel_dropped: 0.into() }))
            }
            SourceKind::Lines(_) => None,
        }
    }

    /// Starts receiving in a thread of its own, until asked to stop.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(
        self,
        pipeline: Arc<Pipeline>,
        worker: usize,
        state: Option<Arc<SocketState>>,
        end: Arc<AtomicBool>,
        tls: &PortTls,
    ) -> std::io::Result<JoinHandle<()>> {
        let Source { socket, address, kind } = self;
        let thread = std::thread::Builder::new().name(format!("{}-{worker}", socket.name));
        match (kind, state) {
            (SourceKind::Datagrams(bound), Some(state)) => {
                thread.spawn(move || receive::receive(&pipeline, worker, socket.code, &bound, &state, &end))
            }
            (SourceKind::Datagrams(_), None) => Err(std::io::ErrorKind::InvalidInput.into()),
            (SourceKind::Lines(listener), _) => {
                let tls = tls.of(socket.key).filter(|_| socket.transport == Transport::TcpLines);
                thread.spawn(move || {
                    if let Err(error) = stream::accept(&pipeline, worker, &socket, &listener, &end, tls.as_ref()) {
                        tracing::error!("{} on {address}: {error}", socket.name);
                    }
                })
            }
        }
    }
}
