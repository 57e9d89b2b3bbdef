//! All that aggregation knows at a segment's begin, to be written and read back.
use super::Open;
use super::index::Identity;
use super::part::Data;
use metlog_schemas::statsd::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub(super) open: Open,
    pub(super) series: Vec<SeriesState>,
    /// What came in the open window, by the place of its series.
    pub(super) data: Vec<(u32, Data)>,
    pub(super) overflow: BTreeMap<String, u64>,
}

/// One series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SeriesState {
    kind: u8,
    pub name: Arc<str>,
    pub tags: Arc<[(String, String)]>,
    /// End of the window of its last value, µs.
    pub last_value: i64,
    pub gauge: f64,
}

/// Kinds, each at the number that stands for it in a state.
const KINDS: [Kind; 4] = [Kind::Counter, Kind::Gauge, Kind::Timer, Kind::Set];

impl SeriesState {
    pub fn new(identity: &Identity, last_value: i64, gauge: f64) -> SeriesState {
        let kind = KINDS.iter().position(|kind| *kind == identity.kind).unwrap_or_default() as u8;
        SeriesState { kind, name: identity.name.clone(), tags: identity.tags.clone(), last_value, gauge }
    }

    pub fn identity(&self) -> Arc<Identity> {
        let kind = KINDS.get(usize::from(self.kind)).copied().unwrap_or(Kind::Counter);
        Arc::new(Identity { kind, name: self.name.clone(), tags: self.tags.clone() })
    }
}

impl State {
    /// Values in the window that it left open.
    pub fn open_values(&self) -> u64 {
        self.open.values
    }

    /// End of that window, µs; 0 where there never was one.
    pub fn window_end(&self) -> i64 {
        self.open.end
    }

    /// Its number.
    pub fn window_serial(&self) -> u64 {
        self.open.serial
    }
}

/// The state as version 0.1 wrote it.
pub mod v01 {
    use super::*;

    /// All series and the open window, one behind the other.
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct State {
        open: OldOpen,
        series: Vec<Series>,
        overflow: BTreeMap<String, u64>,
    }

    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    struct OldOpen {
        end: i64,
        length: i64,
        hostname: Arc<str>,
        values: u64,
        bad_lines: u64,
        packets: u64,
        lines: u64,
    }

    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Series {
        name: Arc<str>,
        tags: Arc<[(String, String)]>,
        last_value: i64,
        data: Data,
    }

    impl From<State> for super::State {
        fn from(old: State) -> super::State {
            let OldOpen { end, length, hostname, values, bad_lines, packets, lines } = old.open;
            let open = Open { end, length, hostname, values, bad_lines, packets, lines, serial: 0, bytes: 0 };
            let mut state = super::State { open, overflow: old.overflow, ..super::State::default() };
            for Series { name, tags, last_value, data } in old.series {
                let gauge = if let Data::Gauge(value) = data { value } else { 0.0 };
                let kind = data.kind();
                if last_value == state.open.end {
                    state.data.push((state.series.len() as u32, data));
                }
                state.series.push(SeriesState::new(&Identity { kind, name, tags }, last_value, gauge));
            }
            state
        }
    }
}
