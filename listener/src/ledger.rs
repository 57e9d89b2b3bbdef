//! The ledger: every message is in exactly one column, and the columns add up.
//!
//! `received = rejected + dropped + stored + set_aside + held`, counted in messages, where a statsd value is
//! one message. `Totals` is counted where things happen; `Ledger` is what users see.
use metlog_schemas::format::Counts;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Counts since the data folder was made. Written as JSON: a field may be added, and one that is missing is 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// All that came, good or bad.
    pub received: u64,
    /// Refused, by reason.
    pub rejected: BTreeMap<Cow<'static, str>, u64>,
    /// Refused by the disk or its budget.
    pub dropped: u64,
    /// Were accepted: became rows, or went into windows.
    pub facts: u64,
    /// Datagrams and reads that brought all that.
    pub datagrams: u64,
    /// Journal records that could not be read back; each counts as one message received and set aside.
    pub corrupt_records: u64,
    /// Journal records of a newer program; each counts as one message received and set aside.
    pub unknown_records: u64,
}

impl Totals {
    /// A message that was refused.
    pub fn reject(&mut self, reason: &'static str, count: u64) {
        if count > 0 {
            self.received += count;
            *self.rejected.entry(Cow::Borrowed(reason)).or_default() += count;
        }
    }

    /// Messages that a full disk refused.
    pub fn drop(&mut self, count: u64) {
        self.received += count;
        self.dropped += count;
    }

    /// Adds other counts to these.
    pub fn add(&mut self, other: &Totals) {
        self.received += other.received;
        for (reason, count) in &other.rejected {
            *self.rejected.entry(reason.clone()).or_default() += count;
        }
        self.dropped += other.dropped;
        self.facts += other.facts;
        self.datagrams += other.datagrams;
        self.corrupt_records += other.corrupt_records;
        self.unknown_records += other.unknown_records;
    }

    /// Adds what a format counted.
    pub fn count(&mut self, counts: &Counts) {
        self.received += counts.received;
        self.facts += counts.facts;
        self.datagrams += counts.datagrams;
        for (reason, count) in counts.rejected.iter() {
            *self.rejected.entry(Cow::Borrowed(*reason)).or_default() += count;
        }
    }

    /// True where nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Totals::default()
    }

    /// All that was refused.
    pub fn rejected(&self) -> u64 {
        self.rejected.values().sum()
    }
}

/// What users see at `/api/ledger`. The names are a promise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// All that came.
    pub received: u64,
    /// Refused for good: bad bytes, wrong signature, too many series.
    pub rejected: u64,
    /// Refused by the disk or its budget.
    pub dropped: u64,
    /// In the store, acknowledged.
    pub stored: u64,
    /// On disk in `set_aside`, for a human; with `missing`.
    pub set_aside: u64,
    /// Of `set_aside`: were in the journal, and their files are gone.
    pub missing: u64,
    /// In the journal, on the way to the store.
    pub held: u64,
    /// `rejected`, by reason.
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// Datagrams that never came, by the senders' sequence numbers.
    pub lost: u64,
    /// Messages that clients dropped before sending.
    pub dropped_by_clients: u64,
    /// Datagrams that the kernel dropped at our sockets since the process began.
    pub dropped_by_kernel: u64,
}

impl Ledger {
    /// True where each message is in exactly one column.
    pub fn is_balanced(&self) -> bool {
        self.received == self.rejected + self.dropped + self.stored + self.set_aside + self.held
    }
}

/// How far the sinks are, kept in one file that is replaced as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipts {
    /// The last segment that each sink has, by the sink's name; all before it too.
    pub sinks: BTreeMap<String, u64>,
    /// Messages in the store.
    pub stored: u64,
    /// Messages set aside; with `missing`.
    pub set_aside: u64,
    /// Of `set_aside`: were in the journal, and their files are gone.
    pub missing: u64,
    /// Records of a newer program that were set aside and have been offered again since: no longer set aside.
    pub recovered_records: u64,
    /// Files of `set_aside` that were offered again, and how many of their messages are stored since.
    pub recovered: BTreeMap<String, u64>,
    /// Messages that those came to beyond one each, as which they were counted before.
    pub recovered_more: u64,
}
