//! How many datagrams the kernel queues for a Unix socket, however small they are: 10 unless the system says otherwise.
//!
//! Beyond it a sender waits, or is refused with `EAGAIN`. The kernel does not notify the receiver, so what senders
//! were refused can be counted by them alone. A socket keeps the limit that was there when it was made.
use std::path::Path;

/// The kernel's limit, of this network namespace.
const LIMIT_FILE: &str = "/proc/sys/net/unix/max_dgram_qlen";
/// What is asked for: about 1 ms of a fast sender.
const WANTED_DATAGRAMS: u64 = 512;

/// Raises the limit before the first Unix datagram socket is made, where that is permitted, and says what holds.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    is_done: bool,
}

impl Backlog {
    /// Does it, once.
    pub fn ensure(&mut self) {
        if !std::mem::replace(&mut self.is_done, true) {
            match raise(Path::new(LIMIT_FILE)) {
                Outcome::Enough => (),
                Outcome::Raised(before) => tracing::info!(
                    "net.unix.max_dgram_qlen raised from {before} to {WANTED_DATAGRAMS}: Unix sockets queue so many datagrams"
                ),
                Outcome::Small(limit) => tracing::warn!(
                    "Unix datagram sockets queue only {limit} datagrams (net.unix.max_dgram_qlen): a burst beyond that is \
                     refused to its sender and not counted here; set it to {WANTED_DATAGRAMS}, or use a stream socket"
                ),
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It is high enough, or cannot be read, so nothing is known.
    Enough,
    /// From this.
    Raised(u64),
    /// It is this, and must stay so.
    Small(u64),
}

fn raise(file: &Path) -> Outcome {
    let read = || std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    match read() {
        Some(limit) if limit < WANTED_DATAGRAMS => {
            // Not created where it is not there: this is a setting, not a file of ours.
            let written = std::fs::OpenOptions::new().write(true).truncate(true).open(file);
            let _ = written
                .and_then(|mut file| std::io::Write::write_all(&mut file, WANTED_DATAGRAMS.to_string().as_bytes()));
            if read() >= Some(WANTED_DATAGRAMS) { Outcome::Raised(limit) } else { Outcome::Small(limit) }
        }
        _ => Outcome::Enough,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_limit_is_raised_where_that_is_permitted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("max_dgram_qlen");
        assert_eq!(raise(&file), Outcome::Enough, "where there is none, nothing is known");
        assert!(!file.exists());
        std::fs::write(&file, "10\n").unwrap();
        assert_eq!(raise(&file), Outcome::Raised(10));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "512");
        assert_eq!(raise(&file), Outcome::Enough);
        std::fs::write(&file, "4096\n").unwrap();
        assert_eq!(raise(&file), Outcome::Enough, "what is higher stays");
    }

    #[test]
    fn what_may_not_be_raised_is_told() {
        // A setting of the kernel that not even root may write, and that is small.
        assert!(matches!(raise(Path::new("/proc/sys/kernel/cap_last_cap")), Outcome::Small(1..WANTED_DATAGRAMS)));
    }
}
