//! Who asks, and which rows they may see.
//!
//! [`Rights`] go with each query to the process that runs it. There the catalogue of the query is made, and it has for a
//! reader of some loggers only tables that filter their rows (`filtered.rs`): whatever a plan does, it does with
//! the rows that are left. A table that does not say whose its rows are ([`Definition::owner`]) is not in such a
//! catalogue at all.
//!
//! [`Definition::owner`]: metlog_schemas::table::Definition::owner
mod filtered;
mod plans;
mod request;

pub(crate) use filtered::{Filtered, is_of_times, senders};
pub(crate) use plans::check;

use crate::error::{Error, Kind};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, MapArray, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use metlog_schemas::table::{Owner, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The tags of a series that name its logger.
const OWNER_TAGS: [&str; 2] = ["logger", "service"];

/// What a user may do beyond reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Reader,
    /// Reads everything, and what is about the server itself.
    Admin,
}

/// Who asks, and what they may see. Caches of results must have it in their keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rights {
    user: Option<String>,
    role: Role,
    /// All of them where there are none.
    loggers: Option<BTreeSet<String>>,
}

impl Rights {
    /// Everything, for nobody in particular: a command over a warehouse, or a server without authentication.
    pub const fn everything() -> Rights {
        Rights { user: None, role: Role::Admin, loggers: None }
    }

    /// A user who may do everything.
    pub fn admin(user: impl Into<String>) -> Rights {
        Rights { user: Some(user.into()), role: Role::Admin, loggers: None }
    }

    /// A user who reads what these loggers sent, or everything.
    pub fn reader(user: impl Into<String>, loggers: Option<Vec<String>>) -> Rights {
        let loggers = loggers.map(|loggers| loggers.into_iter().collect());
        Rights { user: Some(user.into()), role: Role::Reader, loggers }
    }

    /// Their name; none where there is no authentication.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// True for those who may also see what is about the server itself and not about some logger.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// The loggers whose rows are seen; none where all are.
    pub fn loggers(&self) -> Option<&BTreeSet<String>> {
        self.loggers.as_ref()
    }

    /// True where some rows are not seen.
    pub fn is_restricted(&self) -> bool {
        self.loggers.is_some()
    }

    /// True where rows of this logger are seen.
    pub fn sees_logger(&self, logger: &str) -> bool {
        self.loggers.as_ref().is_none_or(|loggers| loggers.contains(logger))
    }

    /// True where the series of this name and these tags is seen: its name is that of one of the loggers, or begins with it and
    /// a dot, or a tag `logger` or `service` names one.
    pub fn sees_series<'a>(&self, name: &str, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> bool {
        let Some(loggers) = &self.loggers else { return true };
        let is_below = |logger: &String| {
            name.strip_prefix(logger.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_tagged = |(key, value)| OWNER_TAGS.contains(&key) && loggers.contains(value);
        loggers.iter().any(|logger| !logger.is_empty() && is_below(logger)) || tags.into_iter().any(is_tagged)
    }

    /// True where the table is seen, whichever rows of it.
    pub fn sees_table(&self, table: Table) -> bool {
        !self.is_restricted() || table.definition().owner.is_some()
    }

    /// The rows of a table that are seen. `batch` has all of the table's columns, or at least those that say whose a
    /// row is.
    ///
    /// # Errors
    /// Where those columns are missing.
    pub fn filter(&self, table: Table, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        if !self.is_restricted() {
            return Ok(batch.clone());
        }
        match table.definition().owner {
            None => Ok(batch.slice(0, 0)),
            Some(owner) => filter_record_batch(batch, &self.mask(owner, batch)?),
        }
    }

    /// # Errors
    /// [`Kind::Forbidden`] for everybody but admins.
    pub fn require_admin(&self) -> Result<(), Error> {
        if self.is_admin() {
            return Ok(());
        }
        Err(Error::new(Kind::Forbidden, "only users with the role `admin` may see this"))
    }

    /// True for each row that is seen.
    fn mask(&self, owner: Owner, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        match owner {
            Owner::Column(name) => {
                let loggers = text(batch, name)?;
                Ok(loggers.iter().map(|logger| Some(logger.is_some_and(|logger| self.sees_logger(logger)))).collect())
            }
            Owner::Series => {
                let (names, tags) = (text(batch, "name")?, tags(batch)?);
                let is_seen = |row: usize| {
                    let none = StringArray::from(Vec::<&str>::new());
                    let entries = tags.is_valid(row).then(|| tags.value(row));
                    let (keys, values) = match &entries {
                        Some(entries) => {
                            (entries.column(0).as_string_opt::<i32>(), entries.column(1).as_string_opt::<i32>())
                        }
                        None => (Some(&none), Some(&none)),
                    };
                    let pairs = keys.zip(values).into_iter().flat_map(|(keys, values)| keys.iter().zip(values.iter()));
                    let name = if names.is_valid(row) { names.value(row) } else { "" };
                    self.sees_series(name, pairs.filter_map(|(key, value)| key.zip(value)))
                };
                Ok((0..batch.num_rows()).map(|row| Some(is_seen(row))).collect())
            }
        }
    }
}

/// The columns that say whose a row is.
fn columns_of(owner: Owner) -> Vec<&'static str> {
    match owner {
        Owner::Column(name) => vec![name],
        Owner::Series => vec!["name", "tags"],
    }
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("rows without their `{name}`")))
}

fn text(batch: &RecordBatch, name: &str) -> Result<StringArray, ArrowError> {
    // Of dictionaries too.
    Ok(cast(column(batch, name)?, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn tags(batch: &RecordBatch) -> Result<&MapArray, ArrowError> {
    column(batch, "tags")?.as_map_opt().ok_or_else(|| ArrowError::SchemaError("`tags` are no map".to_owned()))
}
