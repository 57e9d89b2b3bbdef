//! DogStatsD's events and service checks, and the messages that they become.
//!
//! ```text
//! _e{<title bytes>,<text bytes>}:<title>|<text>|d:<unix>|h:<host>|k:<key>|p:<priority>|s:<source>|t:<alert>|#<tags>
//! _sc|<name>|<status>|d:<unix>|h:<host>|#<tags>|m:<message>
//! ```
//! The message: `type` is `event` or `service_check`; `payload` the text or message, with `\n` as a line
//! break; `hostname` from `h:` and `timestamp` from `d:` where they are given; `severity` 3 for an alert
//! `error` or a critical check, 4 for `warning`, 5 for an unknown check, 6 otherwise. `fields` are `title`,
//! `aggregation_key`, `priority`, `source_type_name` and `alert_type` of an event, `name` and `status`
//! (0 to 3) of a check, as far as given, and `tag.<key>` for each tag, `true` where it has no value. Unknown sections are
//! ignored.
use super::Reason;
use super::series::tag_list;
use crate::rows::{Row, Text};
use crate::time::{SECOND, TIMESTAMP_END, TIMESTAMP_MIN};
use metlog_wire::Severity;
use std::borrow::Cow;
use std::collections::HashSet;

/// An event or a service check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Annotation<'a> {
    /// `_e{…}`
    Event(Event<'a>),
    /// `_sc|…`
    Check(Check<'a>),
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Event<'a> {
    /// Never empty.
    pub title: &'a str,
    /// With `\n` still written as two characters.
    pub text: &'a str,
    /// `d:`, in µs since 1970 UTC.
    pub timestamp: Option<i64>,
    /// `h:`
    pub hostname: &'a str,
    /// `k:`
    pub aggregation_key: &'a str,
    /// `p:`
    pub priority: &'a str,
    /// `s:`
    pub source_type_name: &'a str,
    /// `t:`
    pub alert_type: &'a str,
    /// What follows `#`.
    pub tags: &'a str,
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Check<'a> {
    /// Never empty.
    pub name: &'a str,
    /// 0 ok, 1 warning, 2 critical, 3 unknown.
    pub status: u8,
    /// `d:`, in µs since 1970 UTC.
    pub timestamp: Option<i64>,
    /// `h:`
    pub hostname: &'a str,
    /// What follows `#`.
    pub tags: &'a str,
    /// `m:`, with `\n` and `m\:` still escaped.
    pub message: &'a str,
}

/// Reads a line that begins with `_e{` or `_sc|`.
pub(super) fn parse(line: &[u8]) -> Result<Annotation<'_>, Reason> {
    let line = std::str::from_utf8(line).map_err(|_| Reason::NotUtf8)?;
    match line.strip_prefix("_sc|") {
        Some(rest) => check(rest).map(Annotation::Check).ok_or(Reason::BadServiceCheck),
        None => event(line).map(Annotation::Event).ok_or(Reason::BadEvent),
    }
}

fn event(line: &str) -> Option<Event<'_>> {
    let (lengths, rest) = line.strip_prefix("_e{")?.split_once("}:")?;
    let (title_bytes, text_bytes) = lengths.split_once(',')?;
    let (title, rest) = rest.split_at_checked(title_bytes.trim().parse().ok()?)?;
    let (text, rest) = rest.strip_prefix('|')?.split_at_checked(text_bytes.trim().parse().ok()?)?;
    let mut event = Event { title, text, ..Event::default() };
    for section in sections(rest)? {
        match section.split_once(':') {
            _ if section.starts_with('#') => event.tags = &section[1..],
            Some(("d", text)) => event.timestamp = Some(timestamp(text)?),
            Some(("h", text)) => event.hostname = text,
            Some(("k", text)) => event.aggregation_key = text,
            Some(("p", text)) => event.priority = text,
            Some(("s", text)) => event.source_type_name = text,
            Some(("t", text)) => event.alert_type = text,
            _ => (),
        }
    }
    (!title.is_empty()).then_some(event)
}

fn check(rest: &str) -> Option<Check<'_>> {
    let (name, rest) = rest.split_once('|')?;
    let (status, rest) = rest.split_at_checked(1)?;
    let status = status.parse().ok().filter(|status| *status <= 3)?;
    let mut check = Check { name, status, ..Check::default() };
    // The message is last, and may hold what divides the others.
    let (rest, message) = rest.split_once("|m:").unwrap_or((rest, ""));
    check.message = message;
    for section in sections(rest)? {
        match section.split_once(':') {
            _ if section.starts_with('#') => check.tags = &section[1..],
            Some(("d", text)) => check.timestamp = Some(timestamp(text)?),
            Some(("h", text)) => check.hostname = text,
            _ => (),
        }
    }
    (!name.is_empty()).then_some(check)
}

/// What stands between the `|`; `None` if `rest` neither is empty nor begins with one.
fn sections(rest: &str) -> Option<impl Iterator<Item = &str>> {
    if !(rest.is_empty() || rest.starts_with('|')) {
        return None;
    }
    Some(rest.split('|').skip(1))
}

fn timestamp(seconds: &str) -> Option<i64> {
    let timestamp = seconds.trim().parse::<i64>().ok()?.checked_mul(SECOND)?;
    (TIMESTAMP_MIN..TIMESTAMP_END).contains(&timestamp).then_some(timestamp)
}

impl Annotation<'_> {
    /// Fills in a row, which is then the message; the module says how.
    pub fn write(&self, row: &mut Row<'_>) {
        match self {
            Annotation::Event(event) => event.write(row),
            Annotation::Check(check) => check.write(row),
        }
    }
}

