//! Parameters in SQL: `:name` becomes a literal. What a reader typed is always one value, never a piece of the query.
use crate::range::{Range, timestamp};

/// Buckets of a chart that `:bucket` is made for.
const BUCKETS: i64 = 100;

/// A value in SQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// A time, µs since 1970 UTC.
    Time(i64),
    /// A length of time, in seconds.
    Seconds(i64),
}

impl Value {
    /// As a literal.
    fn literal(&self) -> String {
        match self {
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => format!("{}", *number as i64),
            Value::Number(number) => format!("{number:?}"),
            Value::Boolean(truth) => truth.to_string(),
            Value::Time(micros) => timestamp(*micros),
            Value::Seconds(seconds) => format!("interval '{seconds} seconds'"),
        }
    }
}

/// The parameters that every query of the page has: the ends of its time range and a length that divides it well.
pub fn of_range(range: &Range) -> Vec<(String, Value)> {
    let of = |name: &str, value| (name.to_owned(), value);
    vec![
        of("from", Value::Time(range.start)),
        of("to", Value::Time(range.end)),
        of("bucket", Value::Seconds(range.bucket_seconds(BUCKETS))),
    ]
}

/// A query with its parameters filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// What is run.
    pub sql: String,
    /// Where literals stand in `sql`, and the parameters in what was written: begin and end of each, in bytes.
    places: Vec<[usize; 4]>,
    written: String,
}

impl Filled {
    /// Where in what was written is a place of `sql`: lines and columns, both from 1, columns in characters.
    pub fn place(&self, line: u64, column: u64) -> (u64, u64) {
        let at = offset(&self.sql, line, column);
        let mut back = at;
        for [begin, end, was_begin, was_end] in &self.places {
            if at >= *end {
                back = *was_end + (at - end);
            } else if at >= *begin {
                back = *was_begin;
            }
        }
        let before = &self.written[..self.written.floor_char_boundary(back)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() as u64 + 1, before[line_start..].chars().count() as u64 + 1)
    }
}

fn offset(text: &str, line: u64, column: u64) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum();
    let rest = &text[line_start..];
    line_start + rest.char_indices().nth(column.saturating_sub(1) as usize).map_or(rest.len(), |(at, _)| at)
}

/// The names of the parameters in a query, each once, in order.
pub fn names(sql: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (begin, end) in found(sql) {
        if !names.contains(&&sql[begin + 1..end]) {
            names.push(&sql[begin + 1..end]);
        }
    }
    names
}

/// Fills in the parameters that have a value; others stay as they are, and the engine says that it knows them not.
pub fn fill(sql: &str, values: &[(String, Value)]) -> Filled {
    let mut filled = Filled { sql: String::with_capacity(sql.len()), places: Vec::new(), written: sql.to_owned() };
    let mut copied = 0;
    for (begin, end) in found(sql) {
        let name = &sql[begin + 1..end];
        let Some((_, value)) = values.iter().find(|(known, _)| known == name) else { continue };
        filled.sql.push_str(&sql[copied..begin]);
        let start = filled.sql.len();
        filled.sql.push_str(&value.literal());
        filled.places.push([start, filled.sql.len(), begin, end]);
        copied = end;
    }
    filled.sql.push_str(&sql[copied..]);
    filled
}

/// Begin (the colon) and end of each parameter: not in texts, quoted names and comments, and no `::type`.
fn found(sql: &str) -> Vec<(usize, usize)> {
    let bytes = sql.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => {
                rest[1..].iter().position(|byte| *byte == quote).map_or(rest.len(), |end| end + 2)
            }
            b'-' if rest.starts_with(b"--") => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => {
                rest[2..].windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |end| end + 4)
            }
            b':' if rest.starts_with(b"::") => 2,
            b':' => {
                let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let length = rest[1..].iter().position(|byte| !is_name(byte)).unwrap_or(rest.len() - 1);
                let is_parameter = rest.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
                let is_slice = at > 0 && (is_name(&bytes[at - 1]) || bytes[at - 1] == b']');
                if is_parameter && !is_slice {
                    found.push((at, at + 1 + length));
                }
                1 + length
            }
            _ => 1,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Vec<(String, Value)> {
        vec![
            ("a".to_owned(), Value::Text("o'x; drop".to_owned())),
            ("n".to_owned(), Value::Number(2.5)),
            ("at".to_owned(), Value::Time(0)),
        ]
    }

    #[test]
    fn a_value_is_one_literal_whatever_it_holds() {
        assert_eq!(
            fill("select :a, :n, :at", &values()).sql,
            "select 'o''x; drop', 2.5, timestamp '1970-01-01T00:00:00Z'"
        );
        let hostile = vec![("a".to_owned(), Value::Text("'' or 1=1 --\n'\\".to_owned()))];
        assert_eq!(fill("x = :a", &hostile).sql, "x = ''''' or 1=1 --\n''\\'");
        assert_eq!(Value::Number(1e300).literal(), "1e300");
        assert_eq!(Value::Seconds(60).literal(), "interval '60 seconds'");
    }

    #[test]
    fn what_only_looks_like_a_parameter_stays() {
        for sql in
            ["':a'", "\":a\"", "-- :a\n", "/* :a */", "x::a", "'it''s :a'", ":unknown", "x[1:n]", "'open :a", "12:30"]
        {
            assert_eq!(fill(sql, &values()).sql, sql);
        }
        assert_eq!(names("select :a, ':b', :a, :c::int"), ["a", "c"]);
    }

    #[test]
    fn places_lead_back_to_what_was_written() {
        let written = "select :a, ö,\n  :n + wrong";
        let filled = fill(written, &values());
        let place = |what: &str| {
            let at = filled.sql.find(what).unwrap();
            let before = &filled.sql[..at];
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            filled.place(before.matches('\n').count() as u64 + 1, before[line_start..].chars().count() as u64 + 1)
        };
        assert_eq!(
            [place("select"), place("x; drop"), place("ö"), place("2.5"), place("wrong")],
            [(1, 1), (1, 8), (1, 12), (2, 3), (2, 8)]
        );
        assert_eq!(filled.place(99, 99), (2, 13), "beyond the end");
    }
}
