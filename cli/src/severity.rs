//! Severities by name, as people and logs write them: `warn`, `ERROR`, `crit`, or the number.
use metlog_schemas::wire::Severity;

/// As [`Severity::find`], for the command line.
///
/// # Errors
/// What there is instead.
pub fn parse(text: &str) -> Result<Severity, String> {
    let names = || Severity::NAMES.map(|(_, names)| names[0]).join(", ");
    Severity::find(text).ok_or_else(|| format!("it is a number from 0 to 7, or one of {}", names()))
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
            assert_eq!(Severity::find(text).map(Severity::number), Some(number), "{text}");
        }
        for text in ["8", "-1", "", "loud", "warns"] {
            assert_eq!(Severity::find(text), None, "{text}");
        }
        assert!(parse("loud").unwrap_err().contains("warning, notice"));
    }
}
