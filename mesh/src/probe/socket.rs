//! A UDP socket whose datagrams the kernel stamps: when each left, and when each came.
//!
//! Stamps are of the wall clock, ns since 1970 UTC. That of a sent datagram comes back through the socket's error queue, by the
//! number that the kernel gives each of them.
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, TimestampingFlag, Timestamps, recvmsg, sendto, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Asked of the kernel for received datagrams: those of many peers may come at once.
const BUFFER_BYTES: usize = 1 << 20;
/// Longest datagram that is read.
const DATAGRAM_BYTES: usize = 2_048;
/// Datagrams that are read before others have their turn.
const TURN: usize = 64;
/// The origin of an error that is a stamp, `SO_EE_ORIGIN_TIMESTAMPING`.
const ORIGIN_STAMP: u8 = 4;

/// A socket that stamps.
#[derive(Debug)]
pub struct Stamped {
    socket: UdpSocket,
    port: u16,
}

/// What a socket had to say.
pub enum Event<'a> {
    /// A datagram, from where, and when it came if the kernel says.
    Received(&'a [u8], SocketAddr, Option<u64>),
    /// The datagram of this number left at this time. Numbers count the datagrams sent by this socket, from 0.
    Sent(u32, u64),
}

/// Now, ns since 1970 UTC.
pub fn wall_nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))
}

