//! Which points a series has, beside what carbon was told.
use super::*;
use metlog_schemas::window::{Percentile, Timer};

/// 2026-03-04T05:00:00Z.
const HOUR: i64 = 1_772_600_400;

fn counter(count: f64) -> MetricData {
    MetricData::Counter { count }
}

fn timer(samples: u64, sum: f64, sum_squares: f64) -> MetricData {
    let mean = sum / samples as f64;
    let part = Percentile { percent: 90.0, count: samples, mean, bound: sum, sum, sum_squares };
    MetricData::Timer(Some(Box::new(Timer {
        count: samples as f64 * 10.0,
        samples,
        sum,
        sum_squares,
        lower: 1.0,
        upper: sum,
        mean,
        median: mean,
        std: (sum_squares / samples as f64 - mean * mean).sqrt(),
        percentiles: vec![part],
        sketch: vec![1],
    })))
}

async fn values(fixture: &Fixture, target: &str, from: i64, until: i64) -> Value {
    let (from, until) = (from.to_string(), until.to_string());
    let parameters = [("target", target), ("from", &from), ("until", &until), ("now", &until), ("format", "json")];
    let found = fixture.render(&parameters, 0).await.unwrap();
    let points = found[0]["datapoints"].as_array().unwrap_or_else(|| panic!("{target}: nothing"));
    points.iter().map(|point| point[0].clone()).collect()
}

fn numbers(values: &[Option<f64>]) -> Value {
    values.iter().map(|value| value.map_or(Value::Null, Value::from)).collect()
}

/// Guarantees: from its first value on, a series has the zeros or last values that carbon was told until it is
/// forgotten, also those whose last value came before the time that is asked for; and none before or after.
#[tokio::test]
async fn idle_series_have_what_carbon_was_told() {
    let windows = [
        window(
            HOUR + 20,
            "h",
            vec![metric("c", &[], counter(30.0)), metric("g", &[], MetricData::Gauge { value: 7.0 })],
        ),
        window(HOUR + 30, "h", vec![metric("t", &[], timer(2, 4.0, 10.0))]),
        window(HOUR + 60, "h", vec![metric("c", &[], counter(50.0))]),
    ];
    let fixture = Fixture::new(&windows, Naming::default(), 30);
    let some = Some;
    for (target, from, expected) in [
        (
            "stats.counters.c.count",
            0,
            [None, some(30.0), some(0.0), some(0.0), None, some(50.0), some(0.0), some(0.0), None],
        ),
        (
            "stats.counters.c.rate",
            0,
            [None, some(3.0), some(0.0), some(0.0), None, some(5.0), some(0.0), some(0.0), None],
        ),
        ("stats.gauges.g", 0, [None, some(7.0), some(7.0), some(7.0), None, None, None, None, None]),
        ("stats.timers.t.count", 0, [None, None, some(20.0), some(0.0), some(0.0), None, None, None, None]),
        ("stats.timers.t.mean", 0, [None, None, some(2.0), None, None, None, None, None, None]),
    ] {
        let found = values(&fixture, target, HOUR + from, HOUR + 90).await;
        assert_eq!(found, numbers(&expected), "{target}");
    }
    // Its last value came before what is asked for.
    assert_eq!(values(&fixture, "stats.gauges.g", HOUR + 20, HOUR + 40).await, numbers(&[some(7.0), some(7.0)]));
    // The future has no points.
    let asked = [
        ("target", "stats.counters.c.count"),
        ("from", "1772600460"),
        ("until", "1772600500"),
        ("format", "json"),
        ("now", "1772600470"),
    ];
    let found = fixture.render(&asked, 0).await.unwrap();
    assert_eq!(found[0]["datapoints"], serde_json::json!([[0.0, HOUR + 70]]));
}

