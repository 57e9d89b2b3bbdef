//! The file of a report. Every mistake in it names the line and the key.
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    /// Its name in addresses: that of its file, without `.toml`.
    pub(super) name: String,
    /// Its file, as messages name it.
    pub(super) file: String,
    /// True where it is of the owner's folder.
    pub(super) is_own: bool,
    pub(super) title: String,
    /// The question that it answers.
    pub(super) answers: String,
    /// Where its time range begins if the address does not say it.
    pub(super) from: Option<String>,
    pub(super) sql: String,
    pub(super) parameters: Vec<Parameter>,
    /// None where it is to be found out.
    pub(super) chart: Option<Chart>,
}

/// What may differ.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) kind: Kind,
    /// As it would be typed.
    pub(super) default: String,
    /// Those that are offered, as they would be typed; any where there are none.
    pub(super) choices: Vec<String>,
}

/// The type of a parameter's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Boolean,
    /// A length of time: `90s`, `1h`.
    Interval,
}

/// How a result is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Chart {
    pub(super) kind: ChartKind,
    pub(super) time: String,
    pub(super) name: Option<String>,
    pub(super) values: Vec<String>,
    pub(super) rows: String,
    pub(super) columns: String,
    pub(super) unit: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ChartKind {
    #[default]
    None,
    Line,
    Columns,
    Bars,
    Heat,
}

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// From 1.
    line: usize,
    /// With its table; empty where the file is no TOML.
    key: String,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.key.as_str()) {
            (0, _) => f.write_str(&self.message),
            (line, "") => write!(f, "line {line}: {}", self.message),
            (line, key) => write!(f, "line {line}, {key}: {}", self.message),
        }
    }
}

impl Problem {
    /// One of the file as a whole.
    pub(super) fn of_file(message: String) -> Problem {
        Problem { line: 0, key: String::new(), message }
    }
}

/// Names that the time range has already.
const TAKEN: [&str; 5] = ["from", "to", "bucket", "zone", "sql"];

/// Reads the text of a file.
///
/// # Errors
/// Every problem.
pub(super) fn read(name: &str, file: &str, is_own: bool, text: &str) -> Result<Report, Vec<Problem>> {
    let root = DeTable::parse(text).map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        vec![Problem { line, key: String::new(), message: error.message().trim().replace('\n', ", ") }]
    })?;
    let mut reader = Reader { text, problems: Vec::new() };
    let mut table = reader.table("", root.get_ref(), 0);
    let title = table.text("title", true);
    let report = Report {
        name: name.to_owned(),
        file: file.to_owned(),
        is_own,
        answers: table.text("answers", false).unwrap_or_default(),
        from: table.text("from", false),
        sql: table.text("sql", true).unwrap_or_default().trim().to_owned(),
        title: title.unwrap_or_default(),
        parameters: Vec::new(),
        chart: None,
    };
    if let Some(from) = &report.from
        && let Err(why) = crate::range::moment(from, 0)
    {
        table.problem("from", why);
    }
    let parameters = table.tables("parameters").into_iter().enumerate();
    let parameters: Vec<_> = parameters.collect();
    let chart = table.take("chart");
    // It is read by those who evaluate it.
    table.take("alert");
    table.finish(&["title", "answers", "from", "sql", "parameters", "chart", "alert"]);
    let parameters = parameters.into_iter().map(|(at, value)| reader.parameter(at, value)).collect::<Vec<_>>();
    let parameters: Vec<Parameter> = parameters.into_iter().flatten().collect();
    let chart = chart.and_then(|value| reader.chart(value));
    reader.unused(&report.sql, &parameters, root.get_ref());
    if reader.problems.is_empty() { Ok(Report { parameters, chart, ..report }) } else { Err(reader.problems) }
}

struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

/// A table while it is read.
struct Open<'r, 'd, 't> {
    reader: &'r mut Reader<'t>,
    path: String,
    table: &'d DeTable<'d>,
    at: usize,
}

