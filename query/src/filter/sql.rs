//! A filter as SQL: what stands in a `where`, with every value as a literal.
//!
//! In SQL a comparison with a missing value is neither true nor false, and its negation neither. Here it is false, and
//! its negation true. So negations are brought down to the terms, where `is null` is added if a value may be missing.
use super::column::{Column, Kind};
use super::expression::{Expression, Literal, Test};
use metlog_schemas::time::rfc3339;

/// More parts than this are joined in halves: a chain in SQL is as deep as it is long.
const CHAIN_MAX: usize = 8;

pub(super) fn condition(expression: &Expression) -> String {
    stated(expression, true)
}

fn stated(expression: &Expression, is_wanted: bool) -> String {
    match expression {
        Expression::Not(inner) => stated(inner, !is_wanted),
        Expression::Is(column, test) if is_wanted => term(column, test),
        Expression::Is(column, test) => negated(column, test),
        Expression::And(parts) => joined(parts, is_wanted, if is_wanted { " and " } else { " or " }),
        Expression::Or(parts) => joined(parts, is_wanted, if is_wanted { " or " } else { " and " }),
    }
}

fn joined(parts: &[Expression], is_wanted: bool, with: &str) -> String {
    let in_parentheses = |text: String| format!("({text})");
    if let [one] = parts {
        return stated(one, is_wanted);
    }
    if parts.len() > CHAIN_MAX {
        let (left, right) = parts.split_at(parts.len() / 2);
        return [left, right].map(|half| in_parentheses(joined(half, is_wanted, with))).join(with);
    }
    let part = |part: &Expression| match part {
        Expression::Is(..) => stated(part, is_wanted),
        Expression::Not(inner) if matches!(**inner, Expression::Is(..)) => stated(part, is_wanted),
        _ => in_parentheses(stated(part, is_wanted)),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(with)
}

fn term(column: &Column, test: &Test) -> String {
    let value = value(column);
    match test {
        Test::Equal(literal) if column.kind == Kind::List => format!("array_has({value}, {})", written(literal)),
        Test::Equal(literal) => format!("{value} = {}", written(literal)),
        Test::Order(order, literal) => format!("{} {} {}", number(column), order.sign(), written(literal)),
        Test::Matches(pattern) if column.kind == Kind::List => {
            format!("array_regexp_like({value}, {})", text(pattern.as_str()))
        }
        Test::Matches(pattern) => format!("{value} ~ {}", text(pattern.as_str())),
        Test::Contains(part) => format!("contains({value}, {})", text(part)),
    }
}

fn negated(column: &Column, test: &Test) -> String {
    let value = value(column);
    let or_null = |tested: &str, text: String| match column.is_nullable || column.key.is_some() {
        true => format!("({tested} is null or {text})"),
        false => text,
    };
    match test {
        Test::Equal(_) | Test::Matches(_) if column.kind == Kind::List => {
            or_null(&value, format!("not {}", term(column, test)))
        }
        Test::Contains(_) => or_null(&value, format!("not {}", term(column, test))),
        Test::Equal(literal) => or_null(&value, format!("{value} != {}", written(literal))),
        Test::Matches(pattern) => or_null(&value, format!("{value} !~ {}", text(pattern.as_str()))),
        Test::Order(order, literal) => {
            let number = number(column);
            let opposite = format!("{number} {} {}", order.negated().sign(), written(literal));
            or_null(&number, opposite)
        }
    }
}

fn value(column: &Column) -> String {
    match &column.key {
        Some(key) => format!("{}[{}]", column.name, text(key)),
        None => column.name.clone(),
    }
}

/// The value in an order: texts of a map are numbers then, or missing.
fn number(column: &Column) -> String {
    match column.kind {
        Kind::Map => format!("try_cast({} as double)", value(column)),
        _ => value(column),
    }
}

/// A literal: quotes are doubled, and nothing else means anything in it.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn written(literal: &Literal) -> String {
    match literal {
        Literal::Text(value) => text(value),
        Literal::Whole(number) => number.to_string(),
        // With a point or an exponent, so that it is no whole number.
        Literal::Number(number) => format!("{number:?}"),
        Literal::Time(time) => text(&rfc3339(*time)),
        Literal::Truth(truth) => truth.to_string(),
    }
}
