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
