//! What the server says of itself at one moment.
use metlog_query::format::harmless;
use serde::{Deserialize, Deserializer};

/// The state of one moment.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Seconds on a clock that never jumps.
    pub at: f64,
    /// Time of day, for people.
    pub clock: String,
    pub health: Health,
    pub ledger: Ledger,
    pub sinks: Sinks,
    pub senders: Vec<Sender>,
}

/// `/health`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Health {
    pub ok: bool,
    #[serde(deserialize_with = "texts")]
    pub problems: Vec<String>,
}

/// `/api/ledger`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Ledger {
    pub received: u64,
    pub stored: u64,
    pub held: u64,
    pub set_aside: u64,
    pub rejected: u64,
    pub dropped: u64,
    pub lost: u64,
    pub dropped_by_clients: u64,
    pub dropped_by_kernel: u64,
}

/// A line of the ledger.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub name: &'static str,
    pub count: fn(&Ledger) -> u64,
    /// Something is wrong where it is not 0.
    pub is_loss: bool,
    /// A rate says something of it.
    pub has_rate: bool,
}

/// The ledger, from what came to what never did.
pub const LINES: [Line; 9] = [
    line("received", |ledger| ledger.received, false, true),
    line("= stored", |ledger| ledger.stored, false, true),
    line("+ held", |ledger| ledger.held, false, false),
    line("+ set aside", |ledger| ledger.set_aside, true, true),
    line("+ rejected", |ledger| ledger.rejected, true, true),
    line("+ dropped", |ledger| ledger.dropped, true, true),
    line("lost", |ledger| ledger.lost, true, true),
    line("dropped by clients", |ledger| ledger.dropped_by_clients, true, true),
    line("dropped by kernel", |ledger| ledger.dropped_by_kernel, true, true),
];

const fn line(name: &'static str, count: fn(&Ledger) -> u64, is_loss: bool, has_rate: bool) -> Line {
    Line { name, count, is_loss, has_rate }
}

/// `/api/sinks`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Sinks {
    pub sinks: Vec<Sink>,
    pub journal: Journal,
}

/// A sink.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Sink {
    #[serde(deserialize_with = "text")]
    pub sink: String,
    #[serde(deserialize_with = "maybe_text")]
    pub failing: Option<String>,
    pub failures: u64,
    pub segments_waiting: u64,
    pub lag_seconds: f64,
}

/// The journal.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Journal {
    pub bytes: u64,
    pub budget_bytes: u64,
}

/// A row of `/api/senders`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Sender {
    #[serde(deserialize_with = "text")]
    pub sender: String,
    #[serde(deserialize_with = "text")]
    pub hostname: String,
    #[serde(deserialize_with = "text")]
    pub logger: String,
    pub pid: i64,
    pub datagrams: u64,
    pub lost: u64,
    pub late: u64,
    pub dropped: u64,
    /// µs since 1970.
    pub last_seen: i64,
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| harmless(&text))
}

fn maybe_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|text| harmless(&text)))
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<String>::deserialize(deserializer)?.iter().map(|text| harmless(text)).collect())
}
