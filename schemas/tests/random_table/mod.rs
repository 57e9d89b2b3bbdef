//! Random tables for tests: definitions out of every type that a table may have, and rows for them. The tests of the
//! sink use this file as well.
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, ListArray,
    MapArray, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Date32Type, Field, FieldRef, Float64Type, Int32Type, Int64Type};
use arrow::datatypes::{Fields, TimestampMicrosecondType};
use metlog_schemas::table::{Column, Definition, Lay, timestamp_type};
use metlog_schemas::time::HOUR;
use proptest::prelude::*;
use std::sync::Arc;

/// Plain types that a table may have.
pub fn plain_type() -> impl Strategy<Value = DataType> {
    prop::sample::select(vec![
        DataType::Boolean,
        DataType::Int32,
        DataType::Int64,
        DataType::Float64,
        DataType::Utf8,
        DataType::Binary,
        DataType::Date32,
        timestamp_type(),
    ])
}

/// `plain`, or lists, maps and structs of it in each other.
pub fn nested_type(plain: impl Strategy<Value = DataType> + 'static) -> impl Strategy<Value = DataType> {
    plain.prop_recursive(3, 8, 3, |inner| {
        let field = |name: &'static str| move |(of, null)| Field::new(name, of, null);
        let list = (inner.clone(), any::<bool>()).prop_map(field("element"));
        let map = (inner.clone(), any::<bool>()).prop_map(field("value")).prop_map(|value| {
            let entries = Fields::from(vec![Field::new("key", DataType::Utf8, false), value]);
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
        });
        let parts = prop::collection::vec((inner, any::<bool>()), 1..4).prop_map(|parts| {
            let part = |(nth, (of, null))| Field::new(format!("part {nth}"), of, null);
            DataType::Struct(parts.into_iter().enumerate().map(part).collect())
        });
        prop_oneof![list.prop_map(|item| DataType::List(Arc::new(item))), map, parts]
    })
}

/// The plain types inside of a type, depth first.
pub fn leaf_types(of: &DataType) -> Vec<DataType> {
    match of {
        DataType::List(item) | DataType::Map(item, _) => leaf_types(item.data_type()),
        DataType::Struct(parts) => parts.iter().flat_map(|part| leaf_types(part.data_type())).collect(),
        plain => vec![plain.clone()],
    }
}

/// The ways in which a leaf of a type may lie. Floats have no Bloom filter: 0.0 and -0.0 are equal, but not their bytes.
pub fn lays_of(leaf: &DataType) -> &'static [Lay] {
    match leaf {
        DataType::Boolean | DataType::Float64 => &[Lay::Word, Lay::Text, Lay::Number],
        DataType::Utf8 | DataType::Binary => &[Lay::Label, Lay::Id, Lay::Key, Lay::Word, Lay::Text, Lay::Number],
        _ => &[Lay::Time, Lay::Label, Lay::Id, Lay::Key, Lay::Word, Lay::Text, Lay::Number],
    }
}

fn leaked<T>(of: Vec<T>) -> &'static [T] {
    Box::leak(of.into_boxed_slice())
}

fn leaked_text(of: &str) -> &'static str {
    Box::leak(of.to_owned().into_boxed_str())
}

fn column(name: String, of: DataType, null: bool, picks: &[prop::sample::Index]) -> Column {
    let lays = leaf_types(&of).iter().zip(picks.iter().cycle()).map(|(leaf, pick)| *pick.get(lays_of(leaf))).collect();
    let column = Column::new(&name, of, leaked(lays), "anything");
    if null { column.or_null() } else { column }
}

