//! Percentiles over many sketches against percentiles of all values.
use super::*;
use crate::Kind;
use arrow::array::{BinaryArray, Float64Array, new_null_array};
use serde_json::json;
use sketches_ddsketch::{Config as Accuracy, DDSketch};

/// One row of `metrics` each, of which only time, name, host and sketch are of interest.
fn timers(hour: Hour, rows: &[(&str, Option<Vec<u8>>)]) -> RecordBatch {
    let schema = Table::Metrics.schema();
    let names = rows.iter().map(|(name, _)| *name);
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "timestamp" => {
                let times = arrow::array::TimestampMicrosecondArray::from(vec![hour.start(); rows.len()]);
                Arc::new(times.with_timezone("UTC"))
            }
            "name" => Arc::new(StringArray::from_iter_values(names.clone())),
            "kind" | "hostname" => Arc::new(StringArray::from_iter_values(names.clone().map(|_| "timer"))),
            "window_seconds" => Arc::new(Float64Array::from(vec![10.0; rows.len()])),
            "tags" => {
                let empty = no_rows(Table::Metrics).column_by_name("tags").unwrap().to_data();
                let offsets = arrow::buffer::Buffer::from_vec(vec![0_i32; rows.len() + 1]);
                arrow::array::make_array(empty.into_builder().len(rows.len()).buffers(vec![offsets]).build().unwrap())
            }
            "sketch" => Arc::new(BinaryArray::from_iter(rows.iter().map(|(_, sketch)| sketch.as_deref()))),
            _ => new_null_array(field.data_type(), rows.len()),
        }
    });
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

fn sketch(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    let mut sketch = DDSketch::new(Accuracy::defaults());
    values.into_iter().for_each(|value| sketch.add(value));
    sketch.to_java_bytes()
}

/// Scenario: two hours of which one is stored and one hot, very different in size and values.
/// Guarantees: a percentile over both is within 1 % of that of all values, however they were cut.
#[tokio::test]
async fn percentiles_over_hours_are_those_of_all_values() {
    let store = Arc::new(InMemory::new());
    let slow: Vec<f64> = (1..=50).map(|n| 1_000.0 + f64::from(n)).collect();
    let fast: Vec<f64> = (1..=950).map(|n| f64::from(n) / 10.0).collect();
    put(&*store, &key(Table::Metrics, HOUR, "a", 1), &timers(HOUR, &[("t", Some(sketch(slow.clone())))])).await;
    let parts: Vec<_> = fast.chunks(7).map(|chunk| ("t", Some(sketch(chunk.iter().copied())))).collect();
    let hot = FakeHot::new(2, Vec::new());
    hot.metrics
        .lock()
        .unwrap()
        .extend([timers(HOUR, &parts), timers(HOUR, &[("t", None), ("other", Some(sketch([5.0])))])]);
    let engine = engine(&store, Some(hot));
    let mut all = [fast, slow].concat();
    all.sort_by(f64::total_cmp);
    for (q, rank) in [("0.5", 499), ("0.9", 899), ("0.95", 949), ("0.99", 989), ("1", 999), ("0", 0)] {
        let sql = format!("select sketch_quantile(sketch_merge(sketch), {q}) as p from metrics where name = 't'");
        let found = ask(&engine, &sql).await.unwrap()[0]["p"].as_f64().unwrap();
        assert!((found / all[rank] - 1.0).abs() <= 0.0101, "{q}: {found} for {}", all[rank]);
    }
    let by_name = "select name, sketch_quantile(sketch_merge(sketch), 0) as p from metrics group by 1 order by 1";
    check(ask(&engine, by_name).await, json!([{"name": "other", "p": 5.0}, {"name": "t", "p": 0.1}]));
}

#[tokio::test]
async fn nothing_has_no_percentile() {
    let hot = FakeHot::new(0, Vec::new());
    hot.metrics.lock().unwrap().push(timers(HOUR, &[("t", None), ("e", Some(sketch([])))]));
    let engine = engine(&Arc::new(InMemory::new()), Some(hot));
    for filter in ["name = 't'", "name = 'e'", "false"] {
        let sql = format!("select sketch_quantile(sketch_merge(sketch), 0.5) as p from metrics where {filter}");
        check(ask(&engine, &sql).await, json!([{"p": null}]));
    }
    for (sql, word) in [
        ("select sketch_quantile(sketch, 1.5) from metrics where name = 'e'", "0 to 1"),
        ("select sketch_quantile(arrow_cast('no sketch', 'Binary'), 0.5)", "not a sketch"),
        ("select sketch_merge(arrow_cast('no sketch', 'Binary'))", "not a sketch"),
    ] {
        let error = ask(&engine, sql).await.expect_err(sql);
        assert_eq!(error.kind, Kind::Sql, "{sql}: {error:?}");
        assert!(error.message.contains(word), "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn sketches_of_different_accuracy_are_not_mixed() {
    let coarse = DDSketch::new(Accuracy::new(0.1, 2048, 1e-9)).to_java_bytes();
    let hot = FakeHot::new(0, Vec::new());
    hot.metrics.lock().unwrap().push(timers(HOUR, &[("t", Some(sketch([1.0]))), ("t", Some(coarse))]));
    let engine = engine(&Arc::new(InMemory::new()), Some(hot));
    let error = ask(&engine, "select sketch_merge(sketch) from metrics").await.unwrap_err();
    assert!(error.message.contains("different accuracy"), "{error}");
}
