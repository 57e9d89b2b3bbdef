//! What holds of any definition of a table: the registry's rules, and the statements of every dialect.
#![allow(clippy::unwrap_used)]
mod random_table;

use arrow::datatypes::{DataType, Field, TimeUnit};
use metlog_schemas::ddl::{Dialect, table_statements};
use metlog_schemas::table::{Column, Definition, Lay, PARTITION_COLUMNS, Table, list_type, timestamp_type};
use proptest::prelude::*;
use random_table::{Cell, Random, cell, definition, lays_of, leaf_types, nested_type, plain_type, rows};

/// The first rule of the registry that a definition breaks.
fn broken_rule(definition: &Definition) -> Option<&'static str> {
    let columns = &definition.columns;
    let named = |name: &str| columns.iter().filter(|column| column.field.name() == name).collect::<Vec<_>>();
    let is_word = |name: &str| !name.is_empty() && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let suits = |column: &Column| {
        let leaves = leaf_types(column.field.data_type());
        leaves.iter().zip(column.lays).all(|(leaf, lay)| lays_of(leaf).contains(lay))
    };
    let is_key = |name: &&str| matches!(named(name)[..], [column] if !column.field.data_type().is_nested());
    let is_time = |column: &Column| column.field.data_type() == &timestamp_type() && !column.field.is_nullable();
    let order = definition.order;
    let fields = columns.iter().map(|column| &column.field);
    let rules = [
        ("the schema is that of the columns", definition.schema().fields().iter().map(AsRef::as_ref).eq(fields)),
        ("names are words", columns.iter().all(|column| is_word(column.field.name()))),
        ("names are not repeated", columns.iter().all(|column| named(column.field.name()).len() == 1)),
        ("partition columns are no columns", PARTITION_COLUMNS.iter().all(|(name, _)| named(name).is_empty())),
        ("each leaf lies", columns.iter().all(|c| leaf_types(c.field.data_type()).len() == c.lays.len())),
        ("a leaf lies as its type can", columns.iter().all(suits)),
        ("there is an order", !order.is_empty()),
        ("keys are plain columns", order.iter().all(is_key)),
        ("keys are not repeated", (0..order.len()).all(|at| !order[..at].contains(&order[at]))),
        ("the time is a time", matches!(named(definition.time)[..], [column] if is_time(column))),
        ("meanings are one line", columns.iter().all(|c| !c.meaning.is_empty() && !c.meaning.contains(['\n', '|']))),
        ("the row is described", !definition.row.is_empty() && !definition.row.contains('\n')),
    ];
    rules.into_iter().find(|(_, holds)| !holds).map(|(rule, _)| rule)
}

#[test]
fn every_table_keeps_the_rules() {
    for table in Table::ALL {
        assert_eq!(broken_rule(table.definition()), None, "{}", table.name());
    }
}

/// A definition with one more column.
fn with_column(definition: &Definition, column: Column) -> Definition {
    let columns = definition.columns.iter().cloned().chain([column]).collect();
    Definition::new(definition.row, definition.order, columns).with_time(definition.time)
}

/// A definition with one more key.
fn with_key(definition: &Definition, name: &'static str) -> Definition {
    let order = definition.order.iter().copied().chain([name]).collect::<Vec<_>>().leak();
    Definition::new(definition.row, order, definition.columns.clone()).with_time(definition.time)
}

