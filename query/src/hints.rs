//! What was probably meant: the nearest table, column or function, what other engines call it, and text in the wrong
//! quotes.
use crate::error::{Error, Kind};
use crate::functions::listed;
use crate::functions::of_others;
use crate::snapshot::{CATALOG, SCHEMA};
use crate::wording::{root_of, wrong_call};
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::execution::session_state::SessionState;

/// Most columns that a message lists.
const LISTED_MAX: usize = 16;

/// Columns as they are called elsewhere.
const COLUMNS_ELSEWHERE: [(&str, &str); 17] = [
    ("app", "logger"),
    ("body", "payload"),
    ("date", "dt"),
    ("day", "dt"),
    ("host", "hostname"),
    ("level", "severity"),
    ("message", "payload"),
    ("metric", "name"),
    ("msg", "payload"),
    ("program", "logger"),
    ("service", "logger"),
    ("text", "payload"),
    ("time", "timestamp"),
    ("ts", "timestamp"),
    ("labels", "tags"),
    ("facility", "type"),
    ("process_id", "pid"),
];

/// The error of planning a query, with what was probably meant.
pub(crate) fn explained(error: DataFusionError, sql: &str, state: &SessionState) -> Error {
    let hinted = match root_of(&error) {
        DataFusionError::SchemaError(cause, _) => match cause.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let names: Vec<&str> = valid_fields.iter().map(|field| field.name()).collect();
                Some(no_column(field.name(), &names, sql))
            }
            _ => None,
        },
        DataFusionError::Plan(text) => between(text, "table '", "' not found")
            .filter(|_| text.starts_with("table '"))
            .map(|table| no_table(table, state))
            .or_else(|| between(text, "Invalid function '", "'").map(|name| no_function(name, state)))
            .or_else(|| between(text, "table function '", "' not found").map(|name| no_function(name, state)))
            .or_else(|| between(text, "column '", "' not found").map(|name| no_column(name, &[], sql))),
        _ => None,
    };
    let form = form_of(&error, state);
    let error = Error::from(error);
    match (hinted, form) {
        (Some(message), _) => Error { kind: Kind::Sql, message, ..error },
        (None, Some(form)) => Error { message: format!("{}; write {form}", error.message), ..error },
        (None, None) => error,
    }
}

/// How the function is called that was called with wrong arguments, by its documentation.
fn form_of(error: &DataFusionError, state: &SessionState) -> Option<String> {
    let DataFusionError::Plan(text) = root_of(error) else { return None };
    let call = wrong_call(text)?;
    let name = call.split_once('(')?.0.to_lowercase();
    let scalar = state.scalar_functions().get(&name).and_then(|function| function.documentation());
    let aggregate = || state.aggregate_functions().get(&name).and_then(|function| function.documentation());
    let window = || state.window_functions().get(&name).and_then(|function| function.documentation());
    let documentation = scalar.or_else(aggregate).or_else(window)?;
    Some(documentation.syntax_example.lines().next()?.trim().to_owned()).filter(|form| !form.is_empty())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

fn no_column(name: &str, names: &[&str], sql: &str) -> String {
    let mut message = format!("no column `{name}`");
    let meant = called_elsewhere(name).filter(|ours| names.contains(ours));
    let nearest = meant.or_else(|| nearest(name, names.iter().copied()));
    let is_quoted = sql.contains(&format!("\"{name}\""));
    match nearest {
        Some(nearest) => message.push_str(&format!("; did you mean `{nearest}`?")),
        None if names.is_empty() || is_quoted => (),
        None if names.len() <= LISTED_MAX => message.push_str(&format!("; there are {}", names.join(", "))),
        None => message.push_str(&format!("; there are {}, …", names[..LISTED_MAX].join(", "))),
    }
    if is_quoted {
        message.push_str(&format!("; \"{name}\" names a column, text is in single quotes: '{name}'"));
    }
    message
}

/// What a column is called here that has this name elsewhere.
pub(crate) fn called_elsewhere(name: &str) -> Option<&'static str> {
    COLUMNS_ELSEWHERE.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, ours)| *ours)
}

fn no_table(name: &str, state: &SessionState) -> String {
    let schema = state.catalog_list().catalog(CATALOG).and_then(|catalog| catalog.schema(SCHEMA));
    let tables = schema.map(|schema| schema.table_names()).unwrap_or_default();
    let name = name.strip_prefix(&format!("{CATALOG}.{SCHEMA}.")).unwrap_or(name);
    match nearest(name, tables.iter().map(String::as_str)) {
        Some(nearest) => format!("no table `{name}`; did you mean `{nearest}`?"),
        None => format!("no table `{name}`; there are {}", tables.join(", ")),
    }
}

fn no_function(name: &str, state: &SessionState) -> String {
    let lower = name.to_lowercase();
    if let Some(why) = listed::reason(&lower) {
        return format!("the function `{lower}` is not available: {why}");
    }
    if let Some(instead) = of_others::instead(&lower) {
        return format!("no function `{lower}`; {instead}");
    }
    if state.window_functions().contains_key(&lower) {
        return format!("`{lower}` is a window function: write {lower}(…) OVER (ORDER BY …)");
    }
    let names = state.scalar_functions().keys();
    let names = names.chain(state.aggregate_functions().keys()).chain(state.window_functions().keys());
    let names = names.chain(state.higher_order_functions().keys()).chain(state.table_functions().keys());
    match nearest(&lower, names.map(String::as_str)) {
        Some(nearest) => format!("no function `{lower}`; did you mean `{nearest}`?"),
        None => format!("no function `{lower}`; SHOW FUNCTIONS lists what there is"),
    }
}

/// The name that is closest, where it is close: a letter in three may differ, or it is a longer form.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = name;
    let name = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    let near = names.filter(|other| *other != written).map(|other| {
        let lower = other.to_lowercase();
        let distance = strsim::osa_distance(&name, &lower);
        let is_longer = name.len() >= 3 && (lower.starts_with(&name) || name.starts_with(&lower) && lower.len() >= 3);
        let distance = if is_longer { distance.min(allowed) } else { distance };
        (distance, lower.len().abs_diff(name.len()), other)
    });
    let best = near.filter(|(distance, ..)| *distance <= allowed).min();
    best.map(|(.., other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["timestamp", "received_at", "type", "logger", "severity", "hostname", "pid", "payload", "fields"];
        for (name, expected) in [
            ("loger", Some("logger")),
            ("payloads", Some("payload")),
            ("Hostname", Some("hostname")),
            ("time", Some("timestamp")),
            ("received", Some("received_at")),
            ("tpye", Some("type")),
            ("quux", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, names.into_iter()), expected, "{name}");
        }
    }
}
