//! DataFusion's errors in the words of whoever wrote the query: what is wrong with it, not where in the engine it
//! was noticed. No prefixes of kinds, no chains of causes, no appeal to report a bug elsewhere.
use crate::error::Kind;
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;

/// Longest text of the engine, or value of a row, in a message.
const TEXT_CHARS_MAX: usize = 300;

/// What the engine puts before its messages.
const PREFIXES: [&str; 17] = [
    "Arrow error: ",
    "Compute error: ",
    "Invalid argument error: ",
    "Parser error: ",
    "Cast error: ",
    "External error: ",
    "Error during planning: ",
    "Schema error: ",
    "Execution error: ",
    "Optimizer rule ",
    "This feature is not implemented: ",
    "Not yet implemented: ",
    "Invalid or Unsupported Configuration: ",
    "Substrait error: ",
    "SQL error: ",
    "Generic error: ",
    "Resources exhausted: ",
];

/// Where the engine begins to speak of itself.
const TAILS: [&str; 5] = [
    "\n\nbacktrace:",
    "\nThis issue was likely caused by",
    " This was likely caused by a bug",
    "\nThis was likely caused by a bug",
    " You might need to add explicit type casts",
];

/// The message for the root of an error.
pub(crate) fn message(root: &DataFusionError) -> (Kind, String) {
    match root {
        DataFusionError::SQL(parser, _) => (Kind::Sql, parser_text(parser).to_owned()),
        DataFusionError::SchemaError(error, _) => (Kind::Sql, schema(error)),
        DataFusionError::ArrowError(error, _) => arrow(error),
        DataFusionError::ResourcesExhausted(text) => (Kind::Limit, exhausted(text)),
        DataFusionError::NotImplemented(text) => {
            (Kind::Sql, shortened(&format!("not supported: {}", in_sql(&plain(text)))))
        }
        DataFusionError::ObjectStore(_) | DataFusionError::ParquetError(_) | DataFusionError::IoError(_) => {
            (Kind::Storage, format!("an object could not be read: {}", shortened(&root.message())))
        }
        DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) | DataFusionError::Ffi(_) => {
            tracing::error!(error = %root, "a query failed inside the query engine");
            (Kind::Internal, "the query failed inside the query engine; see the log".to_owned())
        }
        other => (Kind::Sql, shortened(&rephrased(&plain(&other.message())))),
    }
}

/// Below contexts, diagnostics, collections and sharing; the first of several.
pub(crate) fn root_of(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root_of(inner),
        DataFusionError::Shared(inner) => root_of(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, root_of),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(inner) => inner.downcast_ref().map_or(error, root_of),
            _ => error,
        },
        DataFusionError::External(inner) => inner.downcast_ref().map_or(error, root_of),
        _ => error,
    }
}

/// Without the place, which [`place`] reads.
pub(crate) fn parser_text(error: &ParserError) -> &str {
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            place(text).map_or(text.as_str(), |(message, _)| message)
        }
        ParserError::RecursionLimitExceeded => "the query is nested too deep",
    }
}

/// The parser writes the place at the end of its message.
pub(crate) fn place(text: &str) -> Option<(&str, (u64, u64))> {
    let (message, place) = text.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some((message, (line.trim().parse().ok()?, column.trim().parse().ok()?)))
}

fn schema(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, .. } => format!("no column `{}`", field.flat_name()),
        SchemaError::AmbiguousReference { field } => format!(
            "`{}` is a column of more than one table: name the table too, as in `m.{}`",
            field.flat_name(),
            field.name()
        ),
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            format!("two columns are called `{name}`: give one of them another name with AS")
        }
    }
}

fn arrow(error: &ArrowError) -> (Kind, String) {
    let message = match error {
        ArrowError::DivideByZero => "division by zero: NULLIF(divisor, 0) gives null instead".to_owned(),
        ArrowError::CastError(text) | ArrowError::ParseError(text) => cast(&plain(text)),
        ArrowError::ArithmeticOverflow(text) => {
            format!("a number is out of range: {}", plain(text).trim_start_matches("Overflow happened on: "))
        }
        ArrowError::IoError(text, _) => return (Kind::Storage, format!("reading failed: {}", plain(text))),
        ArrowError::MemoryError(text) => return (Kind::Limit, format!("too much memory: {}", plain(text))),
        ArrowError::ExternalError(error) => rephrased(&plain(&error.to_string())),
        other => rephrased(&plain(&other.to_string())),
    };
    (Kind::Sql, shortened(&message))
}

/// The value is in the message; how to find its rows, and how to live with them, is added.
fn cast(text: &str) -> String {
    let found = text.strip_prefix("Cannot cast string '").and_then(|rest| {
        let (value, kind) = rest.rsplit_once("' to value of ")?;
        Some((value, kind.trim_end_matches(" type")))
    });
    match found {
        Some((value, kind)) => format!(
            "'{value}' cannot be cast to {}: TRY_CAST gives null instead, and WHERE TRY_CAST(…) IS NULL finds the rows",
            sql_type(kind)
        ),
        None => match text.strip_prefix("Error parsing ").and_then(|rest| rest.split_once(" from ")) {
            Some((kind, value)) => format!("not a {kind}: {value}"),
            None => rephrased(text),
        },
    }
}

