//! The configuration of a client: built in code, read from the service's own TOML file, or from the environment.
//!
//! [`Config`] is the input; `Settings` is the result of [`Config::validate`]: complete and parsed.
mod environment;
mod error;
mod file;

pub use error::ConfigError;

use crate::destination::{Destination, Target};
use crate::filter::Filters;
use crate::origin;
use crate::trace::Sampling;
use metlog_wire::Severity;
use metlog_wire::limits::{
    DATAGRAM_BYTES_DEFAULT, DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MIN, MAC_BYTES, NAME_BYTES_MAX, PORT_METLOG, PORT_STATSD,
};
use metlog_wire::v1::SigningKey;
use std::collections::HashSet;

/// Memory for messages and statsd lines that wait for the sender thread, unless configured otherwise.
pub const QUEUE_BYTES_DEFAULT: usize = 1 << 20;
/// A queue has room for at least this many datagrams.
pub const QUEUE_DATAGRAMS_MIN: usize = 4;
/// Type of a plain [`send`](crate::send), unless configured otherwise.
pub const TYPE_DEFAULT: &str = "metlog";
/// Bytes of a datagram that header and signature must leave for messages.
const BODY_BYTES_MIN: usize = 128;
/// Magic, version, flags, header length; sender, sequence, opened_at, dropped, pid; three name lengths.
const HEADER_BYTES_FIXED: usize = 7 + 4 * 8 + 4 + 3;

/// How a client is set up. Nothing is checked before [`init`](crate::init) or [`Client::new`](crate::Client::new).
///
/// ```
/// let config = metlog::Config::default().destination("127.0.0.1:5565").logger("sync").statsd(false);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    destinations: Option<Vec<Destination>>,
    statsd: bool,
    statsd_destination: Destination,
    statsd_prefix: String,
    statsd_datagram_bytes: usize,
    logger: String,
    hostname: Option<String>,
    severity: Severity,
    r#type: String,
    datagram_bytes: usize,
    queue_bytes: usize,
    key_id: Option<String>,
    /// As it was typed; an error if it is invalid.
    key: Option<Result<Vec<u8>, &'static str>>,
    disabled_timers: HashSet<String>,
    filters: Filters,
    sampling: Sampling,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            destinations: None,
            statsd: true,
            statsd_destination: Destination(Target::Udp { host: "127.0.0.1".into(), port: PORT_STATSD }),
            statsd_prefix: String::new(),
            statsd_datagram_bytes: DATAGRAM_BYTES_DEFAULT,
            logger: String::new(),
            hostname: None,
            severity: Severity::INFORMATIONAL,
            r#type: TYPE_DEFAULT.into(),
            datagram_bytes: DATAGRAM_BYTES_DEFAULT,
            queue_bytes: QUEUE_BYTES_DEFAULT,
            key_id: None,
            key: None,
            disabled_timers: HashSet::new(),
            filters: Filters::default(),
            sampling: Sampling::All,
        }
    }
}

impl Config {
    /// Adds a destination for messages; each datagram goes to all of them. The first call replaces the default,
    /// `127.0.0.1:5565`.
    pub fn destination(mut self, destination: impl Into<Destination>) -> Config {
        self.destinations.get_or_insert_default().push(destination.into());
        self
    }

    /// Sets all destinations for messages, replacing earlier ones; with none, no message is sent.
    pub fn destinations<D: Into<Destination>>(mut self, destinations: impl IntoIterator<Item = D>) -> Config {
        self.destinations = Some(destinations.into_iter().map(Into::into).collect());
        self
    }

    /// Whether statsd values are sent at all. Default: true.
    pub fn statsd(mut self, on: bool) -> Config {
        self.statsd = on;
        self
    }

    /// Where statsd lines go. Default `127.0.0.1:8125`.
    pub fn statsd_destination(mut self, destination: impl Into<Destination>) -> Config {
        self.statsd_destination = destination.into();
        self
    }

    /// Prefix of each statsd name, followed by a dot. Default: none.
    pub fn statsd_prefix(mut self, prefix: impl Into<String>) -> Config {
        self.statsd_prefix = prefix.into();
        self
    }

    /// Largest datagram of statsd lines, in bytes. Default 1,432.
    pub fn statsd_datagram_bytes(mut self, bytes: usize) -> Config {
        self.statsd_datagram_bytes = bytes;
        self
    }

