//! A configuration file as it was typed: its tables, read key by key, and every problem found in them.
//!
//! A **section** is a table of the file. Whoever reads it asks for its keys one by one; what nobody asked for is
//! an unknown key. A problem never stops the reading, so that one run of `metlog check` names them all.
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Something wrong with the file, and where. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it begins.
    pub line: usize,
    /// Where it begins.
    pub column: usize,
    /// The key it is about, with its tables: `listener.statsd`. Empty where the file as a whole cannot be read.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Every problem of one file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as it was named to us.
    pub file: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{}:{}: ", self.file, problem.line, problem.column)?;
            if !problem.key.is_empty() {
                write!(f, "{}: ", problem.key)?;
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// What is noted while a file is read.
#[derive(Debug, Default)]
struct Notes {
    problems: Vec<Problem>,
    /// Where the value of each key stands that was typed and asked for.
    places: BTreeMap<String, Range<usize>>,
    /// Every key that was asked for, typed or not; array positions left out.
    asked: BTreeSet<String>,
}

/// A file while it is read.
#[derive(Debug)]
pub struct Document<'t> {
    file: String,
    text: &'t str,
    root: Spanned<DeTable<'t>>,
    notes: RefCell<Notes>,
}

impl<'t> Document<'t> {
    /// Reads the text of a file; `file` is only for messages.
    ///
    /// # Errors
    /// What is no TOML.
    pub fn parse(file: &str, text: &'t str) -> Result<Document<'t>, ConfigError> {
        let file = file.to_owned();
        match DeTable::parse(text) {
            Ok(root) => Ok(Document { file, text, root, notes: RefCell::default() }),
            Err(error) => {
                let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
                let message = error.message().trim().replace('\n', ", ");
                Err(ConfigError { file, problems: vec![Problem { line, column, key: String::new(), message }] })
            }
        }
    }

    /// The keys outside of any table.
    pub fn root(&self) -> Section<'_> {
        Section { document: self, path: String::new(), at: 0..0, table: Some(self.root.get_ref()), asked: Vec::new() }
    }

    /// Notes that values which are fine alone do not go together. It is reported at the first of `keys` that was
    /// typed; where none was, the defaults are at odds, which a test excludes.
    pub fn conflict(&self, keys: &[&str], message: impl Into<String>) {
        let mut notes = self.notes.borrow_mut();
        let typed = keys.iter().find_map(|key| notes.places.get(*key).map(|place| (*key, place.start)));
        let (key, start) = typed.unwrap_or((keys.first().copied().unwrap_or_default(), 0));
        let (line, column) = line_and_column(self.text, start);
        notes.problems.push(Problem { line, column, key: key.to_owned(), message: message.into() });
    }

    /// Every key that was asked for so far.
    #[cfg(test)]
    pub fn asked(&self) -> BTreeSet<String> {
        self.notes.borrow().asked.clone()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Whatever was noted.
    pub fn finish(self) -> Result<(), ConfigError> {
        let mut problems = self.notes.into_inner().problems;
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { file: self.file, problems }) }
    }

    fn problem(&self, key: String, at: usize, message: String) {
        let (line, column) = line_and_column(self.text, at);
        self.notes.borrow_mut().problems.push(Problem { line, column, key, message });
    }
}

/// One table of the file, or its absence: then every key has its default.
#[derive(Debug)]
pub struct Section<'d> {
    document: &'d Document<'d>,
    path: String,
    at: Range<usize>,
    table: Option<&'d DeTable<'d>>,
    asked: Vec<&'static str>,
}

