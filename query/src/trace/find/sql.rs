//! Pieces of SQL over `spans`. Values never get into it but as literals.
use crate::trace::TraceId;
use metlog_schemas::time::rfc3339;

/// A text as a literal: quotes are doubled, and nothing else means anything in it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Spans that start within a time, in nanoseconds, both ends included. `timestamp` chooses what is read, the exact
/// column what is meant.
pub(crate) fn within(from: u64, until: u64) -> String {
    let [first, last] = [from, until].map(signed);
    format!("{} and start_unix_nanos between {first} and {last}", near(from, until))
}

/// Likewise to the microsecond.
pub(super) fn near(from: u64, until: u64) -> String {
    let [first, last] = [from, until].map(|nanos| literal(&rfc3339(signed(nanos).div_euclid(1_000))));
    format!("timestamp >= {first} and timestamp <= {last}")
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

/// Spans of these traces.
pub(super) fn of_traces(ids: &[TraceId]) -> String {
    match ids {
        [id] => format!("trace_id = '{id}'"),
        ids => {
            let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            format!("trace_id in ({})", ids.join(", "))
        }
    }
}

/// All conditions.
pub(super) fn all(conditions: &[String]) -> String {
    if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") }
}

/// Jaeger's and everybody's way to say that a span has a tag: an attribute of it, of its scope, its resource, one of its
/// events or links, compared as text; and some keys that mean columns.
pub(super) fn tag(key: &str, value: &str) -> String {
    let (k, v) = (literal(key), literal(value));
    let lower = literal(&value.to_lowercase());
    let plain = format!(
        "attributes[{k}] = {v} or resource_attributes[{k}] = {v} or scope_attributes[{k}] = {v} \
         or array_has(attribute_values(events, {k}), {v}) or array_has(attribute_values(links, {k}), {v})"
    );
    match key {
        "error" => match value {
            "true" => "(status = 'error' or attributes['error'] = 'true')".to_owned(),
            "false" => {
                "(status != 'error' and (attributes['error'] is null or attributes['error'] != 'true'))".to_owned()
            }
            _ => format!("({plain})"),
        },
        "span.status" => match lower.as_str() {
            "'unset'" => "status = ''".to_owned(),
            _ => format!("status = {lower}"),
        },
        "span.kind" => match lower.as_str() {
            "'unspecified'" => "kind = ''".to_owned(),
            _ => format!("(kind = {lower} or {plain})"),
        },
        "scope.name" => format!("(scope_name = {v} or {plain})"),
        "scope.version" => format!("(scope_version = {v} or {plain})"),
        _ => match key.strip_prefix("resource.") {
            Some(inner) => format!("(resource_attributes[{}] = {v} or {plain})", literal(inner)),
            None => format!("({plain})"),
        },
    }
}
