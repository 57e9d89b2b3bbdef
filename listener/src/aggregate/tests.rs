//! Windows against what etsy's statsd gives and against a naive model.
use super::*;
use metlog_schemas::statsd::{Annotation, Lines, canonical, parse};
use metlog_schemas::window::{Metric, MetricData};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
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

fn aggregator(state: State, now: i64) -> Windows {
    Windows::new(config(), "host".into(), state, now)
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

fn add(windows: &mut Windows, lines: &str) {
    parse(lines.as_bytes(), &mut Into(&mut windows.aggregator));
}

fn find<'a>(window: &'a Window, name: &str) -> &'a MetricData {
    &window.rows.iter().find(|row| &*row.name == name).unwrap().data
}

#[test]
fn one_window_as_graphite_has_always_received_it() {
    let mut windows = aggregator(State::default(), 25 * SECOND);
    assert_eq!(windows.aggregator.window_end(), 30 * SECOND);
    add(&mut windows, "hits:3|c\nhits:1|c|@0.1\ndepth:7|g\ndepth:+3|g\ndepth:-4|g\nwho:a|s\nwho:b|s\nwho:a|s\nbad");
    let window = windows.close(30 * SECOND).unwrap();
    assert_eq!((window.end, window.values, window.bad_lines), (30 * SECOND, 8, 1));
    assert_eq!(find(&window, "hits"), &MetricData::Counter { count: 13.0 });
    assert_eq!(find(&window, "depth"), &MetricData::Gauge { value: 6.0 });
    assert_eq!(find(&window, "who"), &MetricData::Set { count: 2 });
    let idle = windows.close(40 * SECOND).unwrap();
    assert!(idle.rows.iter().all(|row| !row.fresh));
    assert_eq!(find(&idle, "hits"), &MetricData::Counter { count: 0.0 });
    assert_eq!(find(&idle, "depth"), &MetricData::Gauge { value: 6.0 });
}

#[test]
fn idle_series_are_forgotten() {
    let mut windows = aggregator(State::default(), 0);
    add(&mut windows, "hits:3|c");
    let closed = (1..20).filter(|window| windows.close(window * 10 * SECOND).is_some()).count();
    assert_eq!((closed, windows.aggregator.series()), (6, 0));
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
    let mut windows = aggregator(State::default(), 0);
    for n in 0..105 {
        add(&mut windows, &format!("n{n}:1|c"));
    }
    add(&mut windows, "n104:1|c\nn1:1|c\nx:1|c|#a:1,b:2,c:3,d:4,e:5");
    assert_eq!(windows.aggregator.series(), 100);
    assert_eq!(windows.aggregator.overflow().get("n104"), Some(&2));
    assert_eq!(windows.aggregator.overflow().get("x"), Some(&1));
    assert_eq!(windows.aggregator.open_values(), 101);
}

#[test]
fn spellings_of_one_series_are_one() {
    let mut windows = aggregator(State::default(), 0);
    add(&mut windows, "a b:1|c|#x:1,y:2\na_b:1|c|#y:2,x:1\na_b;x=1;y=2:1|c");
    let window = windows.close(10 * SECOND).unwrap();
    assert_eq!(window.rows.len(), 1);
    assert_eq!(window.rows[0].data, MetricData::Counter { count: 3.0 });
}

/// Windows after which a series of [`Model`] is forgotten.
const IDLE_WINDOWS: usize = 2;

