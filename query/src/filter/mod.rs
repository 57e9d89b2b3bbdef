//! The filter language of the page, `metlog tail`, the API and traces: which rows of a table are wanted, in a line such
//! as `type=login and severity<=4 and fields.userid=25 and not payload~"test"`.
//!
//! A [`Filter`] is read once, over the columns of one table as its definition names them, and then either tests rows in
//! memory ([`Filter::apply`]) or becomes SQL ([`Filter::to_sql`]). Both find the same rows.
//!
//! ```text
//! filter  = and { "or" and }
//! and     = not { ["and"] not }                 terms side by side must all match
//! not     = "not" not | "(" filter ")" | term
//! term    = column operator value | text        text is searched in the payload (or in the name, without payloads)
//! column  = name | map "." key | list           `fields.user.id`, `tags.host`; a list is any of its items
//! operator = "=" "!=" "~" "!~" "<" "<=" ">" ">="
//! ```
//!
//! **Invariants.** `!=` and `!~` are `not` of `=` and `~`: a row without the value matches them. Nothing recurses deeper
//! than [`DEPTH_MAX`], and a regular expression has a bounded size. What a filter says never becomes SQL but as a
//! literal.
mod column;
mod error;
mod evaluate;
mod expression;
mod http;
mod parse;
mod sql;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use error::FilterError;
pub use http::router;
pub use text::{quoted, term};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use expression::Expression;
use metlog_schemas::table::Table;
use std::fmt;
use std::ops::Range;

/// Longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 4_096;
/// Most terms of a filter.
pub const TERMS_MAX: usize = 100;
/// Deepest nesting of parentheses and `not`.
pub const DEPTH_MAX: usize = 16;
/// Longest regular expression, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1_000;
/// Memory of a compiled regular expression, in bytes.
pub const PATTERN_MEMORY_BYTES_MAX: usize = 1 << 20;

/// What a filter of a table can name, as it is written: `type`, `token`, `fields.<key>`.
pub fn names(table: Table) -> Vec<String> {
    column::names(table)
}

/// Which rows of a table are wanted.
#[derive(Debug, Clone)]
pub struct Filter {
    table: Table,
    /// None: all of them.
    wanted: Option<Expression>,
}

impl Filter {
    /// All rows.
    pub fn all(table: Table) -> Filter {
        Filter { table, wanted: None }
    }

    /// Reads a filter over the columns of a table; without words it is all rows.
    ///
    /// # Errors
    /// What is wrong, where, and what was probably meant.
    pub fn parse(table: Table, text: &str) -> Result<Filter, FilterError> {
        Ok(Filter { table, wanted: parse::parse(table, text)? })
    }

    /// Rows whose column (`type`, `token`, `fields.user`) has this value, whatever characters are in it.
    ///
    /// # Errors
    /// Where the table has no such column, or the value is not of its type.
    pub fn equal(table: Table, column: &str, value: &str) -> Result<Filter, FilterError> {
        Filter::parse(table, &term(column, "=", value))
    }

    /// Rows whose payload contains this text, whatever characters are in it.
    ///
    /// # Errors
    /// Where the table has no text to search.
    pub fn containing(table: Table, text: &str) -> Result<Filter, FilterError> {
        Ok(Filter { table, wanted: Some(parse::containing(table, text)?) })
    }

    /// Rows that both want. Both are of the same table.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        let both = match (self.wanted, other.wanted) {
            (Some(Expression::And(mut parts)), Some(more)) => {
                parts.push(more);
                Some(Expression::And(parts))
            }
            (Some(one), Some(two)) => Some(Expression::And(vec![one, two])),
            (one, two) => one.or(two),
        };
        Filter { wanted: both, ..self }
    }

    /// The parts that all must match, each a filter of its own: what a page shows to be taken out again.
    pub fn parts(&self) -> Vec<Filter> {
        let part = |wanted: &Expression| Filter { wanted: Some(wanted.clone()), ..*self };
        match &self.wanted {
            None => Vec::new(),
            Some(Expression::And(parts)) => parts.iter().map(part).collect(),
            Some(one) => vec![part(one)],
        }
    }

    /// Where in the text of a column that it wants what it searches for is found, in order: bytes, for highlighting.
    pub fn found_in(&self, column: &str, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if let Some(wanted) = &self.wanted {
            wanted.searches(column, &mut |test| evaluate::places(test, text, &mut found));
        }
        found.sort_unstable_by_key(|place: &Range<usize>| (place.start, place.end));
        let mut end = 0;
        found.retain(|place| {
            let is_apart = place.start >= end && !place.is_empty();
            end = if is_apart { place.end } else { end };
            is_apart
        });
        found
    }

    /// The table that it is about.
    pub fn table(&self) -> Table {
        self.table
    }

    /// True if it wants all rows.
    pub fn is_all(&self) -> bool {
        self.wanted.is_none()
    }

    /// The condition in SQL, for a `where`; `true` for all rows. It holds together: `not`, `and` and `or` may stand beside it
    /// once it is in parentheses.
    pub fn to_sql(&self) -> String {
        self.wanted.as_ref().map_or_else(|| "true".to_owned(), sql::condition)
    }

    /// For each row whether it is wanted.
    ///
    /// # Errors
    /// Rows of another table.
    pub fn select(&self, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        match &self.wanted {
            None => Ok(vec![true; batch.num_rows()].into()),
            Some(wanted) => evaluate::select(wanted, batch),
        }
    }

    /// The rows that are wanted.
    ///
    /// # Errors
    /// Rows of another table.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        match self.wanted {
            None => Ok(batch.clone()),
            Some(_) => filter_record_batch(batch, &self.select(batch)?),
        }
    }
}

/// The filter in its own language, with `and`, parentheses and quotes where they are needed. Read again it finds the same
/// rows.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wanted {
            None => Ok(()),
            Some(wanted) => f.write_str(&text::written(wanted)),
        }
    }
}
