//! The filter of `metlog tail`: words that a message must all match, such as `type=login severity<=4 "not found"`.
//!
//! A word is `<column><operator><value>`, or text that the payload must contain. Columns are `type`, `logger`,
//! `hostname`, `payload`, `env_version`, `token` (any of them), `fields.<key>`, and the numbers `severity` and `pid`.
//! A severity may be named. Operators are `=`, `!=`, `~` and `!~` (regular expressions), and `<`, `<=`, `>`, `>=` for numbers.
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::error::ArrowError;
use metlog_schemas::wire::Severity;
use regex::Regex;

const TEXTS: [&str; 5] = ["type", "logger", "hostname", "payload", "env_version"];
const NUMBERS: [&str; 2] = ["severity", "pid"];
/// Longer ones before those that they begin with.
const OPERATORS: [&str; 8] = ["!=", "!~", "<=", ">=", "=", "~", "<", ">"];

/// Words that must all match.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    words: Vec<Word>,
}

#[derive(Debug, Clone)]
enum Word {
    Text { column: Column, test: Test, negated: bool },
    Number { column: &'static str, operator: &'static str, value: i64 },
}

#[derive(Debug, Clone)]
enum Column {
    Text(&'static str),
    Token,
    Field(String),
}

#[derive(Debug, Clone)]
enum Test {
    Same(String),
    Found(Regex),
    Contains(String),
}

impl Test {
    fn matches(&self, value: &str) -> bool {
        match self {
            Test::Same(text) => value == text,
            Test::Found(regex) => regex.is_match(value),
            Test::Contains(text) => value.contains(text),
        }
    }
}

impl Filter {
    /// Reads a filter; without words it matches everything.
    ///
    /// # Errors
    /// In words for a human.
    pub fn parse(text: &str) -> Result<Filter, String> {
        let words: Result<Vec<Word>, String> = split(text)?.iter().map(|word| parse_word(word)).collect();
        Ok(Filter { words: words? })
    }

    /// One more word: `column` has this value, where there is one.
    pub fn and_same(mut self, column: &'static str, value: Option<String>) -> Filter {
        let word = |value| Word::Text { column: Column::Text(column), test: Test::Same(value), negated: false };
        self.words.extend(value.map(word));
        self
    }

    /// The rows of `messages` that match.
    ///
    /// # Errors
    /// Rows of another table.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        if self.words.is_empty() {
            return Ok(batch.clone());
        }
        let mut kept = vec![true; batch.num_rows()];
        for word in &self.words {
            word.mark(batch, &mut kept).ok_or_else(|| ArrowError::SchemaError("not the columns of messages".into()))?;
        }
        filter_record_batch(batch, &BooleanArray::from(kept))
    }
}

impl Word {
    /// Takes out of `kept` the rows that do not match.
    fn mark(&self, batch: &RecordBatch, kept: &mut [bool]) -> Option<()> {
        match self {
            Word::Number { column, operator, value } => {
                let array = batch.column_by_name(column)?;
                let number = |row| match array.as_primitive_opt::<Int32Type>() {
                    Some(small) => Some(i64::from(small.value(row))),
                    None => array.as_primitive_opt::<Int64Type>().map(|large| large.value(row)),
                };
                for (row, kept) in kept.iter_mut().enumerate().filter(|(_, kept)| **kept) {
                    *kept = compare(number(row)?, operator, *value);
                }
            }
            Word::Text { column, test, negated } => {
                for (row, kept) in kept.iter_mut().enumerate().filter(|(_, kept)| **kept) {
                    *kept = column.any(batch, row, test)? != *negated;
                }
            }
        }
        Some(())
    }
}

impl Column {
    /// True where one of its values in this row passes.
    fn any(&self, batch: &RecordBatch, row: usize, test: &Test) -> Option<bool> {
        Some(match self {
            Column::Text(name) => test.matches(batch.column_by_name(name)?.as_string_opt::<i32>()?.value(row)),
            Column::Token => {
                let tokens = batch.column_by_name("tokens")?.as_list_opt::<i32>()?.value(row);
                tokens.as_string_opt::<i32>()?.iter().flatten().any(|token| test.matches(token))
            }
            Column::Field(key) => {
                let fields = batch.column_by_name("fields")?.as_map_opt()?.value(row);
                let keys = fields.column(0).as_string_opt::<i32>()?;
                let values = fields.column(1).as_string_opt::<i32>()?;
                let mut pairs = (0..keys.len()).map(|at| (keys.value(at), values.value(at)));
                pairs.any(|(name, value)| name == key && test.matches(value))
            }
        })
    }
}

fn compare(left: i64, operator: &str, right: i64) -> bool {
    match operator {
        "=" => left == right,
        "!=" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        _ => left >= right,
    }
}

/// At blanks that are not between double quotes; the quotes go.
fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quoted { Err("filter: a double quote is not closed".to_owned()) } else { Ok(words) }
}