/// Guarantees: every number that carbon gets of a timer, from one query.
#[tokio::test]
async fn a_timer_has_all_its_numbers() {
    let windows = [window(HOUR + 20, "h", vec![metric("t", &[("env", "x")], timer(4, 8.0, 30.0))])];
    let fixture = Fixture::new(&windows, Naming::default(), 0);
    let asked = [
        ("target", "seriesByTag('env=x')"),
        ("from", "1772600400"),
        ("until", "1772600430"),
        ("now", "1772600430"),
        ("format", "json"),
    ];
    let found = fixture.render(&asked, 0).await.unwrap();
    let found: Vec<(String, f64)> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|series| {
            let name = series["target"].as_str().unwrap().strip_prefix("stats.timers.t.").unwrap();
            (name.strip_suffix(";env=x").unwrap().to_owned(), series["datapoints"][1][0].as_f64().unwrap())
        })
        .collect();
    let expected = [
        ("count", 40.0),
        ("count_90", 4.0),
        ("count_ps", 4.0),
        ("lower", 1.0),
        ("mean", 2.0),
        ("mean_90", 2.0),
        ("median", 2.0),
        ("std", 3.5_f64.sqrt()),
        ("sum", 8.0),
        ("sum_90", 8.0),
        ("sum_squares", 30.0),
        ("sum_squares_90", 30.0),
        ("upper", 8.0),
        ("upper_90", 8.0),
    ];
    assert_eq!(found.len(), expected.len());
    for ((name, value), (expected_name, expected)) in found.iter().zip(expected) {
        // The test's reader of JSON is off in the last digit.
        assert!(
            name == expected_name && (value - expected).abs() < 1e-12,
            "{name}: {value}, {expected_name}: {expected}"
        );
    }
    assert_eq!(fixture.queries.load(Ordering::Relaxed), 2, "one for names, one for points");
}

/// Guarantees: windows of several hosts with one name are one series; with `{hostname}` in the prefix each is its own.
#[tokio::test]
async fn hosts_are_summed_unless_they_are_named() {
    let windows = [
        window(
            HOUR + 20,
            "b.x",
            vec![
                metric("c", &[], counter(3.0)),
                metric("g", &[], MetricData::Gauge { value: 2.0 }),
                metric("t", &[], timer(1, 1.0, 1.0)),
            ],
        ),
        window(
            HOUR + 20,
            "a.x",
            vec![
                metric("c", &[], counter(4.0)),
                metric("g", &[], MetricData::Gauge { value: 1.0 }),
                metric("t", &[], timer(3, 9.0, 27.0)),
            ],
        ),
    ];
    let fixture = Fixture::new(&windows, Naming::default(), 0);
    for (target, expected) in [
        ("stats.counters.c.count", 7.0),
        ("stats.counters.c.rate", 0.7),
        ("stats.gauges.g", 2.0),
        ("stats.timers.t.mean", 2.5),
        ("stats.timers.t.std", (28.0 / 4.0 - 6.25_f64).sqrt()),
        ("stats.timers.t.upper", 9.0),
        ("stats.timers.t.mean_90", 2.5),
        ("stats.timers.t.sum_90", 10.0),
        ("stats.timers.t.median", 2.5),
    ] {
        assert_eq!(values(&fixture, target, HOUR + 10, HOUR + 20).await, numbers(&[Some(expected)]), "{target}");
    }
    let naming = Naming { prefix: "{hostname}".into(), legacy_namespace: true };
    let fixture = Fixture::new(&windows, naming, 0);
    for (target, expected) in [
        ("a_x.stats_counts.c", 4.0),
        ("b_x.stats_counts.c", 3.0),
        ("b_x.stats.c", 0.3),
        ("sumSeries(*.stats_counts.c)", 7.0),
    ] {
        assert_eq!(values(&fixture, target, HOUR + 10, HOUR + 20).await, numbers(&[Some(expected)]), "{target}");
    }
}

