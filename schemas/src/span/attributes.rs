//! Sets of attributes as columns: a map from keys to texts, and what brings types, repeated keys and nested values back.
//!
//! The types of a set are a text with a letter for each attribute in its order, and empty where all are plain strings:
//! nearly every span of one operation has the same, so that it takes no space. A capital letter says that the key was
//! there before, and got a suffix: `key#2`.
use super::columns::{Packed, filled, last, list, offsets};
use super::{Value, text};
use crate::table::map_type;
use arrow::array::{ArrayRef, MapArray, StructArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use std::collections::HashSet;
use std::sync::Arc;

/// Up to so many attributes, looking through their keys is the cheapest way to find one.
const FEW: usize = 32;

/// Begins a double in the protobuf of an `AnyValue`.
const DOUBLE_TAG: u8 = 4 << 3 | 1;

/// The letters of types.
pub(super) mod letter {
    pub const STR: u8 = b's';
    pub const INT: u8 = b'i';
    pub const DOUBLE: u8 = b'd';
    pub const BOOL: u8 = b'b';
    pub const BYTES: u8 = b'x';
    /// Its `AnyValue` is in the column of nested values.
    pub const NESTED: u8 = b'j';
    /// An `AnyValue` with nothing in it.
    pub const EMPTY: u8 = b'e';
    /// No value at all.
    pub const MISSING: u8 = b'n';
}

/// Sets of attributes, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    keys: Packed,
    values: Packed,
    ends: Vec<i32>,
    types: Packed,
    nested: Packed,
    nested_ends: Vec<i32>,
    open: Open,
}

/// What is known of the set that is being written.
#[derive(Debug, Default)]
struct Open {
    types: Vec<u8>,
    is_plain: bool,
    /// The keys, where there are too many to look through.
    seen: Option<HashSet<Box<[u8]>>>,
    /// What stands behind the next `#`.
    number: usize,
}

impl Open {
    fn clear(&mut self) {
        self.types.clear();
        (self.is_plain, self.seen, self.number) = (true, None, 2);
    }
}

/// A nested value was no `AnyValue`, or too deep.
#[derive(Debug)]
pub(super) struct BadValue;

impl Attributes {
    /// Closed sets.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Attributes of the open set.
    #[inline]
    pub(super) fn open_len(&self) -> usize {
        self.keys.len() - last(&self.ends)
    }

    /// Bytes of all keys and values.
    pub(super) fn text_bytes(&self) -> usize {
        self.keys.bytes.len() + self.values.bytes.len() + self.nested.bytes.len()
    }

    /// Adds an attribute to the open set.
    #[inline]
    pub(super) fn push(&mut self, key: &str, value: Value<'_>) -> Result<(), BadValue> {
        if self.open_len() == 0 {
            self.open.clear();
        }
        text::write_value(value, &mut self.values.bytes).ok_or(BadValue)?;
        let letter = match value {
            Value::Str(_) => letter::STR,
            Value::Int(_) => letter::INT,
            Value::Bool(_) => letter::BOOL,
            Value::Double(number) if text::is_exact(number) => letter::DOUBLE,
            Value::Double(number) => {
                self.nested.bytes.push(DOUBLE_TAG);
                self.nested.push(&number.to_le_bytes());
                letter::NESTED
            }
            Value::Bytes(_) => letter::BYTES,
            Value::Nested(value) => {
                self.nested.push(value);
                letter::NESTED
            }
            Value::Empty => letter::EMPTY,
            Value::Missing => letter::MISSING,
        };
        self.values.end();
        let letter =
            if self.is_known(key.as_bytes()) { self.push_again(key, letter) } else { self.push_key(key, letter) };
        self.open.is_plain &= letter == letter::STR;
        self.open.types.push(letter);
        Ok(())
    }

    #[inline]
    fn push_key(&mut self, key: &str, letter: u8) -> u8 {
        self.keys.push(key.as_bytes());
        if let Some(seen) = &mut self.open.seen {
            seen.insert(key.as_bytes().into());
        } else if self.open_len() > FEW {
            let start = last(&self.ends);
            self.open.seen = Some((start..self.keys.len()).map(|at| self.keys.get(at).into()).collect());
        }
        letter
    }

