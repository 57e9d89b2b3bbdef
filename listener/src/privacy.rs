//! What must not reach a disk: rules that drop, hash or mask parts of a message before it is journaled.
use crate::journal::record::Kind;
use hmac::{Hmac, KeyInit, Mac};
use metlog_schemas::metlog_json::{self, Decoder};
use metlog_schemas::rows::{Row, Rows as MessageRows};
use metlog_schemas::statsd::{self, Annotation, Lines, Reason, Sample, Value};
use metlog_schemas::time::{SECOND, civil_from_days};
use metlog_schemas::wire::Message;
use metlog_schemas::wire::v1::{Datagram, Draft, Encoder, Header, Refusal};
use regex::Regex;
use sha2::Sha256;

/// Rewritten datagrams may be larger than what a socket carries.
const REWRITTEN_BYTES_MAX: usize = 4 << 20;

/// One rule. It applies to messages whose type and logger match (`None`: all).
#[derive(Debug, Clone)]
pub struct Rule {
    /// Only messages of this type.
    pub r#type: Option<String>,
    /// Only messages of this logger.
    pub logger: Option<String>,
    /// What it is about.
    pub target: Target,
    /// What is done to it.
    pub action: Action,
}

/// What a rule is about.
#[derive(Debug, Clone)]
pub enum Target {
    /// Each token that matches as a whole.
    Tokens(Regex),
    /// The value of each field whose key matches as a whole; for statsd lines, of each tag.
    Fields(Regex),
    /// Each part of the payload that matches.
    Payload(Regex),
    /// The message as a whole; only [`Action::Drop`] makes sense for it.
    Message,
}

/// What a rule does to its target.
#[derive(Debug, Clone)]
pub enum Action {
    /// Leaves it out.
    Drop,
    /// Puts the hex of a keyed hash (HMAC-SHA256, first 16 bytes) in its place: equal values stay equal.
    Hash(Vec<u8>),
    /// Puts this text in its place.
    Mask(String),
}

