//! JSON in texts: `json_get_str(payload, 'user', 'name')`. A path is keys and positions, from the outside in; null
//! where the text is no JSON, where nothing is there, and where it is of another type.
//!
//! The functions are those of `datafusion-functions-json`, but for its unions, which no format of results can write:
//! `json_get` is text here.
use super::growth;
use arrow::datatypes::DataType;
use datafusion::logical_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use datafusion_functions_json::udfs;
use std::sync::Arc;

/// All of them, guarded: a constant text can stand beside many paths.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let others = [
        udfs::json_get_str_udf(),
        udfs::json_get_json_udf(),
        udfs::json_get_array_udf(),
        udfs::json_object_keys_udf(),
        udfs::json_get_int_udf(),
        udfs::json_get_float_udf(),
        udfs::json_get_bool_udf(),
        udfs::json_length_udf(),
        udfs::json_contains_udf(),
    ];
    others.map(guarded).into_iter().chain([text()]).collect()
}

/// `json_get` and `->>`: a string as it is, everything else as JSON.
pub(super) fn text() -> Arc<ScalarUDF> {
    renamed("json_get", udfs::json_as_text_udf())
}

/// `->`: JSON, so that it can be gone further into.
pub(super) fn json() -> Arc<ScalarUDF> {
    guarded(udfs::json_get_json_udf())
}

fn guarded(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let name = function.name().to_owned();
    renamed(&name, function)
}

/// Takes whatever the function takes; the first forms are those that `SHOW FUNCTIONS` shows.
fn renamed(name: &str, function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let forms = vec![
        TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8]),
        TypeSignature::Exact(vec![DataType::Utf8, DataType::Int64]),
        TypeSignature::VariadicAny,
    ];
    growth::renamed(name, function, Signature::one_of(forms, Volatility::Immutable))
}
