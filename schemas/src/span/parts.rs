//! What a span has many of besides attributes: events, or links.
use super::attributes::Attributes;
use super::columns::{Packed, filled, last, list};
use arrow::array::{ArrayRef, StructArray};
use arrow::datatypes::{DataType, Fields};
use arrow::error::ArrowError;
use std::sync::Arc;

/// Events, or links, of all spans.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) ends: Vec<i32>,
    pub(super) texts: [Packed; 3],
    pub(super) numbers: Vec<i64>,
    pub(super) dropped: Vec<i64>,
    pub(super) attributes: Attributes,
}

impl Parts {
    /// Closes the attributes of the last one.
    #[inline]
    pub(super) fn close(&mut self) {
        if self.attributes.len() < self.numbers.len() {
            self.attributes.close();
        }
    }

    pub(super) fn open_len(&self) -> usize {
        self.numbers.len() - last(&self.ends)
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.texts.iter().map(|texts| texts.bytes.len()).sum::<usize>() + self.attributes.text_bytes()
    }

    pub(super) fn rollback(&mut self, rows: usize) {
        self.ends.truncate(rows);
        let parts = last(&self.ends);
        self.texts.iter_mut().for_each(|texts| texts.truncate(parts));
        self.numbers.truncate(parts);
        self.dropped.truncate(parts);
        self.attributes.truncate(parts);
    }

    pub(super) fn finish(
        &mut self,
        of: &DataType,
        fields: Fields,
        columns: Vec<ArrayRef>,
    ) -> Result<ArrayRef, ArrowError> {
        list(of, filled(&mut self.ends), Arc::new(StructArray::try_new(fields, columns, None)?))
    }
}