    /// Default logger of messages. Default: empty.
    pub fn logger(mut self, logger: impl Into<String>) -> Config {
        self.logger = logger.into();
        self
    }

    /// The host's name, where the kernel's is not the right one.
    pub fn hostname(mut self, hostname: impl Into<String>) -> Config {
        self.hostname = Some(hostname.into());
        self
    }

    /// Severity of the messages that name none. Default 6, informational.
    pub fn severity(mut self, severity: Severity) -> Config {
        self.severity = severity;
        self
    }

    /// Type of the messages that name none. Default `metlog`.
    pub fn default_type(mut self, r#type: impl Into<String>) -> Config {
        self.r#type = r#type.into();
        self
    }

    /// Largest datagram of messages, in bytes: 512 is safe across the internet, 8,932 in a jumbo frame, 65,507
    /// on loopback. Default 1,432.
    pub fn datagram_bytes(mut self, bytes: usize) -> Config {
        self.datagram_bytes = bytes;
        self
    }

    /// Memory, in bytes, for what waits to be sent: taken at once, never exceeded. Where statsd is on, a
    /// quarter of it is for statsd lines. Default 1 MiB.
    pub fn queue_bytes(mut self, bytes: usize) -> Config {
        self.queue_bytes = bytes;
        self
    }

    /// Signs each datagram of messages with HMAC-SHA256. `id` is the name that the listener knows the key by.
    pub fn key(mut self, id: impl Into<String>, secret: impl Into<Vec<u8>>) -> Config {
        self.key_id = Some(id.into());
        self.key = Some(Ok(secret.into()));
        self
    }

    /// Timers that are not taken, by name; `*` is all of them.
    pub fn disabled_timers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Config {
        self.disabled_timers = names.into_iter().map(Into::into).collect();
        self
    }

    /// Which messages are kept back.
    pub fn filters(mut self, filters: Filters) -> Config {
        self.filters = filters;
        self
    }

    /// Which of the traces that begin here are sampled. Default: all.
    pub fn sampling(mut self, sampling: Sampling) -> Config {
        self.sampling = sampling;
        self
    }

    /// Checks everything that [`Client::new`](crate::Client::new) would.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with the first key whose value cannot be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.settings().map(drop)
    }

    /// What is true: complete and parsed.
    pub(crate) fn settings(&self) -> Result<Settings, ConfigError> {
        let hostname = self.hostname.clone().unwrap_or_else(origin::hostname);
        for (key, name) in [("logger", &self.logger), ("hostname", &hostname), ("type", &self.r#type)] {
            check_name(key, name)?;
        }
        check_datagram("datagram_bytes", self.datagram_bytes)?;
        if !self.sampling.is_valid() {
            return Err(invalid("sampling", "must be a number from 0 to 1".into()));
        }
        let statsd = if self.statsd { Some(self.statsd_settings()?) } else { None };
        let settings = Settings {
            destinations: self.checked_destinations()?,
            statsd,
            severity: self.severity,
            r#type: self.r#type.clone(),
            datagram_bytes: self.datagram_bytes,
            message_datagrams: self.message_queue_bytes() / self.datagram_bytes,
            key: self.signing_key()?,
            all_timers_disabled: self.disabled_timers.contains("*"),
            disabled_timers: self.disabled_timers.clone(),
            filters: self.filters.clone(),
            sampling: self.sampling,
            logger: self.logger.clone(),
            hostname,
        };
        self.check_sizes(&settings)?;
        Ok(settings)
    }

    fn message_queue_bytes(&self) -> usize {
        self.queue_bytes - if self.statsd { self.queue_bytes / 4 } else { 0 }
    }

    fn checked_destinations(&self) -> Result<Vec<Destination>, ConfigError> {
        let default = || vec![Destination(Target::Udp { host: "127.0.0.1".into(), port: PORT_METLOG })];
        let destinations = self.destinations.clone().unwrap_or_else(default);
        destinations.iter().try_for_each(|destination| check_destination("destinations", destination))?;
        Ok(destinations)
    }

    fn statsd_settings(&self) -> Result<StatsdSettings, ConfigError> {
        check_destination("statsd_destination", &self.statsd_destination)?;
        let datagram_bytes = check_datagram("statsd_datagram_bytes", self.statsd_datagram_bytes)?;
        let prefix = self.statsd_prefix.trim_end_matches('.');
        if prefix.contains(|c: char| ":|@#".contains(c) || c.is_whitespace() || c.is_control()) {
            let reason = "must not contain `:`, `|`, `@`, `#`, whitespace or control characters: it begins every name";
            return Err(invalid("statsd_prefix", reason.into()));
        }
        Ok(StatsdSettings {
            destination: self.statsd_destination.clone(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}.") },
            datagram_bytes,
            datagrams: self.queue_bytes / 4 / datagram_bytes,
        })
    }

    fn signing_key(&self) -> Result<Option<SigningKey>, ConfigError> {
        match (&self.key_id, &self.key) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(invalid("key_id", "requires `key`".into())),
            (None, Some(_)) => Err(invalid("key", "requires `key_id`".into())),
            (Some(_), Some(Err(reason))) => Err(invalid("key", (*reason).into())),
            (Some(_), Some(Ok(secret))) if secret.is_empty() => Err(invalid("key", "must not be empty".into())),
            (Some(id), Some(Ok(secret))) => {
                check_name("key_id", id)?;
                Ok(Some(SigningKey { id: id.clone(), secret: secret.clone() }))
            }
        }
    }

    /// A datagram holds header and message, a queue holds some datagrams.
    fn check_sizes(&self, settings: &Settings) -> Result<(), ConfigError> {
        let key_bytes = settings.key.as_ref().map_or(0, |key| key.id.len() + MAC_BYTES);
        let header_bytes = HEADER_BYTES_FIXED + settings.hostname.len() + settings.logger.len() + key_bytes;
        if self.datagram_bytes < header_bytes + BODY_BYTES_MIN {
            let least = header_bytes + BODY_BYTES_MIN;
            let reason = format!("must be at least {least} with this hostname, logger and key_id");
            return Err(invalid("datagram_bytes", reason));
        }
        let statsd_datagrams = settings.statsd.as_ref().map_or(QUEUE_DATAGRAMS_MIN, |statsd| statsd.datagrams);
        if settings.message_datagrams.min(statsd_datagrams) < QUEUE_DATAGRAMS_MIN {
            let reason = format!(
                "is {}: too small for {QUEUE_DATAGRAMS_MIN} datagrams of messages{}",
                self.queue_bytes,
                if self.statsd { " and, in a quarter of it, as many of statsd lines" } else { "" },
            );
            return Err(invalid("queue_bytes", reason));
        }
        Ok(())
    }
}

