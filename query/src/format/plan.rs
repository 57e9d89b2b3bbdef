//! What `EXPLAIN` gives, for people: a plan is a tree of lines, so its line breaks are kept.
use super::text::harmless;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use std::io::Write;

/// True for the columns that `EXPLAIN` has.
pub(super) fn is_plan(schema: &Schema) -> bool {
    let is_text = schema.fields().iter().all(|field| field.data_type() == &DataType::Utf8);
    is_text && schema.fields().iter().map(|field| field.name().as_str()).eq(["plan_type", "plan"])
}

pub(super) fn write(out: &mut impl Write, batch: &RecordBatch) -> Result<(), ArrowError> {
    let (Some(kinds), Some(plans)) = (batch.column(0).as_string_opt::<i32>(), batch.column(1).as_string_opt::<i32>())
    else {
        return Ok(());
    };
    for row in 0..batch.num_rows() {
        writeln!(out, "{}", harmless(kinds.value(row)))?;
        for line in plans.value(row).lines() {
            writeln!(out, "  {}", harmless(line))?;
        }
    }
    Ok(())
}