impl<'t> Reader<'t> {
    fn table<'r, 'd>(&'r mut self, path: &str, table: &'d DeTable<'d>, at: usize) -> Open<'r, 'd, 't> {
        Open { reader: self, path: path.to_owned(), table, at }
    }

    fn problem(&mut self, at: usize, key: String, message: String) {
        let line = line_of(self.text, at);
        self.problems.push(Problem { line, key, message });
    }

    fn parameter(&mut self, at: usize, value: &Spanned<DeValue<'_>>) -> Option<Parameter> {
        let path = format!("parameters[{at}]");
        let Some(table) = value.get_ref().as_table() else {
            self.problem(value.span().start, path, "must be a table: `[[parameters]]`".to_owned());
            return None;
        };
        let mut table = self.table(&path, table, value.span().start);
        let name = table.text("name", true)?;
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            table.problem("name", "must be letters, digits and `_`".to_owned());
        }
        if TAKEN.contains(&name.as_str()) {
            table.problem("name", format!("`{name}` is a name that every report has"));
        }
        let title = table.text("title", false).unwrap_or_else(|| name.clone());
        let typed = table.text("type", false);
        let choices = table.list("choices");
        let default = table.plain("default");
        let kind = match typed.as_deref() {
            None | Some("text") => Kind::Text,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            Some("interval") => Kind::Interval,
            // Of the type of its choices.
            Some("choice") if !choices.is_empty() && choices.iter().all(|choice| choice.parse::<f64>().is_ok()) => Kind::Number,
            Some("choice") => Kind::Text,
            Some(_) => {
                table.problem("type", "is text, number, boolean, interval or choice".to_owned());
                Kind::Text
            }
        };
        let default = default.or_else(|| choices.first().cloned()).unwrap_or_default();
        let parameter = Parameter { name, title, kind, default, choices };
        if (kind != Kind::Text || !parameter.choices.is_empty())
            && let Err(why) = parameter.value(&parameter.default)
        {
            table.problem("default", why);
        }
        table.finish(&["name", "title", "type", "default", "choices"]);
        Some(parameter)
    }

    fn chart(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Chart> {
        let Some(table) = value.get_ref().as_table() else {
            self.problem(value.span().start, "chart".to_owned(), "must be a table: `[chart]`".to_owned());
            return None;
        };
        let mut table = self.table("chart", table, value.span().start);
        let kind = match table.text("type", true)?.as_str() {
            "none" => ChartKind::None,
            "line" => ChartKind::Line,
            "columns" => ChartKind::Columns,
            "bars" => ChartKind::Bars,
            "heat" => ChartKind::Heat,
            _ => {
                table.problem("type", "is line, columns, bars, heat or none".to_owned());
                return None;
            }
        };
        let is_over_time = matches!(kind, ChartKind::Line | ChartKind::Columns);
        let chart = Chart {
            kind,
            time: table.text("time", is_over_time).unwrap_or_default(),
            name: table.text("name", kind == ChartKind::Bars),
            values: table.list("values"),
            rows: table.text("rows", kind == ChartKind::Heat).unwrap_or_default(),
            columns: table.text("columns", kind == ChartKind::Heat).unwrap_or_default(),
            unit: table.text("unit", false).unwrap_or_default(),
        };
        if kind != ChartKind::None && chart.values.is_empty() {
            table.problem("values", "is required: the columns that are drawn".to_owned());
        }
        table.finish(&["type", "time", "name", "values", "rows", "columns", "unit"]);
        Some(chart)
    }

    /// A parameter of the SQL that nobody declares, or one that is declared and not used.
    fn unused(&mut self, sql: &str, parameters: &[Parameter], root: &DeTable<'_>) {
        let at = |key: &str| root.iter().find(|(name, _)| name.get_ref() == key).map_or(0, |(name, _)| name.span().start);
        let (of_sql, of_parameters) = (at("sql"), at("parameters"));
        let used = crate::parameter::names(sql);
        for name in &used {
            if !["from", "to", "bucket"].contains(name) && parameters.iter().all(|parameter| parameter.name != *name) {
                self.problem(of_sql, "sql".to_owned(), format!("`:{name}` is in no [[parameters]]"));
            }
        }
        for parameter in parameters {
            if !used.contains(&parameter.name.as_str()) {
                self.problem(of_parameters, "parameters".to_owned(), format!("`{}` is not in the SQL", parameter.name));
            }
        }
    }
}

impl<'d> Open<'_, 'd, '_> {
    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn problem(&mut self, key: &str, message: String) {
        let at = self.take(key).map_or(self.at, |value| value.span().start);
        let key = self.path_of(key);
        self.reader.problem(at, key, message);
    }

