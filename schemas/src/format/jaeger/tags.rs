//! Tags: what they are as attributes, and what a span's columns learn from them.
use crate::span::{Kind, SpanRow, Status, Value};

/// What the tags of a span say about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Learned<'a> {
    kind: Kind,
    /// The tag `error`.
    error: Option<bool>,
    status: Option<Status>,
    description: Option<&'a str>,
    http_message: Option<&'a str>,
    http_status: Option<i64>,
    trace_state: Option<&'a str>,
    sampler: Option<&'a str>,
    sampler_param: Option<f64>,
}

impl<'a> Learned<'a> {
    /// Looks at a tag. Most keys are told by their first letter to be of no interest.
    #[inline]
    pub(super) fn look(&mut self, key: &str, value: Value<'a>) {
        if matches!(key.as_bytes().first(), Some(b's' | b'e' | b'o' | b'h' | b'w')) {
            self.learn(key, value);
        }
    }

    fn learn(&mut self, key: &str, value: Value<'a>) {
        match (key, value) {
            ("span.kind", Value::Str(word)) => self.kind = Kind::of_word(word).unwrap_or_default(),
            ("error", Value::Bool(is)) => self.error = Some(is),
            ("error", Value::Str(word)) => self.error = Some(word.eq_ignore_ascii_case("true")),
            ("otel.status_code", Value::Str(word)) => self.status = Status::of_word(&word.to_ascii_lowercase()),
            ("otel.status_code", Value::Int(number)) => {
                self.status = i32::try_from(number).ok().and_then(Status::of_number);
            }
            ("otel.status_description", Value::Str(text)) => self.description = Some(text),
            ("http.status_message", Value::Str(text)) => self.http_message = Some(text),
            ("http.status_code", Value::Int(code)) => self.http_status = Some(code),
            ("http.status_code", Value::Str(code)) => self.http_status = code.parse().ok(),
            ("w3c.tracestate", Value::Str(state)) => self.trace_state = Some(state),
            ("sampler.type", Value::Str(sampler)) => self.sampler = Some(sampler),
            ("sampler.param", Value::Double(param)) => self.sampler_param = Some(param),
            ("sampler.param", Value::Bool(param)) => self.sampler_param = Some(f64::from(u8::from(param))),
            ("sampler.param", Value::Int(param)) => self.sampler_param = Some(param as f64),
            ("sampler.param", Value::Str(param)) => self.sampler_param = param.parse().ok(),
            _ => (),
        }
    }

    /// Writes it into the columns. An error by `error`, by the status code, or else by that of HTTP: 400 and above, where
    /// a server failed 500 and above.
    pub(super) fn write(&self, row: &mut SpanRow<'_>) {
        row.kind(self.kind);
        let http_fails = if self.kind == Kind::Server { 500 } else { 400 };
        let status = match (self.error, self.status, self.http_status) {
            (Some(true), ..) => Status::Error,
            (_, Some(status), _) => status,
            (_, None, Some(code)) if (http_fails..600).contains(&code) => Status::Error,
            _ => Status::Unset,
        };
        let message = if status == Status::Error { self.description.or(self.http_message) } else { self.description };
        row.status(status, message.unwrap_or_default());
        if let Some(state) = self.trace_state {
            row.trace_state(state);
        }
        if let (Some("probabilistic" | "const"), Some(param)) = (self.sampler, self.sampler_param) {
            row.sampling_probability(param);
        }
    }
}

/// A tag of text that may be no UTF-8: then its bytes are kept.
pub(super) fn text(bytes: &[u8]) -> Value<'_> {
    std::str::from_utf8(bytes).map_or(Value::Bytes(bytes), Value::Str)
}
