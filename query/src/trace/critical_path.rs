//! The critical path: at each moment of a trace the one span that the end waited for.
//!
//! From the end of the root backwards: the child that ended last held its parent up, and before that child began, the
//! sibling that had ended last before it. What no child covers is the span's own.
use super::Trace;
use super::tree::Children;

/// A stretch of the path: one span, from when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// The span, by its place in the trace.
    pub span: usize,
    /// In nanoseconds since 1970.
    pub start: u64,
    /// Likewise.
    pub end: u64,
}

/// A span on the way, with what of it lies inside of those above it.
struct Frame {
    span: usize,
    start: u64,
    /// Up to where its time is not yet assigned; it moves towards `start`.
    cursor: u64,
    /// Its children, the last to end behind the others, clipped.
    left: Vec<(u64, u64, usize)>,
}

/// The path below the trace's root, from its start to its end; nothing of a trace without spans.
pub fn of(trace: &Trace) -> Vec<Section> {
    let Some(root) = trace.root() else { return Vec::new() };
    let spans = &trace.spans;
    let children = Children::of(spans);
    let mut is_seen = vec![false; spans.len()];
    let mut frame = |span: usize, start: u64, end: u64| {
        let mut left: Vec<(u64, u64, usize)> = Vec::new();
        for child in &children.of_span[span] {
            // A circle of parents is walked once.
            if !is_seen[*child] && *child != root {
                let clipped = (spans[*child].end.min(end), spans[*child].start.max(start), *child);
                if clipped.1 < clipped.0 {
                    left.push(clipped);
                    is_seen[*child] = true;
                }
            }
        }
        left.sort_unstable();
        Frame { span, start, cursor: end, left }
    };
    let mut sections = Vec::new();
    let mut stack = vec![frame(root, spans[root].start, spans[root].end.max(spans[root].start))];
    while let Some(top) = stack.last_mut() {
        let next = std::iter::from_fn(|| top.left.pop()).find(|(end, ..)| *end <= top.cursor);
        let until = next.map_or(top.start, |(end, ..)| end);
        if until < top.cursor {
            sections.push(Section { span: top.span, start: until, end: top.cursor });
        }
        match next {
            Some((end, start, child)) => {
                top.cursor = start;
                stack.push(frame(child, start, end));
            }
            None => {
                stack.pop();
            }
        }
    }
    sections.reverse();
    sections
}
