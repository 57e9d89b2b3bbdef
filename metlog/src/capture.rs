//! What a test's client has sent, decoded: the far end of [`Destination::capture`](crate::Destination).
use metlog_wire::Message;
use metlog_wire::v1::Datagram;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps everything that was sent to it, without bound: for tests only. Clones share what they keep.
///
/// What was sent arrives when the sender thread has run: call [`flush`](crate::flush) first.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    datagrams: Vec<Vec<u8>>,
    lines: Vec<String>,
}

impl Captured {
    /// The messages, in the order in which they were sent.
    pub fn messages(&self) -> Vec<Message> {
        let kept = self.kept();
        let datagrams = kept.datagrams.iter().filter_map(|bytes| Datagram::decode(bytes).ok());
        datagrams.flat_map(|datagram| datagram.messages()).flatten().map(|message| message.to_message()).collect()
    }

    /// The datagrams of messages, as they would have gone over the network.
    pub fn datagrams(&self) -> Vec<Vec<u8>> {
        self.kept().datagrams.clone()
    }

    /// The statsd lines, in the order in which they were sent.
    pub fn statsd_lines(&self) -> Vec<String> {
        self.kept().lines.clone()
    }

    /// Forgets what was kept so far.
    pub fn clear(&self) {
        *self.kept() = Kept::default();
    }

    pub(crate) fn keep_datagram(&self, bytes: &[u8]) {
        self.kept().datagrams.push(bytes.to_owned());
    }

    pub(crate) fn keep_lines(&self, bytes: &[u8]) {
        self.kept().lines.extend(String::from_utf8_lossy(bytes).lines().map(str::to_owned));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
