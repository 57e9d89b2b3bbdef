//! CSV that a spreadsheet shows and does not run. A program in a cell begins with `=`, `+`, `-` or `@`, or with a tab or a carriage
//! return before one of them; an apostrophe before it makes it text. Numbers and times stay as they are.
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use std::borrow::Cow;
use std::sync::Arc;

/// Every text of the batch, and every name of its columns.
///
/// # Errors
/// Where Arrow cannot read a column of text.
pub(super) fn quoted(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let name = text(field.name());
        let column = if is_text(field.data_type()) { texts(column)? } else { Arc::clone(column) };
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, value) => is_text(value),
        kind => matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

fn texts(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let column = cast(column, &DataType::Utf8)?;
    let texts: StringArray = column.as_string::<i32>().iter().map(|value| value.map(text)).collect();
    Ok(Arc::new(texts))
}

fn text(value: &str) -> Cow<'_, str> {
    match value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        true => Cow::Owned(format!("'{value}")),
        false => Cow::Borrowed(value),
    }
}
