//! Traces out of the table `spans`: by id, by search, and what can be said of all of them together.
//!
//! Everything asks in SQL, in the pool's processes, with the rights of whoever asks. What comes back is bounded: spans come in
//! pages of [`SPANS_A_PAGE`], at most [`SPANS_MAX`] of them.
mod load;
mod outline;
mod red;
mod search;
mod services;
mod sql;
mod summary;

pub use load::Found;
pub use outline::{OUTLINE_MAX, Outline};
pub use red::{Point, Red, RedQuery, Series};
pub use search::{Order, Search};
pub use services::{Dependency, Operation};
pub(crate) use sql::{literal, within};
pub use summary::{ServiceCount, Summary};

use crate::isolate::{Batches, Pool, Query};
use crate::{Engine, Error, Kind, Rights};
use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// Spans that are read at a time.
pub const SPANS_A_PAGE: usize = 20_000;

/// Most spans of one result, whatever number of traces they are of.
pub const SPANS_MAX: usize = 200_000;

/// Where rows come from: a [`Pool`], or in tests an [`Engine`].
pub trait Rows: Send + Sync {
    /// Runs a query for whoever has these rights.
    fn rows(&self, sql: String, rights: Rights) -> BoxFuture<'_, Result<Batches, Error>>;
}

impl Rows for Arc<Pool> {
    fn rows(&self, sql: String, rights: Rights) -> BoxFuture<'_, Result<Batches, Error>> {
        async move { self.batches(Query::batches(sql, &rights)).await }.boxed()
    }
}

impl Rows for Engine {
    fn rows(&self, sql: String, rights: Rights) -> BoxFuture<'_, Result<Batches, Error>> {
        async move {
            let rows = self.query_within(&sql, &rights, self.config().time_max, false).await?;
            let (schema, partial) = (rows.schema(), rows.partial());
            Ok(Batches { schema, batches: rows.collect().await?, partial })
        }
        .boxed()
    }
}

/// The traces that one user sees.
#[derive(Clone)]
pub struct Traces {
    rows: Arc<dyn Rows>,
    rights: Rights,
}

impl Traces {
    /// Those that these rights show.
    pub fn new(rows: Arc<dyn Rows>, rights: Rights) -> Traces {
        Traces { rows, rights }
    }

    /// Runs SQL over them.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn sql(&self, sql: String) -> Result<Batches, Error> {
        self.rows.rows(sql, self.rights.clone()).await
    }
}

/// Columns of a result by name, as they were asked for here.
pub(crate) struct Columns<'b>(pub(crate) &'b RecordBatch);

impl Columns<'_> {
    fn column(&self, name: &str, as_type: &DataType) -> Result<Arc<dyn Array>, Error> {
        let missing = || Error::new(Kind::Internal, format!("a result without `{name}`"));
        let column = self.0.column_by_name(name).ok_or_else(missing)?;
        arrow::compute::cast(column, as_type).map_err(|error| Error::new(Kind::Internal, format!("`{name}`: {error}")))
    }

    pub(crate) fn texts(&self, name: &str) -> Result<StringArray, Error> {
        Ok(self.column(name, &DataType::Utf8)?.as_string::<i32>().clone())
    }

    /// Nulls are zeros.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<i64>, Error> {
        let column = self.column(name, &DataType::Int64)?;
        Ok(column.as_primitive::<Int64Type>().iter().map(Option::unwrap_or_default).collect())
    }

    /// Nulls are none.
    pub(crate) fn doubles(&self, name: &str) -> Result<Vec<Option<f64>>, Error> {
        let column = self.column(name, &DataType::Float64)?;
        Ok(column.as_primitive::<Float64Type>().iter().collect())
    }
}

/// The text of a row; nothing of a null.
pub(crate) fn text(column: &StringArray, row: usize) -> &str {
    if column.is_valid(row) { column.value(row) } else { "" }
}
