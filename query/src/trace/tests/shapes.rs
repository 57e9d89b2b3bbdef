//! Trees, self time and critical paths.
use super::super::{critical_path, halves, tree};
use super::*;

fn order(trace: &Trace) -> Vec<(u64, usize)> {
    tree::of(trace).iter().map(|node| (trace.spans[node.span].span_id.0, node.depth)).collect()
}

#[test]
fn a_tree_is_depth_first_by_start() {
    let trace = trace(vec![span(4, 2, 30, 40), span(3, 1, 50, 60), span(2, 1, 10, 45), span(1, 0, 0, 100)]);
    assert_eq!(order(&trace), [(1, 0), (2, 1), (4, 2), (3, 1)]);
    let nodes = tree::of(&trace);
    assert_eq!((nodes[0].children, nodes[0].descendants, nodes[1].descendants), (2, 3, 1));
    assert_eq!(nodes.iter().map(|node| node.self_nanos).collect::<Vec<_>>(), [55, 25, 10, 10]);
}

#[test]
fn every_span_is_in_the_tree_once() {
    let orphan = trace(vec![span(1, 0, 0, 10), span(2, 9, 5, 6)]);
    assert_eq!(order(&orphan), [(1, 0), (2, 0)]);
    assert!(tree::of(&orphan)[1].is_orphan);
    let circle = trace(vec![span(1, 3, 5, 10), span(2, 1, 6, 7), span(3, 2, 7, 8), span(4, 4, 1, 2)]);
    assert_eq!(order(&circle), [(4, 0), (1, 0), (2, 1), (3, 2)]);
    let same_id = trace(vec![span(1, 0, 0, 10), span(1, 0, 1, 9), span(2, 1, 2, 3)]);
    assert_eq!(order(&same_id), [(1, 0), (2, 1), (1, 0)]);
    let chain = trace((1..=100_000).map(|id| span(id, id - 1, id, 200_000)).collect());
    assert_eq!(tree::of(&chain).last().unwrap().depth, 99_999, "without recursion");
}

#[test]
fn self_time_counts_overlapping_children_once() {
    let parent = span(1, 0, 100, 200);
    let children = [span(2, 1, 90, 120), span(3, 1, 110, 130), span(4, 1, 190, 250), span(5, 1, 300, 400)];
    assert_eq!(tree::self_nanos(&parent, children.iter()), 60);
    assert_eq!(tree::self_nanos(&span(1, 0, 200, 100), children.iter()), 0);
}

fn path(spans: Vec<Span>) -> Vec<(u64, u64, u64)> {
    let trace = trace(spans);
    let sections = critical_path::of(&trace);
    sections.iter().map(|section| (trace.spans[section.span].span_id.0, section.start, section.end)).collect()
}

#[test]
fn the_critical_path_goes_back_from_the_end() {
    let one_behind_the_other = vec![span(1, 0, 0, 100), span(2, 1, 10, 40), span(3, 1, 50, 90)];
    assert_eq!(path(one_behind_the_other), [(1, 0, 10), (2, 10, 40), (1, 40, 50), (3, 50, 90), (1, 90, 100)]);
    let side_by_side = vec![span(1, 0, 0, 100), span(2, 1, 10, 80), span(3, 1, 20, 90)];
    assert_eq!(path(side_by_side), [(1, 0, 20), (3, 20, 90), (1, 90, 100)]);
    let nested = vec![span(1, 0, 0, 100), span(2, 1, 10, 90), span(3, 2, 20, 80)];
    assert_eq!(path(nested), [(1, 0, 10), (2, 10, 20), (3, 20, 80), (2, 80, 90), (1, 90, 100)]);
    let longer_than_its_parent = vec![span(1, 0, 10, 100), span(2, 1, 0, 200), span(3, 1, 300, 400)];
    assert_eq!(path(longer_than_its_parent), [(2, 10, 100)], "clipped, and what lies outside is left out");
    assert_eq!(path(vec![]), []);
    let circle = vec![span(1, 2, 0, 10), span(2, 1, 1, 9)];
    assert_eq!(path(circle), [], "without a root there is no path");
    let chain: Vec<Span> = (1..=100_000).map(|id| span(id, id - 1, id, 400_000 - id)).collect();
    assert_eq!(path(chain).len(), 199_999, "without recursion");
}

#[test]
fn the_path_covers_the_root_without_gaps() {
    // A small generator of trees, the same at each run.
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..200 {
        let count = 2 + next(30);
        let spans = (1..=count).map(|id| {
            let start = next(1_000);
            if id == 1 { span(1, 0, 0, 1_000) } else { span(id, 1 + next(id - 1), start, start + next(500)) }
        });
        let sections = path(spans.collect());
        assert_eq!((sections[0].1, sections[sections.len() - 1].2), (0, 1_000));
        assert!(sections.windows(2).all(|pair| pair[0].2 == pair[1].1), "{sections:?}");
    }
}

#[test]
fn two_halves_are_one_span() {
    let half = |kind: Kind, service: &str, start: u64, end: u64, event: &str| Span {
        kind,
        service: service.into(),
        events: vec![Event { time: start, name: event.into(), ..Event::default() }],
        ..span(1, 0, start, end)
    };
    let client = half(Kind::Client, "front", 10, 50, "cs");
    let server = half(Kind::Server, "back", 20, 40, "sr");
    for halves in [vec![client.clone(), server.clone()], vec![server.clone(), client.clone()]] {
        let mut trace = trace([halves, vec![span(2, 1, 25, 30)]].concat());
        halves::join(&mut trace, |span| span.span_id == SpanId(1));
        let [whole, _] = &trace.spans[..] else { panic!("{trace:?}") };
        assert_eq!((whole.start, whole.end, whole.kind, whole.service.as_str()), (10, 50, Kind::Server, "back"));
        let names: Vec<&str> = whole.events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, ["cs", "sr"]);
        assert_eq!(value_of(&whole.attributes, halves::CLIENT), Some(&Value::Text("front".into())));
    }
    let mut twice = trace(vec![client.clone(), client]);
    halves::join(&mut twice, |_| true);
    assert_eq!(twice.spans.len(), 2, "two of a kind are no halves");
}
