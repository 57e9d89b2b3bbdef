//! Columns that grow row by row, can forget the row that is being written, and become Arrow's arrays.
pub(super) use crate::rows::{filled, offsets};
use arrow::array::{ArrayRef, BinaryArray, ListArray, StringArray};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use std::sync::Arc;

/// Texts or bytes behind each other.
#[derive(Debug, Default, Clone)]
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Vec<i32>,
}

impl Packed {
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.end();
    }

    /// Ends a value whose bytes were appended to `bytes`.
    #[inline]
    pub(super) fn end(&mut self) {
        // A column of more than 2 GiB wraps, which `offsets` refuses.
        self.ends.push(self.bytes.len() as i32);
    }

    /// Sets the value at a place, which is the last one or the next; the last one set counts.
    #[inline]
    pub(super) fn set(&mut self, at: usize, bytes: &[u8]) {
        self.truncate(at);
        self.push(bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    fn start(&self, at: usize) -> usize {
        // Of columns that nothing is in, the start of any value is their end.
        if at == 0 { 0 } else { self.ends.get(at - 1).map_or(self.bytes.len(), |end| *end as usize) }
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> &[u8] {
        self.bytes.get(self.start(at)..self.ends[at] as usize).unwrap_or_default()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        if self.ends.len() > len || self.bytes.len() > self.start(len) {
            self.ends.truncate(len);
            self.bytes.truncate(self.start(len));
        }
    }

    /// Appends all values of another.
    #[inline]
    pub(super) fn append(&mut self, other: &Packed) {
        let base = self.bytes.len() as i32;
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| base.wrapping_add(*end)));
    }

    pub(super) fn texts(&mut self) -> Result<StringArray, ArrowError> {
        let (ends, bytes) = (filled(&mut self.ends), filled(&mut self.bytes));
        StringArray::try_new(offsets(ends)?, Buffer::from_vec(bytes), None)
    }

    pub(super) fn binary(&mut self) -> Result<BinaryArray, ArrowError> {
        let (ends, bytes) = (filled(&mut self.ends), filled(&mut self.bytes));
        BinaryArray::try_new(offsets(ends)?, Buffer::from_vec(bytes), None)
    }
}

/// The last of some ends.
pub(super) fn last(ends: &[i32]) -> usize {
    ends.last().map_or(0, |end| *end as usize)
}

/// A list of items whose ends are given.
pub(super) fn list(of: &DataType, ends: Vec<i32>, items: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let DataType::List(item) = of else {
        return Err(ArrowError::SchemaError(format!("{of} is no list")));
    };
    Ok(Arc::new(ListArray::try_new(item.clone(), offsets(ends)?, items, None)?))
}
