//! What the registry of tables promises to those who go by it.
use super::*;
use arrow::datatypes::DataType;

fn leaves(of: &DataType) -> usize {
    match of {
        DataType::List(item) | DataType::Map(item, _) => leaves(item.data_type()),
        DataType::Struct(parts) => parts.iter().map(|part| leaves(part.data_type())).sum(),
        _ => 1,
    }
}

#[test]
fn each_leaf_says_how_it_lies() {
    for table in Table::ALL {
        for column in &table.definition().columns {
            assert_eq!(column.lays.len(), leaves(column.field.data_type()), "{}.{}", table.name(), column.field.name());
        }
    }
}

#[test]
fn order_and_time_are_columns() {
    for table in Table::ALL {
        let definition = table.definition();
        assert!(!definition.order.is_empty(), "{}", table.name());
        for column in definition.order {
            let field = definition.schema().field_with_name(column).unwrap();
            assert!(!field.data_type().is_nested(), "{}.{column}", table.name());
        }
        let time = definition.schema().field_with_name(definition.time).unwrap();
        assert_eq!((time.data_type(), time.is_nullable()), (&timestamp_type(), false), "{}", table.name());
    }
}

#[test]
fn no_column_has_the_name_of_a_partition() {
    for table in Table::ALL {
        for (name, _) in PARTITION_COLUMNS {
            assert!(table.schema().field_with_name(name).is_err(), "{}.{name}", table.name());
        }
    }
}

#[test]
fn each_table_builds_rows_of_its_schema() {
    let mut builders = Builders::default();
    assert!(builders.is_empty());
    for table in Table::ALL {
        let empty = table.builder().finish().unwrap();
        assert_eq!((empty.schema(), empty.num_rows()), (table.schema(), 0), "{}", table.name());
        assert_eq!(Table::from_name(table.name()), Some(table));
    }
    builders.of::<messages::Rows>().push_message(&crate::wire::Message::default(), 1);
    builders.of::<metrics::Rows>();
    assert_eq!(builders.len(), 1);
    let batches = builders.batches().unwrap();
    assert_eq!(batches[Table::Messages].as_ref().map(arrow::array::RecordBatch::num_rows), Some(1));
    assert!(batches.iter().all(|(table, batch)| batch.is_some() == (table == Table::Messages)));
    assert!(builders.is_empty());
}

#[test]
fn a_map_has_a_value_for_each_table() {
    let mut map = TableMap::of(Table::name);
    assert!(map.iter().all(|(table, name)| table.name() == *name));
    map[Table::Metrics] = "other";
    assert_eq!(map.map(|table, name| (table, name.len()))[Table::Metrics], (Table::Metrics, 5));
}

/// Guarantees: what Graphite gets of a timer is in its row, exactly and under Graphite's names, and null for other kinds.
#[test]
fn a_row_of_a_timer_has_what_graphite_gets() {
    use crate::window::{Metric, MetricData, Percentile, Timer, Window};
    use arrow::array::AsArray;
    use arrow::datatypes::Float64Type;
    let part =
        Percentile { percent: 99.9, count: 7, mean: 496.0, bound: 844.0, sum: 3_472.0, sum_squares: 2_048_242.0 };
    let timer = Timer {
        count: 80.0,
        samples: 8,
        sum: 4_466.0,
        sum_squares: 3_036_278.0,
        lower: 120.0,
        upper: 994.0,
        mean: 558.25,
        median: 524.5,
        std: 260.5,
        percentiles: vec![part],
        sketch: vec![1],
    };
    let row = |data| Metric { name: "n".into(), tags: std::sync::Arc::new([]), fresh: true, data };
    let rows = vec![row(MetricData::Timer(Some(Box::new(timer)))), row(MetricData::Counter { count: 1.0 })];
    let (hostname, length) = ("h".into(), 10_000_000);
    let window = Window { end: 10_000_000, length, hostname, values: 9, bad_lines: 0, packets: 1, lines: 9, rows };
    let rows = metrics_rows([&window]).unwrap();
    for (name, expected) in [("sum_squares", 3_036_278.0), ("std", 260.5), ("median", 524.5)] {
        let column = rows.column_by_name(name).unwrap().as_primitive::<Float64Type>();
        assert_eq!(column.iter().collect::<Vec<_>>(), [Some(expected), None], "{name}");
    }
    let percentiles = rows.column_by_name("percentiles").unwrap().as_map();
    assert!(arrow::array::Array::is_null(percentiles, 1));
    let names: Vec<_> = percentiles.keys().as_string::<i32>().iter().flatten().collect();
    assert_eq!(names, ["count_99_9", "mean_99_9", "upper_99_9", "sum_99_9", "sum_squares_99_9"]);
    let values = percentiles.values().as_primitive::<Float64Type>();
    assert_eq!(values.values().to_vec(), [7.0, 496.0, 844.0, 3_472.0, 2_048_242.0]);
}
