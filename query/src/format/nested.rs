//! What a format cannot hold as it is: two columns of one name, lists and maps in a cell of CSV.
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};
use std::collections::HashSet;
use std::sync::Arc;

/// Objects cannot have two values of one name, though results can have two such columns: `n`, `n_2`.
pub(super) fn with_names_of_their_own(schema: &SchemaRef) -> SchemaRef {
    let mut seen: HashSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    if seen.len() == schema.fields().len() {
        return Arc::clone(schema);
    }
    let mut taken = HashSet::new();
    let fields = schema.fields().iter().map(|field| {
        if taken.insert(field.name().clone()) {
            return field.as_ref().clone();
        }
        let free = (2..).map(|n| format!("{}_{n}", field.name())).find(|name| seen.insert(name.clone()));
        field.as_ref().clone().with_name(free.unwrap_or_default())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub(super) fn named(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
}

/// Lists, maps and structures as JSON text, since CSV has no such cells.
pub(super) fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    if !schema.fields().iter().any(|field| field.data_type().is_nested()) {
        return Ok(batch.clone());
    }
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let is_nested = field.data_type().is_nested();
        columns.push(if is_nested { json_text(field, column)? } else { Arc::clone(column) });
        let text = || Arc::new(Field::new(field.name(), DataType::Utf8, true));
        fields.push(if is_nested { text() } else { Arc::clone(field) });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn json_text(field: &Arc<Field>, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut texts = StringBuilder::new();
    let mut cell = Vec::new();
    for row in 0..column.len() {
        if encoder.is_null(row) {
            texts.append_null();
            continue;
        }
        cell.clear();
        encoder.encode(row, &mut cell);
        texts.append_value(std::str::from_utf8(&cell).map_err(|error| ArrowError::JsonError(error.to_string()))?);
    }
    Ok(Arc::new(texts.finish()))
}
