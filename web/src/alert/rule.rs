//! A rule: a report (`title`, `sql`, parameters with their defaults) with a table `[alert]`.
use crate::parameter::Value as Literal;
use crate::range::{Micros, moment};
use std::path::Path;
use std::time::Duration;
use toml::{Table, Value};

/// Rules of one folder.
pub const RULES_MAX: usize = 200;
/// Longest file of a rule.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// How often a rule is evaluated that does not say it.
const EVERY: Duration = Duration::from_secs(60);
/// Shortest time between two evaluations.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// Longest time that a rule may name.
const TIME_MAX: Duration = Duration::from_secs(366 * 86_400);
/// What `:from` to `:to` spans where the rule does not say it.
const WINDOW: Duration = Duration::from_secs(3_600);

/// How a value compares with the threshold when it is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `!=`
    Other,
}

impl Comparison {
    const SYMBOLS: [(&str, Comparison); 7] = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        ("==", Comparison::Equal),
        ("!=", Comparison::Other),
        (">", Comparison::Above),
        ("<", Comparison::Below),
        ("=", Comparison::Equal),
    ];

    /// True if the value is beyond the threshold.
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Comparison::Above => value > threshold,
            Comparison::AtLeast => value >= threshold,
            Comparison::Below => value < threshold,
            Comparison::AtMost => value <= threshold,
            Comparison::Equal => value == threshold,
            Comparison::Other => value != threshold,
        }
    }

    /// True if the smaller of two values is the worse one.
    pub fn is_downward(self) -> bool {
        matches!(self, Comparison::Below | Comparison::AtMost)
    }
}

/// A rule that can be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Name of its file, without `.toml`.
    pub name: String,
    /// Of the report.
    pub title: String,
    /// What it runs, with parameters such as `:from`.
    pub sql: String,
    /// Values of the report's parameters.
    pub parameters: Vec<(String, Literal)>,
    /// See [`Comparison`].
    pub comparison: Comparison,
    /// With what values are compared.
    pub threshold: f64,
    /// The column that is compared; the last one of numbers if there is none.
    pub column: Option<String>,
    /// How long the threshold must have been passed before anybody is told, in µs.
    pub hold: Micros,
    /// Time between two evaluations, in µs.
    pub every: Micros,
    /// What `:from` to `:to` spans, in µs.
    pub window: Micros,
    /// The label `severity`.
    pub severity: String,
}

/// Why a file is no rule: the file, and where it is known the line, and the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Name of its file, without `.toml`.
    pub name: String,
    /// For the owner.
    pub message: String,
}

/// Keys of `[alert]`.
const KEYS: [&str; 6] = ["threshold", "column", "for", "every", "window", "severity"];

impl Rule {
    /// The rule in a report's text; `None` if the report has no `[alert]`.
    ///
    /// # Errors
    /// [`RuleError`].
    pub fn read(name: &str, text: &str) -> Result<Option<Rule>, RuleError> {
        let wrong = |message: String| RuleError { name: name.to_owned(), message };
        let report: Table = text.parse().map_err(|error: toml::de::Error| {
            // It names line and column, and shows them.
            wrong(error.to_string().trim().lines().next().unwrap_or_default().to_owned())
        })?;
        let Some(alert) = report.get("alert") else { return Ok(None) };
        let alert = alert.as_table().ok_or_else(|| wrong("alert: must be a table `[alert]`".to_owned()))?;
        if let Some(key) = alert.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(wrong(format!("alert.{key}: unknown key; there are {}", KEYS.join(", "))));
        }
        let sql = text_of(&report, "sql").map_err(&wrong)?.filter(|sql| !sql.trim().is_empty());
        let (comparison, threshold) = threshold(alert).map_err(&wrong)?;
        let time = |key: &str, default: Duration| duration(alert, key, default).map_err(&wrong);
        // As long as the report shows unless it says otherwise.
        let shown =
            report.get("from").and_then(Value::as_str).and_then(|from| moment(from, 0).ok()).filter(|at| *at < 0);
        let shown = shown.map_or(WINDOW, |at| Duration::from_micros(at.unsigned_abs()));
        let (every, hold, window) = (time("every", EVERY)?, time("for", Duration::ZERO)?, time("window", shown)?);
        if every < EVERY_MIN {
            return Err(wrong("alert.every: must be at least 1s".to_owned()));
        }
        let micros = |time: Duration| time.as_micros() as Micros;
        Ok(Some(Rule {
            name: name.to_owned(),
            title: text_of(&report, "title").map_err(&wrong)?.unwrap_or_else(|| name.to_owned()),
            sql: sql.ok_or_else(|| wrong("sql: is required".to_owned()))?,
            parameters: parameters(&report),
            comparison,
            threshold,
            column: text_of(alert, "column").map_err(|why| wrong(format!("alert.{why}")))?,
            hold: micros(hold),
            every: micros(every),
            window: micros(window),
            severity: text_of(alert, "severity")
                .map_err(|why| wrong(format!("alert.{why}")))?
                .unwrap_or_else(|| "warning".to_owned()),
        }))
    }
}

fn text_of(table: &Table, key: &str) -> Result<Option<String>, String> {
    match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{key}: must be a text, not {other}")),
    }
}

/// `"> 5"`, or a number that must not be exceeded.
fn threshold(alert: &Table) -> Result<(Comparison, f64), String> {
    let wrong = |value: &dyn std::fmt::Display| {
        format!("alert.threshold: must be a number, or a comparison such as \"> 5\" or \"<= 0.1\", not {value}")
    };
    match alert.get("threshold") {
        None => Err("alert.threshold: is required".to_owned()),
        Some(Value::Integer(number)) => Ok((Comparison::Above, *number as f64)),
        Some(Value::Float(number)) if number.is_finite() => Ok((Comparison::Above, *number)),
        Some(value @ Value::String(text)) => {
            let text = text.trim();
            let found = Comparison::SYMBOLS.iter().find_map(|(symbol, it)| Some((*it, text.strip_prefix(symbol)?)));
            let (comparison, rest) = found.unwrap_or((Comparison::Above, text));
            let number = rest.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(|number| (comparison, number)).ok_or_else(|| wrong(value))
        }
        Some(other) => Err(wrong(other)),
    }
}

