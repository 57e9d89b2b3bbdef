//! `tables.md` matches the definition of every table. `METLOG_WRITE_TABLES=1 cargo test -p metlog-schemas --test tables`
//! regenerates it from the definitions.
#![allow(clippy::unwrap_used)]
use arrow::datatypes::DataType;
use metlog_schemas::table::{Column, PARTITION_COLUMNS, Table};

const DOCUMENT: &str = "tables.md";

/// The name that the document gives a type: that of Spark and Hive.
fn type_name(of: &DataType) -> String {
    match of {
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Utf8 => "string".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::List(item) => format!("array<{}>", type_name(item.data_type())),
        DataType::Map(entries, _) => {
            let DataType::Struct(parts) = entries.data_type() else { panic!("{of} has no entries") };
            format!("map<{},{}>", type_name(parts[0].data_type()), type_name(parts[1].data_type()))
        }
        DataType::Struct(parts) => {
            let parts: Vec<String> =
                parts.iter().map(|part| format!("{}:{}", part.name(), type_name(part.data_type()))).collect();
            format!("struct<{}>", parts.join(","))
        }
        other => panic!("{other} has no name"),
    }
}

fn row(column: &Column) -> String {
    let (name, kind) = (column.field.name(), type_name(column.field.data_type()));
    let kind = if kind.contains('<') { format!("`{kind}`") } else { kind };
    let null = if column.field.is_nullable() { "yes" } else { "no" };
    format!("| `{name}` | {kind} | {null} | {} |\n", column.meaning)
}

/// What stands between a table's heading and the text behind its columns.
fn section(table: Table) -> String {
    let definition = table.definition();
    let columns: String = definition.columns.iter().map(row).collect();
    format!("\n{}\n\n| column | type | null | meaning |\n|---|---|---|---|\n{columns}", definition.row)
}

/// The document with a table's section as it is defined.
fn with_section(document: &str, table: Table) -> String {
    let heading = format!("\n## Table `{}`\n", table.name());
    let (before, after) = document.split_once(&heading).unwrap_or_else(|| panic!("no heading for {}", table.name()));
    let end = after.find("\n\n| column").unwrap();
    let behind = end + after[end..].find("|\n\n").unwrap() + 2;
    [before, &heading, &section(table), &after[behind..]].concat()
}

#[test]
fn the_document_says_what_the_definitions_say() {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let documented = Table::ALL.into_iter().filter(|table| table.name() != "toy");
    let expected = documented.fold(document.clone(), |document, table| with_section(&document, table));
    if std::env::var_os("METLOG_WRITE_TABLES").is_some() {
        std::fs::write(DOCUMENT, &expected).unwrap();
    } else {
        assert!(document == expected, "{DOCUMENT} is not what METLOG_WRITE_TABLES=1 would write");
    }
}

#[test]
fn the_document_names_the_partition_columns() {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    for (name, r#type) in PARTITION_COLUMNS {
        let row = format!("| `{name}` | {} | ", type_name(&r#type));
        assert!(document.contains(&row), "{row}");
    }
}
