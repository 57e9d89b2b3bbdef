//! From the parts of a window that is over to its rows, and from what is remembered to the state at a segment's begin.
//!
//! This is the expensive half of aggregation, and needs no lock: intake fills the next window meanwhile. It is given
//! windows and cuts in their order, one after the other.
use super::index::Identity;
use super::part::{Data, Part};
use super::state::{SeriesState, State};
use super::{Closing, Cut};
use hashbrown::HashMap;
use metlog_schemas::window::{Metric, Window};
use std::sync::Arc;

/// Every series that is alive, as of the last window that closed.
#[derive(Debug, Default)]
pub struct Closer {
    known: HashMap<Arc<Identity>, Known>,
}

#[derive(Debug)]
struct Known {
    last_value: i64,
    gauge: f64,
}

impl Closer {
    /// What a state remembers.
    pub fn new(series: impl IntoIterator<Item = (Arc<Identity>, i64, f64)>) -> Closer {
        let known = series.into_iter().map(|(identity, last_value, gauge)| (identity, Known { last_value, gauge }));
        Closer { known: known.collect() }
    }

    /// The window's rows, sorted by name, kind and tags: of the series that had values, and, for Graphite, of those
    /// that are only remembered. `None` if there is nothing to say.
    pub fn close(&mut self, closing: Closing, percentiles: &[f64]) -> Option<Window> {
        let Closing { open, parts, dead_until, set_back } = closing;
        let fresh = Part::into_merged(parts);
        self.known.retain(|_, known| known.last_value > dead_until);
        let mut rows = Vec::with_capacity(self.known.len().max(fresh.len()));
        let row = |identity: &Identity, fresh, data| Metric {
            name: identity.name.clone(),
            tags: identity.tags.clone(),
            fresh,
            data,
        };
        for (identity, data) in fresh {
            let gauge = if let Data::Gauge(value) = data { value } else { 0.0 };
            rows.push(row(&identity, true, data.row(percentiles)));
            self.known.insert(identity, Known { last_value: open.end, gauge });
        }
        for (identity, known) in self.known.iter().filter(|(_, known)| known.last_value < open.end) {
            rows.push(row(identity, false, Data::idle_row(identity.kind, known.gauge)));
        }
        if let Some(latest) = set_back {
            self.known.values_mut().for_each(|known| known.last_value = known.last_value.min(latest));
        }
        rows.sort_unstable_by(|a, b| (&a.name, a.data.kind(), &a.tags).cmp(&(&b.name, b.data.kind(), &b.tags)));
        if rows.is_empty() && open.is_empty() {
            return None;
        }
        Some(Window {
            end: open.end,
            length: open.length,
            hostname: open.hostname,
            values: open.values,
            bad_lines: open.bad_lines,
            packets: open.packets,
            lines: open.lines,
            rows,
        })
    }

    /// Everything that is known at a cut.
    pub fn state(&self, cut: &Cut) -> State {
        let open = Part::merged(&cut.parts);
        let mut all: Vec<(SeriesState, Option<Data>)> = Vec::with_capacity(self.known.len() + open.len());
        let mut places: HashMap<&Arc<Identity>, usize> = HashMap::with_capacity(self.known.len());
        for (identity, known) in &self.known {
            places.insert(identity, all.len());
            all.push((SeriesState::new(identity, known.last_value, known.gauge), None));
        }
        for (identity, data) in &open {
            let gauge = if let Data::Gauge(value) = data { *value } else { 0.0 };
            let fresh = (SeriesState::new(identity, cut.open.end, gauge), Some(data.clone()));
            match places.get(identity) {
                Some(at) => all[*at] = fresh,
                None => all.push(fresh),
            }
        }
        let mut state = State { open: cut.open.clone(), overflow: cut.overflow.clone(), ..State::default() };
        for (at, (series, data)) in all.into_iter().enumerate() {
            state.series.push(series);
            state.data.extend(data.map(|data| (at as u32, data)));
        }
        state
    }
}