/// The rules, ready to be applied.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// What is left of a datagram.
#[derive(Debug, Default)]
pub struct Kept {
    /// The datagram to journal, if anything of it is left.
    pub datagram: Option<Vec<u8>>,
    /// Messages that came as statsd lines, now as Metlog JSON.
    pub messages: Vec<Vec<u8>>,
    /// What was refused, by reason.
    pub rejected: Vec<(&'static str, u64)>,
}

/// Reason of a message that a rule drops.
const DROPPED: &str = "privacy";

impl Rules {
    /// In this order.
    pub fn new(rules: Vec<Rule>) -> Rules {
        Rules { rules }
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Applies them to a datagram. What cannot be decoded is refused here: it must not reach a disk either.
    pub fn apply(&self, kind: Kind, datagram: &[u8]) -> Kept {
        match kind {
            Kind::Statsd => self.statsd(datagram),
            _ => match Datagram::decode(datagram) {
                // Nothing that a rule is about, and its values must arrive.
                Ok(decoded) if decoded.heartbeat.is_some() => {
                    Kept { datagram: Some(datagram.to_vec()), ..Kept::default() }
                }
                Ok(decoded) => self.wire(&decoded),
                Err(Refusal::NotWire) if metlog_json::is_json(datagram) => self.json(datagram),
                Err(Refusal::NotWire) => Kept::refused(if datagram.is_empty() { "empty" } else { "not_metlog" }),
                Err(refusal) => Kept::refused(refusal.reason()),
            },
        }
    }

    /// Rewritten with the same sender and sequence; the signature has been checked and is left out.
    fn wire(&self, datagram: &Datagram<'_>) -> Kept {
        let Header { sender, sequence, opened_at, dropped, pid, hostname, logger, key_id: _ } = datagram.header;
        let mut kept = Kept::default();
        let mut encoder = Encoder::new(REWRITTEN_BYTES_MAX, sender, pid, hostname, logger, None);
        for message in datagram.messages() {
            let mut message = match message {
                Ok(message) => message.to_message(),
                Err(refusal) => {
                    kept.rejected.push((refusal.reason(), 1));
                    continue;
                }
            };
            if !self.message(&mut message) {
                kept.rejected.push((DROPPED, 1));
                continue;
            }
            let draft = Draft {
                timestamp: message.timestamp,
                severity: message.severity,
                r#type: &message.r#type,
                logger: Some(&message.logger),
                origin: Some((&message.hostname, message.pid)),
                env_version: Some(&message.env_version),
                payload: &message.payload,
            };
            let fields: Vec<_> = message.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let tokens = message.tokens.iter().map(String::as_str);
            if encoder.push(opened_at, &draft, tokens, fields.into_iter()).is_err() {
                kept.rejected.push(("too_long_after_privacy", 1));
            }
        }
        // Even without a message its sequence number counts, or it would look lost.
        kept.datagram = Some(encoder.finish(sequence, dropped).to_vec());
        kept
    }

    fn json(&self, datagram: &[u8]) -> Kept {
        let mut kept = Kept::default();
        let mut lines = Vec::new();
        let (mut decoder, mut rows) = (Decoder::default(), MessageRows::default());
        for object in metlog_json::objects(datagram) {
            match decoder.decode(object, &mut rows) {
                Ok(row) => {
                    let timestamp = row.timestamp;
                    let mut message = row.to_message(0);
                    own_fields_first(&row, &mut message);
                    if self.message(&mut message) {
                        lines.extend_from_slice(&as_json(&message, timestamp));
                        lines.push(b'\n');
                    } else {
                        kept.rejected.push((DROPPED, 1));
                    }
                }
                Err(refusal) => kept.rejected.push((refusal.reason(), 1)),
            }
        }
        kept.datagram = (!lines.is_empty()).then_some(lines);
        kept
    }

    fn statsd(&self, datagram: &[u8]) -> Kept {
        let mut lines = StatsdLines { rules: self, kept: Kept::default(), lines: Vec::new() };
        statsd::parse(datagram, &mut lines);
        let StatsdLines { mut kept, lines, .. } = lines;
        if lines.is_empty() && kept.messages.is_empty() && kept.rejected.is_empty() {
            return Kept::refused("empty");
        }
        kept.datagram = (!lines.is_empty()).then_some(lines);
        kept
    }

    /// Applies them to a message; false where it is to be dropped.
    pub fn message(&self, message: &mut Message) -> bool {
        for rule in &self.rules {
            let applies = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
            if !applies(&rule.r#type, &message.r#type) || !applies(&rule.logger, &message.logger) {
                continue;
            }
            match &rule.target {
                Target::Message => {
                    if matches!(rule.action, Action::Drop) {
                        return false;
                    }
                }
                Target::Tokens(pattern) => {
                    rewrite(&mut message.tokens, |token| whole(pattern, token), |token| token, &rule.action);
                }
                Target::Fields(pattern) => {
                    rewrite(&mut message.fields, |(key, _)| whole(pattern, key), |(_, value)| value, &rule.action);
                }
                Target::Payload(pattern) => {
                    let put = |found: &regex::Captures<'_>| rule.action.of(&found[0]).unwrap_or_default();
                    message.payload = pattern.replace_all(&message.payload, put).into_owned();
                }
            }
        }
        true
    }

    /// Applies those that name neither type nor logger to the tags of a statsd line.
    fn tags(&self, tags: &mut Vec<(String, String)>) {
        for rule in self.rules.iter().filter(|rule| rule.r#type.is_none() && rule.logger.is_none()) {
            if let Target::Fields(pattern) = &rule.target {
                rewrite(tags, |(key, _)| whole(pattern, key), |(_, value)| value, &rule.action);
            }
        }
    }
}

impl metlog_schemas::format::Redactor for Rules {
    fn message(&self, message: &mut Message) -> bool {
        Rules::message(self, message)
    }

