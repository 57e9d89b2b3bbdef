//! What a line of text says besides its text: the groups of a regular expression, as parts of a message.
use super::moment::Clock;
use super::{Counts, Outgoing};
use crate::arguments::TemplateOptions;
use chrono::{FixedOffset, Offset, Utc};
use metlog_schemas::wire::limits::NAME_BYTES_MAX;
use metlog_schemas::wire::{Message, Severity};
use regex::{Captures, Regex};
use std::borrow::Cow;

/// Makes messages of lines.
#[derive(Debug, Clone)]
pub struct Template {
    regex: Option<Regex>,
    clock: Clock,
    r#type: String,
}

impl Template {
    /// `type` is that of messages whose line has none of its own.
    pub fn new(options: &TemplateOptions, r#type: &str) -> Template {
        let zone: FixedOffset = options.time_zone.unwrap_or_else(|| Utc.fix());
        let clock = Clock { format: options.time_format.clone(), zone };
        Template { regex: options.line_regex.clone(), clock, r#type: r#type.to_owned() }
    }

    /// The message of a line. What the wire cannot carry is replaced, and what was not found is counted.
    pub fn message(&self, line: &[u8], logger: &str, now: i64, counts: &mut Counts) -> Outgoing {
        let text = String::from_utf8_lossy(line);
        counts.texts += 1;
        counts.not_utf8 += u64::from(matches!(text, Cow::Owned(_)));
        let mut message =
            Message { timestamp: now, r#type: self.r#type.clone(), logger: logger.to_owned(), ..Message::default() };
        let Some(regex) = &self.regex else {
            message.payload = text.into_owned();
            return Outgoing { message, has_origin: false, is_json: false };
        };
        match regex.captures(&text) {
            Some(groups) => self.fill(&text, &groups, message, now, counts),
            None => {
                counts.unmatched += 1;
                message.payload = text.into_owned();
                Outgoing { message, has_origin: false, is_json: false }
            }
        }
    }

    fn fill(&self, line: &str, groups: &Captures<'_>, mut message: Message, now: i64, counts: &mut Counts) -> Outgoing {
        message.payload = groups.name("payload").map_or(line, |found| found.as_str()).to_owned();
        let mut has_origin = false;
        for name in self.regex.iter().flat_map(Regex::capture_names).flatten() {
            let Some(value) = groups.name(name).map(|found| found.as_str()) else { continue };
            match name {
                "payload" => (),
                "time" => match self.clock.read(value, now) {
                    Some(time) => message.timestamp = time,
                    None => counts.without_time += 1,
                },
                "severity" => match Severity::find(value) {
                    Some(found) => message.severity = found,
                    None => counts.without_severity += 1,
                },
                "type" => message.r#type = short(value),
                "logger" => message.logger = short(value),
                "hostname" => {
                    message.hostname = short(value);
                    has_origin = true;
                }
                "pid" => {
                    if let Ok(pid) = value.parse() {
                        message.pid = pid;
                        has_origin = true;
                    }
                }
                field => message.fields.push((field.to_owned(), value.to_owned())),
            }
        }
        Outgoing { message, has_origin, is_json: false }
    }
}

/// Cut to what a name on the wire may have.
fn short(text: &str) -> String {
    text[..text.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}