/// Guarantees: hours that were read are not read again at once, and new series are found all the same.
#[tokio::test]
async fn names_are_read_once() {
    let fixture = Fixture::new(&[window(HOUR + 20, "h", vec![metric("c", &[], counter(1.0))])], Naming::default(), 0);
    let tree = |now: i64| fixture.names.tree(&fixture, HOUR - 50 * 3_600, HOUR + 60, now);
    let queries = || fixture.queries.load(Ordering::Relaxed);
    let (first, second) = futures::join!(tree(HOUR + 60), tree(HOUR + 60));
    assert_eq!((first.unwrap().series().count(), second.unwrap().series().count()), (1, 1));
    assert_eq!(queries(), 3, "a day at a time, and once for both");
    tree(HOUR + 65).await.unwrap();
    assert_eq!(queries(), 3);
    tree(HOUR + 71).await.unwrap();
    assert_eq!(queries(), 4, "the last hours");
}

/// Guarantees: over a long time points are further apart, and each is made of all windows in it: counts are added, bounds
/// are the outermost, a mean is that of all samples, a gauge is the mean.
#[tokio::test]
async fn a_long_time_has_coarser_points() {
    let row = |at: i64, count: f64| {
        let gauge = MetricData::Gauge { value: count };
        let samples = count as u64;
        let timer = timer(samples, count * count, count * count * count);
        window(HOUR + at, "h", vec![metric("c", &[], counter(count)), metric("g", &[], gauge), metric("t", &[], timer)])
    };
    // Two in the minute that begins at 60, one in the next.
    let fixture = Fixture::new(&[row(60, 2.0), row(90, 4.0), row(120, 3.0)], Naming::default(), 30);
    for (target, expected) in [
        ("stats.counters.c.count", [6.0, 3.0]),
        ("stats.counters.c.rate", [0.1, 0.05]),
        ("stats.gauges.g", [3.0, 3.0]),
        ("stats.timers.t.mean", [20.0 / 6.0, 3.0]),
        ("stats.timers.t.upper", [16.0, 9.0]),
        ("stats.timers.t.median", [20.0 / 6.0, 3.0]),
        ("stats.timers.t.sum_90", [20.0, 9.0]),
        ("stats.timers.t.mean_90", [20.0 / 6.0, 3.0]),
        ("stats.timers.t.upper_90", [16.0, 9.0]),
    ] {
        let (from, until) = ((HOUR - 3 * 86_400).to_string(), (HOUR + 120).to_string());
        let asked = [
            ("target", target),
            ("from", &from),
            ("until", &until),
            ("now", &until),
            ("format", "json"),
            ("noNullPoints", "1"),
        ];
        let found = fixture.render(&asked, 0).await.unwrap();
        let points = found[0]["datapoints"].as_array().unwrap();
        let times: Vec<i64> = points.iter().map(|point| point[1].as_i64().unwrap()).collect();
        assert_eq!(times, [HOUR + 60, HOUR + 120], "{target}");
        for (point, expected) in points.iter().zip(expected) {
            assert!((point[0].as_f64().unwrap() - expected).abs() < 1e-9, "{target}: {points:?}");
        }
    }
}

/// Guarantees: readers who see different rows know nothing of each other's names.
#[tokio::test]
async fn names_of_readers_are_kept_apart() {
    let of = |name: &str| [window(HOUR + 20, "h", vec![metric(name, &[], counter(1.0))])];
    let fixtures = [("a", "secret"), ("b", "public")];
    let [a, b] = fixtures.map(|(reader, name)| Fixture { reader, ..Fixture::new(&of(name), Naming::default(), 0) });
    for (rows, seen) in [(&a, "secret"), (&b, "public"), (&a, "secret")] {
        // One index for both.
        let tree = a.names.tree(rows, HOUR, HOUR + 60, HOUR + 60).await.unwrap();
        let names: Vec<&str> = tree.series().map(|series| series.name.as_str()).collect();
        assert_eq!(names, [seen]);
    }
}
