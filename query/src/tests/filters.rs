//! Filters and SQL find the same rows.
use super::{FakeHot, ask, check, engine, messages};
use crate::filter::{DEPTH_MAX, Filter, TERMS_MAX, quoted, term};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use metlog_schemas::rows::Rows;
use metlog_schemas::table::{Table, metrics_rows};
use metlog_schemas::window::{Metric, MetricData, Window};
use metlog_schemas::wire::{Message, Severity};
use object_store::memory::InMemory;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use std::sync::Arc;

fn read(text: &str) -> Filter {
    Filter::parse(Table::Messages, text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn pids(filter: &Filter, rows: &RecordBatch) -> Vec<i64> {
    let found = filter.apply(rows).unwrap();
    found.column_by_name("pid").unwrap().as_primitive::<Int64Type>().values().to_vec()
}

fn letters() -> RecordBatch {
    messages(super::HOUR, &["x", "y", "z"])
}

/// The largest filters are queries that the engine takes.
#[tokio::test]
async fn the_largest_filters_run() {
    let engine = engine(&Arc::new(InMemory::new()), Some(FakeHot::new(1, vec![letters()])));
    let deep = "not (".repeat(DEPTH_MAX / 2) + "pid=1 or x" + &")".repeat(DEPTH_MAX / 2);
    for filter in [vec!["pid=1"; TERMS_MAX].join(" "), vec!["not fields.ms<1"; TERMS_MAX].join(" or "), deep] {
        let filter = read(&filter);
        let found = ask(&engine, &format!("select pid from messages where {}", filter.to_sql())).await;
        let expected: Vec<Value> = pids(&filter, &letters()).into_iter().map(|pid| json!({ "pid": pid })).collect();
        check(found, Value::from(expected));
    }
}

/// Every column that a filter can name is one in SQL.
#[tokio::test]
async fn every_column_of_every_table_can_be_compared() {
    let engine = engine(&Arc::new(InMemory::new()), None);
    for table in Table::ALL {
        for name in crate::filter::names(table) {
            let name = name.replace("<key>", "it's");
            let value = ["x", "1", "2026-01-01", "true"].into_iter();
            let filters = value.flat_map(|value| ["=", "!=", "~", "<="].map(|operator| term(&name, operator, value)));
            let filters: Vec<Filter> = filters.filter_map(|text| Filter::parse(table, &text).ok()).collect();
            assert!(!filters.is_empty(), "{name}");
            for filter in filters {
                let sql = format!("select count(*) as n from {} where {}", table.name(), filter.to_sql());
                check(ask(&engine, &sql).await, json!([{"n": 0}]));
            }
        }
    }
}

/// Text in which everything that quoting could break is frequent.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "1", "2.5", " ", "'", "\"", "\\", "%", "_", "(", ")", "é", "\n", "=", ".", ";--", "A",
    ]);
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn pattern() -> impl Strategy<Value = String> {
    let known = [
        "", "a", "^a", "a$", "^$", "^a$", ".", ".*", "(?i)A", "a|b", "[^a]", "'", "\\(", "\\\\", "a.b", "%", "_",
        "^(a|1)$", "\\s", "é",
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        nasty().prop_map(|text| regex::escape(&text))
    ]
}

fn a_term() -> impl Strategy<Value = String> {
    let texts = prop::sample::select(vec!["type", "payload", "token", "fields.a", "fields.a b", "fields.'"]);
    let sign = |signs: &'static [&'static str]| prop::sample::select(signs.to_vec());
    let order = sign(&["=", "!=", "<", "<=", ">", ">="]);
    prop_oneof![
        (texts.clone(), sign(&["=", "!="]), nasty()).prop_map(|(column, sign, value)| term(column, sign, &value)),
        (texts, sign(&["~", "!~"]), pattern()).prop_map(|(column, sign, value)| term(column, sign, &value)),
        (order.clone(), 0..8_u8).prop_map(|(sign, value)| term("severity", sign, &value.to_string())),
        (sign(&["<", "<=", ">", ">="]), prop::sample::select(vec!["1", "2.5", "-1"]))
            .prop_map(|(sign, value)| term("fields.a", sign, value)),
        (order, 0..4_u8).prop_map(|(sign, second)| term("timestamp", sign, &format!("2026-03-04T05:00:0{second}Z"))),
        nasty().prop_filter("some text", |text| !text.is_empty() && !text.contains('=')).prop_map(|text| quoted(&text)),
    ]
}

