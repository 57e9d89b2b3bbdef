//! Rules of privacy on statsd lines: values are written again with what is left of their tags, and events and checks
//! go on as Metlog JSON.
//!
//! A line that is written again must be read as it was: as etsy's or DogStatsD's, and with tags whose values hold what
//! divides the tags of another spelling. So tags stand in the name (`;key=value`) where there is no choice, and behind
//! `|#` otherwise. Nothing else of a line is kept: no container, no time, no second section of tags.
use super::series::parts;
use super::{Annotation, Kind, Lines, Reason, Sample, Value, canonical, parse};
use crate::format::metlog_json;
use crate::format::redact::{Redacted, Redactor, UNREADABLE};
use crate::rows::MessageRows;
use std::collections::HashSet;

/// One line for each value that is left.
pub(super) fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
    let mut lines = Rewritten { rules, redacted: Redacted::default(), lines: Vec::new() };
    parse(datagram, &mut lines);
    let Rewritten { mut redacted, lines, .. } = lines;
    if lines.is_empty() && redacted.moved.is_empty() && redacted.rejected.is_empty() {
        return Redacted::refused("empty");
    }
    redacted.datagram = (!lines.is_empty()).then_some(lines);
    redacted
}

struct Rewritten<'r> {
    rules: &'r dyn Redactor,
    redacted: Redacted,
    lines: Vec<u8>,
}

impl Lines for Rewritten<'_> {
    fn sample(&mut self, sample: Sample<'_>) {
        let (name, mut tags) = match canonical(sample.name, sample.tags) {
            Ok(clean) => clean,
            Err(reason) => return self.redacted.rejected.push((reason.reason(), 1)),
        };
        if self.hides_a_tag(&sample) {
            return self.redacted.rejected.push((UNREADABLE, 1));
        }
        let is_in_name = |(key, value): &(String, String)| [key, value].iter().any(|text| text.contains([',', '|']));
        // A mask may bring anything; what came is kept apart by where it stood.
        let in_name: HashSet<String> = tags.iter().filter(|tag| is_in_name(tag)).map(|(key, _)| key.clone()).collect();
        self.rules.tags(&mut tags);
        let kind = match sample.kind {
            Kind::Counter => "c",
            Kind::Gauge => "g",
            Kind::Timer => "h",
            Kind::Set => "s",
        };
        let mut line = name.into_bytes();
        let (before, behind): (Vec<_>, Vec<_>) =
            tags.into_iter().partition(|(key, _)| !sample.is_dogstatsd || in_name.contains(key));
        for (key, value) in before {
            let value = value.replace([':', ';', '\n'], "_");
            line.extend_from_slice(format!(";{key}={value}").as_bytes());
        }
        line.push(b':');
        match sample.value {
            // As etsy's server reads it: a sign that does not come first is no change.
            Value::Number(value) if sample.kind == Kind::Gauge && value.is_sign_negative() => {
                line.extend_from_slice(format!(" {value}").as_bytes());
            }
            Value::Number(value) => line.extend_from_slice(format!("{value}").as_bytes()),
            Value::Delta(delta) => line.extend_from_slice(format!("{delta:+}").as_bytes()),
            Value::Member(member) => line.extend_from_slice(member),
        }
        line.extend_from_slice(format!("|{kind}").as_bytes());
        if sample.rate != 1.0 {
            line.extend_from_slice(format!("|@{}", sample.rate).as_bytes());
        }
        if sample.is_dogstatsd {
            line.extend_from_slice(b"|#");
        }
        for (n, (key, value)) in behind.iter().enumerate() {
            let value = value.replace([',', '|', '\n'], "_");
            line.extend_from_slice(format!("{}{key}:{value}", if n == 0 { "" } else { "," }).as_bytes());
        }
        self.lines.extend_from_slice(&line);
        self.lines.push(b'\n');
    }

    fn message(&mut self, annotation: &Annotation<'_>) {
        let mut rows = MessageRows::default();
        let mut row = rows.begin();
        annotation.write(&mut row);
        let timestamp = row.timestamp;
        let mut message = row.to_message(0);
        match self.rules.message(&mut message) {
            Ok(()) => self.redacted.moved.push((metlog_json::CODE, metlog_json::as_json(&message, timestamp))),
            Err(reason) => self.redacted.rejected.push((reason, 1)),
        }
    }

    fn bad(&mut self, _: &[u8], reason: Reason) {
        self.redacted.rejected.push((reason.reason(), 1));
    }
}

impl Rewritten<'_> {
    /// True if a tag that a rule is about is part of the name, or of another tag's value: spellings were mixed, so
    /// that no rule reaches it.
    fn hides_a_tag(&self, sample: &Sample<'_>) -> bool {
        let Ok((name, tags)) = parts(sample.name, sample.tags) else { return true };
        let hides = |text: &str| {
            let mut fragments = text.split([',', ';', '#', '|']);
            fragments.any(|part| part.split_once(['=', ':']).is_some_and(|(key, _)| self.rules.covers_tag(key)))
        };
        hides(name) || tags.filter(|(key, _)| !self.rules.covers_tag(key)).any(|(_, value)| hides(value))
    }
}
