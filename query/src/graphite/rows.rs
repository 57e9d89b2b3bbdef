//! Where rows come from: SQL, with the rights of who asks.
use crate::access::Rights;
use crate::error::Error;
use crate::isolate::{Pool, Query};
use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StringArray};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// Runs SQL for one reader.
pub trait Rows: Send + Sync {
    /// All rows of a result.
    fn rows(&self, sql: String) -> BoxFuture<'_, Result<Vec<RecordBatch>, Error>>;
    /// The same for readers who see the same rows.
    fn reader(&self) -> &str;
}

/// Rows of a pool.
pub struct OfPool {
    pool: Arc<Pool>,
    rights: Rights,
    reader: String,
}

impl OfPool {
    /// Those that a user may see. What is seen of metrics depends on the loggers alone.
    pub fn new(pool: Arc<Pool>, rights: Rights) -> OfPool {
        OfPool { pool, reader: format!("{:?}", rights.loggers()), rights }
    }
}

impl Rows for OfPool {
    fn rows(&self, sql: String) -> BoxFuture<'_, Result<Vec<RecordBatch>, Error>> {
        async move { Ok(self.pool.batches(Query::batches(sql, &self.rights)).await?.batches) }.boxed()
    }

    fn reader(&self) -> &str {
        &self.reader
    }
}

/// A column of text.
pub fn text_of(column: &ArrayRef) -> Option<StringArray> {
    column.as_string_opt::<i32>().cloned()
}

/// Lists of text.
pub struct Texts(ListArray);

/// A column of lists of text.
pub fn list_of(column: &ArrayRef) -> Option<Texts> {
    let list = column.as_list_opt::<i32>()?;
    list.values().as_string_opt::<i32>()?;
    Some(Texts(list.clone()))
}

impl Texts {
    /// The texts of a row; none where it is null.
    pub fn texts(&self, row: usize) -> Vec<String> {
        if self.0.is_null(row) {
            return Vec::new();
        }
        let values = self.0.value(row);
        let texts = values.as_string_opt::<i32>().map(|texts| texts.iter().flatten().map(str::to_owned).collect());
        texts.unwrap_or_default()
    }
}

/// A text in SQL.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
