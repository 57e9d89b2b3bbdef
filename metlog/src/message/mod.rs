//! A message that is given more than tokens and payload. Nothing of it is copied before it is sent.
mod value;

pub use value::Value;

use crate::client::Emitter;
use crate::origin;
use crate::outcome::Outcome;
use metlog_wire::Severity;
use metlog_wire::v1::Draft;
use std::time::SystemTime;

/// More fields than this allocate.
const FIELDS_INLINE: usize = 8;

/// Builds one message; what is not said has the configured value. It allocates only for more than eight fields,
/// for owned texts, and for numbers of more than 40 characters.
#[derive(Debug, Clone)]
#[must_use = "a message leaves with `.send()`"]
pub struct MessageBuilder<'a, S = &'a str> {
    emitter: Option<&'a Emitter>,
    r#type: Option<&'a str>,
    logger: Option<&'a str>,
    severity: Option<Severity>,
    timestamp: Option<i64>,
    tokens: &'a [S],
    fields: Fields<'a>,
    payload: &'a str,
}

impl<'a> MessageBuilder<'a> {
    pub(crate) fn new(emitter: Option<&'a Emitter>, payload: &'a str) -> MessageBuilder<'a> {
        let (r#type, logger, severity, timestamp) = Default::default();
        MessageBuilder { emitter, r#type, logger, severity, timestamp, tokens: &[], fields: Fields::default(), payload }
    }
}

impl<'a, S: AsRef<str>> MessageBuilder<'a, S> {
    /// What kind of fact it is; at most 255 bytes.
    pub fn of_type(mut self, r#type: &'a str) -> Self {
        self.r#type = Some(r#type);
        self
    }

    /// Which part of the program speaks; at most 255 bytes.
    pub fn logger(mut self, logger: &'a str) -> Self {
        self.logger = Some(logger);
        self
    }

    /// How urgent it is.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// When it happened, where that is not now.
    pub fn timestamp(mut self, at: SystemTime) -> Self {
        self.timestamp = Some(origin::micros(at));
        self
    }

    /// Strings that classify it, instead of those given before.
    pub fn tokens<O: AsRef<str>>(self, tokens: &'a (impl AsRef<[O]> + ?Sized)) -> MessageBuilder<'a, O> {
        MessageBuilder {
            emitter: self.emitter,
            r#type: self.r#type,
            logger: self.logger,
            severity: self.severity,
            timestamp: self.timestamp,
            tokens: tokens.as_ref(),
            fields: self.fields,
            payload: self.payload,
        }
    }

    /// One more named value; nested names have dots.
    pub fn field(mut self, name: &'a str, value: impl Into<Value<'a>>) -> Self {
        self.fields.push(name, value.into());
        self
    }

    /// Sends it.
    pub fn send(&self) -> Outcome {
        let Some(emitter) = self.emitter else { return Outcome::Off };
        let settings = &emitter.settings;
        let draft = Draft {
            severity: self.severity.unwrap_or(settings.severity),
            r#type: self.r#type.unwrap_or(&settings.r#type),
            logger: self.logger.filter(|&logger| logger != settings.logger),
            payload: self.payload,
            ..Draft::default()
        };
        let tokens = || self.tokens.iter().map(S::as_ref);
        let fields = || (0..self.fields.len()).map(|i| self.fields.get(i));
        emitter.emit(self.timestamp, draft, tokens, fields)
    }
}

/// The first few in place, the others on the heap.
#[derive(Debug, Clone, Default)]
struct Fields<'a> {
    few: [(&'a str, Value<'a>); FIELDS_INLINE],
    length: usize,
    more: Vec<(&'a str, Value<'a>)>,
}

impl<'a> Fields<'a> {
    fn push(&mut self, name: &'a str, value: Value<'a>) {
        match self.few.get_mut(self.length) {
            Some(place) => {
                *place = (name, value);
                self.length += 1;
            }
            None => self.more.push((name, value)),
        }
    }

    fn len(&self) -> usize {
        self.length + self.more.len()
    }

    /// The field at `i`, below [`Fields::len`].
    fn get(&self, i: usize) -> (&str, &str) {
        let (name, value) = self.few[..self.length].get(i).unwrap_or_else(|| &self.more[i - self.length]);
        (name, value.as_str())
    }
}
