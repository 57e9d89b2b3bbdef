//! Queries of the page itself: SQL in, columns out, or a fault that is shown where the rows would have been.
use crate::cell::Cell;
use crate::visit::Visit;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use metlog_query::{Batches, Error, Kind, Query};

/// Why a part of a page has nothing to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What happened, for the reader.
    pub message: String,
    /// Line and column in the SQL, where it is about the reader's SQL.
    pub position: Option<(u64, u64)>,
    /// True where asking again, or for less, may help.
    pub is_temporary: bool,
}

impl Fault {
    /// One that stays until something is changed.
    pub fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), position: None, is_temporary: false }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        let is_temporary = matches!(error.kind, Kind::Timeout | Kind::Storage | Kind::Limit);
        Fault { message: error.message, position: error.position, is_temporary }
    }
}

/// The rows of a result.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
    /// Why it is only a part of the rows, where it is.
    pub partial: Option<String>,
}

impl Rows {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.schema.index_of(name).ok()
    }

    /// Each row, as cells.
    pub fn iter(&self) -> impl Iterator<Item = Vec<Cell>> + '_ {
        self.batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| cells(batch, row)))
    }
}

fn cells(batch: &RecordBatch, row: usize) -> Vec<Cell> {
    batch.columns().iter().map(|column| Cell::of(column, row)).collect()
}

impl Visit {
    /// Runs a query for whoever made this request. Dropping the future ends the query.
    ///
    /// # Errors
    /// Where there is no result, or no SQL here.
    pub async fn ask(&self, sql: &str) -> Result<Rows, Fault> {
        let Some(pool) = &self.site.pool else {
            return Err(Fault::new("there is no SQL here: this server was started with `metlog listen`"));
        };
        let Batches { schema, batches, partial } = pool.batches(Query::batches(sql, &self.rights)).await?;
        crate::partial::note(partial.as_deref());
        Ok(Rows { schema, batches, partial })
    }
}
