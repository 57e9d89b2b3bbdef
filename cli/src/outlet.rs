//! A socket that datagrams leave through, for commands that must know what became of each: UDP or Unix.
use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// How long the answer to a datagram may take where nobody listens.
const REFUSAL_WAIT: Duration = Duration::from_millis(20);

/// Where datagrams go.
#[derive(Debug)]
pub enum Outlet {
    /// host:port.
    Udp(UdpSocket),
    /// unix:/path.
    Unix(UnixDatagram),
}

impl Outlet {
    /// Opens a socket to `host:port`, `[::1]:port` or `unix:/path`.
    ///
    /// # Errors
    /// Where the text is no destination, the name is not known or the path is no socket.
    pub fn open(to: &str) -> Result<Outlet, Error> {
        if let Some(path) = to.strip_prefix("unix:") {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            return Ok(Outlet::Unix(socket));
        }
        let found: Vec<SocketAddr> = to.to_socket_addrs()?.collect();
        let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
        let address = first.ok_or_else(|| Error::new(ErrorKind::NotFound, "the name has no address"))?;
        let any: SocketAddr =
            if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        Ok(Outlet::Udp(socket))
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// Where the kernel does not take it; `ConnectionRefused` where nobody took an earlier one.
    pub fn send(&self, datagram: &[u8]) -> Result<(), Error> {
        match self {
            Outlet::Udp(socket) => socket.send(datagram),
            Outlet::Unix(socket) => socket.send(datagram),
        }
        .map(|_| ())
    }

    /// Waits for the refusal of the last datagram, which comes after it was sent.
    ///
    /// # Errors
    /// `ConnectionRefused` where nobody took it.
    pub fn settle(&self) -> Result<(), Error> {
        let error = match self {
            Outlet::Udp(socket) => {
                std::thread::sleep(REFUSAL_WAIT);
                socket.take_error()?
            }
            // It was taken, or the call said that it was not.
            Outlet::Unix(_) => None,
        };
        error.map_or(Ok(()), Err)
    }
}
