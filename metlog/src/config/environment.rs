//! The configuration from variables of the environment: `METLOG_` and the key's name.
use super::{Config, ConfigError};
use crate::destination::Destination;
use crate::trace::parse_sampling;
use metlog_wire::Severity;
use metlog_wire::v1::secret;
use std::cell::Cell;
use std::str::FromStr;

impl Config {
    /// The defaults, changed by the environment.
    ///
    /// # Errors
    /// [`ConfigError::Environment`] names the variable whose value is invalid.
    pub fn from_env() -> Result<Config, ConfigError> {
        Config::default().with_env()
    }

    /// This configuration, changed by the variables that are set: `METLOG_DESTINATION` (several with commas
    /// between), `METLOG_STATSD` (`true` or `false`), `METLOG_STATSD_DESTINATION`, `METLOG_STATSD_PREFIX`,
    /// `METLOG_STATSD_DATAGRAM_BYTES`, `METLOG_LOGGER`, `METLOG_HOSTNAME`, `METLOG_SEVERITY`, `METLOG_TYPE`,
    /// `METLOG_DATAGRAM_BYTES`, `METLOG_QUEUE_BYTES`, `METLOG_KEY_ID`, `METLOG_KEY` (`hex:` and digits, or the text
    /// itself), `METLOG_DISABLED_TIMERS` (commas), `METLOG_SAMPLING` (0 to 1); and of the filters `METLOG_SEVERITY_MAX`,
    /// `METLOG_TYPE_BLACKLIST`, `METLOG_TYPE_WHITELIST` (commas) and `METLOG_TYPE_SEVERITY_MAX` (`login=4,sync=3`).
    ///
    /// # Errors
    /// [`ConfigError::Environment`] names the variable whose value is invalid.
    pub fn with_env(self) -> Result<Config, ConfigError> {
        let unreadable = Cell::new(None);
        let config = self.with_variables(|name| match std::env::var(name) {
            Err(std::env::VarError::NotUnicode(_)) => {
                unreadable.set(Some(name));
                None
            }
            value => value.ok(),
        });
        match unreadable.get() {
            Some(variable) => Err(ConfigError::Environment { variable, reason: "is not UTF-8".into() }),
            None => config,
        }
    }

    /// [`Config::with_env`], with the environment as an argument.
    pub(super) fn with_variables(
        mut self,
        get: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Config, ConfigError> {
        if let Some(texts) = get("METLOG_DESTINATION") {
            self.destinations = Some(list(&texts).map(Destination::from).collect());
        }
        if let Some(text) = get("METLOG_STATSD") {
            self.statsd = truth("METLOG_STATSD", &text)?;
        }
        if let Some(text) = get("METLOG_STATSD_DESTINATION") {
            self.statsd_destination = text.into();
        }
        for (name, place) in [
            ("METLOG_STATSD_PREFIX", &mut self.statsd_prefix),
            ("METLOG_LOGGER", &mut self.logger),
            ("METLOG_TYPE", &mut self.r#type),
        ] {
            if let Some(text) = get(name) {
                *place = text;
            }
        }
        for (name, place) in [
            ("METLOG_STATSD_DATAGRAM_BYTES", &mut self.statsd_datagram_bytes),
            ("METLOG_DATAGRAM_BYTES", &mut self.datagram_bytes),
            ("METLOG_QUEUE_BYTES", &mut self.queue_bytes),
        ] {
            if let Some(text) = get(name) {
                *place = number(name, &text)?;
            }
        }
        if let Some(text) = get("METLOG_SEVERITY") {
            self.severity = severity("METLOG_SEVERITY", &text)?;
        }
        if let Some(text) = get("METLOG_SAMPLING") {
            self.sampling = parse_sampling(number("METLOG_SAMPLING", &text)?);
        }
        self.hostname = get("METLOG_HOSTNAME").or(self.hostname);
        self.key_id = get("METLOG_KEY_ID").or(self.key_id);
        self.key = get("METLOG_KEY").as_deref().map(secret).or(self.key);
        if let Some(names) = get("METLOG_DISABLED_TIMERS") {
            self.disabled_timers = list(&names).map(str::to_owned).collect();
        }
        if let Some(text) = get("METLOG_SEVERITY_MAX") {
            self.filters.severity_max = Some(severity("METLOG_SEVERITY_MAX", &text)?);
        }
        for (name, place) in [
            ("METLOG_TYPE_BLACKLIST", &mut self.filters.type_blacklist),
            ("METLOG_TYPE_WHITELIST", &mut self.filters.type_whitelist),
        ] {
            if let Some(types) = get(name) {
                *place = list(&types).map(str::to_owned).collect();
            }
        }
        if let Some(texts) = get("METLOG_TYPE_SEVERITY_MAX") {
            let variable = "METLOG_TYPE_SEVERITY_MAX";
            let rule = |text: &str| {
                let (name, most) = text.split_once('=').ok_or_else(|| wrong(variable, text, "type=severity"))?;
                Ok((name.trim().to_owned(), severity(variable, most)?))
            };
            self.filters.type_severity_max = list(&texts).map(rule).collect::<Result<_, _>>()?;
        }
        Ok(self)
    }
}

fn severity(variable: &'static str, text: &str) -> Result<Severity, ConfigError> {
    Severity::new(number(variable, text)?).ok_or_else(|| wrong(variable, text, "0 to 7"))
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn truth(variable: &'static str, text: &str) -> Result<bool, ConfigError> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "on" | "yes" | "1" => Ok(true),
        "false" | "f" | "off" | "no" | "0" => Ok(false),
        _ => Err(wrong(variable, text, "true or false")),
    }
}

fn number<N: FromStr>(variable: &'static str, text: &str) -> Result<N, ConfigError> {
    text.trim().parse().map_err(|_| wrong(variable, text, "a number"))
}

fn wrong(variable: &'static str, text: &str, expected: &str) -> ConfigError {
    ConfigError::Environment { variable, reason: format!("is `{text}`; expected {expected}") }
}
