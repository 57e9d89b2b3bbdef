//! The same span twice, as senders that try again leave it: one of them stays, and says so.
use crate::trace::{Span, SpanId, Trace};
use std::collections::HashMap;

/// Keeps the first of spans that are the same in everything.
pub(super) fn remove(trace: &mut Trace) {
    let mut by_id: HashMap<SpanId, Vec<usize>> = HashMap::new();
    let mut copies: HashMap<usize, usize> = HashMap::new();
    let mut is_kept = Vec::with_capacity(trace.spans.len());
    for (at, span) in trace.spans.iter().enumerate() {
        let others = by_id.entry(span.span_id).or_default();
        match others.iter().find(|other| is_same(&trace.spans[**other], span)) {
            Some(first) => {
                *copies.entry(*first).or_default() += 1;
                is_kept.push(false);
            }
            None => {
                others.push(at);
                is_kept.push(true);
            }
        }
    }
    for (at, count) in copies {
        let copies = if count == 1 { "one identical copy".to_owned() } else { format!("{count} identical copies") };
        trace.spans[at].warnings.push(format!("This span was received more than once; {copies} left out"));
    }
    let mut kept = is_kept.into_iter();
    trace.spans.retain(|_| kept.next().unwrap_or(true));
}

/// Doubles are compared as they are: `NaN` is no copy of itself, and both stay.
fn is_same(one: &Span, other: &Span) -> bool {
    one == other
}