    fn tags(&self, tags: &mut Vec<(String, String)>) {
        Rules::tags(self, tags);
    }
}

impl Kept {
    fn refused(reason: &'static str) -> Kept {
        Kept { rejected: vec![(reason, 1)], ..Kept::default() }
    }
}

impl Action {
    /// What stands in the place of a text; `None`: nothing.
    fn of(&self, text: &str) -> Option<String> {
        match self {
            Action::Drop => None,
            Action::Mask(mask) => Some(mask.clone()),
            Action::Hash(key) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
                mac.update(text.as_bytes());
                Some(mac.finalize().into_bytes()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
            }
        }
    }
}

fn whole(pattern: &Regex, text: &str) -> bool {
    pattern.find(text).is_some_and(|found| found.len() == text.len())
}

/// Applies an action to the text of each item that matches; drops the item where nothing is left.
fn rewrite<T>(items: &mut Vec<T>, matches: impl Fn(&T) -> bool, text: impl Fn(&mut T) -> &mut String, action: &Action) {
    items.retain_mut(|item| {
        if !matches(item) {
            return true;
        }
        let text = text(item);
        match action.of(text) {
            Some(put) => {
                *text = put;
                true
            }
            None => false,
        }
    });
}

/// What a statistic is made of stands in its own `fields`. Where another key of the message took such a name, so that
/// it is the second, they change places: written again, all of them are `fields`.
fn own_fields_first(row: &Row<'_>, message: &mut Message) {
    if metlog_json::kind_of(row).is_none() {
        return;
    }
    for name in ["name", "rate"] {
        let (Some(own), second) = (row.field_value(name), format!("{name}#2")) else { continue };
        let at = |wanted: &str| message.fields.iter().position(|(key, _)| key == wanted);
        if let (Some(first), Some(second)) = (at(name), at(&second))
            && let Ok([first, second]) = message.fields.get_disjoint_mut([first, second])
            && first.1 != own
        {
            std::mem::swap(&mut first.1, &mut second.1);
        }
    }
}

/// Metlog JSON of a message. `timestamp`: `None` where it had none.
fn as_json(message: &Message, timestamp: Option<i64>) -> Vec<u8> {
    let fields: serde_json::Map<_, _> =
        message.fields.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    let mut object = serde_json::json!({
        "type": message.r#type, "logger": message.logger, "severity": message.severity.number(),
        "payload": message.payload, "fields": fields, "tokens": message.tokens, "env_version": message.env_version,
        "metlog_hostname": message.hostname, "metlog_pid": message.pid,
    });
    if let Some(timestamp) = timestamp {
        object["timestamp"] = rfc3339(timestamp).into();
    }
    object.to_string().into_bytes()
}

fn rfc3339(timestamp: i64) -> String {
    let (days, rest) = (timestamp.div_euclid(86_400 * SECOND), timestamp.rem_euclid(86_400 * SECOND));
    let (year, month, day) = civil_from_days(days);
    let (seconds, micros) = (rest / SECOND, rest % SECOND);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

struct StatsdLines<'r> {
    rules: &'r Rules,
    kept: Kept,
    lines: Vec<u8>,
}

impl Lines for StatsdLines<'_> {
    fn sample(&mut self, sample: Sample<'_>) {
        let (name, mut tags) = match statsd::canonical(sample.name, sample.tags) {
            Ok(clean) => clean,
            Err(reason) => return self.kept.rejected.push((reason.reason(), 1)),
        };
        self.rules.tags(&mut tags);
        let kind = match sample.kind {
            statsd::Kind::Counter => "c",
            statsd::Kind::Gauge => "g",
            statsd::Kind::Timer => "h",
            statsd::Kind::Set => "s",
        };
        let mut line = name.into_bytes();
        line.push(b':');
        match sample.value {
            Value::Number(value) => line.extend_from_slice(format!("{value}").as_bytes()),
            Value::Delta(delta) => line.extend_from_slice(format!("{delta:+}").as_bytes()),
            Value::Member(member) => line.extend_from_slice(member),
        }
        line.extend_from_slice(format!("|{kind}").as_bytes());
        if sample.rate != 1.0 {
            line.extend_from_slice(format!("|@{}", sample.rate).as_bytes());
        }
        self.push(&line, &tags);
    }

    fn message(&mut self, annotation: &Annotation<'_>) {
        let mut rows = MessageRows::default();
        let mut row = rows.begin();
        annotation.write(&mut row);
        let timestamp = row.timestamp;
        let mut message = row.to_message(0);
        if self.rules.message(&mut message) {
            self.kept.messages.push(as_json(&message, timestamp));
        } else {
            self.kept.rejected.push((DROPPED, 1));
        }
    }

    fn bad(&mut self, _: &[u8], reason: Reason) {
        self.kept.rejected.push((reason.reason(), 1));
    }
}

impl StatsdLines<'_> {
    fn push(&mut self, line: &[u8], tags: &[(String, String)]) {
        self.lines.extend_from_slice(line);
        for (n, (key, value)) in tags.iter().enumerate() {
            self.lines.extend_from_slice(if n == 0 { b"|#" } else { b"," });
            self.lines.extend_from_slice(key.as_bytes());
            if !value.is_empty() {
                self.lines.push(b':');
                self.lines.extend_from_slice(value.as_bytes());
            }
        }
        self.lines.push(b'\n');
    }
}

#[cfg(test)]
mod tests;
