//! Records of the `log` crate as messages (cargo feature `log`).
use crate::client::{Client, Emitter};
use crate::message::{MessageBuilder, Value};
use crate::text::InlineText;
use crate::{Severity, global};
use log::kv::{self, Key, VisitSource, VisitValue};
use log::{Level, LevelFilter, Metadata, Record, SetLoggerError};
use std::cell::Cell;
use std::fmt::{self, Write};

/// Default type of the messages that a [`Log`] creates.
pub const LOG_TYPE_DEFAULT: &str = "log";
/// Longer payloads than this allocate.
const PAYLOAD_BYTES_INLINE: usize = 512;

thread_local! {
    /// This thread is in [`log::Log::log`]: what is logged there, by a value that is being written or by the other logger, would
    /// come here again, for ever.
    static LOGGING: Cell<bool> = const { Cell::new(false) };
}

/// A logger for the `log` crate: each record becomes one message. Its level is the severity (`error!` 3, `warn!` 4, `info!` 6,
/// `debug!` and `trace!` 7), its target the logger, its text the payload, its key-values the fields. Beside them are the fields
/// `source` (`file:line`) and, where it is not the target, `module`. What else a message has is configured in
/// [`init`](crate::init), filters too.
///
/// A record that is made while another one is being logged on the same thread is dropped, and counted.
///
/// ```
/// use log::LevelFilter;
/// # struct Stderr;
/// # impl log::Log for Stderr { fn enabled(&self, _: &log::Metadata) -> bool { true } fn log(&self, _: &log::Record) {} fn flush(&self) {} }
///
/// let (destination, captured) = metlog::Destination::capture();
/// let guard = metlog::init(metlog::Config::default().destination(destination).statsd(false))?;
/// metlog::Log::new()
///     .level(LevelFilter::Debug)
///     .level_of("hyper", LevelFilter::Warn)
///     .also(Stderr, LevelFilter::Info) // records go to both
///     .install()?;
///
/// log::warn!(userid = 25; "bad password");
/// drop(guard);
/// assert_eq!(captured.messages()[0].fields[0], ("userid".to_string(), "25".to_string()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Log {
    client: Option<Client>,
    r#type: String,
    level: LevelFilter,
    /// Longest target first.
    levels: Vec<(String, LevelFilter)>,
    other: Option<(Box<dyn log::Log>, LevelFilter)>,
}

impl Default for Log {
    fn default() -> Log {
        let (client, levels, other) = Default::default();
        Log { client, r#type: LOG_TYPE_DEFAULT.into(), level: LevelFilter::Info, levels, other }
    }
}

impl Log {
    /// Sends through the client of the process, from when [`init`](crate::init) was called; records of level `Info` and above.
    pub fn new() -> Log {
        Log::default()
    }

    /// Sends through this client.
    pub fn with_client(client: Client) -> Log {
        Log { client: Some(client), ..Log::default() }
    }

    /// The type of its messages. Default: [`LOG_TYPE_DEFAULT`].
    pub fn of_type(mut self, r#type: impl Into<String>) -> Log {
        self.r#type = r#type.into();
        self
    }

    /// Which records are sent. Default: `Info`.
    pub fn level(mut self, level: LevelFilter) -> Log {
        self.level = level;
        self
    }

    /// Which records of a target are sent, and of the modules below it: `hyper` is `hyper` and `hyper::…`. Of several the
    /// longest holds.
    pub fn level_of(mut self, target: impl Into<String>, level: LevelFilter) -> Log {
        self.levels.push((target.into(), level));
        self.levels.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        self
    }

    /// Another logger that gets every record that it is enabled for, whatever the levels here. `level` is the most detailed one
    /// that it wants.
    pub fn also(mut self, logger: impl log::Log + 'static, level: LevelFilter) -> Log {
        self.other = Some((Box::new(logger), level));
        self
    }

    /// Makes it the logger of the process, and sets `log`'s maximum level to the most detailed one that is wanted.
    ///
    /// # Errors
    /// If there is a logger already. Then nothing has changed.
    pub fn install(self) -> Result<(), SetLoggerError> {
        let max = self.max_level();
        log::set_boxed_logger(Box::new(self))?;
        log::set_max_level(max);
        Ok(())
    }

