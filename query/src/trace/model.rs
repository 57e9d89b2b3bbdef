//! A span as every interface sees it: what OpenTelemetry's data model holds, and what a reader is warned of.
use super::ids::{SpanId, TraceId, to_base64};
pub use metlog_schemas::wire::span::{Kind, Status};
use std::fmt::Write;
use std::sync::Arc;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// A key without a value.
    #[default]
    Empty,
    /// Text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in their order, of any types.
    List(Vec<Value>),
    /// Values by keys, in their order; a key may repeat.
    Map(Vec<Attribute>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attribute {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Value,
}

impl Attribute {
    /// A key and its value.
    pub fn new(key: impl Into<String>, value: Value) -> Attribute {
        Attribute { key: key.into(), value }
    }

    /// A key with text.
    pub fn text(key: impl Into<String>, text: impl Into<String>) -> Attribute {
        Attribute::new(key, Value::Text(text.into()))
    }
}

/// The value of the first attribute of a key.
pub fn value_of<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == key).map(|attribute| &attribute.value)
}

impl Value {
    /// As search and the map columns have it: text as it is, numbers in decimal, bytes in base64, lists and maps as JSON.
    pub fn to_text(&self) -> String {
        match self {
            Value::Empty => String::new(),
            Value::Text(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Double(value) => double_text(*value),
            Value::Bytes(bytes) => to_base64(bytes),
            Value::List(_) | Value::Map(_) => {
                let mut text = String::new();
                self.write_json(&mut text);
                text
            }
        }
    }

    /// Text, where it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number, where it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Value::Empty => out.push_str("null"),
            Value::Text(text) => write_string(out, text),
            Value::Bytes(bytes) => write_string(out, &to_base64(bytes)),
            Value::Double(value) if !value.is_finite() => write_string(out, &double_text(*value)),
            Value::Bool(_) | Value::Int(_) | Value::Double(_) => out.push_str(&self.to_text()),
            Value::List(values) => {
                out.push('[');
                for (at, value) in values.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    value.write_json(out);
                }
                out.push(']');
            }
            Value::Map(entries) => {
                out.push('{');
                for (at, entry) in entries.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { "," });
                    write_string(out, &entry.key);
                    out.push(':');
                    entry.value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// A number as JSON writes it, and `NaN`, `Infinity` and `-Infinity`.
fn double_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{value}");
        text
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Something that happened at a moment of a span.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Event {
    /// When, in nanoseconds since 1970.
    pub time: u64,
    /// What.
    pub name: String,
    /// Details.
    pub attributes: Vec<Attribute>,
    /// Details that its sender left out.
    pub dropped_attributes: u32,
}

/// Another span that this one has to do with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Link {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// W3C's trace state of it.
    pub trace_state: String,
    /// W3C's trace flags, and OTLP's own.
    pub flags: u32,
    /// Details.
    pub attributes: Vec<Attribute>,
    /// Details that its sender left out.
    pub dropped_attributes: u32,
}

/// Who sent a span.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resource {
    /// What is known of it, its service's name among it.
    pub attributes: Vec<Attribute>,
    /// Details that its sender left out.
    pub dropped_attributes: u32,
    /// The schema that its attributes keep to.
    pub schema_url: String,
}

/// The instrumentation that made a span.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
    /// Details that its sender left out.
    pub dropped_attributes: u32,
    /// The schema that its spans' attributes keep to.
    pub schema_url: String,
}

/// One piece of work of one service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Span {
    /// The trace that it is of.
    pub trace_id: TraceId,
    /// Its id, unique within the trace, or should be.
    pub span_id: SpanId,
    /// The span that caused it; zero for a root.
    pub parent_id: SpanId,
    /// W3C's trace state.
    pub trace_state: String,
    /// W3C's trace flags, and OTLP's own.
    pub flags: u32,
    /// The name of its service.
    pub service: String,
    /// The name of its operation.
    pub name: String,
    /// What it is in an exchange.
    pub kind: Kind,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended, likewise; clocks being what they are, possibly before it began.
    pub end: u64,
    /// How it went.
    pub status: Status,
    /// Why.
    pub status_message: String,
    /// Details.
    pub attributes: Vec<Attribute>,
    /// Details that its sender left out.
    pub dropped_attributes: u32,
    /// What happened meanwhile, in the order in which it was sent.
    pub events: Vec<Event>,
    /// Events that its sender left out.
    pub dropped_events: u32,
    /// What it has to do with.
    pub links: Vec<Link>,
    /// Links that its sender left out.
    pub dropped_links: u32,
    /// Who sent it.
    pub resource: Arc<Resource>,
    /// What made it.
    pub scope: Arc<Scope>,
    /// The format that it came in, as in the column `source`.
    pub source: String,
    /// What its format has besides, as in the column `extras`.
    pub extras: Vec<(String, String)>,
    /// What its reader should know: what was adjusted, and what was not.
    pub warnings: Vec<String>,
}

impl Span {
    /// Nanoseconds that it took; zero where it ended before it began.
    pub fn duration(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// What its format has besides, by its key.
    pub fn extra(&self, key: &str) -> Option<&str> {
        self.extras.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// True where nothing caused it.
    pub fn is_root(&self) -> bool {
        self.parent_id.is_none()
    }
}

/// The spans of one trace, as far as they are there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// Its spans.
    pub spans: Vec<Span>,
}

impl Trace {
    /// Spans by their traces, which come in the order of their first spans.
    pub fn assemble(spans: Vec<Span>) -> Vec<Trace> {
        let mut places = std::collections::HashMap::new();
        let mut traces: Vec<Trace> = Vec::new();
        for span in spans {
            let place = *places.entry(span.trace_id).or_insert_with(|| {
                traces.push(Trace { id: span.trace_id, spans: Vec::new() });
                traces.len() - 1
            });
            traces[place].spans.push(span);
        }
        traces
    }

    /// When its first span began; zero where it has none.
    pub fn start(&self) -> u64 {
        self.spans.iter().map(|span| span.start).min().unwrap_or_default()
    }

    /// When its last span ended; zero where it has none.
    pub fn end(&self) -> u64 {
        self.spans.iter().map(|span| span.end.max(span.start)).max().unwrap_or_default()
    }

    /// The root: of the spans without a parent the earliest; where there is none, of those whose parent is not here.
    pub fn root(&self) -> Option<usize> {
        let ids: std::collections::HashSet<SpanId> = self.spans.iter().map(|span| span.span_id).collect();
        let earliest = |is_candidate: &dyn Fn(&Span) -> bool| {
            let candidates = self.spans.iter().enumerate().filter(|(_, span)| is_candidate(span));
            candidates.min_by_key(|(_, span)| span.start).map(|(at, _)| at)
        };
        earliest(&|span| span.is_root()).or_else(|| earliest(&|span| !ids.contains(&span.parent_id)))
    }
}
