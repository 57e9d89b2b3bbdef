//! Why a query has no result: a kind that programs read, a message that people read (see `wording.rs`), and the place
//! in the SQL where there is one.
use crate::wording::{self, root_of};
use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use serde_json::{Value, json};
use std::error::Error as StdError;
use std::fmt;

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Correct the SQL, or the values that it computes with.
    Sql,
    /// Read only: the statement would change or open something.
    ReadOnly,
    /// The user may not see that.
    Forbidden,
    /// Correct the request around the SQL.
    Request,
    /// Ask for less: too many rows, too much memory, too long a query.
    Limit,
    /// Ask for less, or again later: it took too long.
    Timeout,
    /// An object or a journal segment could not be read; ask again.
    Storage,
    /// A defect of ours.
    Internal,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 8] = [
        Kind::Sql,
        Kind::ReadOnly,
        Kind::Forbidden,
        Kind::Request,
        Kind::Limit,
        Kind::Timeout,
        Kind::Storage,
        Kind::Internal,
    ];

    /// As in the JSON of an error.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Sql => "sql",
            Kind::ReadOnly => "read_only",
            Kind::Forbidden => "forbidden",
            Kind::Request => "request",
            Kind::Limit => "limit",
            Kind::Timeout => "timeout",
            Kind::Storage => "storage",
            Kind::Internal => "internal",
        }
    }
}

/// A query without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What to do about it.
    pub kind: Kind,
    /// What happened, for a human.
    pub message: String,
    /// Line and column in the SQL, both from 1, where the place is known.
    pub position: Option<(u64, u64)>,
}

impl Error {
    /// An error without a place.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), position: None }
    }

    /// `{"error": {"kind", "message", "line", "column"}}`; the last two are null where the place is not known.
    pub fn to_json(&self) -> Value {
        let (line, column) = self.position.unzip();
        json!({"error": {"kind": self.kind.name(), "message": self.message, "line": line, "column": column}})
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{} (line {line}, column {column})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl StdError for Error {}

/// A journal segment or a listener that could not be asked; carried through DataFusion to come out as
/// [`Kind::Storage`].
#[derive(Debug, thiserror::Error)]
#[error("hot rows: {0}")]
pub(crate) struct HotError(#[from] pub(crate) arrow::error::ArrowError);

impl From<HotError> for DataFusionError {
    fn from(error: HotError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Error {
        let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
        let position = span.map(|span| (span.start.line, span.start.column));
        if is_missing_object(&error) {
            return Error::new(Kind::Storage, "an object was removed while it was read: run the query again");
        }
        let root = root_of(&error);
        let position = position.or_else(|| match root {
            DataFusionError::SQL(parser, _) => match parser.as_ref() {
                ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
                    wording::place(text).map(|(_, place)| place)
                }
                ParserError::RecursionLimitExceeded => None,
            },
            _ => None,
        });
        if let DataFusionError::External(inner) = root
            && let Some(error) = inner.downcast_ref::<HotError>()
        {
            return Error::new(Kind::Storage, error.to_string());
        }
        let (kind, message) = wording::message(root);
        Error { kind, message, position }
    }
}

/// True where an object that was listed is gone. The Parquet reader keeps only the text of some errors, so
/// that text, which is the object store's own, is looked at as well.
fn is_missing_object(error: &DataFusionError) -> bool {
    let is_storage = matches!(root_of(error), DataFusionError::ParquetError(_) | DataFusionError::ObjectStore(_));
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(object_store::Error::NotFound { .. }) = current.downcast_ref() {
            return true;
        }
        source = current.source();
    }
    let text = error.to_string();
    is_storage && text.contains("Object at location") && text.contains("not found")
}
