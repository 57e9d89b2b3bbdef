//! What version 0.1 left on disk, read for good: its checkpoints and counts, and what they are now.
//!
//! These types are frozen: they are the bytes of that version in postcard. A data folder of it is kept as a fixture
//! (`tests/fixtures/v0.1`), so a change that would break them is seen.
use super::begin::{Begin, Context};
use super::state_file::StateAt;
use crate::aggregate;
use crate::config::WindowConfig;
use crate::ledger::{Receipts, Totals};
use crate::senders;
use metlog_schemas::format::statsd::GaugeDeltas;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The only version of a checkpoint that was ever written.
const CHECKPOINT_VERSION: u32 = 2;

#[derive(Debug, Deserialize)]
struct Checkpoint {
    #[expect(dead_code, reason = "it is looked at before the rest is read")]
    version: u32,
    context: OldContext,
    by_start: bool,
    totals: Tally,
    aggregator: aggregate::v01::State,
    senders: Senders,
}

#[derive(Debug, Deserialize)]
struct OldContext {
    hostname: Arc<str>,
    windows: Windows,
    replay_window: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Windows {
    flush_interval: Duration,
    percentiles: Vec<f64>,
    idle_after: Duration,
    series_max: usize,
    tags_max: usize,
}

#[derive(Debug, Deserialize)]
struct Tally {
    received: u64,
    rejected: BTreeMap<Cow<'static, str>, u64>,
    dropped: u64,
    messages: u64,
    values: u64,
    datagrams: u64,
    corrupt_records: u64,
}

#[derive(Debug, Deserialize)]
struct Senders {
    senders: HashMap<u64, Sender>,
    forgotten_lost: u64,
    forgotten_dropped: u64,
}

#[derive(Debug, Deserialize)]
struct Sender {
    id: u64,
    hostname: String,
    logger: String,
    pid: u32,
    first: u64,
    next: u64,
    seen: [u64; senders::WORDS],
    datagrams: u64,
    lost: u64,
    late: u64,
    duplicates: u64,
    dropped: u64,
    first_seen: i64,
    last_seen: i64,
}

/// Reads a checkpoint: what a segment's begin and state are today. `None` if it is of another version or none.
pub fn checkpoint(payload: &[u8]) -> Option<(Begin, StateAt)> {
    let (version, _) = postcard::take_from_bytes::<u32>(payload).ok()?;
    if version != CHECKPOINT_VERSION {
        return None;
    }
    let old: Checkpoint = postcard::from_bytes(payload).ok()?;
    let OldContext { hostname, windows, replay_window } = old.context;
    let Windows { flush_interval, percentiles, idle_after, series_max, tags_max } = windows;
    let windows = WindowConfig { flush_interval, percentiles, idle_after, series_max, tags_max };
    let aggregate: aggregate::State = old.aggregator.into();
    let begin = Begin {
        context: Context { hostname, windows, replay_window, json_tags: Vec::new(), gauge_deltas: GaugeDeltas::Etsy },
        by_start: old.by_start,
        totals: old.totals.into(),
        open_values: aggregate.open_values(),
        window_end: aggregate.window_end(),
        window_serial: aggregate.window_serial(),
        receipts: Receipts::default(),
    };
    Some((begin, StateAt { aggregate, senders: old.senders.into() }))
}

/// Reads counts of what was refused before it could be journaled.
pub fn tally(payload: &[u8]) -> Option<Totals> {
    postcard::from_bytes::<Tally>(payload).ok().map(Totals::from)
}

impl From<Tally> for Totals {
    fn from(old: Tally) -> Totals {
        Totals {
            received: old.received,
            rejected: old.rejected,
            dropped: old.dropped,
            facts: old.messages + old.values,
            datagrams: old.datagrams,
            corrupt_records: old.corrupt_records,
            unknown_records: 0,
        }
    }
}

impl From<Senders> for senders::Senders {
    fn from(old: Senders) -> senders::Senders {
        senders::Senders {
            senders: old.senders.into_iter().map(|(id, sender)| (id, sender.into())).collect(),
            forgotten_lost: old.forgotten_lost,
            forgotten_dropped: old.forgotten_dropped,
            totals: Default::default(),
        }
    }
}

impl From<Sender> for senders::Sender {
    fn from(old: Sender) -> senders::Sender {
        senders::Sender {
            id: old.id,
            hostname: old.hostname.into(),
            logger: old.logger.into(),
            pid: old.pid,
            first: old.first,
            next: old.next,
            seen: old.seen,
            datagrams: old.datagrams,
            lost: old.lost,
            late: old.late,
            duplicates: old.duplicates,
            dropped: old.dropped,
            first_seen: old.first_seen,
            last_seen: old.last_seen,
            implausible: 0,
        }
    }
}
