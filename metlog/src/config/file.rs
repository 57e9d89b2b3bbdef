//! The `[metlog]` section of a service's own TOML file.
use super::{Config, ConfigError};
use crate::destination::Destination;
use crate::filter::Filters;
use crate::trace::parse_sampling;
use metlog_wire::Severity;
use metlog_wire::v1::secret;
use serde::{Deserialize, Deserializer, de};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// The service's file: every other section is its own business.
#[derive(Deserialize)]
struct File {
    metlog: Option<Section>,
}

/// Each key as it may be typed; what is absent keeps its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    destinations: Option<OneOrMany>,
    statsd: Option<bool>,
    statsd_destination: Option<String>,
    statsd_prefix: Option<String>,
    statsd_datagram_bytes: Option<usize>,
    logger: Option<String>,
    hostname: Option<String>,
    severity: Option<Level>,
    r#type: Option<String>,
    datagram_bytes: Option<usize>,
    queue_bytes: Option<usize>,
    key_id: Option<String>,
    key: Option<String>,
    disabled_timers: Option<OneOrMany>,
    filters: Option<FilterSection>,
    sampling: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterSection {
    severity_max: Option<Level>,
    #[serde(default)]
    type_blacklist: HashSet<String>,
    #[serde(default)]
    type_whitelist: HashSet<String>,
    #[serde(default)]
    type_severity_max: HashMap<String, Level>,
}

/// A list of texts, or a single one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Vec<String> {
    fn from(texts: OneOrMany) -> Vec<String> {
        match texts {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts,
        }
    }
}

/// A severity, checked while line and column are still known.
struct Level(Severity);

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let severity = u8::try_from(number).ok().and_then(Severity::new);
        severity.map(Level).ok_or_else(|| de::Error::custom(format!("severity {number} is not between 0 and 7")))
    }
}

impl Config {
    /// The `[metlog]` section of a TOML text.
    ///
    /// # Errors
    /// Invalid TOML, no `[metlog]` section, or a key there that is unknown or of the wrong type: with line, column
    /// and key. [`Config::validate`] checks the values.
    pub fn from_toml(text: &str) -> Result<Config, ConfigError> {
        read(text, None)
    }

    /// The `[metlog]` section of a TOML file.
    ///
    /// # Errors
    /// As [`Config::from_toml`], and where the file cannot be read; each with the file's name.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Config, ConfigError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.into(), error })?;
        read(&text, Some(path))
    }
}

fn read(text: &str, path: Option<&Path>) -> Result<Config, ConfigError> {
    let file: File =
        toml::from_str(text).map_err(|e| ConfigError::Toml { path: path.map(Into::into), message: e.to_string() })?;
    let section = file.metlog.ok_or_else(|| ConfigError::NoSection { path: path.map(Into::into) })?;
    Ok(section.into_config())
}

impl Section {
    fn into_config(self) -> Config {
        let default = Config::default();
        let destinations = self.destinations.map(Vec::from);
        Config {
            destinations: destinations.map(|texts| texts.into_iter().map(Destination::from).collect()),
            statsd: self.statsd.unwrap_or(default.statsd),
            statsd_destination: self.statsd_destination.map_or(default.statsd_destination, Destination::from),
            statsd_prefix: self.statsd_prefix.unwrap_or(default.statsd_prefix),
            statsd_datagram_bytes: self.statsd_datagram_bytes.unwrap_or(default.statsd_datagram_bytes),
            logger: self.logger.unwrap_or(default.logger),
            hostname: self.hostname,
            severity: self.severity.map_or(default.severity, |level| level.0),
            r#type: self.r#type.unwrap_or(default.r#type),
            datagram_bytes: self.datagram_bytes.unwrap_or(default.datagram_bytes),
            queue_bytes: self.queue_bytes.unwrap_or(default.queue_bytes),
            key_id: self.key_id,
            key: self.key.as_deref().map(secret),
            disabled_timers: self
                .disabled_timers
                .map_or(HashSet::new(), |names| Vec::from(names).into_iter().collect()),
            filters: self.filters.map_or(Filters::default(), FilterSection::into_filters),
            sampling: self.sampling.map_or(default.sampling, parse_sampling),
        }
    }
}

impl FilterSection {
    fn into_filters(self) -> Filters {
        Filters {
            severity_max: self.severity_max.map(|level| level.0),
            type_blacklist: self.type_blacklist,
            type_whitelist: self.type_whitelist,
            type_severity_max: self.type_severity_max.into_iter().map(|(name, level)| (name, level.0)).collect(),
        }
    }
}
