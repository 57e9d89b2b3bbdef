//! Reads a filter: from words to the tree, each name looked up in the table's definition.
use super::column::{self, Column, Kind};
use super::error::FilterError;
use super::expression::{Expression, Literal, Order, Test};
use super::words::{Letter, Piece, Word, cut};
use super::{DEPTH_MAX, FILTER_BYTES_MAX, PATTERN_BYTES_MAX, PATTERN_MEMORY_BYTES_MAX, TERMS_MAX};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use metlog_schemas::table::Table;
use metlog_schemas::wire::Severity;
use regex::{Regex, RegexBuilder};

/// Longer ones before those that they begin with.
const OPERATORS: [&str; 8] = ["!=", "!~", "<=", ">=", "=", "~", "<", ">"];

/// None for all rows.
pub(super) fn parse(table: Table, text: &str) -> Result<Option<Expression>, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(FilterError::new(0, format!("it has more than {FILTER_BYTES_MAX} bytes")));
    }
    let pieces = cut(text)?;
    if pieces.is_empty() {
        return Ok(None);
    }
    let end = text.chars().count();
    let mut parser = Parser { table, pieces: &pieces, at: 0, end, depth: 0, terms: 0 };
    let wanted = parser.any()?;
    // Only a `)` ends a group early, and there is none but for those that are open.
    Ok(Some(wanted))
}

/// Rows that contain a text.
pub(super) fn containing(table: Table, text: &str) -> Result<Expression, FilterError> {
    let none = || FilterError::new(0, format!("{} has no text to search: name a column", table.name()));
    Ok(Expression::Is(column::searched(table).ok_or_else(none)?, Test::Contains(text.to_owned())))
}

struct Parser<'p> {
    table: Table,
    pieces: &'p [(usize, Piece)],
    at: usize,
    /// Characters of the whole filter.
    end: usize,
    depth: usize,
    terms: usize,
}