impl<'d> Section<'d> {
    /// True where the key was typed, rightly or wrongly.
    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The name of one of its keys, with its tables.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key as `read` makes it, or `None` where it was not typed or is wrong (which is noted).
    pub fn read<T>(&mut self, key: &'static str, read: impl FnOnce(&DeValue<'_>) -> Result<T, String>) -> Option<T> {
        let value = self.take(key)?;
        match read(value.get_ref()) {
            Ok(value) => Some(value),
            Err(message) => {
                self.document.problem(self.path_of(key), value.span().start, message);
                None
            }
        }
    }

    /// A table of this table.
    pub fn section(&mut self, key: &'static str) -> Section<'d> {
        let mut section = Section {
            document: self.document,
            path: self.path_of(key),
            at: self.at.clone(),
            table: None,
            asked: Vec::new(),
        };
        if let Some(value) = self.take(key) {
            section.at = self.key_span(key).unwrap_or_else(|| value.span());
            section.table = value.get_ref().as_table();
            if section.table.is_none() {
                let message = format!("must be a table: `[{}]`", section.path);
                self.document.problem(section.path.clone(), value.span().start, message);
            }
        }
        section
    }

    /// The tables of an array of tables, `[[privacy.rules]]`.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'d>> {
        let path = self.path_of(key);
        let Some(value) = self.take(key) else { return Vec::new() };
        let tables = value.get_ref().as_array().into_iter().flat_map(|array| array.iter());
        let found: Vec<_> = tables.map(|value| (value.get_ref().as_table(), value.span())).collect();
        if value.get_ref().as_array().is_none() || found.iter().any(|(table, _)| table.is_none()) {
            self.document.problem(path.clone(), value.span().start, format!("must be tables: `[[{path}]]`"));
        }
        let section = |(i, (table, at))| Section {
            document: self.document,
            path: format!("{path}[{i}]"),
            at,
            table,
            asked: Vec::new(),
        };
        found.into_iter().enumerate().map(section).collect()
    }

    /// A table whose keys are the user's own and whose values are texts, as `read` makes them of key and text.
    pub fn texts<T>(&mut self, key: &'static str, read: impl Fn(&str, &str) -> Result<T, String>) -> Vec<T> {
        let section = self.section(key);
        let mut texts = Vec::new();
        for (key, value) in section.table.into_iter().flat_map(|table| table.iter()) {
            let text = value.get_ref().as_str();
            match text.map_or_else(
                || Err(format!("must be a string, not {}", described(value.get_ref()))),
                |text| read(key.get_ref(), text),
            ) {
                Ok(text) => texts.push(text),
                Err(message) => {
                    self.document.problem(section.path_of(key.get_ref()), value.span().start, message);
                }
            }
        }
        texts
    }

    /// Notes a problem of a key, or of the table where the key was not typed.
    pub fn problem(&self, key: &str, message: impl Into<String>) {
        let typed = self.entry(key).map(|(_, value)| value.span());
        let at = typed.unwrap_or_else(|| self.at.clone()).start;
        self.document.problem(self.path_of(key), at, message.into());
    }

    /// Notes a problem of a key that is the user's own, in one of its tables.
    pub fn problem_in(&self, table: &str, key: &str, message: impl Into<String>) {
        let inner = Section {
            document: self.document,
            path: self.path_of(table),
            at: self.at.clone(),
            table: self.entry(table).and_then(|(_, value)| value.get_ref().as_table()),
            asked: Vec::new(),
        };
        inner.problem(key, message);
    }

    /// Ends the section: whatever was not asked for is unknown.
    pub fn finish(self) {
        for (key, _) in self.table.into_iter().flat_map(|table| table.iter()) {
            let typed: &str = key.get_ref();
            if self.asked.contains(&typed) {
                continue;
            }
            let message = match nearest(typed, &self.asked) {
                Some(known) => format!("unknown key, did you mean `{known}`?"),
                None => format!("unknown key, known here: {}", self.asked.join(", ")),
            };
            self.document.problem(self.path_of(typed), key.span().start, message);
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.push(key);
        let path = self.path_of(key);
        let mut notes = self.document.notes.borrow_mut();
        notes.asked.insert(without_positions(&path));
        let (_, value) = self.entry(key)?;
        notes.places.insert(path, value.span());
        Some(value)
    }

    fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.entry(key).map(|(key, _)| key)
    }

    fn entry(&self, key: &str) -> Option<(Range<usize>, &'d Spanned<DeValue<'d>>)> {
        let (typed, value) = self.table?.iter().find(|(typed, _)| typed.get_ref() == key)?;
        Some((typed.span(), value))
    }
}

/// A value in the words of a message: "the number 3", "the text `x`".
pub fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text `{text}`"),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(truth) => format!("`{truth}`"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The name that was probably meant.
pub fn nearest<'n>(typed: &str, names: &[&'n str]) -> Option<&'n str> {
    let likeness = |name: &str| strsim::jaro_winkler(typed, name);
    let best = names.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.75).then_some(best)
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// `privacy.rules[3].type` is the key `privacy.rules[].type`.
fn without_positions(path: &str) -> String {
    let mut parts = path.split('[');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push('[');
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}