    fn max_level(&self) -> LevelFilter {
        let other = self.other.iter().map(|(_, level)| *level);
        self.levels.iter().map(|(_, level)| *level).chain(other).fold(self.level, Ord::max)
    }

    fn emitter(&self) -> Option<&Emitter> {
        match &self.client {
            Some(client) => Some(client.emitter()),
            None => global::emitter(),
        }
    }

    fn takes(&self, metadata: &Metadata<'_>) -> bool {
        let is_of =
            |of: &str| metadata.target().strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        let level = self.levels.iter().find(|(of, _)| is_of(of)).map_or(self.level, |(_, level)| *level);
        metadata.level() <= level
    }

    fn send(&self, emitter: &Emitter, record: &Record<'_>) {
        let mut payload = InlineText::<PAYLOAD_BYTES_INLINE>::default();
        let _ = write!(payload, "{}", record.args()); // where a `Display` fails, as far as it came
        let mut found = Found::default();
        let _ = record.key_values().visit(&mut found);
        let mut source = InlineText::<PAYLOAD_BYTES_INLINE>::default();
        if let Some(file) = record.file() {
            let _ = write!(source, "{file}:{}", record.line().unwrap_or_default());
        }
        let mut message = MessageBuilder::new(Some(emitter), payload.as_str())
            .of_type(&self.r#type)
            .logger(record.target())
            .severity(severity(record.level()));
        for (name, value) in &found.fields {
            message = message.field(name, value.as_str());
        }
        if record.file().is_some() {
            message = message.field("source", source.as_str());
        }
        if let Some(module) = record.module_path().filter(|module| *module != record.target()) {
            message = message.field("module", module);
        }
        message.send();
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::ERROR,
        Level::Warn => Severity::WARNING,
        Level::Info => Severity::INFORMATIONAL,
        Level::Debug | Level::Trace => Severity::DEBUG,
    }
}

impl log::Log for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let other = || self.other.as_ref().is_some_and(|(logger, _)| logger.enabled(metadata));
        (self.emitter().is_some() && self.takes(metadata)) || other()
    }

    fn log(&self, record: &Record<'_>) {
        let takes = self.takes(record.metadata());
        let Some(_once) = Once::enter() else {
            if let Some(emitter) = self.emitter().filter(|_| takes) {
                emitter.pipes.current().count_dropped();
            }
            return;
        };
        if let Some(emitter) = self.emitter().filter(|_| takes) {
            self.send(emitter, record);
        }
        if let Some((logger, _)) = self.other.as_ref().filter(|(logger, _)| logger.enabled(record.metadata())) {
            logger.log(record);
        }
    }

    /// As [`Client::flush`]: waits until everything queued has been sent.
    fn flush(&self) {
        if let Some(emitter) = self.emitter() {
            emitter.pipes.flush(crate::CLOSE_WAIT);
        }
        if let Some((logger, _)) = &self.other {
            logger.flush();
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Log");
        shown.field("client", &self.client).field("type", &self.r#type).field("level", &self.level);
        shown.field("levels", &self.levels).finish_non_exhaustive()
    }
}

/// Until it is dropped, also by a panic, this thread logs nothing else.
struct Once;

impl Once {
    fn enter() -> Option<Once> {
        // Where the thread ends, there is nothing to remember it by: rather nothing than for ever.
        let was = LOGGING.try_with(|logging| logging.replace(true)).unwrap_or(true);
        (!was).then(|| Once) // not made, and so not dropped, where it was
    }
}

impl Drop for Once {
    fn drop(&mut self) {
        let _ = LOGGING.try_with(|logging| logging.set(false));
    }
}

/// The key-values of a record.
#[derive(Default)]
struct Found {
    fields: Vec<(String, Value<'static>)>,
}

impl<'kvs> VisitSource<'kvs> for Found {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut text = Text::default();
        value.visit(&mut text)?;
        self.fields.push((key.as_str().to_owned(), text.0.into()));
        Ok(())
    }
}

/// A value as it is written in a field.
#[derive(Default)]
struct Text(String);

impl VisitValue<'_> for Text {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        let _ = write!(self.0, "{value}"); // where a `Display` fails, as far as it came
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0.push_str("null");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
