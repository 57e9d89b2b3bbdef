//! The statements name every column, and an address stays inside its quotes.
use super::*;
use crate::table::{list_type, map_type, timestamp_type};
use arrow::datatypes::Fields;
use std::sync::Arc;

#[test]
fn names_go_there_and_back() {
    for dialect in Dialect::ALL {
        assert_eq!(Dialect::from_name(dialect.name()), Some(dialect));
    }
    assert_eq!(Dialect::from_name("Hive"), None);
}

#[test]
fn every_column_is_named_in_every_dialect() {
    for dialect in Dialect::ALL {
        let sql = statements(dialect, "file:///warehouse/").unwrap();
        for table in Table::ALL {
            let part = sql.split("\n\n").find(|part| part.contains(&format!("/warehouse/{}", table.name()))).unwrap();
            let schema = table.schema();
            let own = schema.fields().iter().map(|field| field.name().as_str());
            for column in own.chain(PARTITION_COLUMNS.iter().map(|(name, _)| *name)) {
                let quoted = part.contains(&format!("`{column}`")) || part.contains(&format!("\"{column}\""));
                assert!(quoted, "{dialect:?} lacks {}.{column}:\n{part}", table.name());
            }
        }
        assert!(!sql.contains("warehouse//"), "{sql}");
        assert!(sql.starts_with("-- ") && sql.ends_with(";\n"), "{sql}");
        assert!(!sql.lines().any(|line| line.starts_with("--") && line.contains(';')), "{sql}");
    }
}

/// A type of each kind, nested in each other.
fn nested() -> DataType {
    let mark = Fields::from(vec![
        Field::new("at", timestamp_type(), false),
        Field::new("notes", list_type(), true),
        Field::new("sizes", map_type(), true),
    ]);
    DataType::List(Arc::new(Field::new("element", DataType::Struct(mark), true)))
}

#[test]
fn nested_types_keep_their_shape_and_names() {
    for (dialect, expected) in [
        (Dialect::Hive, "ARRAY<STRUCT<`at`: BIGINT, `notes`: ARRAY<STRING>, `sizes`: MAP<STRING, STRING>>>"),
        (Dialect::Hive4, "ARRAY<STRUCT<`at`: TIMESTAMP, `notes`: ARRAY<STRING>, `sizes`: MAP<STRING, STRING>>>"),
        (Dialect::Spark, "ARRAY<STRUCT<`at`: TIMESTAMP, `notes`: ARRAY<STRING>, `sizes`: MAP<STRING, STRING>>>"),
        (
            Dialect::Duckdb,
            "STRUCT(\"at\" TIMESTAMP WITH TIME ZONE, \"notes\" VARCHAR[], \"sizes\" MAP(VARCHAR, VARCHAR))[]",
        ),
    ] {
        assert_eq!(type_name(dialect, &nested(), "c").as_deref(), Ok(expected), "{dialect:?}");
    }
}

#[test]
fn a_type_without_a_name_is_an_error_that_says_where() {
    for r#type in [DataType::UInt64, DataType::FixedSizeBinary(16), DataType::Timestamp(TimeUnit::Nanosecond, None)] {
        let item = Field::new("element", DataType::Struct(vec![Field::new("id", r#type.clone(), false)].into()), true);
        let list = DataType::List(Arc::new(item));
        for dialect in Dialect::ALL {
            let error = type_name(dialect, &list, "t.c").unwrap_err();
            assert_eq!((error.column.as_str(), &error.r#type), ("t.c.element.id", &r#type.to_string()));
        }
    }
}

#[cfg(feature = "toy")]
#[test]
fn the_toy_table_is_declared_like_any_other() {
    for (dialect, expected) in [
        (Dialect::Spark, "`marks` ARRAY<STRUCT<`at`: TIMESTAMP, `note`: STRING>>,\n  `sizes` MAP<STRING, BIGINT>"),
        (Dialect::Hive, "`marks` ARRAY<STRUCT<`at`: BIGINT, `note`: STRING>>,\n  `sizes` MAP<STRING, BIGINT>"),
        (Dialect::Duckdb, "CREATE OR REPLACE VIEW \"toy\""),
        (Dialect::Datafusion, "CREATE OR REPLACE VIEW \"toy\""),
    ] {
        let sql = statements(dialect, "file:///w").unwrap();
        assert!(sql.contains(expected), "{sql}");
    }
}

#[test]
fn hive_before_4_never_declares_a_timestamp() {
    let sql = statements(Dialect::Hive, "file:///w").unwrap();
    assert!(sql.contains("`timestamp` BIGINT") && sql.contains("`received_at` BIGINT"), "{sql}");
    assert!(!sql.contains("` TIMESTAMP"), "{sql}");
    assert!(statements(Dialect::Hive4, "file:///w").unwrap().contains("`timestamp` TIMESTAMP"));
}

#[test]
fn an_address_cannot_leave_its_quotes() {
    let evil = "s3://b/x'; DROP TABLE messages; --\\'\n${system:x}%27\"`%0a%";
    for dialect in Dialect::ALL {
        let sql = statements(dialect, evil).unwrap();
        match dialect {
            Dialect::Hive | Dialect::Hive4 | Dialect::Spark => {
                let literal = "'s3a://b/x\\u0027\\u003b DROP TABLE messages\\u003b --\\u005c\\u0027\\u000a\
                    \\u0024{system:x}\\u0027\\u0022\\u0060\\u000a%/messages'";
                assert!(sql.contains(literal), "{sql}");
            }
            Dialect::Duckdb => {
                let literal = "'s3://b/x''; DROP TABLE messages; --\\''\n${system:x}''\"`\n%/messages/*/*/*.parquet'";
                assert!(sql.contains(literal), "{sql}");
            }
            Dialect::Datafusion => {
                let literal = "'s3://b/x''; DROP TABLE messages; --\\''\n${system:x}%27\"`%0a%/messages/'";
                assert!(sql.contains(literal), "{sql}");
            }
        }
    }
}

#[test]
fn a_local_path_is_one_for_duckdb() {
    let sql = statements(Dialect::Duckdb, "file:///a%20b/[c]*").unwrap();
    assert!(sql.contains("read_parquet('/a b/[[]c][*]/messages/*/*/*.parquet',"), "{sql}");
    assert!(statements(Dialect::Spark, "file:///a%20b").unwrap().contains("LOCATION 'file:///a b/messages';"));
    assert_eq!(decoded("%ff%zz%4"), "%ff%zz%4");
}
