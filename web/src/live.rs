//! What the page shows of a running listener. The binary implements [`Live`] for its listener; this crate knows of none.
use arrow::array::RecordBatch;
use futures::stream::BoxStream;
use std::collections::BTreeMap;

/// A running listener, as the page sees it. Each call is short: a few ms at most.
pub trait Live: Send + Sync {
    /// The state of one moment.
    fn status(&self) -> Status;
    /// Each sender of numbered datagrams.
    fn senders(&self) -> Vec<Sender>;
    /// A bounded sample of what was rejected, the newest first.
    fn rejected(&self) -> Vec<Rejected>;
    /// Rows as they arrive, from now on.
    fn subscribe(&self) -> BoxStream<'static, LiveRows>;
}

/// What arrives.
#[derive(Debug, Clone)]
pub enum LiveRows {
    /// Rows of a table, by its name.
    Rows(&'static str, RecordBatch),
    /// So many batches came too fast for this reader and are left out.
    Missed(u64),
}

/// The state of a listener at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// True while messages are taken.
    pub ok: bool,
    /// What is wrong, in words.
    pub problems: Vec<String>,
    /// Where every message is.
    pub ledger: Ledger,
    /// Where batches go.
    pub sinks: Vec<Sink>,
    /// What is on the way.
    pub journal: Journal,
    /// The name of each socket and the address that it is bound to.
    pub addresses: Vec<(String, String)>,
    /// Metric series that are known.
    pub series: u64,
}

/// The ledger: `received = rejected + dropped + stored + set_aside + held`, in messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// All that came.
    pub received: u64,
    /// Refused for good, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Refused by the disk or its budget.
    pub dropped: u64,
    /// In the store, acknowledged.
    pub stored: u64,
    /// On disk for a human, with `missing`.
    pub set_aside: u64,
    /// Of `set_aside`: were in the journal, and their files are gone.
    pub missing: u64,
    /// In the journal, on the way to the store.
    pub held: u64,
    /// Datagrams that never came, by the senders' numbers.
    pub lost: u64,
    /// Messages that clients dropped before sending.
    pub dropped_by_clients: u64,
    /// Datagrams that did not fit into a socket's buffer, since the process began.
    pub dropped_by_kernel: u64,
}

impl Ledger {
    /// All that was refused for good.
    pub fn rejected_sum(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Everything that was accepted or sent and is not where it should be.
    pub fn losses(&self) -> [u64; 5] {
        [self.dropped_by_kernel, self.lost, self.dropped, self.dropped_by_clients, self.set_aside]
    }
}

/// A place that batches go to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sink {
    /// Its name: `parquet`.
    pub name: String,
    /// Batches handed over since the start.
    pub batches: u64,
    /// Messages or metrics handed over since the start.
    pub written: u64,
    /// Attempts that failed since the start.
    pub failures: u64,
    /// Messages that it refused for good.
    pub set_aside: u64,
    /// Why it is failing, if it is.
    pub failing: Option<String>,
    /// Sealed segments that it has not had.
    pub segments_waiting: u64,
    /// How long the oldest of those has been waiting, in seconds.
    pub lag_seconds: f64,
}

/// The journal: what is on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// On disk.
    pub bytes: u64,
    /// At most so many.
    pub budget_bytes: u64,
    /// Files.
    pub segments: u64,
}

/// A sender of numbered datagrams. Counts are datagrams, except `dropped`: messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sender {
    /// Its identity, in hex.
    pub sender: String,
    /// Its host.
    pub hostname: String,
    /// Its logger.
    pub logger: String,
    /// Its process.
    pub pid: u32,
    /// Accepted.
    pub datagrams: u64,
    /// Never arrived.
    pub lost: u64,
    /// Arrived out of order.
    pub late: u64,
    /// Arrived again.
    pub duplicates: u64,
    /// Dropped by the client before sending.
    pub dropped: u64,
    /// µs since 1970 UTC.
    pub first_seen: i64,
    /// µs since 1970 UTC.
    pub last_seen: i64,
}

/// Something that was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    /// µs since 1970 UTC.
    pub received_at: i64,
    /// Why, as in the ledger.
    pub reason: String,
    /// Who sent it, if that is known.
    pub source: String,
    /// The first bytes, as text.
    pub text: String,
}