fn a_filter() -> impl Strategy<Value = String> {
    a_term().prop_recursive(4, 12, 3, |inner| {
        let many = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            many.clone().prop_map(|parts| format!("({})", parts.join(" and "))),
            many.clone().prop_map(|parts| format!("({})", parts.join(" or "))),
            many.prop_map(|parts| parts.join(" ")),
            inner.prop_map(|part| format!("not ({part})")),
        ]
    })
}

fn rows() -> impl Strategy<Value = RecordBatch> {
    let row = (
        nasty(),
        nasty(),
        prop::collection::vec(nasty(), 0..3),
        prop::option::of(nasty()),
        prop::option::of(nasty()),
        0..8_u8,
    );
    prop::collection::vec(row, 1..20).prop_map(|rows| {
        let mut builder = Rows::default();
        for (pid, (r#type, payload, tokens, a, ab, severity)) in rows.into_iter().enumerate() {
            let fields = [("a", a), ("a b", ab.clone()), ("'", ab)].into_iter();
            let message = Message {
                pid: pid as i64,
                severity: Severity::new(severity).unwrap(),
                fields: fields.filter_map(|(key, value)| Some((key.into(), value?))).collect(),
                tokens,
                r#type,
                payload,
                timestamp: 1_772_600_400_000_000 + pid as i64 * 500_000,
                ..Message::default()
            };
            builder.push_message(&message, 0);
        }
        builder.finish().unwrap()
    })
}

/// In memory and in the engine a filter finds the same rows, and so does what it is written as.
#[test]
fn memory_and_sql_agree() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let cases = (rows(), prop::collection::vec(a_filter(), 12));
    let outcome = runner.run(&cases, |(rows, filters)| {
        let engine = engine(&Arc::new(InMemory::new()), Some(FakeHot::new(1, vec![rows.clone()])));
        for text in filters {
            let filter = Filter::parse(Table::Messages, &text)
                .map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
            let expected = pids(&filter, &rows);
            let sql = format!("select pid from messages where {} order by pid", filter.to_sql());
            let found = runtime.block_on(ask(&engine, &sql));
            let as_json: Vec<Value> = expected.iter().map(|pid| json!({ "pid": pid })).collect();
            prop_assert_eq!(found, Ok(Value::from(as_json)), "{}: {}", text, sql);
            let written = filter.to_string();
            let again = Filter::parse(Table::Messages, &written)
                .map_err(|error| TestCaseError::fail(format!("{written}: {error}")))?;
            prop_assert_eq!(pids(&again, &rows), expected, "{} is written as {}", text, written);
        }
        Ok(())
    });
    outcome.unwrap();
}

/// Values that are missing: not equal to anything, and so matched by every negation.
#[tokio::test]
async fn memory_and_sql_agree_on_missing_values() {
    let metric = |name: &str, data| Metric { name: name.into(), data, fresh: true, tags: Arc::from(Vec::new()) };
    let rows = vec![
        metric("c", MetricData::Counter { count: 2.0 }),
        metric("g", MetricData::Gauge { value: 0.5 }),
        metric("s", MetricData::Set { count: 3 }),
    ];
    let window = Window {
        end: 1_772_600_410_000_000,
        length: 10_000_000,
        hostname: "h".into(),
        rows,
        values: 3,
        bad_lines: 0,
        packets: 1,
        lines: 3,
    };
    let batch = metrics_rows([&window]).unwrap();
    let hot = FakeHot::new(1, Vec::new());
    hot.metrics.lock().unwrap().push(batch.clone());
    let engine = engine(&Arc::new(InMemory::new()), Some(hot));
    for (text, expected) in [
        ("count=2", "c"),
        ("count!=2", "gs"),
        ("not count>2", "cg"),
        ("value<1 or count>=3", "gs"),
        ("tags.x!=y and value>0.4", "g"),
        ("not (value<1 and count=1)", "cgs"),
    ] {
        let filter = Filter::parse(Table::Metrics, text).unwrap();
        let found = filter.apply(&batch).unwrap();
        let names: String = found.column_by_name("name").unwrap().as_string::<i32>().iter().flatten().collect();
        assert_eq!(names, expected, "{text}");
        let sql = format!("select name from metrics where {} order by name", filter.to_sql());
        let expected: Vec<Value> = expected.chars().map(|c| json!({"name": c.to_string()})).collect();
        check(ask(&engine, &sql).await, Value::from(expected));
    }
}
