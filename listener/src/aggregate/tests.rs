//! Windows against what etsy's statsd gives and against a naive model.
use super::*;
use metlog_schemas::statsd::{Annotation, Lines, parse};
use metlog_schemas::window::MetricData;
use std::time::Duration;

const SECOND: i64 = 1_000_000;

fn config() -> WindowConfig {
    WindowConfig {
        flush_interval: Duration::from_secs(10),
        percentiles: vec![90.0],
        idle_after: Duration::from_secs(60),
        series_max: 100,
        tags_max: 4,
    }
}

fn aggregator(state: State, now: i64) -> Aggregator {
    Aggregator::new(config(), "host".into(), state, now)
}

struct Into<'a>(&'a mut Aggregator);

impl Lines for Into<'_> {
    fn sample(&mut self, sample: Sample<'_>) {
        let _ = self.0.add(&sample);
    }
    fn message(&mut self, _: &Annotation<'_>) {}
    fn bad(&mut self, _: &[u8], _: Reason) {
        self.0.bad_line();
    }
}

fn add(aggregator: &mut Aggregator, lines: &str) {
    parse(lines.as_bytes(), &mut Into(aggregator));
}

fn find<'a>(window: &'a Window, name: &str) -> &'a MetricData {
    &window.rows.iter().find(|row| &*row.name == name).unwrap().data
}

#[test]
fn one_window_as_graphite_has_always_received_it() {
    let mut aggregator = aggregator(State::default(), 25 * SECOND);
    assert_eq!(aggregator.window_end(), 30 * SECOND);
    add(&mut aggregator, "hits:3|c\nhits:1|c|@0.1\ndepth:7|g\ndepth:+3|g\ndepth:-4|g\nwho:a|s\nwho:b|s\nwho:a|s\nbad");
    let window = aggregator.close(30 * SECOND).unwrap();
    assert_eq!((window.end, window.values, window.bad_lines), (30 * SECOND, 8, 1));
    assert_eq!(find(&window, "hits"), &MetricData::Counter { count: 13.0 });
    assert_eq!(find(&window, "depth"), &MetricData::Gauge { value: 6.0 });
    assert_eq!(find(&window, "who"), &MetricData::Set { count: 2 });
    let idle = aggregator.close(40 * SECOND).unwrap();
    assert!(idle.rows.iter().all(|row| !row.fresh));
    assert_eq!(find(&idle, "hits"), &MetricData::Counter { count: 0.0 });
    assert_eq!(find(&idle, "depth"), &MetricData::Gauge { value: 6.0 });
}

#[test]
fn idle_series_are_forgotten() {
    let mut aggregator = aggregator(State::default(), 0);
    add(&mut aggregator, "hits:3|c");
    let closed = (1..20).filter(|window| aggregator.close(window * 10 * SECOND).is_some()).count();
    assert_eq!((closed, aggregator.series()), (6, 0));
}

#[test]
fn a_window_survives_in_its_state() {
    let mut whole = aggregator(State::default(), 0);
    let lines = ["a:1|c|@0.3", "t:5.5|ms", "g:+4|g", "s:x|s", "t:-2|h", "a:2|c"];
    lines.iter().for_each(|line| add(&mut whole, line));
    let mut parts = aggregator(State::default(), 0);
    for line in lines {
        add(&mut parts, line);
        let bytes = postcard::to_allocvec(&parts.state()).unwrap();
        parts = aggregator(postcard::from_bytes(&bytes).unwrap(), 3 * SECOND);
    }
    assert_eq!(parts.close(10 * SECOND), whole.close(10 * SECOND));
}

#[test]
fn what_exceeds_the_bound_is_counted_by_name() {
    let mut aggregator = aggregator(State::default(), 0);
    for n in 0..105 {
        add(&mut aggregator, &format!("n{n}:1|c"));
    }
    add(&mut aggregator, "n104:1|c\nn1:1|c\nx:1|c|#a:1,b:2,c:3,d:4,e:5");
    assert_eq!(aggregator.series(), 100);
    assert_eq!(aggregator.overflow().get("n104"), Some(&2));
    assert_eq!(aggregator.overflow().get("x"), Some(&1));
    assert_eq!(aggregator.open_values(), 101);
}

#[test]
fn spellings_of_one_series_are_one() {
    let mut aggregator = aggregator(State::default(), 0);
    add(&mut aggregator, "a b:1|c|#x:1,y:2\na_b:1|c|#y:2,x:1\na_b;x=1;y=2:1|c");
    let window = aggregator.close(10 * SECOND).unwrap();
    assert_eq!(window.rows.len(), 1);
    assert_eq!(window.rows[0].data, MetricData::Counter { count: 3.0 });
}
