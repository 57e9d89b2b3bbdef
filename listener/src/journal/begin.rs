//! The first record of a segment: how the segment is read, and counts of everything before it.
//!
//! It is JSON, so that a newer program may add fields, and an older one reads what it knows. The state that is too
//! large for it, series and senders, lies beside the segment in a file of its own (`state_file`).
use crate::config::{Config, WindowConfig};
use crate::ledger::{Receipts, Totals};
use metlog_schemas::format::Scratch;
use metlog_schemas::format::statsd::GaugeDeltas;
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
    /// What a gauge with a sign means; a segment that does not say so was written when it was always added.
    #[serde(default, with = "gauge_deltas")]
    pub gauge_deltas: GaugeDeltas,
}

/// [`GaugeDeltas`] by its name; that of a newer program reads as the oldest.
mod gauge_deltas {
    use super::{Deserialize, GaugeDeltas};
    use serde::{Deserializer, Serializer};
    use std::borrow::Cow;

    pub fn serialize<S: Serializer>(deltas: &GaugeDeltas, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(deltas.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GaugeDeltas, D::Error> {
        Ok(GaugeDeltas::named(&Cow::<str>::deserialize(deserializer)?).unwrap_or_default())
    }
}

impl Context {
    /// Memory for decoding, with what decides how.
    pub fn scratch(&self) -> Scratch {
        let mut scratch = Scratch::default();
        scratch.options.json_tags.clone_from(&self.json_tags);
        scratch.options.gauge_deltas = self.gauge_deltas;
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
            gauge_deltas: config.gauge_deltas,
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

    /// Reads [`Begin::encode`]'s bytes; `None` if they are none.
    pub fn decode(payload: &[u8]) -> Option<Begin> {
        serde_json::from_slice(payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_keeps_the_meaning_that_it_was_written_with() {
        let old = r#"{"context":{"hostname":"h","windows":{"flush_interval":{"secs":10,"nanos":0},"percentiles":[90.0],
            "idle_after":{"secs":300,"nanos":0},"series_max":10,"tags_max":10},"replay_window":null}}"#;
        let old = Begin::decode(old.as_bytes()).unwrap();
        assert_eq!(old.context.gauge_deltas, GaugeDeltas::Etsy, "what 0.1 did");
        for (name, gauge_deltas) in GaugeDeltas::ALL {
            let begin = Begin { context: Context { gauge_deltas, ..old.context.clone() }, ..old.clone() };
            let encoded = String::from_utf8(begin.encode()).unwrap();
            assert!(encoded.contains(&format!("\"gauge_deltas\":\"{name}\"")), "{encoded}");
            assert_eq!(Begin::decode(encoded.as_bytes()), Some(begin.clone()));
            assert_eq!(begin.context.scratch().options.gauge_deltas, gauge_deltas);
        }
    }
}
