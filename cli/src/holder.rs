//! Who holds a port that is wanted here, as far as /proc tells this user.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Which of the kernel's tables a port is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Listening streams.
    Tcp,
}

/// The state of a listening socket in /proc/net/tcp.
const TCP_LISTEN: &str = "0A";

/// The process that holds an address, in words: "`metlog` (pid 12)". `None` where it cannot be read.
pub fn holder(protocol: Protocol, address: SocketAddr) -> Option<String> {
    let names: [&str; 2] = match protocol {
        Protocol::Udp => ["udp", "udp6"],
        Protocol::Tcp => ["tcp", "tcp6"],
    };
    let inodes: Vec<String> = names
        .iter()
        .filter_map(|name| std::fs::read_to_string(Path::new("/proc/net").join(name)).ok())
        .flat_map(|table| sockets(&table, protocol, address))
        .collect();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids: Vec<u32> = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let pid = pids.into_iter().find(|pid| has_one(*pid, &inodes))?;
    let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("`{}` (pid {pid})", program.trim()))
}

fn has_one(pid: u32, inodes: &[String]) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let targets = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
    targets.filter_map(|target| target.to_str().map(str::to_owned)).any(|target| {
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.iter().any(|wanted| wanted == inode))
    })
}

/// The inodes of the sockets in a table of /proc/net that hold an address.
fn sockets(table: &str, protocol: Protocol, wanted: SocketAddr) -> Vec<String> {
    let inode = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        let listens = protocol == Protocol::Udp || *state == TCP_LISTEN;
        let held = address(local)?;
        let meets = held.port() == wanted.port()
            && (held.ip() == wanted.ip() || held.ip().is_unspecified() || wanted.ip().is_unspecified());
        (listens && meets).then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// `0100007F:15BD` is 127.0.0.1:5565: words of 32 bits as the processor holds them, the port as people write it.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let words: Option<Vec<u32>> =
        (0..ip.len() / 8).map(|word| u32::from_str_radix(ip.get(8 * word..8 * word + 8)?, 16).ok()).collect();
    let ip: IpAddr = match words?.as_slice() {
        [word] => Ipv4Addr::from(word.to_ne_bytes()).into(),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (at, word) in [a, b, c, d].into_iter().enumerate() {
                bytes[4 * at..4 * at + 4].copy_from_slice(&word.to_ne_bytes());
            }
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_by_its_sockets() {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = std::net::TcpListener::bind("[::1]:0").unwrap();
        let pid = format!("(pid {})", std::process::id());
        for (protocol, address) in [(Protocol::Udp, udp.local_addr()), (Protocol::Tcp, tcp.local_addr())] {
            let found = holder(protocol, address.unwrap()).unwrap();
            assert!(found.ends_with(&pid), "{found}");
        }
        assert_eq!(holder(Protocol::Tcp, udp.local_addr().unwrap()), None, "another table");
    }

    #[test]
    fn a_wildcard_holds_every_address() {
        let table = "  sl  local_address rem_address   st\n   \
            1: 00000000:15BD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2\n   \
            2: nonsense\n";
        let at = |address: &str| sockets(table, Protocol::Udp, address.parse().unwrap());
        assert_eq!(at("127.0.0.1:5565"), ["4711"]);
        assert!(at("127.0.0.1:5566").is_empty());
    }
}
