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
    pub kind: Kind,
    pub name: Arc<str>,
    pub tags: Arc<[(String, String)]>,
    /// End of the window of its last value, µs.
    pub last_value: i64,
    pub gauge: f64,
}

impl SeriesState {
    pub fn identity(&self) -> Arc<Identity> {
        Arc::new(Identity { kind: self.kind, name: self.name.clone(), tags: self.tags.clone() })
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
}

/// The state as version 0.1 wrote it.
pub mod v01 {
    use super::*;

    /// All series and the open window, one behind the other.
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct State {
        open: Open,
        series: Vec<Series>,
        overflow: BTreeMap<String, u64>,
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
            let mut state = super::State { open: old.open, overflow: old.overflow, ..super::State::default() };
            for Series { name, tags, last_value, data } in old.series {
                let gauge = if let Data::Gauge(value) = data { value } else { 0.0 };
                let kind = data.kind();
                if last_value == state.open.end {
                    state.data.push((state.series.len() as u32, data));
                }
                state.series.push(SeriesState { kind, name, tags, last_value, gauge });
            }
            state
        }
    }
}
