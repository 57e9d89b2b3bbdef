//! The four filters that Metlog has had since 2011: which messages are filtered out by type and severity.
use metlog_wire::Severity;
use std::collections::{HashMap, HashSet};

/// Which messages are sent. A message must pass all rules that are set; statsd values are not filtered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// Filters out messages that are less urgent (a greater number) than this.
    pub severity_max: Option<Severity>,
    /// Filters out these types.
    pub type_blacklist: HashSet<String>,
    /// If not empty: filters out every other type.
    pub type_whitelist: HashSet<String>,
    /// As `severity_max`, for single types.
    pub type_severity_max: HashMap<String, Severity>,
}

impl Filters {
    /// True if no rule is set.
    pub fn is_empty(&self) -> bool {
        *self == Filters::default()
    }

    /// True if a message of this type and severity is sent.
    pub fn passes(&self, r#type: &str, severity: Severity) -> bool {
        self.severity_max.is_none_or(|most| severity <= most)
            && !self.type_blacklist.contains(r#type)
            && (self.type_whitelist.is_empty() || self.type_whitelist.contains(r#type))
            && self.type_severity_max.get(r#type).is_none_or(|&most| severity <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filters: &Filters, r#type: &str, severity: Severity, passes: bool) {
        assert_eq!(filters.passes(r#type, severity), passes, "{type} at {severity:?} through {filters:?}");
    }

    fn types(names: &[&str]) -> HashSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn without_rules_all_pass() {
        assert!(Filters::default().is_empty());
        check(&Filters::default(), "login", Severity::DEBUG, true);
    }

    #[test]
    fn severity_max_keeps_back_what_is_less_urgent() {
        let filters = Filters { severity_max: Some(Severity::WARNING), ..Filters::default() };
        check(&filters, "login", Severity::ERROR, true);
        check(&filters, "login", Severity::WARNING, true);
        check(&filters, "login", Severity::NOTICE, false);
    }

    #[test]
    fn lists_of_types() {
        let filters = Filters { type_blacklist: types(&["debug"]), ..Filters::default() };
        check(&filters, "debug", Severity::ERROR, false);
        check(&filters, "login", Severity::ERROR, true);
        let filters = Filters { type_whitelist: types(&["login", "debug"]), ..Filters::default() };
        check(&filters, "debug", Severity::ERROR, true);
        check(&filters, "wsgi", Severity::ERROR, false);
        let filters = Filters { type_blacklist: types(&["debug"]), ..filters };
        check(&filters, "debug", Severity::ERROR, false);
    }

    #[test]
    fn severity_by_type() {
        let type_severity_max = HashMap::from([("wsgi".to_owned(), Severity::ERROR)]);
        let filters = Filters { type_severity_max, ..Filters::default() };
        check(&filters, "wsgi", Severity::ERROR, true);
        check(&filters, "wsgi", Severity::WARNING, false);
        check(&filters, "login", Severity::DEBUG, true);
    }
}