    /// A key that is there already gets the next number that no other has.
    #[cold]
    fn push_again(&mut self, key: &str, letter: u8) -> u8 {
        // A set of a few keys begins at 2 each time, as fields of messages do; one of many goes on where it was.
        let mut number = if self.open.seen.is_some() { self.open.number } else { 2 };
        let free = loop {
            let numbered = format!("{key}#{number}");
            number += 1;
            if !self.is_known(numbered.as_bytes()) {
                break numbered;
            }
        };
        self.open.number = self.open.number.max(number);
        self.push_key(&free, letter).to_ascii_uppercase()
    }

    /// Compares lengths first: most keys differ in theirs.
    #[inline]
    fn is_known(&self, key: &[u8]) -> bool {
        if let Some(seen) = &self.open.seen {
            return seen.contains(key);
        }
        let first = last(&self.ends);
        let mut start = last(&self.keys.ends[..first]);
        self.keys.ends[first..].iter().any(|end| {
            let range = start..*end as usize;
            start = *end as usize;
            range.len() == key.len() && self.keys.bytes[range] == *key
        })
    }

    /// The text of an attribute of the open set.
    pub(super) fn open_value(&self, key: &str) -> Option<&str> {
        let at = (last(&self.ends)..self.keys.len()).find(|at| self.keys.get(*at) == key.as_bytes())?;
        std::str::from_utf8(self.values.get(at)).ok()
    }

    /// The text of an attribute of the first set.
    pub(super) fn first_value(&self, key: &str) -> Option<&str> {
        let keys = 0..self.ends.first().map_or(0, |end| *end as usize);
        let at = keys.into_iter().find(|at| self.keys.get(*at) == key.as_bytes())?;
        std::str::from_utf8(self.values.get(at)).ok()
    }

    /// Closes the open set.
    #[inline]
    pub(super) fn close(&mut self) {
        if self.open_len() > 0 && !self.open.is_plain {
            self.types.bytes.extend_from_slice(&self.open.types);
        }
        self.types.end();
        self.ends.push(self.keys.len() as i32);
        self.nested_ends.push(self.nested.len() as i32);
    }

    /// Appends the sets of another, whose open set is left out.
    pub(super) fn append(&mut self, other: &Attributes) {
        debug_assert!(self.open_len() == 0 && other.open_len() == 0);
        let ends = |base: usize, ends: &[i32], to: &mut Vec<i32>| to.extend(ends.iter().map(|end| base as i32 + *end));
        ends(self.keys.len(), &other.ends, &mut self.ends);
        ends(self.nested.len(), &other.nested_ends, &mut self.nested_ends);
        self.keys.append(&other.keys);
        self.values.append(&other.values);
        self.types.append(&other.types);
        self.nested.append(&other.nested);
    }

    /// Keeps so many sets, and forgets the open one.
    pub(super) fn truncate(&mut self, sets: usize) {
        self.ends.truncate(sets);
        self.nested_ends.truncate(sets);
        self.types.truncate(sets);
        let (keys, nested) = (last(&self.ends), last(&self.nested_ends));
        self.keys.truncate(keys);
        self.values.truncate(keys);
        self.nested.truncate(nested);
    }

    /// The map, the types and the nested values.
    pub(super) fn finish(&mut self) -> Result<[ArrayRef; 3], ArrowError> {
        let of = map_type();
        let DataType::Map(entry, sorted) = &of else {
            return Err(ArrowError::SchemaError("attributes are no map".to_owned()));
        };
        let DataType::Struct(parts) = entry.data_type() else {
            return Err(ArrowError::SchemaError("a map without entries".to_owned()));
        };
        let pairs: Vec<ArrayRef> = vec![Arc::new(self.keys.texts()?), Arc::new(self.values.texts()?)];
        let entries = StructArray::try_new(parts.clone(), pairs, None)?;
        let map = MapArray::try_new(entry.clone(), offsets(filled(&mut self.ends))?, entries, None, *sorted)?;
        let nested = Arc::new(self.nested.binary()?);
        let nested = list(&crate::table::spans::nested_type(), filled(&mut self.nested_ends), nested)?;
        Ok([Arc::new(map), Arc::new(self.types.texts()?), nested])
    }
}
