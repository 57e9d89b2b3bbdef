//! From the rows of a rule to what is beyond its threshold: one instance for each set of labels.
use super::rule::Rule;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use std::collections::BTreeMap;

/// Labels of an alert; the texts of a row, by its columns.
pub type Labels = BTreeMap<String, String>;

/// Alerts of one rule at a time.
pub const INSTANCES_MAX: usize = 1_000;
/// Longest value of a label, in characters.
const LABEL_CHARACTERS_MAX: usize = 200;

/// What is beyond the threshold in a result. Columns of text are labels.
///
/// # Errors
/// Where no column can be compared, or there are more than [`INSTANCES_MAX`].
pub fn instances(rule: &Rule, batches: &[RecordBatch]) -> Result<BTreeMap<Labels, f64>, String> {
    let mut found: BTreeMap<Labels, f64> = BTreeMap::new();
    for batch in batches {
        let values = value_column(rule, batch)?;
        let texts = label_columns(batch);
        for row in (0..batch.num_rows()).filter(|row| values.is_valid(*row)) {
            let value = values.value(row);
            if !rule.comparison.holds(value, rule.threshold) {
                continue;
            }
            let labels: Labels = texts
                .iter()
                .filter(|(_, column)| column.is_valid(row))
                .map(|(name, column)| (name.clone(), column.value(row).chars().take(LABEL_CHARACTERS_MAX).collect()))
                .collect();
            let is_worse = |known: &f64| if rule.comparison.is_downward() { value < *known } else { value > *known };
            match found.get(&labels) {
                Some(known) if !is_worse(known) => (),
                _ => {
                    found.insert(labels, value);
                }
            }
            if found.len() > INSTANCES_MAX {
                return Err(format!("more than {INSTANCES_MAX} rows are beyond the threshold; group them"));
            }
        }
    }
    Ok(found)
}

fn value_column(rule: &Rule, batch: &RecordBatch) -> Result<arrow::array::Float64Array, String> {
    let schema = batch.schema();
    let place = match &rule.column {
        Some(name) => schema.index_of(name).map_err(|_| format!("the result has no column `{name}`"))?,
        None => schema
            .fields()
            .iter()
            .rposition(|field| field.data_type().is_numeric())
            .ok_or("the result has no column of numbers")?,
    };
    let column = cast(batch.column(place), &DataType::Float64);
    let column = column.map_err(|_| format!("the column `{}` has no numbers", schema.field(place).name()))?;
    column.as_primitive_opt::<Float64Type>().cloned().ok_or_else(|| "no numbers".to_owned())
}

fn label_columns(batch: &RecordBatch) -> Vec<(String, arrow::array::StringArray)> {
    let schema = batch.schema();
    let texts = schema.fields().iter().zip(batch.columns()).filter_map(|(field, column)| {
        let column = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => column,
            _ => return None,
        };
        let texts = cast(column, &DataType::Utf8).ok()?;
        Some((label_name(field.name()), texts.as_string_opt::<i32>()?.clone()))
    });
    texts.collect()
}

/// Letters, digits and `_`, as Alertmanager has them.
fn label_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
}