/// Definitions: one to three times, up to five other columns anywhere between them, sorted by up to four plain ones.
pub fn definition() -> impl Strategy<Value = &'static Definition> {
    let picks = || prop::collection::vec(any::<prop::sample::Index>(), 1..8);
    let times = prop::collection::vec((Just(timestamp_type()), any::<bool>(), picks()), 1..3);
    let others = prop::collection::vec((nested_type(plain_type()), any::<bool>(), picks()), 0..6);
    let (keys, is_named) = (prop::collection::vec(any::<prop::sample::Index>(), 1..5), any::<bool>());
    (times, others, any::<prop::sample::Index>(), keys, is_named, any::<bool>()).prop_map(
        |(mut times, others, time, keys, is_named, of_sums)| {
            // One of them is never null: partitions come from it.
            times[0].1 = false;
            let mut all: Vec<_> = others;
            for each in times.into_iter().rev() {
                all.insert(time.index(all.len() + 1), each);
            }
            let named = |(nth, (of, null, picks)): (usize, (DataType, bool, Vec<_>))| {
                column(format!("column_{nth}_"), of, null, &picks)
            };
            let columns: Vec<Column> = all.into_iter().enumerate().map(named).collect();
            let is_time =
                |column: &&Column| column.field.data_type() == &timestamp_type() && !column.field.is_nullable();
            let time = leaked_text(columns.iter().find(is_time).map(|column| column.field.name()).unwrap());
            let plain: Vec<&str> = columns
                .iter()
                .filter(|column| !column.field.data_type().is_nested())
                .map(|c| c.field.name().as_str())
                .collect();
            let mut order: Vec<&'static str> = Vec::new();
            for name in keys.iter().map(|key| *key.get(&plain)) {
                if !order.contains(&name) {
                    order.push(leaked_text(name));
                }
            }
            if !is_named {
                order.retain(|name| *name != time);
                order.insert(0, time);
            }
            let definition = Definition::new("One row for anything.", leaked(order), columns);
            let definition = if is_named { definition.with_time(time) } else { definition };
            &*Box::leak(Box::new(if of_sums { definition.of_sums() } else { definition }))
        },
    )
}

/// Random numbers (SplitMix64): the same for the same seed.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Often a small number, which comes again, and now and then one at an end.
    fn number(&mut self) -> i64 {
        match self.below(8) {
            0 => [i64::MIN, i64::MAX, i64::MIN + 1, -1][self.below(4) as usize],
            1 | 2 => self.next() as i64,
            _ => self.below(5) as i64,
        }
    }

    fn float(&mut self) -> f64 {
        match self.below(6) {
            0 => [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0][self.below(6) as usize],
            1 => f64::from_bits(self.next()),
            _ => self.below(5) as f64 - 2.0,
        }
    }

    /// Often short; long ones are longer than a bound may be, and differ only behind it.
    fn text(&mut self) -> String {
        let last = ["", "a", "ä", "\u{10ffff}", "\0"][self.below(5) as usize];
        let repeated = ["a", "ä", "\u{10ffff}", "\u{7f}"][self.below(4) as usize];
        repeated.repeat(if self.below(4) == 0 { self.below(100) } else { self.below(3) } as usize) + last
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = if self.below(4) == 0 { self.below(100) } else { self.below(3) };
        let byte = if self.below(2) == 0 { 0xff } else { self.next() as u8 };
        let mut bytes = vec![byte; length as usize];
        bytes.push(self.below(3) as u8);
        bytes
    }
}

