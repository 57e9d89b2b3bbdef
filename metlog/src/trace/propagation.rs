//! Contexts in headers: W3C, Jaeger's and B3's, read and written, whatever a hostile sender puts into them.
use super::baggage::{self, Item};
use super::context::{Context, hex, id};
use super::w3c;

/// Bytes of a header's value that are looked at; a longer one is ignored.
const VALUE_BYTES_MAX: usize = 8_192;
/// Headers that are looked at.
const HEADERS_MAX: usize = 1_024;
const UBER_BAGGAGE: &str = "uberctx-";

/// The headers in which a context travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `traceparent`, `tracestate` and `baggage`, of the W3C.
    W3c,
    /// `uber-trace-id` and `uberctx-…`, of Jaeger's clients.
    Jaeger,
    /// `b3`, of Zipkin.
    B3,
    /// `X-B3-TraceId` and those beside it, of Zipkin.
    B3Multi,
}

impl Context {
    /// The context in the headers of a request, whichever format they are of: W3C's first, then Jaeger's, then B3's.
    /// Names are compared without case. `None`: there is none that is valid.
    ///
    /// ```
    /// let headers = [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    /// let context = metlog::Context::extract(headers);
    /// assert_eq!(context.map(|context| context.is_sampled()), Some(Some(true)));
    /// ```
    pub fn extract<'h>(headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> Option<Context> {
        let (context, baggage) = extract(headers);
        context.map(|context| Context { baggage, ..context })
    }

    /// Gives each header that carries it in a format, by name and value.
    pub fn inject(&self, format: Format, mut header: impl FnMut(&str, &str)) {
        let (trace, span) = (hex(&self.trace_id), hex(&self.span_id));
        let sampled = if self.sampled == Some(true) { "1" } else { "0" };
        match format {
            Format::W3c => {
                header("traceparent", &self.to_string());
                if !self.trace_state.is_empty() {
                    header("tracestate", &self.trace_state);
                }
                if !self.baggage.is_empty() {
                    header("baggage", &baggage::write(&self.baggage));
                }
            }
            Format::Jaeger => {
                let flags = u8::from(self.sampled == Some(true)) | u8::from(self.debug) << 1;
                header("uber-trace-id", &format!("{trace}:{span}:0:{flags:x}"));
                for item in self.baggage.iter().filter(|item| baggage::is_token(&item.key)) {
                    header(&format!("{UBER_BAGGAGE}{}", item.key), &baggage::encoded(&item.value));
                }
            }
            Format::B3 => {
                let sampled = if self.debug { "d" } else { sampled };
                header("b3", &format!("{trace}-{span}-{sampled}"));
            }
            Format::B3Multi => {
                header("X-B3-TraceId", &trace);
                header("X-B3-SpanId", &span);
                if self.debug { header("X-B3-Flags", "1") } else { header("X-B3-Sampled", sampled) }
            }
        }
    }
}

/// The context of a request, and what else travels with it, also where there is no context.
pub(crate) fn extract<'h>(headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> (Option<Context>, Vec<Item>) {
    let headers: Vec<(&str, &str)> = headers.into_iter().take(HEADERS_MAX).collect();
    let mut items = Vec::new();
    if headers.is_empty() {
        return (None, items);
    }
    let context = w3c(&headers).or_else(|| jaeger(&headers)).or_else(|| b3(&headers)).or_else(|| b3_multi(&headers));
    for value in named(&headers, "baggage") {
        baggage::parse(value, &mut items);
    }
    for (name, value) in headers.iter().filter(|(_, value)| value.len() <= VALUE_BYTES_MAX) {
        let is_uber = name.get(..UBER_BAGGAGE.len()).is_some_and(|start| start.eq_ignore_ascii_case(UBER_BAGGAGE));
        if is_uber {
            let key = name[UBER_BAGGAGE.len()..].to_ascii_lowercase();
            baggage::add(&key, &baggage::decoded(value), &mut items);
        }
    }
    (context, items)
}

fn named<'h>(headers: &'h [(&'h str, &'h str)], name: &'h str) -> impl Iterator<Item = &'h str> {
    let is_it =
        move |(known, value): &&(&str, &str)| known.eq_ignore_ascii_case(name) && value.len() <= VALUE_BYTES_MAX;
    headers.iter().filter(is_it).map(|(_, value)| *value)
}

/// The value of a header that is there once.
fn only<'h>(headers: &'h [(&'h str, &'h str)], name: &'h str) -> Option<&'h str> {
    let mut values = named(headers, name);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn w3c(headers: &[(&str, &str)]) -> Option<Context> {
    let mut context = w3c::parent(only(headers, "traceparent")?)?;
    context.trace_state = w3c::state(named(headers, "tracestate"));
    Some(context)
}

fn remote(trace_id: [u8; 16], span_id: [u8; 8], sampled: Option<bool>, debug: bool) -> Context {
    let (trace_state, baggage) = Default::default();
    Context { trace_id, span_id, sampled, random: false, debug, trace_state, baggage, remote: true }
}

fn jaeger(headers: &[(&str, &str)]) -> Option<Context> {
    let value = baggage::decoded(only(headers, "uber-trace-id")?.trim());
    let parts: Vec<&str> = value.split(':').collect();
    let [trace, span, _parent, flags] = parts[..] else { return None };
    let flags = u8::from_str_radix(flags, 16).ok()?;
    let is_debug = flags & 2 != 0;
    Some(remote(id(trace)?, id(span)?, Some(flags & 1 != 0 || is_debug), is_debug))
}

/// B3 has ids of 16 or 32 digits.
fn b3_trace_id(text: &str) -> Option<[u8; 16]> {
    matches!(text.len(), 16 | 32).then(|| id(text))?
}

fn b3_span_id(text: &str) -> Option<[u8; 8]> {
    (text.len() == 16).then(|| id(text))?
}

fn b3(headers: &[(&str, &str)]) -> Option<Context> {
    let parts: Vec<&str> = only(headers, "b3")?.trim().split('-').collect();
    let (trace, span, decision) = match parts[..] {
        [trace, span] => (trace, span, None),
        [trace, span, decision] | [trace, span, decision, _] => (trace, span, Some(decision)),
        _ => return None,
    };
    let (sampled, debug) = match decision {
        None => (None, false),
        Some("1" | "true") => (Some(true), false),
        Some("0" | "false") => (Some(false), false),
        Some("d") => (Some(true), true),
        Some(_) => return None,
    };
    Some(remote(b3_trace_id(trace)?, b3_span_id(span)?, sampled, debug))
}

fn b3_multi(headers: &[(&str, &str)]) -> Option<Context> {
    let value = |name| only(headers, name).map(str::trim);
    let (trace, span) = (b3_trace_id(value("x-b3-traceid")?)?, b3_span_id(value("x-b3-spanid")?)?);
    let debug = value("x-b3-flags") == Some("1");
    let sampled = match value("x-b3-sampled") {
        _ if debug => Some(true),
        Some("1" | "true") => Some(true),
        Some("0" | "false") => Some(false),
        _ => None,
    };
    Some(remote(trace, span, sampled, debug))
}