/// Name, kind and tags.
type Identity = (String, &'static str, Vec<(String, String)>);

/// The plain way: everything that came is kept in lists, and counted when the window closes.
#[derive(Default)]
struct Model {
    series: BTreeMap<Identity, Naive>,
    /// Windows that closed.
    closed: usize,
    values: u64,
    bad_lines: u64,
}

/// A series, with what came in the open window.
#[derive(Default)]
struct Naive {
    last_window: usize,
    gauge: f64,
    /// Each with its rate.
    numbers: Vec<(f64, f64)>,
    members: BTreeSet<Vec<u8>>,
}

impl Lines for Model {
    fn sample(&mut self, sample: Sample<'_>) {
        let (name, tags) = canonical(sample.name, sample.tags).unwrap();
        let kind = sample.kind.name();
        let series = self.series.entry((name, kind, tags)).or_default();
        match sample.value {
            Value::Number(number) if kind == "gauge" => series.gauge = number,
            Value::Number(number) => series.numbers.push((number, sample.rate)),
            Value::Delta(delta) => series.gauge += delta,
            Value::Member(member) => {
                series.members.insert(member.to_vec());
            }
        }
        series.last_window = self.closed;
        self.values += 1;
    }
    fn message(&mut self, _: &Annotation<'_>) {}
    fn bad(&mut self, _: &[u8], _: Reason) {
        self.bad_lines += 1;
    }
}

impl Model {
    /// Closes the window and compares it with what the aggregator found.
    fn check(&mut self, found: Option<Window>) -> Result<(), TestCaseError> {
        let now = self.closed;
        self.closed += 1;
        self.series.retain(|_, series| now - series.last_window < IDLE_WINDOWS);
        let (values, bad_lines) = (std::mem::take(&mut self.values), std::mem::take(&mut self.bad_lines));
        let Some(window) = found else {
            prop_assert_eq!((self.series.len(), values, bad_lines), (0, 0, 0));
            return Ok(());
        };
        prop_assert_eq!((window.values, window.bad_lines), (values, bad_lines));
        prop_assert_eq!(window.rows.len(), self.series.len());
        for (row, ((name, kind, tags), series)) in window.rows.iter().zip(&mut self.series) {
            prop_assert_eq!((&*row.name, row.data.kind(), &*row.tags), (name.as_str(), *kind, tags.as_slice()));
            prop_assert_eq!(row.fresh, series.last_window == now);
            series.check(row)?;
            series.numbers.clear();
            series.members.clear();
        }
        Ok(())
    }
}

impl Naive {
    fn check(&self, row: &Metric) -> Result<(), TestCaseError> {
        let numbers = self.numbers.iter().map(|(number, _)| *number);
        match &row.data {
            MetricData::Counter { count } => {
                prop_assert!(near(*count, self.numbers.iter().map(|(number, rate)| *number / *rate).sum()), "{row:?}");
            }
            MetricData::Gauge { value } => prop_assert_eq!(*value, self.gauge),
            MetricData::Set { count } => prop_assert_eq!(*count, self.members.len() as u64),
            MetricData::Timer(None) => prop_assert_eq!(self.numbers.len(), 0),
            MetricData::Timer(Some(timer)) => {
                prop_assert!(near(timer.count, self.numbers.iter().map(|(_, rate)| 1.0 / *rate).sum()), "{row:?}");
                prop_assert!(near(timer.sum, numbers.clone().sum()), "{row:?}");
                prop_assert_eq!(Some(timer.lower), numbers.clone().min_by(f64::total_cmp));
                prop_assert_eq!(Some(timer.upper), numbers.max_by(f64::total_cmp));
            }
        }
        Ok(())
    }
}

/// Sums may be taken in another order.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// What happens to the aggregator.
#[derive(Debug, Clone)]
enum Step {
    Line(String),
    Close,
    /// Its state is taken out and put back.
    Restart,
    /// A segment is sealed: what comes next goes into a new part.
    Cut,
}

/// A line with one or two values, now and then a bad one: a negative `ms`, or two signs.
fn line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b.c", "b c"]);
    let number = (prop::sample::select(vec!["", "", "+"]), -20i32..40)
        .prop_map(|(sign, halves)| format!("{sign}{}", f64::from(halves) / 2.0));
    let numbers = prop::collection::vec(number, 1..3);
    let kind = prop::sample::select(vec!["c", "g", "ms", "h", "s"]);
    let rate = prop::sample::select(vec!["", "|@0.5", "|@0.1"]);
    let tags = prop::sample::select(vec!["", "|#x:1", "|#x:2,y"]);
    (name, numbers, kind, rate, tags)
        .prop_map(|(name, numbers, kind, rate, tags)| format!("{name}:{}|{kind}{rate}{tags}", numbers.join(":")))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![12 => line().prop_map(Step::Line), 3 => Just(Step::Close), 1 => Just(Step::Restart), 1 => Just(Step::Cut)]
}

proptest! {
    /// All of it: lines of every kind over several windows, series that are forgotten, and restarts in the middle.
    #[test]
    fn as_a_naive_model(steps in prop::collection::vec(step(), 1..200)) {
        let idle_after = config().flush_interval * IDLE_WINDOWS as u32;
        let begin = |state, now| Windows::new(WindowConfig { idle_after, ..config() }, "host".into(), state, now);
        let (mut found, mut model) = (begin(State::default(), 0), Model::default());
        for step in steps.into_iter().chain([Step::Close]) {
            match step {
                Step::Line(line) => {
                    add(&mut found, &line);
                    parse(line.as_bytes(), &mut model);
                }
                Step::Close => {
                    let end = found.aggregator.window_end();
                    model.check(found.close(end))?;
                }
                Step::Cut => drop(found.aggregator.cut()),
                Step::Restart => {
                    let bytes = postcard::to_allocvec(&found.state()).unwrap();
                    let now = found.aggregator.window_end() - 1;
                    found = begin(postcard::from_bytes(&bytes).unwrap(), now);
                }
            }
        }
    }
}
