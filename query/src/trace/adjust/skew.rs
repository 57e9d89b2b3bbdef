//! Clocks of hosts differ. A child on another host than its parent, which by its times cannot be one, is moved to where it
//! can: centred in its parent. What was moved, or would have been, is told in a warning.
use crate::trace::{Span, SpanId, Trace, Value, value_of};
use std::collections::HashMap;
use std::time::Duration;

/// How far a host's clock is off, in nanoseconds, by one of its spans.
#[derive(Clone, Copy, Default)]
struct Skew {
    delta: i128,
}

/// Adjusts times by up to `delta_max`; with zero it is only told what would be adjusted.
pub(super) fn adjust(trace: &mut Trace, delta_max: Duration) {
    let mut places: HashMap<SpanId, usize> = HashMap::new();
    let mut is_first = Vec::with_capacity(trace.spans.len());
    for (at, span) in trace.spans.iter_mut().enumerate() {
        let is_new = places.insert(span.span_id, at).is_none();
        if !is_new {
            span.warnings.push("duplicate span IDs; skipping clock skew adjustment".to_owned());
        }
        is_first.push(is_new);
    }
    if is_first.contains(&false) {
        // With ids that do not tell spans apart there is no tree to adjust.
        return;
    }
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); trace.spans.len()];
    let mut roots = Vec::new();
    for (at, span) in trace.spans.iter_mut().enumerate() {
        match places.get(&span.parent_id) {
            Some(parent) if !span.is_root() && *parent != at => children[*parent].push(at),
            _ => {
                if !span.is_root() {
                    let parent = span.parent_id;
                    span.warnings
                        .push(format!("parent span ID={parent} is not in the trace; skipping clock skew adjustment"));
                }
                roots.push(at);
            }
        }
    }
    let hosts: Vec<String> = trace.spans.iter().map(host).collect();
    let mut left: Vec<(usize, Option<(usize, Skew)>)> = roots.into_iter().map(|root| (root, None)).collect();
    while let Some((at, above)) = left.pop() {
        let mut skew = Skew::default();
        if let Some((parent, of_parent)) = above {
            let is_same_host = !hosts[at].is_empty() && hosts[at] == hosts[parent];
            skew = if is_same_host { of_parent } else { Skew { delta: delta(&trace.spans[parent], &trace.spans[at]) } };
            shift(&mut trace.spans[at], skew.delta, delta_max);
        }
        left.extend(children[at].iter().map(|child| (*child, Some((at, skew)))));
    }
}

/// What tells a host from others; nothing where nothing does.
fn host(span: &Span) -> String {
    let attributes = &span.resource.attributes;
    let text = |key| {
        value_of(attributes, key).map(|value| match value {
            Value::List(values) => values.first().map(Value::to_text).unwrap_or_default(),
            other => other.to_text(),
        })
    };
    ["host.id", "host.ip", "host.name"].into_iter().find_map(text).unwrap_or_default()
}

/// How far a child is to be moved so that it fits to its parent.
fn delta(parent: &Span, child: &Span) -> i128 {
    let (parent_start, child_start) = (i128::from(parent.start), i128::from(child.start));
    let (parent_duration, child_duration) = (i128::from(parent.duration()), i128::from(child.duration()));
    let (parent_end, child_end) = (parent_start + parent_duration, child_start + child_duration);
    if child_duration > parent_duration {
        // It cannot lie inside. At least it does not begin before.
        return (parent_start - child_start).max(0);
    }
    if child_start >= parent_start && child_end <= parent_end {
        return 0;
    }
    // As if request and response had taken the same time.
    parent_start + (parent_duration - child_duration) / 2 - child_start
}

fn shift(span: &mut Span, delta: i128, delta_max: Duration) {
    if delta == 0 {
        return;
    }
    let size = go_duration(delta);
    if delta_max.is_zero() {
        let warning = format!("clock skew adjustment disabled; not applying calculated delta of {size}");
        return span.warnings.push(warning);
    }
    if delta.unsigned_abs() > delta_max.as_nanos() {
        let most = go_duration(i128::try_from(delta_max.as_nanos()).unwrap_or(i128::MAX));
        let warning =
            format!("max clock skew adjustment delta of {most} exceeded; not applying calculated delta of {size}");
        return span.warnings.push(warning);
    }
    let moved = |time: u64| u64::try_from((i128::from(time) + delta).max(0)).unwrap_or(u64::MAX);
    span.start = moved(span.start);
    span.end = moved(span.end);
    span.events.iter_mut().for_each(|event| event.time = moved(event.time));
    span.warnings.push(format!("This span's timestamps were adjusted by {size}"));
}

/// A duration as Go writes it, which is what readers of these warnings know: `1.5ms`, `-2m3s`.
pub(crate) fn go_duration(nanos: i128) -> String {
    let (sign, size) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let decimal = |unit: u128, name: &str| {
        let fraction = format!("{:0width$}", size % unit, width = unit.ilog10() as usize);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{fraction}{name}", size / unit)
    };
    match size {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{size}ns"),
        1_000..1_000_000 => decimal(1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(1_000_000, "ms"),
        _ => {
            let (minutes, rest) = (size / 60_000_000_000, size % 60_000_000_000);
            let seconds = go_seconds(rest);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

fn go_seconds(nanos: u128) -> String {
    let fraction = format!("{:09}", nanos % 1_000_000_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction}s", nanos / 1_000_000_000)
}
