//! Tests rows in memory, with Arrow's own comparisons, which are those that SQL runs on.
use super::column::{Column, Kind};
use super::expression::{Expression, Literal, Order, Test};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Datum, Float64Array, Int64Array, RecordBatch, Scalar, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::kernels::cmp;
use arrow::compute::{and, cast, contains, not, or, prep_null_mask_filter};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use metlog_schemas::table::timestamp_type;
use std::ops::Range;
use std::sync::Arc;

/// For each row true or false, never null.
pub(super) fn select(expression: &Expression, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
    let all = |parts: &[Expression], join: fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, ArrowError>| {
        let mut parts = parts.iter().map(|part| select(part, batch));
        let first = parts.next().unwrap_or_else(|| Ok(vec![true; batch.num_rows()].into()))?;
        parts.try_fold(first, |selected, part| join(&selected, &part?))
    };
    match expression {
        Expression::And(parts) => all(parts, and),
        Expression::Or(parts) => all(parts, or),
        Expression::Not(inner) => not(&select(inner, batch)?),
        Expression::Is(column, test) => {
            let found = passes(column, test, batch)?;
            Ok(if found.null_count() > 0 { prep_null_mask_filter(&found) } else { found })
        }
    }
}

fn passes(column: &Column, test: &Test, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
    let array = batch
        .column_by_name(&column.name)
        .ok_or_else(|| ArrowError::SchemaError(format!("these rows have no column `{}`", column.name)))?;
    if column.kind == Kind::List {
        return any(column, test, array);
    }
    let values = match &column.key {
        Some(key) => of_key(column, array, key)?,
        None => Arc::clone(array),
    };
    match test {
        Test::Equal(literal) => cmp::eq(&as_type(&values, literal)?, &scalar(literal)),
        Test::Order(order, literal) => compare(*order, &as_type(&values, literal)?, &scalar(literal)),
        Test::Matches(pattern) => {
            let texts = texts(column, &values)?;
            Ok(texts.iter().map(|text| text.map(|text| pattern.is_match(text))).collect())
        }
        Test::Contains(part) => contains(texts(column, &values)?, &Scalar::new(StringArray::from(vec![part.as_str()]))),
    }
}

/// Most places of one search in one text.
const PLACES_MAX: usize = 100;

/// Where a text has what is searched for.
pub(super) fn places(test: &Test, text: &str, found: &mut Vec<Range<usize>>) {
    match test {
        Test::Contains(part) => {
            found.extend(text.match_indices(part.as_str()).take(PLACES_MAX).map(|(at, part)| at..at + part.len()));
        }
        Test::Matches(pattern) => found.extend(pattern.find_iter(text).take(PLACES_MAX).map(|place| place.range())),
        Test::Equal(_) | Test::Order(..) => (),
    }
}

/// For each list whether one of its items passes.
fn any(column: &Column, test: &Test, array: &ArrayRef) -> Result<BooleanArray, ArrowError> {
    let lists = array.as_list_opt::<i32>().ok_or_else(|| other_type(column))?;
    let items = texts(column, lists.values())?;
    let passes = |text: &str| match test {
        Test::Equal(Literal::Text(value)) => text == value,
        Test::Matches(pattern) => pattern.is_match(text),
        _ => false,
    };
    let found = lists.offsets().windows(2).map(|ends| {
        let mut range = ends[0] as usize..ends[1] as usize;
        range.any(|at| !items.is_null(at) && passes(items.value(at)))
    });
    // A list that is not there has no items.
    Ok(found.enumerate().map(|(row, is_found)| Some(is_found && !lists.is_null(row))).collect())
}

/// The value under a key in each row.
fn of_key(column: &Column, array: &ArrayRef, key: &str) -> Result<ArrayRef, ArrowError> {
    let maps = array.as_map_opt().ok_or_else(|| other_type(column))?;
    let (keys, values) = (texts(column, maps.keys())?, texts(column, maps.values())?);
    let found = maps.offsets().windows(2).enumerate().map(|(row, ends)| {
        let mut range = ends[0] as usize..ends[1] as usize;
        let at = range.find(|at| keys.value(*at) == key)?;
        (!maps.is_null(row) && !values.is_null(at)).then(|| values.value(at))
    });
    Ok(Arc::new(found.collect::<StringArray>()))
}

fn texts<'a>(column: &Column, array: &'a ArrayRef) -> Result<&'a StringArray, ArrowError> {
    array.as_string_opt::<i32>().ok_or_else(|| other_type(column))
}

fn other_type(column: &Column) -> ArrowError {
    ArrowError::SchemaError(format!("the column `{}` of these rows has another type", column.name))
}

/// The values in the type of the literal; text that is no number is missing then.
fn as_type(values: &ArrayRef, literal: &Literal) -> Result<ArrayRef, ArrowError> {
    let r#type = match literal {
        Literal::Text(_) => DataType::Utf8,
        Literal::Whole(_) => DataType::Int64,
        Literal::Number(_) => DataType::Float64,
        Literal::Time(_) => timestamp_type(),
        Literal::Truth(_) => DataType::Boolean,
    };
    cast(values, &r#type)
}

fn scalar(literal: &Literal) -> Scalar<ArrayRef> {
    let array: ArrayRef = match literal {
        Literal::Text(text) => Arc::new(StringArray::from(vec![text.as_str()])),
        Literal::Whole(number) => Arc::new(Int64Array::from(vec![*number])),
        Literal::Number(number) => Arc::new(Float64Array::from(vec![*number])),
        Literal::Time(time) => Arc::new(TimestampMicrosecondArray::from(vec![*time]).with_data_type(timestamp_type())),
        Literal::Truth(truth) => Arc::new(BooleanArray::from(vec![*truth])),
    };
    Scalar::new(array)
}

fn compare(order: Order, left: &dyn Datum, right: &dyn Datum) -> Result<BooleanArray, ArrowError> {
    match order {
        Order::Less => cmp::lt(left, right),
        Order::AtMost => cmp::lt_eq(left, right),
        Order::Greater => cmp::gt(left, right),
        Order::AtLeast => cmp::gt_eq(left, right),
    }
}
