//! Sockets: creation, options, binding; and what the kernel granted.
use nix::sys::socket::{self as kernel, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

/// A receiver looks this often whether it shall end.
pub const RECEIVE_TIMEOUT: Duration = Duration::from_millis(100);
/// A UDP socket with so much buffer, as the kernel counts it, holds 1 ms of more than any link brings.
const PATIENT_FROM_BYTES: usize = 4 << 20;

/// A bound datagram socket.
#[derive(Debug)]
pub struct Bound {
    /// The socket, blocking, with [`RECEIVE_TIMEOUT`].
    pub socket: Socket,
    /// Where it is bound, as text.
    pub address: String,
    /// Bytes of receive buffer that the kernel granted.
    pub receive_buffer: usize,
    /// It holds what comes within some ms, so nothing is lost while nobody receives.
    pub is_patient: bool,
}

/// A UDP socket. Several may share the address where `shared`.
///
/// # Errors
/// Those of the kernel, with the address.
pub fn udp(address: SocketAddr, shared: bool, receive_buffer: usize) -> io::Result<Bound> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if shared {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&address.into())?;
        let bound = socket.local_addr()?.as_socket().unwrap_or(address);
        // An older kernel does not join datagrams: then each comes by itself.
        let _ = kernel::setsockopt(&socket, sockopt::UdpGroSegment, &true);
        finish(socket, bound.to_string(), receive_buffer)
    };
    bind().map_err(|error| named(&format!("UDP {address}"), &error))
}

/// A Unix datagram socket. A socket file that is there already is replaced; any other file is not.
///
/// # Errors
/// Those of the kernel, with the path.
pub fn unix(path: &Path, receive_buffer: usize) -> io::Result<Bound> {
    let bind = || {
        make_room(path)?;
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        finish(socket, format!("unix:{}", path.display()), receive_buffer)
    };
    bind().map_err(|error| named(&format!("unix socket {}", path.display()), &error))
}

/// A listening TCP socket.
///
/// # Errors
/// Those of the kernel, with the address.
pub fn tcp(address: SocketAddr) -> io::Result<Socket> {
    TcpListener::bind(address).map(Socket::from).map_err(|error| named(&format!("TCP {address}"), &error))
}

/// A listening Unix stream socket. A socket file that is there already is replaced; any other file is not.
///
/// # Errors
/// Those of the kernel, with the path.
pub fn unix_stream(path: &Path) -> io::Result<Socket> {
    let bound = make_room(path).and_then(|()| UnixListener::bind(path));
    bound.map(Socket::from).map_err(|error| named(&format!("unix socket {}", path.display()), &error))
}

/// Removes the socket file that an earlier process left.
fn make_room(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is there")),
        Err(_) => Ok(()),
    }
}

fn finish(socket: Socket, address: String, receive_buffer: usize) -> io::Result<Bound> {
    socket.set_recv_buffer_size(receive_buffer)?;
    // Only root may pass the system's limit; who may not keeps what was granted.
    let _ = kernel::setsockopt(&socket, sockopt::RcvBufForce, &receive_buffer);
    kernel::setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    let receive_buffer = socket.recv_buffer_size()?;
    // A Unix socket holds few datagrams, however small they are, and its senders wait.
    let is_patient = !address.starts_with("unix:") && receive_buffer >= PATIENT_FROM_BYTES;
    Ok(Bound { socket, address, receive_buffer, is_patient })
}

fn named(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Datagrams that the kernel has dropped at a socket, its `sk_drops`: the number that `SO_RXQ_OVFL` tells with
/// each datagram, had here without one.
#[expect(unsafe_code, reason = "no kept crate has SO_MEMINFO; without it drops after the last datagram go unseen")]
pub fn kernel_drops(socket: &Socket) -> Option<u32> {
    // Source: linux/sock_diag.h, SK_MEMINFO_VARS and SK_MEMINFO_DROPS.
    const DROPS: usize = 8;
    let mut values = [0u32; DROPS + 1];
    let size = size_of_val(&values);
    let mut length = size as libc::socklen_t;
    // SAFETY: the pointers are to `values` and `length`, which outlive the call, and `length` is the size of
    // `values` in bytes, which the kernel does not exceed.
    let answer = unsafe {
        libc::getsockopt(
            std::os::fd::AsRawFd::as_raw_fd(socket),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (answer == 0 && length as usize == size).then_some(values[DROPS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_counted_without_a_datagram() {
        let bound = udp("127.0.0.1:0".parse().unwrap(), false, 4_096).unwrap();
        assert_eq!(kernel_drops(&bound.socket), Some(0));
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..1_000 {
            sender.send_to(&[0; 1_000], &bound.address).unwrap();
        }
        assert!(kernel_drops(&bound.socket).is_some_and(|drops| drops > 0 && drops < 1_000));
    }
}