/// Values of a field, null now and then where they may be.
fn values(field: &Field, count: usize, random: &mut Random) -> ArrayRef {
    let nulls: Option<NullBuffer> =
        field.is_nullable().then(|| (0..count).map(|_| random.below(4) > 0).collect::<Vec<bool>>().into());
    let lengths = |random: &mut Random| OffsetBuffer::from_lengths((0..count).map(|_| random.below(4) as usize));
    let each = 0..count;
    match field.data_type() {
        DataType::Boolean => {
            let values: Vec<bool> = each.map(|_| random.below(2) == 0).collect();
            Arc::new(BooleanArray::new(values.into(), nulls))
        }
        DataType::Int32 => {
            Arc::new(Int32Array::new(each.map(|_| random.number() as i32).collect::<Vec<_>>().into(), nulls))
        }
        DataType::Date32 => {
            Arc::new(Date32Array::new(each.map(|_| random.number() as i32).collect::<Vec<_>>().into(), nulls))
        }
        DataType::Int64 => Arc::new(Int64Array::new(each.map(|_| random.number()).collect::<Vec<_>>().into(), nulls)),
        DataType::Float64 => {
            Arc::new(Float64Array::new(each.map(|_| random.float()).collect::<Vec<_>>().into(), nulls))
        }
        DataType::Timestamp(..) => {
            let times = TimestampMicrosecondArray::new(each.map(|_| random.number()).collect::<Vec<_>>().into(), nulls);
            Arc::new(times.with_data_type(timestamp_type()))
        }
        DataType::Utf8 => {
            let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            Arc::new(StringArray::from_iter(each.map(|row| (!is_null(row)).then(|| random.text()))))
        }
        DataType::Binary => {
            let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            Arc::new(BinaryArray::from_iter(each.map(|row| (!is_null(row)).then(|| random.bytes()))))
        }
        DataType::List(item) => {
            let offsets = lengths(random);
            let items = values(item, *offsets.last().unwrap() as usize, random);
            Arc::new(ListArray::new(item.clone(), offsets, items, nulls))
        }
        DataType::Map(entries, is_sorted) => {
            let offsets = lengths(random);
            let rows = values(entries, *offsets.last().unwrap() as usize, random).as_struct().clone();
            Arc::new(MapArray::new(entries.clone(), offsets, rows, nulls, *is_sorted))
        }
        DataType::Struct(parts) => {
            let columns = parts.iter().map(|part| values(part, count, random)).collect();
            Arc::new(StructArray::new(parts.clone(), columns, nulls))
        }
        other => panic!("no values of {other}"),
    }
}

/// Rows of a table whose times lie in `hours`, where nothing else says how they are.
pub fn rows(definition: &Definition, count: usize, hours: u64, random: &mut Random) -> RecordBatch {
    let column = |field: &FieldRef| match field.name() == definition.time {
        // Few moments of an hour, the first and the last among them: rows of one time are not rare.
        true => {
            let mut moment =
                || random.below(hours) as i64 * HOUR + [0, 1, HOUR / 2, HOUR - 1][random.below(4) as usize];
            let times = TimestampMicrosecondArray::from_iter_values((0..count).map(|_| moment()));
            Arc::new(times.with_data_type(timestamp_type())) as ArrayRef
        }
        false => values(field, count, random),
    };
    let columns = definition.schema().fields().iter().map(column).collect();
    RecordBatch::try_new(definition.schema().clone(), columns).unwrap()
}

/// A value. Their order is that of a file: numbers by size, text by its bytes, nulls behind everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// A number, a moment, a day or a truth.
    Number(i64),
    /// Text or bytes.
    Bytes(Vec<u8>),
    /// Whatever has parts.
    Parts(Vec<Cell>),
    /// None.
    Null,
}

/// The value of a column in a row.
pub fn cell(column: &ArrayRef, row: usize) -> Cell {
    let parts = |of: ArrayRef| Cell::Parts((0..of.len()).map(|part| cell(&of, part)).collect());
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Boolean => Cell::Number(column.as_boolean().value(row).into()),
        DataType::Int32 => Cell::Number(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Date32 => Cell::Number(column.as_primitive::<Date32Type>().value(row).into()),
        DataType::Int64 => Cell::Number(column.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(..) => Cell::Number(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Float64 => {
            // As `f64::total_cmp` has them.
            let bits = column.as_primitive::<Float64Type>().value(row).to_bits() as i64;
            Cell::Number(bits ^ (((bits >> 63) as u64) >> 1) as i64)
        }
        DataType::Utf8 => Cell::Bytes(column.as_string::<i32>().value(row).as_bytes().to_vec()),
        DataType::Binary => Cell::Bytes(column.as_binary::<i32>().value(row).to_vec()),
        DataType::List(_) => parts(column.as_list::<i32>().value(row)),
        DataType::Map(..) => parts(Arc::new(column.as_map().value(row))),
        DataType::Struct(_) => Cell::Parts(column.as_struct().columns().iter().map(|part| cell(part, row)).collect()),
        other => panic!("no cells of {other}"),
    }
}
