//! The message: the fact that every part of metlog passes on.

/// How urgent a message is, 0 to 7 as in RFC 5424; 6 (informational) unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Severity(u8);

impl Severity {
    /// The system is unusable.
    pub const EMERGENCY: Severity = Severity(0);
    /// Action must be taken at once.
    pub const ALERT: Severity = Severity(1);
    /// Critical conditions.
    pub const CRITICAL: Severity = Severity(2);
    /// Error conditions.
    pub const ERROR: Severity = Severity(3);
    /// Warning conditions.
    pub const WARNING: Severity = Severity(4);
    /// Normal but significant.
    pub const NOTICE: Severity = Severity(5);
    /// Informational; the default.
    pub const INFORMATIONAL: Severity = Severity(6);
    /// For debugging.
    pub const DEBUG: Severity = Severity(7);

    /// The severity of a number, or `None` above 7.
    pub const fn new(number: u8) -> Option<Severity> {
        if number <= 7 { Some(Severity(number)) } else { None }
    }

    /// Every name, as people and logs write them; the one that is shown comes first.
    pub const NAMES: [(Severity, &'static [&'static str]); 8] = [
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
        let of_name = |(_, names): &&(Severity, &[&str])| names.iter().any(|name| name.eq_ignore_ascii_case(text));
        Severity::NAMES.iter().find(of_name).map(|(found, _)| *found)
    }

    /// The name that is shown: `warning`.
    pub fn name(self) -> &'static str {
        Severity::NAMES.get(usize::from(self.0)).and_then(|(_, names)| names.first()).copied().unwrap_or_default()
    }

    /// The number, 0 to 7.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl Default for Severity {
    fn default() -> Self {
        Severity::INFORMATIONAL
    }
}

/// Default `env_version` of a wire v1 message.
pub const ENV_VERSION_WIRE: &str = "1";
/// `env_version` of Metlog JSON.
pub const ENV_VERSION_JSON: &str = "0.8";

/// A whole message that owns its parts. The fast paths never build one; it is for tests, tools and
/// the rules that rewrite messages.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// When it happened: µs since 1970-01-01 UTC.
    pub timestamp: i64,
    /// What kind of fact it is: `login`, `counter`, `event`.
    pub r#type: String,
    /// The program, or part of it, that sent the message.
    pub logger: String,
    /// How urgent it is.
    pub severity: Severity,
    /// The host that created it.
    pub hostname: String,
    /// The process that created it.
    pub pid: i64,
    /// Strings that classify it.
    pub tokens: Vec<String>,
    /// The text itself.
    pub payload: String,
    /// Named values, flat: nested ones have dotted keys.
    pub fields: Vec<(String, String)>,
    /// Version of its envelope.
    pub env_version: String,
}
