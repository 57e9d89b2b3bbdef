//! The tree of a filter.
use super::column::Column;
use regex::Regex;

/// What a row must be.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    /// At least one.
    And(Vec<Expression>),
    /// At least one.
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Is(Column, Test),
}

impl Expression {
    /// Each search in the text of a column that a row must match, or may.
    pub(super) fn searches(&self, column: &str, visit: &mut dyn FnMut(&Test)) {
        match self {
            Expression::And(parts) | Expression::Or(parts) => {
                parts.iter().for_each(|part| part.searches(column, visit))
            }
            // What must not be there is not found.
            Expression::Not(_) => (),
            Expression::Is(at, test) => {
                if at.name == column && at.key.is_none() {
                    visit(test);
                }
            }
        }
    }
}

/// What a value must be; for a list, one of its items.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Equal(Literal),
    Order(Order, Literal),
    Matches(Regex),
    Contains(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Order {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Order::Less => "<",
            Order::AtMost => "<=",
            Order::Greater => ">",
            Order::AtLeast => ">=",
        }
    }

    /// What is true where this is not, of values that are there.
    pub(super) fn negated(self) -> Order {
        match self {
            Order::Less => Order::AtLeast,
            Order::AtMost => Order::Greater,
            Order::Greater => Order::AtMost,
            Order::AtLeast => Order::Less,
        }
    }
}

/// A value, of the type of its column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Whole(i64),
    /// Finite.
    Number(f64),
    /// Microseconds since 1970.
    Time(i64),
    Truth(bool),
}
