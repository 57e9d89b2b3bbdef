//! The configuration from variables of the environment: `METLOG_` and the key's name.
use super::{Config, ConfigError};
use crate::destination::Destination;
use metlog_wire::Severity;
use std::str::FromStr;

impl Config {
    /// The defaults, changed by the environment.
    ///
    /// # Errors
    /// [`ConfigError::Environment`] names the variable whose value cannot be.
    pub fn from_env() -> Result<Config, ConfigError> {
        Config::default().with_env()
    }

    /// This configuration, changed by the variables that are set: `METLOG_DESTINATION` (several with commas
    /// between), `METLOG_STATSD` (`true` or `false`), `METLOG_STATSD_DESTINATION`, `METLOG_STATSD_PREFIX`,
    /// `METLOG_STATSD_DATAGRAM_BYTES`, `METLOG_LOGGER`, `METLOG_HOSTNAME`, `METLOG_SEVERITY`, `METLOG_TYPE`,
    /// `METLOG_DATAGRAM_BYTES`, `METLOG_QUEUE_BYTES`, `METLOG_KEY_ID`, `METLOG_KEY` and
    /// `METLOG_DISABLED_TIMERS` (commas). Filters have none.
    ///
    /// # Errors
    /// [`ConfigError::Environment`] names the variable whose value cannot be.
    pub fn with_env(self) -> Result<Config, ConfigError> {
        self.with_variables(|name| std::env::var(name).ok())
    }

    /// [`Config::with_env`], with the environment as an argument.
    pub(super) fn with_variables(mut self, get: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
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
            let reason = || wrong("METLOG_SEVERITY", &text, "0 to 7");
            self.severity = Severity::new(number("METLOG_SEVERITY", &text)?).ok_or_else(reason)?;
        }
        self.hostname = get("METLOG_HOSTNAME").or(self.hostname);
        self.key_id = get("METLOG_KEY_ID").or(self.key_id);
        self.key = get("METLOG_KEY").map(String::into_bytes).or(self.key);
        if let Some(names) = get("METLOG_DISABLED_TIMERS") {
            self.disabled_timers = list(&names).map(str::to_owned).collect();
        }
        Ok(self)
    }
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