/// `"90s"`, `"5m"`, `"1h30m"`, `"2d"`.
fn duration(alert: &Table, key: &str, default: Duration) -> Result<Duration, String> {
    let wrong = |value: &dyn std::fmt::Display| format!("alert.{key}: must be a time such as \"5m\", not {value}");
    match alert.get(key) {
        None => Ok(default),
        Some(value @ Value::String(text)) => length(text).filter(|time| *time <= TIME_MAX).ok_or_else(|| wrong(value)),
        Some(other) => Err(wrong(other)),
    }
}

fn length(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text.trim(), 0_u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        let unit = match &rest[digits..].chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        seconds = seconds.checked_add(count.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    Some(Duration::from_secs(seconds))
}

/// Defaults of a report's `[[parameters]]`; where there is none, the first choice.
fn parameters(report: &Table) -> Vec<(String, Literal)> {
    let list = report.get("parameters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let one = |parameter: &Value| {
        let name = parameter.get("name")?.as_str()?.to_owned();
        let first = || parameter.get("choices").and_then(|choices| choices.get(0));
        let default = parameter.get("default").or_else(first);
        let of = parameter.get("type").and_then(Value::as_str).unwrap_or("text");
        let literal = match (of, default?) {
            ("interval", Value::String(text)) => Literal::Seconds(length(text)?.as_secs() as i64),
            ("number", Value::String(text)) => Literal::Number(text.trim().parse().ok()?),
            (_, Value::String(text)) => Literal::Text(text.clone()),
            (_, Value::Integer(number)) => Literal::Number(*number as f64),
            (_, Value::Float(number)) => Literal::Number(*number),
            (_, Value::Boolean(truth)) => Literal::Boolean(*truth),
            _ => return None,
        };
        Some((name, literal))
    };
    list.iter().filter_map(one).collect()
}

/// The rules of a folder, sorted by name; a folder that is not there has none.
pub fn read_folder(folder: &Path) -> (Vec<Rule>, Vec<RuleError>) {
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    let Ok(entries) = std::fs::read_dir(folder) else { return (rules, errors) };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_large = path.metadata().is_ok_and(|meta| meta.len() > FILE_BYTES_MAX);
        let text = if is_large {
            Err(format!("larger than {FILE_BYTES_MAX} bytes"))
        } else {
            std::fs::read_to_string(&path).map_err(|error| format!("cannot be read: {error}"))
        };
        let read = text.map_err(|message| RuleError { name: name.clone(), message });
        match read.and_then(|text| Rule::read(&name, &text)) {
            Ok(Some(_)) if rules.len() >= RULES_MAX => {
                errors.push(RuleError { name, message: format!("there are more than {RULES_MAX} rules") });
            }
            Ok(rule) => rules.extend(rule),
            Err(error) => errors.push(error),
        }
    }
    (rules, errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "title = \"Errors\"\nsql = \"select 1\"\n";

    fn read(alert: &str) -> Result<Rule, String> {
        let parameters = "[[parameters]]\nname = \"logger\"\ndefault = \"sync\"\n[[parameters]]\nname = \"step\"\ntype = \"interval\"\ndefault = \"1m\"\n";
        let text = format!("{REPORT}from = \"-24h\"\n{parameters}[alert]\n{alert}");
        Rule::read("errors", &text).map(Option::unwrap).map_err(|error| error.message)
    }

    #[test]
    fn a_rule_is_a_report_with_a_threshold() {
        assert_eq!(Rule::read("errors", REPORT), Ok(None));
        let rule = read("threshold = \"<= 0.5\"\nfor = \"1h30m\"\nevery = \"10s\"\ncolumn = \"n\"").unwrap();
        assert_eq!((rule.comparison, rule.threshold, rule.column.as_deref()), (Comparison::AtMost, 0.5, Some("n")));
        assert_eq!((rule.hold, rule.every, rule.severity.as_str()), (5_400_000_000, 10_000_000, "warning"));
        let expected = [("logger", Literal::Text("sync".to_owned())), ("step", Literal::Seconds(60))];
        assert_eq!(rule.parameters, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(rule.window, 86_400_000_000, "what the report shows");
        assert_eq!(read("threshold = 5").unwrap().comparison, Comparison::Above);
    }

    #[test]
    fn mistakes_name_the_key() {
        for (alert, why) in [
            ("", "alert.threshold: is required"),
            ("threshold = \"> many\"", "alert.threshold: must be a number"),
            ("threshold = nan", "alert.threshold: must be a number"),
            ("threshold = 1\nfor = 5", "alert.for: must be a time such as \"5m\", not 5"),
            ("threshold = 1\nfor = \"5\"", "alert.for: must be a time"),
            ("threshold = 1\nevery = \"0s\"", "alert.every: must be at least 1s"),
            ("threshold = 1\nevry = \"1s\"", "alert.evry: unknown key; there are threshold"),
            ("threshold = ", "TOML parse error at line 12, column 13"),
        ] {
            let found = read(alert).unwrap_err();
            assert!(found.starts_with(why), "{found}");
        }
        let none = Rule::read("x", "title = \"t\"\n[alert]\nthreshold = 1").unwrap_err();
        assert_eq!(none.message, "sql: is required");
    }
}
