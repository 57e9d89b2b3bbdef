//! One value of a result, exactly: 64-bit numbers have all their digits, null is not empty.
use crate::number;
use crate::text;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use maud::{Markup, html};

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// A number: all its digits, and nearly it.
    Number(String, f64),
    /// A time, µs since 1970 UTC.
    Time(i64),
    /// Text.
    Text(String),
    /// Anything else, written out.
    Other(String),
}

impl Cell {
    /// The value of a row.
    pub fn of(column: &ArrayRef, row: usize) -> Cell {
        if column.is_null(row) || *column.data_type() == DataType::Null {
            return Cell::Null;
        }
        match column.data_type() {
            DataType::Timestamp(unit, _) => Cell::Time(micros(column, *unit, row)),
            DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(row).to_owned()),
            DataType::LargeUtf8 => Cell::Text(column.as_string::<i64>().value(row).to_owned()),
            DataType::Utf8View => Cell::Text(column.as_string_view().value(row).to_owned()),
            kind => {
                let written = written(column, row);
                match written.parse() {
                    Ok(number) if kind.is_numeric() => Cell::Number(written, number),
                    _ => Cell::Other(written),
                }
            }
        }
    }

    /// As a number, where it is one. A time is its seconds since 1970.
    pub fn number(&self) -> Option<f64> {
        match self {
            Cell::Number(_, number) => Some(*number),
            Cell::Time(micros) => Some(*micros as f64 / 1e6),
            _ => None,
        }
    }

    /// As a time, µs since 1970 UTC.
    pub fn time(&self) -> Option<i64> {
        match self {
            Cell::Time(micros) => Some(*micros),
            _ => None,
        }
    }

    /// As text; null is empty.
    pub fn text(&self) -> String {
        match self {
            Cell::Null => String::new(),
            Cell::Time(micros) => number::readable(*micros),
            Cell::Number(text, _) | Cell::Text(text) | Cell::Other(text) => text.clone(),
        }
    }

    /// In a table for reading: a fraction has six digits, and all of them on demand.
    pub fn show_rounded(&self) -> Markup {
        match self {
            Cell::Number(digits, number) if digits.contains('.') && digits.len() > 8 => {
                html! { span title=(digits) { (number::rounded(*number)) } }
            }
            other => other.show(),
        }
    }

    /// In a table, exactly.
    pub fn show(&self) -> Markup {
        match self {
            Cell::Null => html! { span.null { "null" } },
            Cell::Time(micros) => time(*micros),
            Cell::Number(digits, _) => html! { (digits) },
            Cell::Text(text) if text.is_empty() => html! { span.empty-text title="empty text" { "" } },
            Cell::Text(text) | Cell::Other(text) => text::cell(text),
        }
    }
}

/// A time that the browser shows in the reader's zone, where that is chosen.
pub fn time(micros: i64) -> Markup {
    html! { time datetime=(number::iso(micros)) { (number::readable(micros)) } }
}

fn written(column: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default().with_null("null");
    ArrayFormatter::try_new(column.as_ref(), &options)
        .map_or_else(|error| error.to_string(), |formatter| formatter.value(row).to_string())
}

fn micros(column: &ArrayRef, unit: TimeUnit, row: usize) -> i64 {
    match unit {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000),
        TimeUnit::Millisecond => column.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000),
        TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => column.as_primitive::<TimestampNanosecondType>().value(row) / 1_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, Int64Array, StringArray, TimestampMicrosecondArray, UInt64Array};
    use std::sync::Arc;

    #[test]
    fn large_numbers_keep_their_digits_and_null_is_not_empty() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MAX), None]));
        assert_eq!(Cell::of(&numbers, 0).show().into_string(), "9223372036854775807");
        assert!(Cell::of(&numbers, 1).show().into_string().contains("null"));
        let numbers: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert_eq!(Cell::of(&numbers, 0).text(), "18446744073709551615");
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some(""), Some("null"), Some("<b>")]));
        assert!(Cell::of(&texts, 0).show().into_string().contains("empty-text"));
        assert_eq!(Cell::of(&texts, 1).show().into_string(), "null");
        assert_eq!(Cell::of(&texts, 2).show().into_string(), "&lt;b&gt;");
    }

    #[test]
    fn times_are_exact() {
        let times: ArrayRef =
            Arc::new(TimestampMicrosecondArray::from(vec![1_767_323_045_678_901]).with_timezone("UTC"));
        let shown = Cell::of(&times, 0).show().into_string();
        assert_eq!(shown, "<time datetime=\"2026-01-02T03:04:05.678901Z\">2026-01-02 03:04:05.678901</time>");
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 0.1]));
        assert_eq!(Cell::of(&numbers, 1).number(), Some(0.1));
        assert_eq!(Cell::of(&numbers, 0).text(), "NaN");
    }
}