/// A message with types as SQL names them; what stands in quotes was written by somebody, and stays.
fn in_sql(text: &str) -> String {
    let mut renamed = String::with_capacity(text.len());
    let mut quote = None;
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '\'' || c == '`') {
        renamed.push_str(&rest[..start]);
        let word = &rest[start..];
        let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len()).max(1);
        let (written, after) = (&word[..end], &word[end..]);
        rest = after;
        if matches!(written, "'" | "`") {
            quote = if quote == Some(written) { None } else { quote.or(Some(written)) };
        }
        let kind = if quote.is_none() { sql_type(written) } else { written };
        // Constants come as `Int64(1)` and `Utf8("x")`.
        match after.strip_prefix('(').and_then(|after| after.split_once(')')).filter(|_| kind != written) {
            Some((constant, after)) => {
                renamed.push_str(&constant.replace('"', "'"));
                rest = after;
            }
            None => renamed.push_str(kind),
        }
    }
    renamed + rest
}

fn sql_type(arrow: &str) -> &str {
    match arrow {
        "Int8" => "TINYINT",
        "Int16" => "SMALLINT",
        "Int32" => "INT",
        "Int64" => "BIGINT",
        "Float32" => "REAL",
        "Float64" => "DOUBLE",
        "Utf8" | "LargeUtf8" | "Utf8View" => "VARCHAR",
        "Date32" => "DATE",
        other => other,
    }
}

/// Messages that say how the engine works instead of what to write.
fn rephrased(text: &str) -> String {
    if let Some((_, rest)) = text.split_once("column \"")
        && let Some((column, _)) = rest.split_once("\" must appear in the GROUP BY clause")
    {
        let column = column.rsplit('.').next().unwrap_or(column);
        return format!("`{column}` is neither in GROUP BY nor inside an aggregate: group by it, or use max({column})");
    }
    if let Some((_, rest)) = text.split_once("Projections require unique expression names but the expression \"")
        && let Some((expression, _)) = rest.split_once("\" at position")
    {
        let name = expression.rsplit(" AS ").next().unwrap_or(expression);
        return format!("two columns are called `{}`: give one of them another name with AS", in_sql(name));
    }
    // The last line says what is wrong; those before it draw an arrow at it.
    if text.contains("regex parse error:") {
        let reason = text.lines().next_back().unwrap_or_default().trim_start_matches("error: ");
        return format!("not a regular expression: {reason}");
    }
    match wrong_call(text) {
        Some(call) => format!("wrong arguments: {}", in_sql(&call)),
        // Ours is another name.
        None => in_sql(&text.replace("'json_as_text'", "'json_get'")),
    }
}

/// The call with the types of its arguments, where no function takes these.
pub(crate) fn wrong_call(text: &str) -> Option<String> {
    if let Some((_, rest)) = text.split_once("No function matches the given name and argument types '") {
        return rest.split_once('\'').map(|(call, _)| call.to_owned());
    }
    let (_, rest) = text.split_once("Failed to coerce arguments to satisfy a call to '")?;
    let (function, rest) = rest.split_once('\'')?;
    let (_, types) = rest.split_once("coercion from ")?;
    let types = types.split_once(" to the signature").map_or(types, |(types, _)| types);
    Some(format!("{function}({types})"))
}

/// The engine's message without what it says of itself.
fn plain(text: &str) -> String {
    let mut text = text;
    for tail in TAILS {
        // What follows the appeal to cast may be the forms that a function has.
        if let Some((head, rest)) = text.split_once(tail)
            && !rest.contains("Candidate functions")
        {
            text = head;
        }
    }
    while let Some((_, cause)) = text.split_once("\ncaused by\n") {
        text = cause;
    }
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    text.trim().to_owned()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => text.to_owned(),
        Some(_) => {
            // The end of a message says what was wanted, its middle is the value.
            let chars: Vec<char> = text.chars().collect();
            let (head, tail) = (TEXT_CHARS_MAX * 2 / 3, TEXT_CHARS_MAX / 3);
            let ends = (&chars[..head], &chars[chars.len() - tail..]);
            format!("{}…{}", ends.0.iter().collect::<String>(), ends.1.iter().collect::<String>())
        }
    }
}

/// What is ours says what to do; the engine's own names its operators.
fn exhausted(text: &str) -> String {
    if text.contains("would make more than") {
        return shortened(text);
    }
    let limit = text.rsplit_once("pool_size: ").map(|(_, rest)| rest.trim_end_matches([')', '.']));
    let limit = limit.map(|limit| format!(" ({limit})")).unwrap_or_default();
    format!(
        "the query needs more memory than it may have{limit}: filter on `timestamp`, or ask for fewer columns or rows"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_sql() {
        for (text, expected) in [
            ("VARCHAR", "VARCHAR"),
            ("abs(Utf8, Int64)", "abs(VARCHAR, BIGINT)"),
            ("Int64(1) AS x, Utf8(\"y\")", "1 AS x, 'y'"),
            ("'Int64' and `Utf8` are Float64", "'Int64' and `Utf8` are DOUBLE"),
            ("it's Int64", "it's Int64"),
            ("日本 Int8", "日本 TINYINT"),
            ("", ""),
        ] {
            assert_eq!(in_sql(text), expected);
        }
    }
}