impl Event<'_> {
    fn write(&self, row: &mut Row<'_>) {
        row.timestamp = self.timestamp;
        row.severity = match self.alert_type {
            "error" => Severity::ERROR,
            "warning" => Severity::WARNING,
            _ => Severity::INFORMATIONAL,
        };
        row.text(Text::Type, "event");
        row.text(Text::Hostname, self.hostname);
        row.text(Text::Payload, &line_breaks(self.text));
        row.field("title", &line_breaks(self.title));
        let given = [
            ("aggregation_key", self.aggregation_key),
            ("priority", self.priority),
            ("source_type_name", self.source_type_name),
            ("alert_type", self.alert_type),
        ];
        for (key, value) in given.into_iter().filter(|(_, value)| !value.is_empty()) {
            row.field(key, value);
        }
        write_tags(self.tags, row);
    }
}

impl Check<'_> {
    fn write(&self, row: &mut Row<'_>) {
        row.timestamp = self.timestamp;
        row.severity = match self.status {
            0 => Severity::INFORMATIONAL,
            1 => Severity::WARNING,
            2 => Severity::ERROR,
            _ => Severity::NOTICE,
        };
        row.text(Text::Type, "service_check");
        row.text(Text::Hostname, self.hostname);
        row.text(Text::Payload, &line_breaks(self.message).replace("m\\:", "m:"));
        row.field("name", self.name);
        row.field("status", ["0", "1", "2", "3"][usize::from(self.status.min(3))]);
        write_tags(self.tags, row);
    }
}

fn line_breaks(text: &str) -> Cow<'_, str> {
    if text.contains("\\n") { Cow::Owned(text.replace("\\n", "\n")) } else { Cow::Borrowed(text) }
}

/// The same tag twice is one, as in a value; of several values of one key all are kept (see [`Row::field`]).
fn write_tags(tags: &str, row: &mut Row<'_>) {
    let mut seen = HashSet::new();
    for (key, value) in tag_list(tags).filter(|tag| seen.insert(*tag)) {
        row.field(&format!("tag.{key}"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Rows;

    fn message(line: &str) -> metlog_wire::Message {
        let mut rows = Rows::default();
        let mut row = rows.begin();
        parse(line.as_bytes()).unwrap().write(&mut row);
        row.to_message(1)
    }

    #[test]
    fn an_event_becomes_a_message() {
        let line = "_e{21,36}:An exception occurred|Cannot parse CSV file from 10.0.0.17|t:warning|#err_type:bad_file";
        let found = message(line);
        assert_eq!((found.r#type.as_str(), found.timestamp, found.severity.number()), ("event", 1, 4));
        assert_eq!(found.payload, "Cannot parse CSV file from 10.0.0.17");
        let fields = [("title", "An exception occurred"), ("alert_type", "warning"), ("tag.err_type", "bad_file")];
        assert_eq!(found.fields, fields.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let all = message("_e{3,6}:a|b|x\\ny|z|d:1700000000|h:web1|k:key|p:low|s:src|t:error|x:?|c:id|#a,b:c:d");
        assert_eq!((all.payload.as_str(), all.hostname.as_str()), ("x\ny|z", "web1"));
        assert_eq!((all.timestamp, all.severity.number()), (1_700_000_000_000_000, 3));
        assert_eq!(all.fields[0].1, "a|b");
        assert_eq!(all.fields.len(), 7);
        assert_eq!(all.fields[5], ("tag.a".to_owned(), "true".to_owned()));
        assert_eq!(all.fields[6], ("tag.b".to_owned(), "c:d".to_owned()));
        let tags = message("_sc|n|0|#team:b, team:a,team:b,=x,,team,url=http://x").fields.split_off(2);
        let expected = [("tag.team", "b"), ("tag.team#2", "a"), ("tag.team#3", "true"), ("tag.url", "http://x")];
        assert_eq!(tags, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_service_check_becomes_a_message() {
        let found = message("_sc|redis.up|2|d:10|h:db1|#env:dev|m:timed out|h: m\\:x\\nbye");
        assert_eq!((found.r#type.as_str(), found.timestamp, found.severity.number()), ("service_check", 10_000_000, 3));
        assert_eq!((found.payload.as_str(), found.hostname.as_str()), ("timed out|h: m:x\nbye", "db1"));
        let fields = [("name", "redis.up"), ("status", "2"), ("tag.env", "dev")];
        assert_eq!(found.fields, fields.map(|(key, value)| (key.to_owned(), value.to_owned())));
        for (status, severity) in [(0, 6), (1, 4), (2, 3), (3, 5)] {
            assert_eq!(message(&format!("_sc|n|{status}")).severity.number(), severity);
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for line in [
            "_e{1,1}:a",
            "_e{1,1}:a|",
            "_e{1,2}:a|b",
            "_e{1,1}:a|bc",
            "_e{0,1}:|b",
            "_e{-1,1}:a|b",
            "_e{1,1:a|b",
            "_e{99999999999999999999,1}:a|b",
            "_e{1,1}:é|b",
            "_e{1,1}:a|b|d:soon",
            "_e{1,1}:a|b|d:-1",
            "_e{1,1}:a|b|d:253402300800",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Reason::BadEvent), "{line:?}");
        }
        for line in ["_sc|", "_sc|a", "_sc|a|", "_sc|a|4", "_sc|a|01", "_sc||0", "_sc|a|0x", "_sc|a|0|d:x"] {
            assert_eq!(parse(line.as_bytes()), Err(Reason::BadServiceCheck), "{line:?}");
        }
        assert_eq!(parse(b"_sc|\xff|0"), Err(Reason::NotUtf8));
    }
}
