//! Where one query of a text ends and the next begins: at semicolons that are in no quotes and no comment.
use crate::ask::Place;

/// One query, without its semicolon, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<'t> {
    /// Its text, which is not blank.
    pub text: &'t str,
    /// Where it begins.
    pub place: Place,
}

/// The queries of a text. The last need not have a semicolon.
pub fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    for end in ends(text).into_iter().chain([text.len()]) {
        let piece = &text[start..end];
        let blank = piece.len() - piece.trim_start().len();
        let trimmed = piece.trim();
        if !is_blank(trimmed) {
            found.push(Statement { text: trimmed, place: place(&text[..start + blank]) });
        }
        start = (end + 1).min(text.len());
    }
    found
}

/// True where what was typed is done: it ends with a semicolon, or there is nothing yet.
pub fn is_complete(text: &str) -> bool {
    text.trim().is_empty() || ends(text).last().is_some_and(|end| is_blank(&text[end + 1..]))
}

/// Nothing but blanks and comments.
fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let after = match (rest.strip_prefix("--"), rest.strip_prefix("/*")) {
            (Some(comment), _) => comment.split_once('\n').map_or("", |(_, after)| after),
            (_, Some(comment)) => comment.split_once("*/").map_or("", |(_, after)| after),
            _ => return rest.is_empty(),
        };
        rest = after.trim_start();
    }
}

fn place(before: &str) -> Place {
    let line = before.rsplit('\n').next().unwrap_or_default();
    Place { lines: before.matches('\n').count() as u64, columns: line.chars().count() as u64 }
}

/// Where the semicolons are that end a query.
fn ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find([';', '\'', '"', '-', '/']) {
        let here = at + found;
        let rest = &text[here..];
        let closed_by =
            |close: &str, open: usize| rest[open..].find(close).map_or(rest.len(), |end| open + end + close.len());
        at = here
            + match rest.as_bytes() {
                [b';', ..] => {
                    ends.push(here);
                    1
                }
                // A doubled quote closes one text and opens the next.
                [b'\'', ..] => closed_by("'", 1),
                [b'"', ..] => closed_by("\"", 1),
                [b'-', b'-', ..] => closed_by("\n", 2),
                [b'/', b'*', ..] => closed_by("*/", 2),
                _ => 1,
            };
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_divided_at_their_semicolons() {
        let text = "select ';', \"a;b\" -- ;\n; /* ; */\n  select 'it''s; fine';;\n";
        let found = statements(text);
        let texts: Vec<&str> = found.iter().map(|statement| statement.text).collect();
        assert_eq!(texts, ["select ';', \"a;b\" -- ;", "/* ; */\n  select 'it''s; fine'"]);
        assert_eq!(found[1].place, Place { lines: 1, columns: 2 });
        assert_eq!(found[1].place.plus(2, 3), "3:3");
        assert_eq!(found[1].place.plus(1, 3), "2:5");
        assert!(statements(" ; -- nothing\n;").is_empty());
        assert_eq!(statements("select 1").len(), 1);
    }

    #[test]
    fn a_query_is_complete_with_its_semicolon() {
        for (text, expected) in [
            ("", true),
            ("select 1", false),
            ("select 1;", true),
            ("select ';", false),
            ("select 1; -- done", true),
            ("select 1; select", false),
            ("select 1 /* ;", false),
        ] {
            assert_eq!(is_complete(text), expected, "{text}");
        }
    }
}
