//! Sending datagrams to one destination, from the sender thread only. What cannot be sent is not kept: the gap
//! in the sequence numbers tells the listener.
use crate::destination::{Destination, Target};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// After an error, how long until the name is looked up again.
const REOPEN_UDP_AFTER: Duration = Duration::from_secs(5);
/// After an error, how long until the path is opened again: a listener that restarts makes a new socket.
const REOPEN_UNIX_AFTER: Duration = Duration::from_millis(100);
/// How long a name may take to be looked up while datagrams wait; afterwards they are refused until it is known.
const LOOK_UP_WAIT: Duration = Duration::from_millis(50);
/// Likewise the first time: what a process sends at its start, or before it ends soon, is worth a wait.
const FIRST_LOOK_UP_WAIT: Duration = Duration::from_secs(1);
/// How long a full socket is waited for, once, until it has room again.
const CONGESTION_WAIT: Duration = Duration::from_millis(20);

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

/// One destination and its socket, opened when it is first needed.
#[derive(Debug)]
pub(super) struct Outlet {
    destination: Destination,
    socket: Option<Socket>,
    opened_at: Option<Instant>,
    /// A thread of its own looks the name up: a resolver that does not answer holds up nobody else.
    looking_up: Option<Receiver<io::Result<SocketAddr>>>,
    /// A name was looked up before.
    looked_up: bool,
    /// It had no room for `CONGESTION_WAIT`; it is not waited for again before it took a datagram.
    congested: bool,
}

impl Outlet {
    pub fn new(destination: Destination) -> Outlet {
        Outlet { destination, socket: None, opened_at: None, looking_up: None, looked_up: false, congested: false }
    }

    /// Sends a datagram of messages. False: it was refused.
    pub fn send_messages(&mut self, bytes: &[u8]) -> bool {
        if let Target::Capture(captured) = &self.destination.0 {
            captured.keep_datagram(bytes);
            return true;
        }
        self.send(bytes)
    }

    /// Sends a datagram of statsd lines. False: it was refused.
    pub fn send_lines(&mut self, bytes: &[u8]) -> bool {
        if let Target::Capture(captured) = &self.destination.0 {
            captured.keep_lines(bytes);
            return true;
        }
        self.send(bytes)
    }

    /// False: it serves tests, and loses nothing.
    pub fn is_network(&self) -> bool {
        matches!(self.destination.0, Target::Udp { .. } | Target::Unix(_))
    }

    /// Sends a heartbeat. It is not kept where datagrams are captured: it holds no messages.
    pub fn send_heartbeat(&mut self, bytes: &[u8]) {
        if self.is_network() {
            self.send(bytes);
        }
    }

    fn send(&mut self, bytes: &[u8]) -> bool {
        if let Target::Noop = self.destination.0 {
            return true;
        }
        let mut sent = self.try_send(bytes);
        if matches!(&sent, Err(error) if error.kind() == ErrorKind::ConnectionRefused) {
            // On UDP it speaks of an earlier datagram, and this one was not tried. On a Unix socket the
            // listener may have come back under the same path.
            self.close_where_due();
            sent = self.try_send(bytes);
        }
        match &sent {
            Ok(()) => self.congested = false,
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.congested = true,
            Err(_) => self.close_where_due(),
        }
        sent.is_ok()
    }

    /// Opens where that is due, sends, and waits once for a socket that is full.
    fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.socket.is_none() {
            if self.looking_up.is_none() && !self.is_due() {
                return Err(ErrorKind::NotConnected.into());
            }
            self.socket = Some(self.open()?);
        }
        let Some(socket) = &self.socket else { return Err(ErrorKind::NotConnected.into()) };
        let give_up_at = Instant::now() + CONGESTION_WAIT;
        loop {
            match socket.send(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) && !self.congested && Instant::now() < give_up_at => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) if is_full(&error) => return Err(ErrorKind::WouldBlock.into()),
                sent => return sent.map(drop),
            }
        }
    }

    fn open(&mut self) -> io::Result<Socket> {
        let is_new = self.looking_up.is_none();
        if is_new {
            self.opened_at = Some(Instant::now());
        }
        match &self.destination.0 {
            Target::Udp { host, port } => match host.parse::<IpAddr>() {
                Ok(address) => open_udp((address, *port).into()),
                Err(_) => {
                    let looking_up = match self.looking_up.take() {
                        Some(looking_up) => looking_up,
                        None => look_up(host.clone(), *port)?,
                    };
                    let wait = match (is_new, std::mem::replace(&mut self.looked_up, true)) {
                        (true, false) => FIRST_LOOK_UP_WAIT,
                        (true, true) => LOOK_UP_WAIT,
                        (false, _) => Duration::ZERO,
                    };
                    match looking_up.recv_timeout(wait) {
                        Ok(address) => open_udp(address?),
                        Err(RecvTimeoutError::Timeout) => {
                            self.looking_up = Some(looking_up);
                            Err(ErrorKind::NotConnected.into())
                        }
                        Err(RecvTimeoutError::Disconnected) => Err(ErrorKind::NotFound.into()),
                    }
                }
            },
            Target::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                socket.connect(path)?;
                Ok(Socket::Unix(socket))
            }
            Target::Capture(_) | Target::Noop | Target::Malformed(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    fn is_due(&self) -> bool {
        let after = if let Target::Unix(_) = self.destination.0 { REOPEN_UNIX_AFTER } else { REOPEN_UDP_AFTER };
        self.opened_at.is_none_or(|opened_at| opened_at.elapsed() >= after)
    }

    /// A socket that is old enough is reopened next time: its name or path may resolve elsewhere by now.
    fn close_where_due(&mut self) {
        if self.is_due() {
            self.socket = None;
        }
    }
}

/// A full receiver says `WouldBlock` on a Unix socket; a full queue of the device says `ENOBUFS`.
fn is_full(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

impl Socket {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Udp(socket) => socket.send(bytes),
            Socket::Unix(socket) => socket.send(bytes),
        }
    }
}

