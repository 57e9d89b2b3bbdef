//! The prompt of `metlog query`: queries that end with a semicolon, over several lines, with history and completion.
use super::query::{Printer, Source, Take};
use crate::ask::Place;
use crate::failure::Failure;
use crate::logs;
use crate::statements::{Statement, is_complete, statements};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::runtime::Runtime;

/// Queries that the history keeps.
const HISTORY_QUERIES_MAX: usize = 1_000;

const GREETING: &str =
    "Queries end with a semicolon; Tab completes names. \\d lists tables, \\d NAME its columns, \\q ends.";

/// What completion offers besides the names of the server.
const KEYWORDS: [&str; 24] = [
    "select", "from", "where", "group by", "order by", "limit", "having", "and", "or", "not", "as", "desc", "distinct",
    "count(*)", "case", "when", "then", "end", "join", "on", "between", "like", "explain", "interval",
];

const TABLES: &str =
    "select table_name from information_schema.tables where table_schema = 'public' order by table_name";
const NAMES: &str = "select table_name from information_schema.tables where table_schema = 'public' \
     union select column_name from information_schema.columns where table_schema = 'public'";
const FUNCTIONS: &str = "select distinct routine_name from information_schema.routines";

/// Asks for queries and prints their results until the end of input.
///
/// # Errors
/// Where the terminal cannot be read.
pub fn run(runtime: &Runtime, source: &Source, printer: &dyn Fn() -> Printer) -> Result<(), Failure> {
    let mut words: BTreeSet<String> = KEYWORDS.into_iter().map(str::to_owned).collect();
    words.extend(names(runtime, source, NAMES)?);
    // Without them completion knows less; that is all.
    words.extend(names(runtime, source, FUNCTIONS).unwrap_or_default());
    let config = Config::builder().max_history_size(HISTORY_QUERIES_MAX).map_err(Failure::failed)?;
    let mut editor = Editor::with_config(config.auto_add_history(true).build()).map_err(Failure::failed)?;
    editor.set_helper(Some(Words(words)));
    let history = history_file();
    if let Some(history) = &history {
        let _ = editor.load_history(history);
    }
    eprintln!("{GREETING}");
    let ended = converse(runtime, source, printer, &mut editor);
    if let Some(history) = &history {
        let kept = history.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(ReadlineError::Io);
        if let Err(error) = kept.and_then(|()| editor.save_history(history)) {
            logs::say(&format!("the history is not kept: {}: {error}", history.display()));
        }
    }
    ended
}

fn converse(
    runtime: &Runtime,
    source: &Source,
    printer: &dyn Fn() -> Printer,
    editor: &mut Editor<Words, FileHistory>,
) -> Result<(), Failure> {
    loop {
        let typed = match editor.readline("metlog> ") {
            Ok(typed) => typed,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(ReadlineError::Interrupted) => continue,
            Err(error) => return Err(Failure::failed(error)),
        };
        let queries = match command(&typed) {
            Some(Command::End) => return Ok(()),
            Some(Command::Sql(sql)) => sql,
            None => typed,
        };
        for query in statements(&queries) {
            if let Err(failure) = one(runtime, source, printer(), &query) {
                if failure.is_silent() {
                    return Ok(());
                }
                failure.report();
                break;
            }
        }
    }
}

/// One query, which ctrl-c ends.
fn one(runtime: &Runtime, source: &Source, mut printer: Printer, query: &Statement<'_>) -> Result<(), Failure> {
    runtime.block_on(async {
        tokio::select! {
            result = source.run(query, &mut printer) => result,
            _ = tokio::signal::ctrl_c() => Err(Failure::failed("interrupted")),
        }
    })?;
    printer.finish()
}

/// What is no SQL.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    End,
    Sql(String),
}

fn command(typed: &str) -> Option<Command> {
    let typed = typed.trim().trim_end_matches(';').trim_end();
    match typed {
        "\\q" | "quit" | "exit" => return Some(Command::End),
        "\\d" => return Some(Command::Sql(TABLES.to_owned())),
        _ => (),
    }
    let table = typed.strip_prefix("\\d ")?.trim().replace('\'', "''");
    Some(Command::Sql(format!(
        "select column_name, data_type from information_schema.columns \
         where table_schema = 'public' and table_name = '{table}' order by ordinal_position"
    )))
}

/// `$XDG_STATE_HOME/metlog/history`.
fn history_file() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))?;
    Some(state.join("metlog/history"))
}

fn names(runtime: &Runtime, source: &Source, sql: &str) -> Result<Vec<String>, Failure> {
    let mut names = Names(Vec::new());
    runtime.block_on(source.run(&Statement { text: sql, place: Place::default() }, &mut names))?;
    Ok(names.0)
}

/// The texts of a result's first column.
struct Names(Vec<String>);

impl Take for Names {
    fn begin(&mut self, _: &SchemaRef) -> Result<(), Failure> {
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        let column =
            arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8).map_err(Failure::failed)?;
        self.0.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
        Ok(())
    }
}

/// What can be completed.
struct Words(BTreeSet<String>);

impl Words {
    /// Where the word begins that ends at `position`, and what it may become.
    fn of(&self, line: &str, position: usize) -> (usize, Vec<String>) {
        let before = &line[..position];
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let start =
            before.rfind(|c| !is_part(c)).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let typed = before[start..].to_lowercase();
        if typed.is_empty() {
            return (position, Vec::new());
        }
        (start, self.0.iter().filter(|word| word.to_lowercase().starts_with(&typed)).cloned().collect())
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.of(line, position))
    }
}

impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let input = context.input();
        let is_done = command(input).is_some() || is_complete(input);
        Ok(if is_done { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Helper for Words {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        let words = Words(["messages", "metrics", "select", "Mixed"].map(str::to_owned).into());
        assert_eq!(words.of("select * from me", 16), (14, vec!["messages".to_owned(), "metrics".to_owned()]));
        assert_eq!(words.of("count(mes", 9), (6, vec!["messages".to_owned()]));
        assert_eq!(words.of("SEL", 3), (0, vec!["select".to_owned()]));
        assert_eq!(words.of("é.mi", 5), (3, vec!["Mixed".to_owned()]));
        assert_eq!(words.of("select ", 7).1, Vec::<String>::new());
    }

    #[test]
    fn commands_are_told_from_sql() {
        assert_eq!(command("\\q"), Some(Command::End));
        assert_eq!(command(" exit; "), Some(Command::End));
        assert_eq!(command("\\d"), Some(Command::Sql(TABLES.to_owned())));
        let Some(Command::Sql(sql)) = command("\\d o'k") else { panic!("\\d") };
        assert!(sql.contains("table_name = 'o''k'"), "{sql}");
        assert_eq!(command("select 1"), None);
    }
}
