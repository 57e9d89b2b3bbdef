//! The rule of the registries: a table is one file and a format one folder, and nothing else knows which there are.
//!
//! A toy table and a toy format, behind a Cargo feature, go through the whole binary in `cli/tests/binary/toy.rs`. Here
//! it is seen that they did so without a line elsewhere, and that no match over tables or formats stands elsewhere.
use std::path::Path;

/// The registries, and the files that they list.
const TABLES: &str = "schemas/src/table";
const FORMATS: &str = "schemas/src/format";

/// Says every breach of a source file.
pub fn check(file: &Path, text: &str, breaches: &mut Vec<String>) {
    if is_exempt(file) {
        return;
    }
    // What stands below is tests, which may name what they like.
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    for (line, content) in code.lines().enumerate().map(|(at, content)| (at + 1, content.trim())) {
        if content.starts_with("//") {
            continue;
        }
        let place = format!("{}:{line}", file.display());
        if has_word(content, "toy") {
            breaches.push(format!("{place}: knows of the toy table or format, which should need no other file"));
        }
        if matches_a_table(content) {
            breaches.push(format!("{place}: matches on tables: put what differs into {TABLES}"));
        }
        if matches_a_format(content) {
            breaches.push(format!("{place}: matches on formats: put what differs into {FORMATS}"));
        }
    }
}

/// Registries, tests, and this program.
fn is_exempt(file: &Path) -> bool {
    let is_test = file.iter().any(|part| part == "tests" || part == "tests.rs" || part == "benches");
    let is_registry = [TABLES, FORMATS, "xtask"].iter().any(|folder| file.starts_with(folder));
    // The client knows no registry: its own type for statsd values has the name of a format.
    is_test || is_registry || file.starts_with("schemas/fuzz") || file.starts_with("metlog")
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|part| part.eq_ignore_ascii_case(word))
}

/// An arm for a table of its own: `Table::Messages =>`, also inside of a tuple, but not in a condition behind `if`.
fn matches_a_table(line: &str) -> bool {
    let Some((pattern, _)) = line.split_once("=>") else { return false };
    let pattern = pattern.split(" if ").next().unwrap_or_default();
    pattern.split("Table::").skip(1).any(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// A use of one format's type, or an arm for a code.
fn matches_a_format(line: &str) -> bool {
    ["wire::Wire", "metlog_json::MetlogJson", "statsd::Statsd"].iter().any(|name| line.contains(name))
        || line.split_once("=>").is_some_and(|(pattern, _)| pattern.contains("RECORD_CODE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn breaches(file: &str, text: &str, expected: usize) {
        let mut breaches = Vec::new();
        check(Path::new(file), text, &mut breaches);
        assert_eq!(breaches.len(), expected, "{breaches:?}");
    }

    #[test]
    fn what_knows_of_a_table_or_a_format_is_found() {
        breaches("sink/src/a.rs", "match t {\n    Table::Messages => 1,\n    (Some(x), Table::Metrics) => 2,\n}", 2);
        breaches("sink/src/a.rs", "use metlog_schemas::format::statsd::Statsd;", 1);
        breaches("sink/src/a.rs", "let rows = toy::Rows::default();", 1);
        breaches("cli/src/a.rs", "match code {\n    metlog_json::RECORD_CODE => 1,\n}", 1);
    }

    #[test]
    fn what_goes_by_the_registries_is_not() {
        breaches(
            "sink/src/a.rs",
            "let rows = &batch.rows[Table::Messages];\nOk(r) if r.table != Table::Messages => (),",
            0,
        );
        breaches("sink/src/a.rs", "// match on Table::Messages => toy\nTable::ALL.into_iter()", 0);
        breaches("schemas/src/table/toy.rs", "Table::Toy => toy", 0);
        breaches("sink/src/parquet/tests.rs", "Table::Messages => toy", 0);
        breaches("sink/src/a.rs", "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    Table::Messages => 1\n}", 0);
    }
}
