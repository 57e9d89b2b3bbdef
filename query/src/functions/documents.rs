//! What `SHOW FUNCTIONS` says of metlog's own functions, and errors of their calls: how they are written.
use datafusion::logical_expr::{DocSection, Documentation};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Name, form, and what it gives.
const OWN: [(&str, &str, &str); 21] = [
    ("arg_max", "arg_max(x, y)", "The x of the row with the largest y."),
    ("arg_min", "arg_min(x, y)", "The x of the row with the smallest y."),
    ("array_regexp_like", "array_regexp_like(list, pattern)", "True where the pattern is found in one of the texts."),
    ("attribute_values", "attribute_values(events, key)", "What events or links have under a key, as a list of texts."),
    ("event_names", "event_names(events)", "What happened in a span, as a list of texts."),
    ("json_contains", "json_contains(json, key, …)", "True where the path leads to something."),
    ("json_get", "json_get(json, key, …)", "What is at the path: a string as it is, everything else as JSON."),
    ("json_get_array", "json_get_array(json, key, …)", "The items of an array, as JSON."),
    ("json_get_bool", "json_get_bool(json, key, …)", "The boolean at the path."),
    ("json_get_float", "json_get_float(json, key, …)", "The number at the path."),
    ("json_get_int", "json_get_int(json, key, …)", "The whole number at the path."),
    ("json_get_json", "json_get_json(json, key, …)", "What is at the path, as JSON."),
    ("json_get_str", "json_get_str(json, key, …)", "The string at the path."),
    ("json_length", "json_length(json, key, …)", "How many items an array has, or keys an object."),
    ("json_object_keys", "json_object_keys(json, key, …)", "The keys of an object."),
    ("regexp_extract", "regexp_extract(text, pattern[, group])", "What a group found; the whole match without one."),
    ("sketch_merge", "sketch_merge(sketch)", "One sketch of all of them."),
    (
        "sketch_quantile",
        "sketch_quantile(sketch, q)",
        "The value below which the part q, from 0 to 1, of the samples lies.",
    ),
    ("time_bucket", "time_bucket(interval, timestamp[, origin])", "The start of the interval that a time is in."),
    (
        "trace_calls",
        "trace_calls(trace_id, span_id, parent_span_id, service, kind, status)",
        "Which services called which, in all of these traces: parent, child, calls and errors of each pair.",
    ),
    (
        "trace_tree",
        "trace_tree(span_id, parent_span_id, start_unix_nanos, duration_nanos)",
        "The tree of a trace: for each span its position, depth, children, descendants, self_nanos and critical_nanos.",
    ),
];

static DOCUMENTS: LazyLock<HashMap<&str, Documentation>> = LazyLock::new(|| {
    let section = DocSection { include: false, label: "metlog", description: None };
    let documents = OWN.map(|(name, form, gives)| (name, Documentation::builder(section.clone(), gives, form).build()));
    documents.into_iter().collect()
});

/// Of a function of ours.
pub(super) fn of(name: &str) -> Option<&'static Documentation> {
    DOCUMENTS.get(name)
}