/// The type at the start of a text, as Hive and Spark write it: what follows it, if it is this type.
fn behind_type<'t>(of: &DataType, text: &'t str, dialect: Dialect) -> Option<&'t str> {
    let all = |parts: &[(&str, &DataType)], text: &'t str| {
        parts.iter().try_fold(text, |text, (before, part)| behind_type(part, text.strip_prefix(before)?, dialect))
    };
    let word = match of {
        DataType::List(item) => return all(&[("ARRAY<", item.data_type())], text)?.strip_prefix('>'),
        DataType::Map(entries, _) => {
            let DataType::Struct(parts) = entries.data_type() else { return None };
            return all(&[("MAP<", parts[0].data_type()), (", ", parts[1].data_type())], text)?.strip_prefix('>');
        }
        DataType::Struct(parts) => {
            let mut rest = text.strip_prefix("STRUCT<")?;
            for (nth, part) in parts.iter().enumerate() {
                rest = if nth > 0 { rest.strip_prefix(", ")? } else { rest };
                let named = rest.strip_prefix('`')?.strip_prefix(part.name().as_str())?.strip_prefix("`: ")?;
                rest = behind_type(part.data_type(), named, dialect)?;
            }
            return rest.strip_prefix('>');
        }
        DataType::Boolean => "BOOLEAN",
        DataType::Int32 => "INT",
        DataType::Int64 => "BIGINT",
        DataType::Float64 => "DOUBLE",
        DataType::Utf8 => "STRING",
        DataType::Binary => "BINARY",
        DataType::Date32 => "DATE",
        DataType::Timestamp(..) if dialect == Dialect::Hive => "BIGINT",
        DataType::Timestamp(..) => "TIMESTAMP",
        _ => return None,
    };
    text.strip_prefix(word).filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
}

/// The lines of a list of columns.
fn listed(statement: &str) -> Vec<&str> {
    let lines = statement.lines().skip_while(|line| !line.ends_with(" (") && !line.ends_with(" SELECT")).skip(1);
    lines.take_while(|line| line.starts_with("  ")).map(|line| line.trim().trim_end_matches(',')).collect()
}

/// The last name in quotes: what a line of a `SELECT` gives.
fn given(line: &str) -> &str {
    line.rsplit(['`', '"']).nth(1).unwrap()
}

fn partitions<'n>() -> impl Iterator<Item = &'n str> {
    PARTITION_COLUMNS.into_iter().map(|(name, _)| name)
}

