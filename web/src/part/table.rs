//! A table of a result's rows. The head stays in sight; wide ones scroll by themselves, not the page.
use crate::ask::Rows;
use crate::cell::Cell;
use crate::part::block;
use crate::text::visible;
use arrow::datatypes::DataType;
use maud::{Markup, html};

/// How a table is drawn.
pub struct Table<'r> {
    rows: &'r Rows,
    caption: String,
    rows_max: usize,
    link: Option<Box<Link<'r>>>,
}

/// The address that a cell leads to, by the name of its column and its row.
type Link<'r> = dyn Fn(&str, &[Cell]) -> Option<String> + Send + Sync + 'r;

/// Rows of a table in a page, unless it says otherwise.
pub const ROWS_MAX: usize = 500;

impl<'r> Table<'r> {
    /// A table of all columns. The caption is for those who do not see it.
    pub fn new(rows: &'r Rows, caption: impl Into<String>) -> Table<'r> {
        Table { rows, caption: caption.into(), rows_max: ROWS_MAX, link: None }
    }

    /// Shows at most so many rows.
    pub fn rows_max(mut self, rows_max: usize) -> Table<'r> {
        self.rows_max = rows_max;
        self
    }

    /// Makes cells links, by the name of the column and the row.
    pub fn link(mut self, link: impl Fn(&str, &[Cell]) -> Option<String> + Send + Sync + 'r) -> Table<'r> {
        self.link = Some(Box::new(link));
        self
    }

    /// The table, or what is said of an empty one.
    pub fn show(&self) -> Markup {
        let fields = self.rows.schema.fields();
        let count = self.rows.len();
        if count == 0 {
            return html! { (block::partial(self.rows.partial.as_deref())) (block::empty("No rows.", "")) };
        }
        html! {
            (block::partial(self.rows.partial.as_deref()))
            div.scroll tabindex="0" role="region" aria-label=(self.caption) {
                table.data {
                    caption.sr { (self.caption) }
                    thead { tr { @for field in fields {
                        th scope="col" class=[field.data_type().is_numeric().then_some("n")] title=(kind(field.data_type())) { (visible(field.name())) }
                    } } }
                    tbody { @for row in self.rows.iter().take(self.rows_max) { tr {
                        @for (field, cell) in fields.iter().zip(&row) { (self.cell(field.name(), cell, &row)) }
                    } } }
                }
            }
            @if count > self.rows_max { (block::truncated(self.rows_max, Some(count as u64))) }
        }
    }

    fn cell(&self, column: &str, cell: &Cell, row: &[Cell]) -> Markup {
        let link = self.link.as_ref().and_then(|link| link(column, row));
        let class = match cell {
            Cell::Number(..) => Some("n"),
            Cell::Time(_) => Some("t"),
            _ => None,
        };
        html! { td class=[class] { @match link { Some(link) => a href=(link) { (cell.show_rounded()) }, None => (cell.show_rounded()) } } }
    }
}

/// A type as `schemas/tables.md` names it.
pub fn kind(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Binary | DataType::LargeBinary => "binary".to_owned(),
        DataType::List(item) | DataType::LargeList(item) => format!("array<{}>", self::kind(item.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let parts: Vec<String> = fields.iter().map(|field| self::kind(field.data_type())).collect();
                format!("map<{}>", parts.join(","))
            }
            _ => "map".to_owned(),
        },
        other => other.to_string().to_lowercase(),
    }
}
