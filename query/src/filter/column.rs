//! The columns of a table that a filter can name, by the table's definition.
use crate::hints;
use arrow::datatypes::{DataType, Field};
use metlog_schemas::table::Table;

/// Where a value is found in a row.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// Of a map.
    pub(super) key: Option<String>,
    pub(super) kind: Kind,
    /// True if a row may be without a value.
    pub(super) is_nullable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Number,
    Time,
    Truth,
    /// Of texts.
    List,
    /// From texts to texts.
    Map,
}

impl Kind {
    /// In a sentence.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Kind::Text | Kind::Map => "text",
            Kind::Whole => "a whole number",
            Kind::Number => "a number",
            Kind::Time => "a time",
            Kind::Truth => "true or false",
            Kind::List => "a list of texts",
        }
    }

    fn of(r#type: &DataType) -> Option<Kind> {
        let is_text = |field: &Field| *field.data_type() == DataType::Utf8;
        match r#type {
            DataType::Utf8 => Some(Kind::Text),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(Kind::Whole),
            DataType::Float32 | DataType::Float64 => Some(Kind::Number),
            DataType::Timestamp(..) => Some(Kind::Time),
            DataType::Boolean => Some(Kind::Truth),
            DataType::List(item) if is_text(item) => Some(Kind::List),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(parts) if parts.iter().all(|part| is_text(part)) => Some(Kind::Map),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The column of a name; a list also by the singular of its name. A map is without its key.
pub(super) fn find(table: Table, name: &str) -> Option<Column> {
    let schema = table.schema();
    let plural = format!("{name}s");
    let field = schema.field_with_name(name).ok().or_else(|| {
        let list = schema.field_with_name(&plural).ok()?;
        (Kind::of(list.data_type()) == Some(Kind::List)).then_some(list)
    })?;
    let kind = Kind::of(field.data_type())?;
    let is_nullable = field.is_nullable() || kind == Kind::Map;
    Some(Column { name: field.name().clone(), key: None, kind, is_nullable })
}

/// The column that words without a column are searched in.
pub(super) fn searched(table: Table) -> Option<Column> {
    ["payload", "name"].into_iter().filter_map(|name| find(table, name)).find(|column| column.kind == Kind::Text)
}

/// Every column as it is written in a filter: `type`, `token`, `fields.<key>`.
pub(super) fn names(table: Table) -> Vec<String> {
    let schema = table.schema();
    let name = |field: &Field| match Kind::of(field.data_type())? {
        Kind::Map => Some(format!("{}.<key>", field.name())),
        Kind::List => Some(field.name().strip_suffix('s').unwrap_or(field.name()).to_owned()),
        _ => Some(field.name().clone()),
    };
    schema.fields().iter().filter_map(|field| name(field)).collect()
}

/// The column that was probably meant by a name; a map without its key.
pub(super) fn nearest(table: Table, name: &str) -> Option<String> {
    let names = names(table);
    let names: Vec<&str> = names.iter().map(|name| name.trim_end_matches(".<key>")).collect();
    let elsewhere = hints::called_elsewhere(name).filter(|ours| names.contains(ours));
    elsewhere.or_else(|| hints::nearest(name, names.into_iter())).map(str::to_owned)
}
