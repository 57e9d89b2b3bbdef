//! A bounded sample of rejected input, so that a faulty sender can be found: reason, address, first bytes.
use serde::Serialize;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Kept at most; the oldest go.
const KEPT_MAX: usize = 128;
/// Bytes of each.
const BYTES_MAX: usize = 256;
/// Taken into the sample in one second at most.
const PER_SECOND_MAX: u64 = 20;

/// Where a datagram came from, where that is known.
pub type Source = Option<SocketAddr>;

/// One rejected datagram, line or message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// When, µs since 1970 UTC.
    pub received_at: i64,
    /// Why, as in the ledger.
    pub reason: &'static str,
    /// Who sent it; null for a Unix socket.
    pub source: Source,
    /// The first bytes, as text; what is no UTF-8 is replaced. Empty where privacy rules are configured.
    pub text: String,
}

/// The sample.
#[derive(Debug, Default)]
pub(super) struct Rejects {
    kept: Mutex<VecDeque<Rejected>>,
    /// The second that is counted, and how many were taken in it.
    second: AtomicI64,
    taken: AtomicU64,
}

impl Rejects {
    /// Notes one, unless there were many in this second.
    pub fn note(&self, reason: &'static str, source: Source, bytes: &[u8], wall: i64) {
        let second = wall / 1_000_000;
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.taken.store(0, Ordering::Relaxed);
        }
        if self.taken.fetch_add(1, Ordering::Relaxed) >= PER_SECOND_MAX {
            return;
        }
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(BYTES_MAX)]).into_owned();
        tracing::debug!(target: "metlog::rejected", reason, source = ?source, text, "rejected");
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(Rejected { received_at: wall, reason, source, text });
    }

    /// What is kept, the newest first.
    pub fn kept(&self) -> Vec<Rejected> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_a_bounded_sample() {
        let rejects = Rejects::default();
        for at in 0..100_000 {
            rejects.note("not_json", None, &[b'x'; 1_000], at * 1_000);
        }
        let kept = rejects.kept();
        assert_eq!((kept.len(), kept[0].text.len()), (KEPT_MAX, BYTES_MAX));
        assert_eq!(kept[0].received_at / 1_000_000, 99, "the newest first");
        let of_second = kept.iter().filter(|kept| kept.received_at / 1_000_000 == 98).count();
        assert_eq!(of_second as u64, PER_SECOND_MAX);
    }
}