fn open_udp(address: SocketAddr) -> io::Result<Socket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    Ok(Socket::Udp(socket))
}

/// Looks for the first IPv4 address of a host, or else its first, in a thread that ends with the answer.
fn look_up(host: String, port: u16) -> io::Result<Receiver<io::Result<SocketAddr>>> {
    let (answer, answered) = sync_channel(1);
    std::thread::Builder::new().name("metlog-resolver".into()).spawn(move || {
        let address = (host.as_str(), port).to_socket_addrs().and_then(|addresses| {
            let mut addresses: Vec<SocketAddr> = addresses.collect();
            addresses.sort_by_key(SocketAddr::is_ipv6);
            addresses.into_iter().next().ok_or_else(|| ErrorKind::NotFound.into())
        });
        let _ = answer.send(address);
    })?;
    Ok(answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UdpSocket) -> Vec<u8> {
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).unwrap();
        bytes[..length].to_vec()
    }

    #[test]
    fn udp_over_both_protocols() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = UdpSocket::bind(any) else { continue }; // a host without IPv6
            let mut outlet = Outlet::new(listener.local_addr().unwrap().into());
            assert!(outlet.send_lines(b"a:1|c"));
            assert_eq!(received(&listener), b"a:1|c", "{any}");
        }
    }

    #[test]
    fn a_name_is_looked_up() {
        let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut outlet = Outlet::new(Destination::from(format!("localhost:{port}")));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !outlet.send_lines(b"a:1|c") {
            assert!(Instant::now() < deadline, "never looked up");
            std::thread::yield_now();
        }
        assert_eq!(received(&listener), b"a:1|c");
    }

    #[test]
    fn a_listener_that_comes_back_misses_nothing_that_was_sent_afterwards() {
        let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut outlet = Outlet::new(address.into());
        drop(listener);
        for _ in 0..5 {
            outlet.send_messages(b"lost");
        }
        let listener = UdpSocket::bind(address).unwrap();
        assert!(outlet.send_messages(b"found"), "an old ICMP error is not about this datagram");
        assert_eq!(received(&listener), b"found");
    }

    #[test]
    fn a_full_unix_socket_refuses_and_is_waited_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixDatagram::bind(&path).unwrap();
        let mut outlet = Outlet::new(Destination::unix(&path));
        let mut sent = 0;
        while outlet.send_lines(b"a:1|c") {
            sent += 1;
            assert!(sent < 1_000_000, "a Unix socket's queue has a bound");
        }
        assert!(outlet.congested && sent > 0);
        assert!(!outlet.send_lines(b"a:1|c"));
        listener.recv(&mut [0; 8]).unwrap();
        assert!(outlet.send_lines(b"a:1|c") && !outlet.congested);
    }

    #[test]
    fn a_unix_listener_may_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let mut outlet = Outlet::new(Destination::unix(&path));
        assert!(!outlet.send_lines(b"too early"));
        let mut reached = |name: &[u8]| {
            let listener = UnixDatagram::bind(&path).unwrap();
            let deadline = Instant::now() + Duration::from_secs(10);
            while !outlet.send_lines(name) {
                assert!(Instant::now() < deadline, "never opened again");
                std::thread::yield_now();
            }
            let mut bytes = [0; 8];
            let length = listener.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], name);
            std::fs::remove_file(&path).unwrap();
        };
        reached(b"first");
        reached(b"second");
    }
}