impl<'p> Parser<'p> {
    fn peek(&self) -> Option<&'p Piece> {
        self.pieces.get(self.at).map(|(_, piece)| piece)
    }

    fn position(&self) -> usize {
        self.pieces.get(self.at).map_or(self.end, |(position, _)| *position)
    }

    /// True if the next word is this keyword, which is taken.
    fn takes(&mut self, keyword: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Piece::Word(word)) if word.is(keyword));
        self.at += usize::from(is_it);
        is_it
    }

    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all()?];
        while self.takes("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Or))
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.one()?];
        loop {
            let is_more = match self.peek() {
                None | Some(Piece::Close) => false,
                Some(Piece::Open) => true,
                Some(Piece::Word(word)) => !word.is("or"),
            };
            if !self.takes("and") && !is_more {
                return Ok(one_or(parts, Expression::And));
            }
            parts.push(self.one()?);
        }
    }

    fn one(&mut self) -> Result<Expression, FilterError> {
        let position = self.position();
        if self.takes("not") {
            let inner = self.deeper(position, Parser::one)?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        match self.peek() {
            Some(Piece::Open) => {
                self.at += 1;
                let inner = self.deeper(position, Parser::any)?;
                match self.peek() {
                    Some(Piece::Close) => self.at += 1,
                    _ => return Err(FilterError::new(position, "this parenthesis is not closed")),
                }
                Ok(inner)
            }
            Some(Piece::Word(word)) if !["and", "or"].iter().any(|keyword| word.is(keyword)) => {
                self.terms += 1;
                if self.terms > TERMS_MAX {
                    return Err(FilterError::new(position, format!("it has more than {TERMS_MAX} terms")));
                }
                let word = word.clone();
                self.at += 1;
                self.term(&word, position)
            }
            found => Err(FilterError::new(position, nothing_to_match(found))),
        }
    }

    fn deeper(
        &mut self,
        position: usize,
        inner: fn(&mut Self) -> Result<Expression, FilterError>,
    ) -> Result<Expression, FilterError> {
        if self.depth == DEPTH_MAX {
            return Err(FilterError::new(position, format!("it is nested more than {DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let found = inner(self);
        self.depth -= 1;
        found
    }

    fn term(&mut self, word: &Word, position: usize) -> Result<Expression, FilterError> {
        if let Some((left, operator, right)) = compared(word)
            && let Some(column) = named(self.table, &left, word, position)?
        {
            return Term { word, position }.compare(column, operator, &right);
        }
        if let Some((column, operator, right)) = self.apart(word) {
            return Term { word, position }.compare(column, operator, &right);
        }
        let text = word.text();
        if is_map(self.table, &text) && !word.is_quoted {
            let message =
                format!("`{text}` needs =, !=, ~ or !~ and a value; `{text}~\"\"` is true where there is one");
            return Err(FilterError::new(position, message));
        }
        containing(self.table, &text).map_err(|error| FilterError { position, ..error })
    }

    /// `severity <= 4`, with blanks around the operator.
    fn apart(&mut self, word: &Word) -> Option<(Column, &'static str, String)> {
        if word.is_quoted {
            return None;
        }
        let (Some((_, Piece::Word(sign))), Some((_, Piece::Word(value)))) =
            (self.pieces.get(self.at), self.pieces.get(self.at + 1))
        else {
            return None;
        };
        let operator = OPERATORS.into_iter().find(|operator| sign.is(operator))?;
        let column = resolved(self.table, &word.text())?;
        self.at += 2;
        Some((column, operator, value.text()))
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

fn nothing_to_match(found: Option<&Piece>) -> String {
    let found = match found {
        Some(Piece::Word(word)) => format!("`{}`", word.text()),
        Some(Piece::Close) => "`)`".to_owned(),
        _ => "its end".to_owned(),
    };
    format!("a term is missing before {found}; to search the word itself, write \"and\", \"or\", \"not\" in quotes")
}

/// The word at its first operator. Quotes around the whole word do not hide it; those around a part do.
fn compared(word: &Word) -> Option<(String, &'static str, String)> {
    let text = |letters: &[Letter]| letters.iter().map(|letter| letter.c).collect::<String>();
    let is_sign = |letter: &Letter| (word.is_quoted || !letter.is_quoted) && "=~!<>".contains(letter.c);
    let at = word.letters.iter().position(is_sign)?;
    let rest = text(&word.letters[at..]);
    let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator))?;
    Some((text(&word.letters[..at]), operator, rest[operator.len()..].to_owned()))
}

/// The column of what stands before an operator; none where the word is text to search for.
fn named(table: Table, name: &str, word: &Word, position: usize) -> Result<Option<Column>, FilterError> {
    if let Some(column) = resolved(table, name) {
        return Ok(Some(column));
    }
    let (base, key) = name.split_once('.').map_or((name, None), |(base, key)| (base, Some(key)));
    let is_name = |c: char| c.is_ascii_alphabetic() || c == '_';
    let nearest = column::nearest(table, base);
    let wrong = |message: String, nearest| FilterError { position, message, nearest };
    match (column::find(table, base), key) {
        (Some(column), None | Some("")) if column.kind == Kind::Map => {
            Err(wrong(format!("`{base}` needs a key: `{base}.<key>`"), None))
        }
        (Some(column), Some(_)) => {
            Err(wrong(format!("{} is {}, and has no keys", column.name, column.kind.noun()), None))
        }
        _ if word.is_quoted || base.is_empty() || !base.chars().all(is_name) => Ok(None),
        // An address such as `www.x.org/?a=b` is text to search for.
        (_, Some(_)) if nearest.as_deref().is_none_or(|near| !is_map(table, near)) => Ok(None),
        _ => {
            let names = column::names(table).join(", ");
            let text = word.text();
            let message = format!(
                "`{base}` is not a column of {}; there are {names} (to search for the text, write \"{text}\")",
                table.name()
            );
            Err(wrong(message, nearest))
        }
    }
}

/// `type`, `token`, `fields.user.id`.
fn resolved(table: Table, name: &str) -> Option<Column> {
    if let Some(column) = column::find(table, name).filter(|column| column.kind != Kind::Map) {
        return Some(column);
    }
    let (map, key) = name.split_once('.').filter(|(_, key)| !key.is_empty())?;
    let column = column::find(table, map).filter(|column| column.kind == Kind::Map)?;
    Some(Column { key: Some(key.to_owned()), ..column })
}

fn is_map(table: Table, name: &str) -> bool {
    let base = name.split_once('.').map_or(name, |(base, _)| base);
    column::find(table, base).is_some_and(|column| column.kind == Kind::Map)
}

/// A term that names a column.
struct Term<'t> {
    word: &'t Word,
    position: usize,
}

impl Term<'_> {
    fn wrong(&self, what: impl std::fmt::Display) -> FilterError {
        FilterError::new(self.position, format!("in `{}`, {what}", self.word.text()))
    }

    fn compare(&self, column: Column, operator: &str, value: &str) -> Result<Expression, FilterError> {
        let test = match operator {
            "=" | "!=" => Test::Equal(self.literal(&column, value)?),
            "~" | "!~" if matches!(column.kind, Kind::Text | Kind::List | Kind::Map) => {
                Test::Matches(self.pattern(value)?)
            }
            "~" | "!~" => {
                let noun = column.kind.noun();
                return Err(self.wrong(format!("{} is {noun} and has no text to search", column.name)));
            }
            sign => {
                let order = match sign {
                    "<" => Order::Less,
                    "<=" => Order::AtMost,
                    ">" => Order::Greater,
                    _ => Order::AtLeast,
                };
                Test::Order(order, self.bound(&column, value)?)
            }
        };
        let is = Expression::Is(column, test);
        Ok(if operator.starts_with('!') { Expression::Not(Box::new(is)) } else { is })
    }

    /// Texts of a map are compared as numbers, since nothing else is meant by `fields.ms>100`.
    fn bound(&self, column: &Column, value: &str) -> Result<Literal, FilterError> {
        match column.kind {
            Kind::Whole | Kind::Time | Kind::Number => self.literal(column, value),
            Kind::Map => self.number(value).map(Literal::Number),
            kind => Err(self.wrong(format!("{} needs =, !=, ~ or !~: it is {}", column.name, kind.noun()))),
        }
    }

    fn literal(&self, column: &Column, value: &str) -> Result<Literal, FilterError> {
        let not = |what: &str| self.wrong(format!("`{value}` is not {what}"));
        match column.kind {
            Kind::Text | Kind::List | Kind::Map => Ok(Literal::Text(value.to_owned())),
            Kind::Whole => {
                let number = value.parse().ok().filter(|number| *number != i64::MIN);
                let named = || (column.name == "severity").then(|| Severity::find(value)).flatten();
                let number = number.or_else(|| named().map(|severity| i64::from(severity.number())));
                let what = match column.name.as_str() {
                    "severity" => "a severity: a number from 0 to 7, or a name such as error, warning, info",
                    _ => "a whole number",
                };
                number.map(Literal::Whole).ok_or_else(|| not(what))
            }
            Kind::Number => self.number(value).map(Literal::Number),
            Kind::Time => time(value).map(Literal::Time).ok_or_else(|| not("a time such as 2026-01-31T12:00:00Z")),
            Kind::Truth => match value {
                "true" => Ok(Literal::Truth(true)),
                "false" => Ok(Literal::Truth(false)),
                _ => Err(not("true or false")),
            },
        }
    }

    fn number(&self, value: &str) -> Result<f64, FilterError> {
        let number = value.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| self.wrong(format!("`{value}` is not a number")))
    }

    fn pattern(&self, value: &str) -> Result<Regex, FilterError> {
        if value.len() > PATTERN_BYTES_MAX {
            return Err(self.wrong(format!("the regular expression has more than {PATTERN_BYTES_MAX} bytes")));
        }
        RegexBuilder::new(value).size_limit(PATTERN_MEMORY_BYTES_MAX).build().map_err(|error| {
            let text = error.to_string();
            let reason = match error {
                regex::Error::CompiledTooBig(_) => "it is too large",
                // The last line says what is wrong; those before it draw an arrow at it.
                _ => text.lines().next_back().unwrap_or_default().trim_start_matches("error: "),
            };
            self.wrong(format!("`{value}` is not a regular expression: {reason}"))
        })
    }
}

/// `2026-01-31T12:00:00Z`, without a zone UTC, or the beginning of a day.
fn time(text: &str) -> Option<i64> {
    let zoned = || DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros());
    let plain = |format| NaiveDateTime::parse_from_str(text, format).ok().map(|time| time.and_utc().timestamp_micros());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let found = zoned().or_else(|| formats.into_iter().find_map(plain));
    let found = found.or_else(|| day().map(|time| time.and_utc().timestamp_micros()));
    found.filter(|time| (metlog_schemas::time::TIMESTAMP_MIN..metlog_schemas::time::TIMESTAMP_END).contains(time))
}
