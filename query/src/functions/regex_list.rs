//! `array_regexp_like(list, pattern)`: whether a regular expression is found in one of the texts of a list.
use super::documents;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use regex::Regex;
use std::sync::Arc;

pub(super) fn like() -> ScalarUDF {
    ScalarUDF::new_from_impl(Like { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Like {
    signature: Signature,
}

impl ScalarUDFImpl for Like {
    fn name(&self) -> &str {
        "array_regexp_like"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        documents::of(self.name())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [list, pattern] = arguments else {
            return plan_err!("array_regexp_like has two arguments, a list of texts and a pattern");
        };
        let (DataType::List(item), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) = (list, pattern) else {
            return plan_err!("array_regexp_like has two arguments, a list of texts and a pattern");
        };
        let item = Field::new(item.name(), DataType::Utf8, item.is_nullable());
        Ok(vec![DataType::List(Arc::new(item)), DataType::Utf8])
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [lists, ColumnarValue::Scalar(ScalarValue::Utf8(pattern))] = call.args.as_slice() else {
            return exec_err!("array_regexp_like: the pattern is one text for all rows");
        };
        let Some(pattern) = pattern else { return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None))) };
        let regex = Regex::new(pattern)
            .map_err(|_| exec_datafusion_err!("array_regexp_like: '{pattern}' is not a regular expression"))?;
        let is_scalar = matches!(lists, ColumnarValue::Scalar(_));
        let lists = lists.to_array(if is_scalar { 1 } else { call.number_rows })?;
        let found = matches(&lists, &regex)?;
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?)),
            false => Ok(ColumnarValue::Array(Arc::new(found))),
        }
    }
}

/// Null for a list that is null.
fn matches(lists: &ArrayRef, regex: &Regex) -> Result<BooleanArray> {
    let Some(lists) = lists.as_list_opt::<i32>() else { return exec_err!("array_regexp_like: not a list") };
    let Some(items) = lists.values().as_string_opt::<i32>() else {
        return exec_err!("array_regexp_like: not a list of texts");
    };
    let found = lists.offsets().windows(2).enumerate().map(|(row, ends)| {
        let mut range = ends[0] as usize..ends[1] as usize;
        (!lists.is_null(row)).then(|| range.any(|at| !items.is_null(at) && regex.is_match(items.value(at))))
    });
    Ok(found.collect())
}