impl Stamped {
    /// Binds a socket; port 0 is one that is free.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn bind(address: SocketAddr) -> io::Result<Stamped> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        // Less does, if the kernel grants less.
        let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
        socket.bind(&address.into())?;
        Stamped::of(socket)
    }

    /// A socket for echo requests of ICMP.
    ///
    /// # Errors
    /// `PermissionDenied` if this process may have none.
    pub fn icmp(is_ipv4: bool) -> io::Result<Stamped> {
        let (domain, protocol) =
            if is_ipv4 { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
        Stamped::of(Socket::new(domain, Type::DGRAM, Some(protocol))?)
    }

    fn of(socket: Socket) -> io::Result<Stamped> {
        socket.set_nonblocking(true)?;
        let socket = std::net::UdpSocket::from(socket);
        stamp(&socket)?;
        let port = socket.local_addr()?.port();
        Ok(Stamped { socket: UdpSocket::from_std(socket)?, port })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends a datagram, without waiting.
    ///
    /// # Errors
    /// What the kernel says. The numbers of [`Event::Sent`] begin anew then: whether this one counted is not known.
    pub fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let to = SockaddrStorage::from(to);
        let sent = sendto(self.socket.as_raw_fd(), bytes, &to, MsgFlags::MSG_DONTWAIT).map(drop);
        if sent.is_err() {
            let _ = setsockopt(&self.socket, sockopt::Timestamping, &TimestampingFlag::empty());
            let _ = stamp(&self.socket);
        }
        Ok(sent?)
    }

    /// Waits until there is something, then hands over all of it, or [`TURN`] of it. What the error queue holds comes first, so
    /// that a datagram is known to have left before its reply is seen.
    ///
    /// # Errors
    /// If the socket cannot be waited for.
    pub async fn events(&self, mut with: impl FnMut(Event<'_>)) -> io::Result<()> {
        self.socket.ready(Interest::READABLE | Interest::ERROR).await?;
        self.stamps(&mut with);
        let mut bytes = [0; DATAGRAM_BYTES];
        for _ in 0..TURN {
            let take = || receive(&self.socket, &mut bytes, MsgFlags::empty()).map_err(io::Error::from);
            match self.socket.try_io(Interest::READABLE, take) {
                Ok((length, Some(from), stamp, _)) => with(Event::Received(&bytes[..length], from, stamp)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An error of a datagram that was sent, such as a host that cannot be reached.
                Err(_) => {}
            }
        }
        self.stamps(&mut with);
        Ok(())
    }

    fn stamps(&self, with: &mut impl FnMut(Event<'_>)) {
        for _ in 0..4 * TURN {
            let take = || receive(&self.socket, &mut [0; 1], MsgFlags::MSG_ERRQUEUE).map_err(io::Error::from);
            match self.socket.try_io(Interest::ERROR, take) {
                Ok((_, _, Some(stamp), Some(number))) => with(Event::Sent(number, stamp)),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}

fn stamp(socket: &impl AsFd) -> io::Result<()> {
    let flags = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
        | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
    Ok(setsockopt(socket, sockopt::Timestamping, &flags)?)
}

type Received = (usize, Option<SocketAddr>, Option<u64>, Option<u32>);

/// One datagram, or one entry of the error queue: its length, from where, its stamp, and its number if it is an entry.
fn receive(socket: &UdpSocket, bytes: &mut [u8], flags: MsgFlags) -> Result<Received, Errno> {
    // Room for a stamp, and for an error with the address that comes with it.
    let mut control = cmsg_space!(Timestamps, libc::sock_extended_err, libc::sockaddr_in6, [u8; 64]);
    let mut parts = [io::IoSliceMut::new(bytes)];
    let flags = flags | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let (mut stamp, mut number) = (None, None);
    for control in message.cmsgs()? {
        match control {
            ControlMessageOwned::ScmTimestampsns(stamps) => stamp = nanos(stamps.system),
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _)
                if error.ee_origin == ORIGIN_STAMP =>
            {
                number = Some(error.ee_data);
            }
            _ => {}
        }
    }
    let from = message.address.as_ref().and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
    });
    Ok((message.bytes, from, stamp, number))
}

fn nanos(time: TimeSpec) -> Option<u64> {
    let (seconds, nanos) = (u64::try_from(time.tv_sec()).ok()?, u64::try_from(time.tv_nsec()).ok()?);
    (seconds > 0).then(|| seconds * 1_000_000_000 + nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: the kernel says when each datagram left and when it came, in that order.
    #[tokio::test]
    async fn datagrams_are_stamped_at_both_ends() {
        let (a, b) = (bound(), bound());
        let mut first = 0;
        loop {
            let before = wall_nanos();
            for number in 0..3_u8 {
                a.send(&[number], ([127, 0, 0, 1], b.port()).into()).unwrap();
            }
            let (mut sent, mut received) = (Vec::new(), Vec::new());
            while sent.len() < 3 {
                a.events(|event| {
                    if let Event::Sent(number, stamp) = event {
                        sent.push((number - first, stamp));
                    }
                })
                .await
                .unwrap();
            }
            while received.len() < 3 {
                b.events(|event| {
                    if let Event::Received(bytes, from, stamp) = event {
                        assert_eq!(from.port(), a.port());
                        received.push((u32::from(bytes[0]), stamp));
                    }
                })
                .await
                .unwrap();
            }
            first += 3;
            // The kernel begins to stamp what comes a moment after the first socket has asked for it.
            if received.iter().any(|(_, came)| came.is_none()) {
                continue;
            }
            for ((number, left), (of, came)) in sent.iter().zip(&received) {
                let came = came.unwrap();
                assert_eq!(number, of);
                assert!(before <= *left && *left <= came && came <= wall_nanos(), "{before} {left} {came}");
            }
            return;
        }
    }

    /// Guarantees: after a datagram that could not be sent, stamps are still those of the datagrams that they are about.
    #[tokio::test]
    async fn numbers_begin_anew_after_an_error() {
        let (a, b) = (bound(), bound());
        let to = ([127, 0, 0, 1], b.port()).into();
        a.send(b"x", to).unwrap();
        let mut numbers = Vec::new();
        a.events(|event| {
            if let Event::Sent(number, _) = event {
                numbers.push(number)
            }
        })
        .await
        .unwrap();
        a.send(&[0; 70_000], to).unwrap_err();
        a.send(b"y", to).unwrap();
        a.events(|event| {
            if let Event::Sent(number, _) = event {
                numbers.push(number)
            }
        })
        .await
        .unwrap();
        assert_eq!(numbers, [0, 0]);
    }

    fn bound() -> Stamped {
        Stamped::bind(([127, 0, 0, 1], 0).into()).unwrap()
    }
}
