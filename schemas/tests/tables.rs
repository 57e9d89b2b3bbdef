//! `tables.md` names every column as the schemas have it, in their order.
#![allow(clippy::unwrap_used)]
use arrow::datatypes::DataType;
use metlog_schemas::tables::{PARTITION_COLUMNS, Table, list_type, map_type, timestamp_type};

/// The name that the document gives a type.
fn type_name(of: &DataType) -> &'static str {
    let names = [
        (timestamp_type(), "timestamp"),
        (DataType::Utf8, "string"),
        (DataType::Int32, "int"),
        (DataType::Int64, "bigint"),
        (DataType::Float64, "double"),
        (DataType::Binary, "binary"),
        (list_type(), "array<string>"),
        (map_type(), "map<string,string>"),
    ];
    names.into_iter().find(|(r#type, _)| r#type == of).unwrap_or_else(|| panic!("{of} has no name")).1
}

/// Column, type and null of each row of the first table below a heading.
fn documented(heading: &str) -> Vec<[String; 3]> {
    let text = std::fs::read_to_string("tables.md").unwrap();
    let (_, below) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let section = below.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        [cells[1], cells[2], cells[3]].map(str::to_owned)
    })
    .collect()
}

#[track_caller]
fn check<'a>(heading: &str, columns: impl IntoIterator<Item = (&'a str, &'a DataType, bool)>) {
    let null = |is_nullable| if is_nullable { "yes" } else { "no" };
    let columns = columns.into_iter();
    let expected: Vec<[String; 3]> =
        columns.map(|(name, r#type, nullable)| [name, type_name(r#type), null(nullable)].map(str::to_owned)).collect();
    assert_eq!(documented(heading), expected, "{heading}");
}

#[test]
fn the_document_names_every_column() {
    for table in Table::ALL {
        let schema = table.schema();
        let columns =
            schema.fields().iter().map(|field| (field.name().as_str(), field.data_type(), field.is_nullable()));
        check(&format!("Table `{}`", table.name()), columns);
    }
    check("Partitions", PARTITION_COLUMNS.iter().map(|(name, r#type)| (*name, r#type, false)));
}
