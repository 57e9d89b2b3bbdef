//! A filter written in its own language: what a click in the page adds, and what a filter reads as.
use super::column::Column;
use super::expression::{Expression, Literal, Test};
use metlog_schemas::time::rfc3339;

/// A value as it stands in a filter: in quotes where it needs them.
pub fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-.:/@%+,".contains(c);
    let is_keyword = ["and", "or", "not"].iter().any(|keyword| value.eq_ignore_ascii_case(keyword));
    if !value.is_empty() && value.chars().all(is_plain) && !is_keyword {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    let mut letters = value.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '"' => text.push_str("\\\""),
            // Before a quote it would be taken for the quote's: it stands outside of them.
            '\\' if matches!(letters.peek(), None | Some('"')) => text.push_str("\"\\\""),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// One term: `term("fields.user id", "=", "25")`. `column` is a column, a list by its singular, or a map with its key.
pub fn term(column: &str, operator: &str, value: &str) -> String {
    let column = match column.split_once('.') {
        Some((map, key)) => format!("{map}.{}", quoted(key)),
        None => column.to_owned(),
    };
    format!("{column}{operator}{}", quoted(value))
}

pub(super) fn written(expression: &Expression) -> String {
    let part = |part: &Expression| match part {
        Expression::And(_) | Expression::Or(_) => format!("({})", written(part)),
        _ => written(part),
    };
    let joined = |parts: &[Expression], with: &str| parts.iter().map(part).collect::<Vec<_>>().join(with);
    match expression {
        Expression::And(parts) => joined(parts, " and "),
        Expression::Or(parts) => joined(parts, " or "),
        Expression::Not(inner) => match inner.as_ref() {
            Expression::Is(column, Test::Equal(literal)) => term(&name(column), "!=", &value(literal)),
            Expression::Is(column, Test::Matches(pattern)) => term(&name(column), "!~", pattern.as_str()),
            inner => format!("not {}", part(inner)),
        },
        Expression::Is(column, test) => match test {
            Test::Equal(literal) => term(&name(column), "=", &value(literal)),
            Test::Order(order, literal) => term(&name(column), order.sign(), &value(literal)),
            Test::Matches(pattern) => term(&name(column), "~", pattern.as_str()),
            Test::Contains(text) => searched(column, text),
        },
    }
}

/// A text to search for, which must not be read as a term: as a regular expression where nothing else is sure.
fn searched(column: &Column, text: &str) -> String {
    match text.contains(['=', '~', '<', '>']) {
        true => term(&column.name, "~", &regex::escape(text)),
        false => quoted(text),
    }
}

fn name(column: &Column) -> String {
    match &column.key {
        Some(key) => format!("{}.{key}", column.name),
        None => column.name.clone(),
    }
}

fn value(literal: &Literal) -> String {
    match literal {
        Literal::Text(text) => text.clone(),
        Literal::Whole(number) => number.to_string(),
        Literal::Number(number) => number.to_string(),
        Literal::Time(time) => rfc3339(*time),
        Literal::Truth(truth) => truth.to_string(),
    }
}
