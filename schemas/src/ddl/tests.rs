//! The statements name every column, and an address stays inside its quotes.
use super::*;

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
        let sql = statements(dialect, "file:///warehouse/");
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

#[test]
fn every_type_has_a_name_of_its_own() {
    fn check(r#type: &DataType) {
        match r#type {
            DataType::List(item) => check(item.data_type()),
            DataType::Map(entries, _) => check(entries.data_type()),
            DataType::Struct(parts) => parts.iter().for_each(|part| check(part.data_type())),
            DataType::Utf8 => (),
            other => assert_ne!(type_name(other, "TIMESTAMP"), "STRING", "{other}"),
        }
    }
    for table in Table::ALL {
        table.schema().fields().iter().for_each(|field| check(field.data_type()));
    }
    let map = Table::Messages.schema().field_with_name("fields").unwrap().data_type().clone();
    assert_eq!(type_name(&map, "TIMESTAMP"), "MAP<STRING, STRING>");
    let list = Table::Messages.schema().field_with_name("tokens").unwrap().data_type().clone();
    assert_eq!(type_name(&list, "TIMESTAMP"), "ARRAY<STRING>");
}

#[test]
fn hive_before_4_never_declares_a_timestamp() {
    let sql = statements(Dialect::Hive, "file:///w");
    assert!(sql.contains("`timestamp` BIGINT") && sql.contains("`received_at` BIGINT"), "{sql}");
    assert!(!sql.contains("` TIMESTAMP"), "{sql}");
    assert!(statements(Dialect::Hive4, "file:///w").contains("`timestamp` TIMESTAMP"));
}

#[test]
fn an_address_cannot_leave_its_quotes() {
    let evil = "s3://b/x'; DROP TABLE messages; --\\'\n${system:x}%27\"`%0a%";
    for dialect in Dialect::ALL {
        let sql = statements(dialect, evil);
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
    let sql = statements(Dialect::Duckdb, "file:///a%20b/[c]*");
    assert!(sql.contains("read_parquet('/a b/[[]c][*]/messages/*/*/*.parquet',"), "{sql}");
    assert!(statements(Dialect::Spark, "file:///a%20b").contains("LOCATION 'file:///a b/messages';"));
    assert_eq!(decoded("%ff%zz%4"), "%ff%zz%4");
}
