//! Binding the servers' addresses: what is configured must be free; a default that another program holds is left out.
use super::{Server, of_key};
use crate::config::{Config, Serve};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// A server's address that is bound.
#[derive(Debug)]
pub struct BoundServer {
    /// Which server.
    pub server: &'static Server,
    /// The socket, not blocking.
    pub listener: TcpListener,
    /// Where it is bound.
    pub address: SocketAddr,
}

/// Binds what is configured, and then the defaults that are free. Each that is not is described in `left_out`.
///
/// # Errors
/// The first configured address that cannot be bound, named.
pub fn bind_all(config: &Config, left_out: &mut Vec<String>) -> io::Result<Vec<BoundServer>> {
    let mut bound = Vec::new();
    let (defaults, typed): (Vec<_>, Vec<_>) = config.servers.iter().partition(|serve| serve.is_default);
    for Serve { key, addresses, is_default } in typed.into_iter().chain(defaults) {
        let Some(server) = of_key(key) else { continue };
        for address in addresses {
            match listen(*address) {
                Ok((listener, address)) => bound.push(BoundServer { server, listener, address }),
                Err(error) if *is_default && error.kind() == io::ErrorKind::AddrInUse => {
                    left_out.push(in_use(key, *address));
                }
                Err(error) => return Err(io::Error::new(error.kind(), format!("TCP {address}: {error}"))),
            }
        }
    }
    // Listings show them in the order of the registry.
    bound.sort_by_key(|bound| super::SERVERS.iter().position(|server| std::ptr::eq(*server, bound.server)));
    Ok(bound)
}

/// What is said of a default address that another program holds.
pub fn in_use(key: &str, address: SocketAddr) -> String {
    format!(
        "listener.{key}: not listening on {address}: another program does; set `{key}` in [listener] to choose another address or none"
    )
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