fn check_statements(definition: &Definition, dialect: Dialect) -> Result<(), TestCaseError> {
    let sql = table_statements(dialect, "file:///w", "anything", definition.schema()).unwrap();
    let own = || definition.columns.iter().map(|column| column.field.name().as_str());
    let (declared, selected) = match dialect {
        Dialect::Hive => {
            let view = sql.find("CREATE VIEW").unwrap();
            (Some(&sql[..view]), Some(&sql[view..]))
        }
        Dialect::Hive4 | Dialect::Spark => (Some(sql.as_str()), None),
        Dialect::Duckdb | Dialect::Datafusion => (None, Some(&sql[sql.find("CREATE OR REPLACE VIEW").unwrap()..])),
    };
    if let Some(declared) = declared {
        let lines = listed(declared);
        let names: Vec<&str> = lines.iter().map(|line| line.split('`').nth(1).unwrap()).collect();
        // Hive has partition columns in a list of their own, Spark at the end of this one as well.
        let last = partitions().filter(|_| dialect == Dialect::Spark);
        prop_assert_eq!(names, own().chain(last).collect::<Vec<_>>(), "{}", sql);
        let by = declared.split_once("PARTITIONED BY (").unwrap().1.split_once(')').unwrap().0;
        prop_assert_eq!(by.split('`').skip(1).step_by(2).collect::<Vec<_>>(), partitions().collect::<Vec<_>>());
        for (line, column) in lines.iter().zip(&definition.columns) {
            let r#type = line.strip_prefix(&format!("`{}` ", column.field.name())).unwrap();
            prop_assert_eq!(behind_type(column.field.data_type(), r#type, dialect), Some(""), "{}", line);
        }
    }
    if let Some(selected) = selected {
        let names: Vec<&str> = listed(selected).into_iter().map(given).collect();
        prop_assert_eq!(names, own().chain(partitions()).collect::<Vec<_>>(), "{}", sql);
    }
    Ok(())
}

/// Types that no table may have.
fn other_type() -> impl Strategy<Value = DataType> {
    prop::sample::select(vec![
        DataType::Int8,
        DataType::Int16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Date64,
        DataType::Decimal128(10, 2),
        DataType::FixedSizeBinary(16),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ])
}

/// The first type that is none of a table's, and where it is.
fn first_other(of: &DataType, path: &str) -> Option<(String, String)> {
    let inner = |part: &Field| first_other(part.data_type(), &format!("{path}.{}", part.name()));
    match of {
        DataType::List(item) => inner(item),
        DataType::Map(entries, _) => first_other(entries.data_type(), path),
        DataType::Struct(parts) => parts.iter().find_map(|part| inner(part)),
        DataType::Boolean | DataType::Int32 | DataType::Int64 | DataType::Float64 => None,
        DataType::Utf8 | DataType::Binary | DataType::Date32 => None,
        time if time == &timestamp_type() => None,
        other => Some((path.to_owned(), other.to_string())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Guarantees: every dialect names each column of any table once, in order, and writes its type.
    #[test]
    fn every_dialect_declares_any_table(definition in definition()) {
        Dialect::ALL.into_iter().try_for_each(|dialect| check_statements(definition, dialect))?;
    }

    /// Guarantees: a type is written, or the error names it and where it is; nothing is guessed or left out.
    #[test]
    fn a_type_is_written_or_named_in_the_error(
        definition in definition(),
        of in nested_type(prop_oneof![3 => plain_type(), 1 => other_type()]),
    ) {
        let other = first_other(&of, "anything.new");
        let definition = with_column(definition, Column::new("new", of, &[], "may be of any type"));
        for dialect in Dialect::ALL {
            match (table_statements(dialect, "file:///w", "anything", definition.schema()), &other) {
                (Ok(_), None) => check_statements(&definition, dialect)?,
                (Err(error), Some((column, r#type))) => {
                    prop_assert_eq!((&error.column, &error.r#type, error.dialect), (column, r#type, dialect.name()));
                }
                (other, expected) => prop_assert!(false, "{dialect:?}: {other:?}, not {expected:?}"),
            }
        }
    }

    /// Guarantees: the rules of the registry admit any sound definition, and find each fault of one.
    #[test]
    fn the_rules_find_what_is_wrong(definition in definition(), place in any::<prop::sample::Index>()) {
        prop_assert_eq!(broken_rule(definition), None);
        let column = |name: &str, of: DataType, lays| with_column(definition, Column::new(name, of, lays, "anything"));
        let any_column = place.get(&definition.columns);
        let any_name = any_column.field.name();
        let words: &[Lay] = &[Lay::Word];
        let nullable = with_column(definition, Column::new("new", timestamp_type(), &[Lay::Time], "a time").or_null());
        let faults = [
            ("names are words", column("New", DataType::Utf8, words)),
            ("names are not repeated", column(any_name, any_column.field.data_type().clone(), any_column.lays)),
            ("partition columns are no columns", column("hour", DataType::Int32, words)),
            ("each leaf lies", column("new", list_type(), &[])),
            ("each leaf lies", column("new", DataType::Utf8, &[Lay::Word, Lay::Word])),
            ("a leaf lies as its type can", column("new", DataType::Float64, &[Lay::Label])),
            ("a leaf lies as its type can", column("new", DataType::Utf8, &[Lay::Time])),
            ("there is an order", Definition::new("A row.", &[], definition.columns.clone())),
            ("keys are plain columns", with_key(definition, "unknown")),
            ("keys are plain columns", with_key(&column("new", list_type(), words), "new")),
            ("keys are not repeated", with_key(definition, definition.order[place.index(definition.order.len())])),
            ("the time is a time", nullable.with_time("new")),
            ("the time is a time", column("new", DataType::Int64, words).with_time("new")),
        ];
        for (rule, fault) in faults {
            prop_assert_eq!(broken_rule(&fault), Some(rule));
        }
    }

    /// Guarantees: the random rows of the sink's tests are of the table, the same for the same seed, and without nulls
    /// where there may be none.
    #[test]
    fn random_rows_are_of_their_table(definition in definition(), count in 0_usize..20, seed in any::<u64>()) {
        let made = rows(definition, count, 3, &mut Random(seed));
        prop_assert_eq!((&made.schema(), made.num_rows()), (definition.schema(), count));
        let again = rows(definition, count, 3, &mut Random(seed));
        for (column, again) in made.columns().iter().zip(again.columns()) {
            let cells = |of| (0..count).map(|row| cell(of, row)).collect::<Vec<_>>();
            prop_assert_eq!(cells(column), cells(again));
        }
        let time = made.column_by_name(definition.time).unwrap();
        prop_assert!((0..count).all(|row| cell(time, row) != Cell::Null));
    }
}