    fn take(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn text(&mut self, key: &str, is_required: bool) -> Option<String> {
        let Some(value) = self.take(key) else {
            if is_required {
                self.problem(key, "is required".to_owned());
            }
            return None;
        };
        match value.get_ref().as_str() {
            Some(text) if is_required && text.trim().is_empty() => {
                self.problem(key, "must not be empty".to_owned());
                None
            }
            Some(text) => Some(text.to_owned()),
            None => {
                self.problem(key, "must be a string".to_owned());
                None
            }
        }
    }

    /// A value as it would be typed.
    fn plain(&mut self, key: &str) -> Option<String> {
        let value = self.take(key)?;
        let plain = plain(value.get_ref());
        if plain.is_none() {
            self.problem(key, "must be a string, a number or true or false".to_owned());
        }
        plain
    }

    fn list(&mut self, key: &str) -> Vec<String> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let items = value.get_ref().as_array().map(|items| items.iter().map(|item| plain(item.get_ref())).collect::<Option<Vec<_>>>());
        match items.flatten() {
            Some(items) => items,
            None => {
                self.problem(key, "must be a list of strings or numbers".to_owned());
                Vec::new()
            }
        }
    }

    fn tables(&mut self, key: &str) -> Vec<&'d Spanned<DeValue<'d>>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(items) => items.iter().collect(),
            None => {
                self.problem(key, format!("must be tables: `[[{key}]]`"));
                Vec::new()
            }
        }
    }

    fn finish(self, known: &[&str]) {
        for (name, _) in self.table.iter().filter(|(name, _)| !known.contains(&name.get_ref().as_ref())) {
            let key = self.path_of(name.get_ref());
            self.reader.problem(name.span().start, key, format!("unknown key, known here: {}", known.join(", ")));
        }
    }
}

fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..text.floor_char_boundary(at)].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read("x", "x.toml", true, text).err().into_iter().flatten().map(|problem| problem.to_string()).collect()
    }

    #[test]
    fn a_report_is_read() {
        let text = "title = 'T'\nsql = 'select :n, :each'\n[[parameters]]\nname = 'n'\ntype = 'number'\ndefault = 5\n[[parameters]]\nname = 'each'\ntype = 'interval'\ndefault = '1h'\n[chart]\ntype = 'line'\ntime = 't'\nvalues = ['v']\n[alert]\nthreshold = 1\n";
        let report = read("x", "x.toml", true, text).unwrap();
        assert_eq!((report.parameters.len(), report.parameters[0].default.as_str()), (2, "5"));
        assert_eq!(report.chart.unwrap().values, ["v"]);
    }

    #[test]
    fn mistakes_name_line_and_key() {
        assert_eq!(problems("title = 'T'\nsql = "), ["line 2: string values must be quoted, expected literal string"]);
        assert_eq!(problems("sql = 'select 1'"), ["line 1, title: is required"]);
        assert_eq!(problems("title = 'T'\nsql = 5"), ["line 2, sql: must be a string"]);
        assert_eq!(problems("title = 'T'\nsql = 'select :n'"), ["line 2, sql: `:n` is in no [[parameters]]"]);
        assert_eq!(problems("title = 'T'\nsql = 'select 1'\n\ntitel = 'x'"), ["line 4, titel: unknown key, known here: title, answers, from, sql, parameters, chart, alert"]);
        assert_eq!(problems("title = 'T'\nfrom = 'soon'\nsql = 'select 1'").len(), 1);
        let parameter = |lines: &str| problems(&format!("title = 'T'\nsql = 'select :n'\n[[parameters]]\nname = 'n'\n{lines}"));
        assert_eq!(parameter("type = 'numbr'"), ["line 5, parameters[0].type: is text, number, boolean, interval or choice"]);
        assert_eq!(parameter("type = 'number'\ndefault = 'x'"), ["line 6, parameters[0].default: `x` is no number"]);
        assert_eq!(parameter("[chart]\ntype = 'pie'"), ["line 6, chart.type: is line, columns, bars, heat or none"]);
        assert_eq!(parameter("[chart]\ntype = 'line'\nvalues = ['v']"), ["line 5, chart.time: is required"]);
        let taken = problems("title = 'T'\nsql = 'select :from'\n[[parameters]]\nname = 'from'");
        assert_eq!(taken, ["line 4, parameters[0].name: `from` is a name that every report has"]);
    }
}
