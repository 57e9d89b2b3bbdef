//! Lines of JSON for the framed form of a result: columns, and rows as arrays. Numbers of 64 bits and decimals are text, since
//! JSON readers keep 53 bits; so are floating-point numbers that JSON does not have.
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type, Int64Type, Schema, UInt64Type};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;

/// `{"schema": [{"name", "type", "nullable"}, …]}`; types as Arrow writes them.
pub(crate) fn schema_line(schema: &Schema) -> Value {
    let column = |field: &FieldRef| json!({"name": field.name(), "type": field.data_type().to_string(), "nullable": field.is_nullable()});
    json!({"schema": schema.fields().iter().map(column).collect::<Vec<_>>()})
}

/// `{"rows": [[…], …]}` and a newline.
///
/// # Errors
/// Where a column has a type that JSON cannot show.
pub(crate) fn rows_line(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true).with_encoder_factory(Arc::new(Exact));
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let encoders = columns.map(|(field, column)| make_encoder(field, column.as_ref(), &options));
    let mut encoders = encoders.collect::<Result<Vec<_>, _>>()?;
    let mut line = b"{\"rows\":[".to_vec();
    for row in 0..batch.num_rows() {
        line.extend_from_slice(if row == 0 { b"[" } else { b",[" });
        for (at, encoder) in encoders.iter_mut().enumerate() {
            if at > 0 {
                line.push(b',');
            }
            match encoder.is_null(row) {
                true => line.extend_from_slice(b"null"),
                false => encoder.encode(row, &mut line),
            }
        }
        line.push(b']');
    }
    line.extend_from_slice(b"]}\n");
    Ok(line)
}

/// Writes what JSON numbers cannot hold as text, at any depth.
#[derive(Debug)]
struct Exact;

impl EncoderFactory for Exact {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Int64 => {
                let values = array.as_primitive::<Int64Type>();
                Box::new(Each(move |row, out: &mut Vec<u8>| quoted(out, values.value(row))))
            }
            DataType::UInt64 => {
                let values = array.as_primitive::<UInt64Type>();
                Box::new(Each(move |row, out: &mut Vec<u8>| quoted(out, values.value(row))))
            }
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>();
                Box::new(Each(move |row, out: &mut Vec<u8>| float(out, values.value(row))))
            }
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>();
                Box::new(Each(move |row, out: &mut Vec<u8>| float(out, f64::from(values.value(row)))))
            }
            kind if kind.is_decimal() => {
                let options = FormatOptions::default();
                let texts = ArrayFormatter::try_new(array, &options)?;
                let texts: Vec<String> = (0..array.len()).map(|row| texts.value(row).to_string()).collect();
                Box::new(Each(move |row: usize, out: &mut Vec<u8>| quoted(out, &texts[row])))
            }
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

/// Encodes each value with a function.
struct Each<F>(F);

impl<F: FnMut(usize, &mut Vec<u8>)> Encoder for Each<F> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        (self.0)(row, out);
    }
}

fn quoted(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Into a vector it cannot fail.
    let _ = write!(out, "\"{value}\"");
}

fn float(out: &mut Vec<u8>, value: f64) {
    match serde_json::Number::from_f64(value) {
        Some(number) => drop(write!(out, "{number}")),
        None => quoted(out, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, ListArray, StringArray};

    #[test]
    fn numbers_keep_their_values() {
        let columns: [(&str, ArrayRef); 6] = [
            ("long", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
            ("int", Arc::new(Int32Array::from(vec![1, -1]))),
            ("float", Arc::new(Float64Array::from(vec![0.1, f64::NEG_INFINITY]))),
            ("decimal", Arc::new(Decimal128Array::from(vec![123, -5]).with_precision_and_scale(20, 2).unwrap())),
            ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(7), None]), None]))),
            ("text", Arc::new(StringArray::from(vec![Some("\u{1b}\"\n"), Some("")]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let line = rows_line(&batch).unwrap();
        assert_eq!(line.last(), Some(&b'\n'));
        let rows: Value = serde_json::from_slice(&line).unwrap();
        let first = json!(["9223372036854775807", 1, 0.1, "1.23", ["7", null], "\u{1b}\"\n"]);
        assert_eq!(rows, json!({"rows": [first, [null, -1, "-inf", "-0.05", null, ""]]}));
        let none = rows_line(&batch.slice(0, 0)).unwrap();
        assert_eq!(none, b"{\"rows\":[]}\n");
    }
}
