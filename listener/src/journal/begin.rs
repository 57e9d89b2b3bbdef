//! The first record of a segment: how the segment is read, and counts of everything before it.
//!
//! It is JSON, so that a newer program may add fields, and an older one reads what it knows. The state that is too
//! large for it, series and senders, lies beside the segment in a file of its own (`state_file`).
use crate::config::{Config, WindowConfig};
use crate::ledger::{Receipts, Totals};
use metlog_schemas::format::Scratch;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What of the configuration decides what a segment comes to: it is read back as it was written, whatever the
/// configuration says by then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Host name in rows of `metrics`.
    pub hostname: Arc<str>,
    /// How values are aggregated.
    pub windows: WindowConfig,
    /// µs; where signatures are checked.
    pub replay_window: Option<i64>,
    /// Fields of Metlog JSON counters and timers that become tags.
    #[serde(default)]
    pub json_tags: Vec<String>,
}

impl Context {
    /// Memory for decoding, with what decides how.
    pub fn scratch(&self) -> Scratch {
        let mut scratch = Scratch::default();
        scratch.options.json_tags.clone_from(&self.json_tags);
        scratch
    }

    /// As configured.
    pub fn new(config: &Config) -> Context {
        let replay_window = (!config.keys.is_empty()).then_some(config.replay_window.as_micros() as i64);
        Context {
            hostname: config.hostname.as_str().into(),
            windows: config.statsd_windows.clone(),
            replay_window,
            json_tags: config.json_tags.clone(),
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// How the segment is read.
    pub context: Context,
    /// It was written by a start, not by a running listener.
    #[serde(default)]
    pub by_start: bool,
    /// Counts of everything before the segment.
    #[serde(default)]
    pub totals: Totals,
    /// Values in the window that is open at its begin.
    #[serde(default)]
    pub open_values: u64,
    /// End of that window, µs.
    #[serde(default)]
    pub window_end: i64,
    /// Its number.
    #[serde(default)]
    pub window_serial: u64,
    /// How far the sinks were, for where their own file is lost.
    #[serde(default)]
    pub receipts: Receipts,
}

impl Begin {
    /// Facts before the segment that are in no open window.
    pub fn closed_facts(&self) -> u64 {
        self.totals.facts.saturating_sub(self.open_values)
    }

    /// The record's payload.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads [`Begin::encode`]'s bytes; `None` where they are none.
    pub fn decode(payload: &[u8]) -> Option<Begin> {
        serde_json::from_slice(payload).ok()
    }
}
