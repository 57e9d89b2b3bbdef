//! Rules of privacy on spans of any format, and on the messages that came with them.
use super::{Extra, Item, Span, decoded, format};
use crate::format::{Format, Redacted, Redactor, metlog_json};
use crate::rows::MessageRows;
use crate::span::proto::{KeyValue, TracesData};
use crate::span::read::{self, Spans};
use crate::span::redact::{Change, SpanRules};
use crate::span::{SpanRows, otlp, redact as rules_of_spans};
use arrow::array::{AsArray, RecordBatch};
use prost::Message as _;

/// What repeats another part of a span under a key of its own: an extra, and the attributes that it is made of.
const REPEATED: [(&str, &[&str]); 4] = [
    ("zipkin.remote", &["peer.service", "net.peer.ip", "net.peer.port"]),
    ("zipkin.local", &["host.ip"]),
    ("milo.client_host", &["host.name"]),
    ("milo.server_host", &["host.name"]),
];

/// Applies rules to what a datagram comes to.
pub(in crate::format) fn redact<F: Format>(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
    let mut out = decoded::<F>(datagram, 0);
    let mut redacted = Redacted { rejected: std::mem::take(&mut out.counts.rejected), ..Redacted::default() };
    // Columns that Arrow refuses would be a defect: what nobody can look through is refused.
    let spans = out.rows.of::<SpanRows>().finish().and_then(|batch| Spans::new(&batch));
    let messages = out.rows.of::<MessageRows>().finish();
    let (Ok(spans), Ok(messages)) = (spans, messages) else {
        return Redacted::refused(crate::format::UNREADABLE);
    };
    let mut item = Item::default();
    for span in spans.iter() {
        match span_of(span, rules) {
            Ok(span) => item.spans.push(span),
            Err(reason) => redacted.reject(reason),
        }
    }
    if !item.spans.is_empty() {
        redacted.moved.push((format::CODE, item.encode_to_vec()));
    }
    for mut message in messages_of(&messages) {
        match rules.message(&mut message) {
            Ok(()) => redacted.moved.push((metlog_json::CODE, metlog_json::as_json(&message, None))),
            Err(reason) => redacted.reject(reason),
        }
    }
    redacted
}

impl Redacted {
    fn reject(&mut self, reason: &'static str) {
        match self.rejected.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.rejected.push((reason, 1)),
        }
    }
}

fn span_of(of: read::Span<'_>, rules: &dyn Redactor) -> Result<Span, &'static str> {
    let mut traces = otlp::traces(std::iter::once(of));
    let before = traces.clone();
    if let Some((reason, _)) = rules_of_spans::traces(rules, &mut traces).first() {
        return Err(reason);
    }
    let mut of_service = SpanRules::new(rules, of.service());
    let mut extras = Vec::new();
    for (key, value) in of.extras() {
        let repeats = REPEATED.iter().find(|(extra, _)| *extra == key).map_or(&[][..], |(_, repeats)| repeats);
        if repeats.iter().any(|attribute| values(&before, attribute) != values(&traces, attribute)) {
            continue;
        }
        let value = match of_service.field(key, value)? {
            Change::Keep => value.to_owned(),
            Change::Replace(text) => text,
            Change::Drop => continue,
        };
        extras.push(Extra { key: key.to_owned(), value });
    }
    // How many attributes are tags holds as long as none is left out.
    if attributes(&before).count() != attributes(&traces).count() {
        extras.retain(|extra| extra.key != "zipkin.tags");
    }
    let source = of.source().to_owned();
    Ok(Span { traces: Some(traces), source, extras, sampling_probability: of.sampling_probability() })
}

/// Attributes of the span and its resource.
fn attributes(data: &TracesData) -> impl Iterator<Item = &KeyValue> {
    data.resource_spans.iter().flat_map(|of| {
        let spans = of.scope_spans.iter().flat_map(|scope| &scope.spans).flat_map(|span| &span.attributes);
        of.resource.iter().flat_map(|resource| &resource.attributes).chain(spans)
    })
}

fn values<'d>(data: &'d TracesData, key: &str) -> Vec<&'d KeyValue> {
    attributes(data).filter(|pair| pair.key == key).collect()
}

/// Messages of a batch, as far as these formats fill them.
fn messages_of(batch: &RecordBatch) -> Vec<crate::wire::Message> {
    let text = |name: &str, row: usize| {
        let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        column.map(|column| column.value(row).to_owned()).unwrap_or_default()
    };
    let message = |row| crate::wire::Message {
        r#type: text("type", row),
        logger: text("logger", row),
        payload: text("payload", row),
        env_version: text("env_version", row),
        ..crate::wire::Message::default()
    };
    (0..batch.num_rows()).map(message).collect()
}