fn parse_word(word: &str) -> Result<Word, String> {
    let payload = || Column::Text("payload");
    let contains = || Word::Text { column: payload(), test: Test::Contains(word.to_owned()), negated: false };
    let is_name = |c: char| c.is_ascii_alphabetic() || c == '_';
    let name_end = word.find(|c| !is_name(c)).unwrap_or(word.len());
    let (name, rest) = word.split_at(name_end);
    if let ("fields", Some(rest)) = (name, rest.strip_prefix('.')) {
        let operator = rest.find(['=', '~', '!', '<', '>']).unwrap_or(rest.len());
        return comparison(Column::Field(rest[..operator].to_owned()), &rest[operator..], word);
    }
    let Some(operator) = OPERATORS.into_iter().find(|operator| rest.starts_with(operator)) else {
        return Ok(contains());
    };
    if let Some(column) = NUMBERS.into_iter().find(|column| *column == name) {
        let value = &rest[operator.len()..];
        let wrong = |what| format!("filter: in `{word}`, {what}");
        if operator.ends_with('~') {
            return Err(wrong(format!("{column} is a number and has no text to search")));
        }
        let named = || Severity::find(value).filter(|_| column == "severity").map(|found| i64::from(found.number()));
        let value = value.parse().ok().or_else(named).ok_or_else(|| wrong(format!("`{value}` is no {column}")))?;
        return Ok(Word::Number { column, operator, value });
    }
    match (name, TEXTS.into_iter().find(|column| *column == name)) {
        (_, Some(column)) => comparison(Column::Text(column), rest, word),
        ("token", None) => comparison(Column::Token, rest, word),
        ("", None) => Ok(contains()),
        _ => Err(format!(
            "filter: `{name}` is none of {}, token, fields.<key>, {} (to find `{word}` in payloads: \"payload~{word}\")",
            TEXTS.join(", "),
            NUMBERS.join(", ")
        )),
    }
}

fn comparison(column: Column, rest: &str, word: &str) -> Result<Word, String> {
    let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator)).unwrap_or_default();
    let value = &rest[operator.len()..];
    let test = match operator {
        "=" | "!=" => Test::Same(value.to_owned()),
        "~" | "!~" => {
            Test::Found(Regex::new(value).map_err(|_| format!("filter: `{value}` is no regular expression"))?)
        }
        _ => return Err(format!("filter: `{word}` needs =, !=, ~ or !~: what it compares is text")),
    };
    Ok(Word::Text { column, test, negated: operator.starts_with('!') })
}

#[cfg(test)]
mod tests {
    use super::*;
    use metlog_schemas::rows::Rows;
    use metlog_schemas::wire::{Message, Severity};

    fn messages() -> RecordBatch {
        let mut rows = Rows::default();
        for (pid, (r#type, payload)) in
            [("login", "signed in"), ("page", "not found"), ("page", "a=b")].into_iter().enumerate()
        {
            let message = Message {
                r#type: r#type.into(),
                logger: "web".into(),
                severity: Severity::new(4 + pid as u8).unwrap(),
                pid: pid as i64,
                tokens: vec!["one".into(), format!("token{pid}")],
                payload: payload.into(),
                fields: vec![("user.id".into(), pid.to_string()), ("path".into(), "/".into())],
                ..Message::default()
            };
            rows.push_message(&message, 0);
        }
        rows.finish().unwrap()
    }

    #[track_caller]
    fn check(filter: &str, expected: &[i64]) {
        let batch = Filter::parse(filter).unwrap().apply(&messages()).unwrap();
        let pids = batch.column_by_name("pid").unwrap().as_primitive::<Int64Type>().values().to_vec();
        assert_eq!(pids, expected, "{filter}");
    }

    #[test]
    fn words_select_messages() {
        check("", &[0, 1, 2]);
        check("type=login", &[0]);
        check("type!=login", &[1, 2]);
        check("logger=web type~^p", &[1, 2]);
        check("severity<=4", &[0]);
        check("severity<=warn", &[0]);
        check("severity>WARNING severity<info", &[1]);
        check("severity>4 pid<2", &[1]);
        check("severity!=5", &[0, 2]);
        check("token=token1", &[1]);
        check("token!~oken[12]", &[0]);
        check("fields.user.id=2", &[2]);
        check("fields.none=2", &[]);
        check("fields.path!~x", &[0, 1, 2]);
        check("found", &[1]);
        check("\"not found\"", &[1]);
        check("\"payload=not found\"", &[1]);
        check("payload~a=b", &[2]);
        check("=b", &[2]);
        check("type=page =b", &[2]);
    }

    #[test]
    fn what_came_with_the_question_counts_too() {
        let filter =
            Filter::parse("severity>4").unwrap().and_same("type", Some("page".into())).and_same("logger", None);
        assert_eq!(filter.apply(&messages()).unwrap().num_rows(), 2);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (filter, said) in [
            ("tipe=x", "`tipe` is none of type, logger"),
            ("severity=high", "`high` is no severity"),
            ("severity~1", "has no text to search"),
            ("type<x", "needs =, !=, ~ or !~"),
            ("fields.a", "needs =, !=, ~ or !~"),
            ("payload~(", "`(` is no regular expression"),
            ("\"open", "is not closed"),
        ] {
            let error = Filter::parse(filter).unwrap_err();
            assert!(error.contains(said), "{filter}: {error}");
        }
    }
}
