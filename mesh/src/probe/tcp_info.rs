//! What the kernel knows of a TCP connection: how long its handshake took, and what it had to send again.
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd};

/// The part of `TCP_INFO` that a probe goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpInfo {
    /// Smoothed round trip, µs: of the handshake, as long as nothing was sent.
    pub rtt_micros: u32,
    /// Segments sent again; before anything was sent these are SYNs, or on the accepting side SYN-ACKs.
    pub retransmits: u32,
}

/// Asks the kernel. The crate `nix` has no such option.
///
/// # Errors
/// What the kernel says: it is no TCP socket.
pub fn tcp_info(socket: impl AsFd) -> io::Result<TcpInfo> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the pointer and the length are those of a live buffer that nobody else sees; the kernel writes at most `length`
    // bytes. The structure has nothing but numbers, so zeros are a value of it, as is whatever the kernel writes; what an older
    // kernel does not write stays zero.
    #[allow(unsafe_code)]
    let (status, info) = unsafe {
        let fd = socket.as_fd().as_raw_fd();
        let status = libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &mut length);
        (status, info.assume_init())
    };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // While it connects, the total is not counted yet; the timer's own count is.
    let retransmits = info.tcpi_total_retrans.max(info.tcpi_retransmits.into());
    Ok(TcpInfo { rtt_micros: info.tcpi_rtt, retransmits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    #[test]
    fn both_ends_of_a_connection_are_known() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        for end in [&connected, &accepted] {
            let info = tcp_info(end).unwrap();
            assert!(info.rtt_micros > 0 && info.rtt_micros < 10_000_000 && info.retransmits == 0, "{info:?}");
        }
    }

    #[test]
    fn other_sockets_have_none() {
        assert!(tcp_info(UdpSocket::bind("127.0.0.1:0").unwrap()).is_err());
    }
}
