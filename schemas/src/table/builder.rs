//! Rows on their way to batches, one builder a table.
use super::{Table, TableMap};
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use std::any::Any;
use std::fmt::Debug;

/// Rows of one table, whichever it is.
pub trait RowBuilder: Any + Send + Debug {
    /// Finished rows.
    fn len(&self) -> usize;

    /// True if there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of text held, a measure of its size.
    fn text_bytes(&self) -> usize;

    /// The rows as one batch of the table's schema; none are left here.
    ///
    /// # Errors
    /// Only where Arrow refuses the columns, which would be a defect.
    fn finish(&mut self) -> Result<RecordBatch, ArrowError>;
}

/// Rows of one table that is known by its type.
pub trait TableRows: RowBuilder + Default {
    /// The table.
    const TABLE: Table;
}

/// Rows of every table.
#[derive(Debug)]
pub struct Builders(TableMap<Box<dyn RowBuilder>>);

impl Default for Builders {
    fn default() -> Self {
        Builders(TableMap::of(Table::builder))
    }
}

impl Builders {
    /// The builder of a table. Cheap, but once a datagram is better than once a row.
    #[inline]
    pub fn of<B: TableRows>(&mut self) -> &mut B {
        let builder: &mut dyn Any = &mut **self.0.get_mut(B::TABLE);
        match builder.downcast_mut() {
            Some(builder) => builder,
            None => unreachable!("a test sees to it that each table is built by its own rows"),
        }
    }

    /// Rows of all tables.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(_, builder)| builder.len()).sum()
    }

    /// True if there is no row of any table.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, builder)| builder.is_empty())
    }

    /// Bytes of text in all of them, a measure of their size.
    pub fn text_bytes(&self) -> usize {
        self.0.iter().map(|(_, builder)| builder.text_bytes()).sum()
    }

    /// The rows as batches, `None` for a table without rows; none are left here.
    ///
    /// # Errors
    /// Only where Arrow refuses the columns, which would be a defect.
    pub fn batches(&mut self) -> Result<TableMap<Option<RecordBatch>>, ArrowError> {
        let mut batches = TableMap::default();
        for (table, builder) in self.0.iter_mut().filter(|(_, builder)| !builder.is_empty()) {
            batches[table] = Some(builder.finish()?);
        }
        Ok(batches)
    }
}
