//! JSON in texts: `json_get_str(payload, 'user', 'name')`. A path is keys and positions, from the outside in; null
//! where the text is no JSON, where nothing is there, and where it is of another type.
//!
//! The functions are those of `datafusion-functions-json`, but for its unions, which no format of results can write:
//! `json_get` is text here.
use datafusion::logical_expr::ScalarUDF;
use datafusion_functions_json::udfs;
use std::sync::Arc;

/// Functions whose value can be as long as their text.
pub(super) fn texts() -> Vec<Arc<ScalarUDF>> {
    vec![
        text(),
        udfs::json_get_str_udf(),
        udfs::json_get_json_udf(),
        udfs::json_get_array_udf(),
        udfs::json_object_keys_udf(),
    ]
}

/// Functions whose value has a fixed size.
pub(super) fn values() -> Vec<Arc<ScalarUDF>> {
    vec![
        udfs::json_get_int_udf(),
        udfs::json_get_float_udf(),
        udfs::json_get_bool_udf(),
        udfs::json_length_udf(),
        udfs::json_contains_udf(),
    ]
}

/// `json_get`: a string as it is, everything else as JSON.
pub(super) fn text() -> Arc<ScalarUDF> {
    Arc::new(udfs::json_as_text_udf().as_ref().clone().with_aliases(["json_get"]))
}

/// `->`: JSON, so that it can be gone further into.
pub(super) fn json() -> Arc<ScalarUDF> {
    udfs::json_get_json_udf()
}