fn invalid(key: &'static str, reason: String) -> ConfigError {
    ConfigError::Invalid { key, reason }
}

fn check_name(key: &'static str, name: &str) -> Result<(), ConfigError> {
    match name.len() {
        0..=NAME_BYTES_MAX => Ok(()),
        bytes => Err(invalid(key, format!("has {bytes} bytes; the maximum is {NAME_BYTES_MAX}"))),
    }
}

fn check_datagram(key: &'static str, bytes: usize) -> Result<usize, ConfigError> {
    if (DATAGRAM_BYTES_MIN..=DATAGRAM_BYTES_MAX).contains(&bytes) {
        return Ok(bytes);
    }
    Err(invalid(key, format!("is {bytes}; must be {DATAGRAM_BYTES_MIN} to {DATAGRAM_BYTES_MAX}")))
}

fn check_destination(key: &'static str, destination: &Destination) -> Result<(), ConfigError> {
    match &destination.0 {
        Target::Malformed(text) => Err(invalid(key, format!("`{text}` is neither host:port nor unix:/path"))),
        _ => Ok(()),
    }
}

/// What is true after validation: nothing is left to default or to parse.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub destinations: Vec<Destination>,
    /// `None`: `statsd = false`.
    pub statsd: Option<StatsdSettings>,
    pub logger: String,
    pub hostname: String,
    pub severity: Severity,
    pub r#type: String,
    pub datagram_bytes: usize,
    /// How many datagrams of messages there is memory for.
    pub message_datagrams: usize,
    pub key: Option<SigningKey>,
    pub all_timers_disabled: bool,
    pub disabled_timers: HashSet<String>,
    pub filters: Filters,
    /// Which traces that begin here are sampled.
    pub sampling: Sampling,
}

#[derive(Debug, Clone)]
pub(crate) struct StatsdSettings {
    pub destination: Destination,
    /// Empty, or ends in a dot.
    pub prefix: String,
    pub datagram_bytes: usize,
    /// How many datagrams of lines there is memory for.
    pub datagrams: usize,
}

#[cfg(test)]
mod tests;
