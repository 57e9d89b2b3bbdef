//! Rules of privacy on statsd lines: values are written again with what is left of their tags, and events and checks
//! go on as Metlog JSON.
use super::{Annotation, Kind, Lines, Reason, Sample, Value, canonical, parse};
use crate::format::metlog_json;
use crate::format::redact::{DROPPED, Redacted, Redactor};
use crate::rows::MessageRows;

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
        self.rules.tags(&mut tags);
        let kind = match sample.kind {
            Kind::Counter => "c",
            Kind::Gauge => "g",
            Kind::Timer => "h",
            Kind::Set => "s",
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
            self.redacted.moved.push((metlog_json::CODE, metlog_json::as_json(&message, timestamp)));
        } else {
            self.redacted.rejected.push((DROPPED, 1));
        }
    }

    fn bad(&mut self, _: &[u8], reason: Reason) {
        self.redacted.rejected.push((reason.reason(), 1));
    }
}

impl Rewritten<'_> {
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
