//! Severities by name, as people and logs write them: `warn`, `ERROR`, `crit`, or the number.
use metlog_schemas::wire::Severity;

/// Every name, the one that is shown first.
const NAMES: [(Severity, &[&str]); 8] = [
    (Severity::EMERGENCY, &["emergency", "emerg", "panic"]),
    (Severity::ALERT, &["alert"]),
    (Severity::CRITICAL, &["critical", "crit", "fatal"]),
    (Severity::ERROR, &["error", "err", "severe"]),
    (Severity::WARNING, &["warning", "warn"]),
    (Severity::NOTICE, &["notice"]),
    (Severity::INFORMATIONAL, &["info", "informational", "information"]),
    (Severity::DEBUG, &["debug", "trace", "fine"]),
];

/// The severity of a name, in any case, or of a number from 0 to 7.
pub fn find(text: &str) -> Option<Severity> {
    if let Ok(number) = text.parse::<u8>() {
        return Severity::new(number);
    }
    NAMES.iter().find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(text))).map(|(found, _)| *found)
}

/// As [`find`], for the command line.
///
/// # Errors
/// What there is instead.
pub fn parse(text: &str) -> Result<Severity, String> {
    let names = || NAMES.map(|(_, names)| names[0]).join(", ");
    find(text).ok_or_else(|| format!("it is a number from 0 to 7, or one of {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found() {
        for (text, number) in [
            ("emergency", 0),
            ("alert", 1),
            ("CRIT", 2),
            ("error", 3),
            ("warn", 4),
            ("Warning", 4),
            ("notice", 5),
            ("info", 6),
            ("debug", 7),
            ("0", 0),
            ("7", 7),
        ] {
            assert_eq!(find(text).map(Severity::number), Some(number), "{text}");
        }
        for text in ["8", "-1", "", "loud", "warns"] {
            assert_eq!(find(text), None, "{text}");
        }
        assert!(parse("loud").unwrap_err().contains("warning, notice"));
    }
}
