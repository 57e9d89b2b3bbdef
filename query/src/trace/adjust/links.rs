//! Links to the trace of all zeros lead nowhere.
use crate::trace::{Trace, TraceId};

/// Removes them, with a warning for each.
pub(super) fn remove_empty(trace: &mut Trace) {
    for span in &mut trace.spans {
        let before = span.links.len();
        span.links.retain(|link| link.trace_id != TraceId::default());
        let removed = before - span.links.len();
        span.warnings.extend((0..removed).map(|_| "Invalid span link removed".to_owned()));
    }
}
