//! A trace as a tree: who is below whom, in the order in which a waterfall shows it, and what each span did itself.
use super::{Span, SpanId, Trace};
use std::collections::HashMap;

/// A span's place in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The span, by its place in the trace.
    pub span: usize,
    /// The node of its parent, by its place in the tree; none of a root and of a span whose parent is not here.
    pub parent: Option<usize>,
    /// How many spans are above it.
    pub depth: usize,
    /// How many are right below it.
    pub children: usize,
    /// How many are below it in all; the nodes right behind it.
    pub descendants: usize,
    /// True where it has a parent, which is not here.
    pub is_orphan: bool,
    /// Nanoseconds of it in which none of its children ran.
    pub self_nanos: u64,
}

/// The spans of a trace in depth-first order, siblings by their start.
///
/// Every span is there exactly once, whatever its parent says: where parents form a circle, it is cut at its earliest
/// span. Of spans that share an id the first is the parent of those below that id.
pub fn of(trace: &Trace) -> Vec<Node> {
    let spans = &trace.spans;
    let children = Children::of(spans);
    let mut nodes: Vec<Node> = Vec::with_capacity(spans.len());
    let mut is_seen = vec![false; spans.len()];
    for root in &children.roots {
        descend(*root, spans, &children, &mut is_seen, &mut nodes);
    }
    // What is left is in circles, or below one.
    let mut left: Vec<usize> = (0..spans.len()).filter(|at| !is_seen[*at]).collect();
    left.sort_by_key(|at| spans[*at].start);
    for at in left {
        descend(at, spans, &children, &mut is_seen, &mut nodes);
    }
    for at in (0..nodes.len()).rev() {
        if let Some(parent) = nodes[at].parent {
            nodes[parent].descendants += nodes[at].descendants + 1;
            nodes[parent].children += 1;
        }
    }
    nodes
}

fn descend(root: usize, spans: &[Span], children: &Children, is_seen: &mut [bool], nodes: &mut Vec<Node>) {
    let mut left = vec![(root, None, 0)];
    while let Some((at, parent, depth)) = left.pop() {
        if std::mem::replace(&mut is_seen[at], true) {
            continue;
        }
        let below = &children.of_span[at];
        nodes.push(Node {
            span: at,
            parent,
            depth,
            children: 0,
            descendants: 0,
            is_orphan: parent.is_none() && !spans[at].is_root(),
            self_nanos: self_nanos(&spans[at], below.iter().map(|child| &spans[*child])),
        });
        let node = nodes.len() - 1;
        left.extend(below.iter().rev().map(|child| (*child, Some(node), depth + 1)));
    }
}

/// Nanoseconds of a span in which none of its children ran; of children only what lies inside counts.
pub fn self_nanos<'a>(span: &Span, children: impl Iterator<Item = &'a Span>) -> u64 {
    let clipped = children.map(|child| (child.start.max(span.start), child.end.min(span.end)));
    let mut pieces: Vec<(u64, u64)> = clipped.filter(|(start, end)| start < end).collect();
    pieces.sort_unstable();
    let (mut covered, mut until) = (0, span.start);
    for (start, end) in pieces {
        covered += end.saturating_sub(start.max(until));
        until = until.max(end);
    }
    span.duration().saturating_sub(covered)
}

/// Who is below whom.
pub(super) struct Children {
    /// Spans without a parent that is here, by their start.
    pub(super) roots: Vec<usize>,
    /// For each span those below it, by their start.
    pub(super) of_span: Vec<Vec<usize>>,
}

impl Children {
    pub(super) fn of(spans: &[Span]) -> Children {
        let mut places: HashMap<SpanId, usize> = HashMap::with_capacity(spans.len());
        for (at, span) in spans.iter().enumerate() {
            places.entry(span.span_id).or_insert(at);
        }
        let mut of_span: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
        let mut roots = Vec::new();
        for (at, span) in spans.iter().enumerate() {
            match places.get(&span.parent_id) {
                Some(parent) if !span.is_root() && *parent != at => of_span[*parent].push(at),
                _ => roots.push(at),
            }
        }
        // Stable: spans that begin together stay in their order.
        of_span.iter_mut().for_each(|below| below.sort_by_key(|child| spans[*child].start));
        roots.sort_by_key(|root| spans[*root].start);
        Children { roots, of_span }
    }
}
