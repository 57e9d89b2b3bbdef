//! Contexts in the headers of `http`.
use crate::trace::{self, Context, Format};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Of a context: whether a header may be part of one. Names of `http` are in lower case.
fn is_of_context(name: &str) -> bool {
    matches!(name, "traceparent" | "tracestate" | "baggage" | "uber-trace-id" | "b3")
        || name.starts_with("x-b3-")
        || name.starts_with("uberctx-")
}

/// The context of a request, and the baggage that came with it or without one.
pub(super) fn extract(headers: &HeaderMap) -> (Option<Context>, Vec<trace::Item>) {
    let ours = headers.iter().filter(|(name, _)| is_of_context(name.as_str()));
    // A value that is no text is an invalid one, and not none: a second `traceparent` makes the first one invalid.
    trace::extract(ours.map(|(name, value)| (name.as_str(), std::str::from_utf8(value.as_bytes()).unwrap_or_default())))
}

/// Puts the context of the span that this thread is in into the headers of a request, as the W3C has it. Without a span nothing
/// changes.
///
/// ```
/// let mut headers = http::HeaderMap::new();
/// let span = metlog::span("call");
/// metlog::tower::inject(&mut headers);
/// assert_eq!(headers["traceparent"], span.context().to_string());
/// ```
pub fn inject(headers: &mut HeaderMap) {
    inject_formats(headers, &[Format::W3c]);
}

/// As [`inject`], in these formats.
pub fn inject_formats(headers: &mut HeaderMap, formats: &[Format]) {
    if let Some(context) = trace::current() {
        write(&context, headers, formats);
    }
}

pub(super) fn write(context: &Context, headers: &mut HeaderMap, formats: &[Format]) {
    for format in formats {
        // What a proxy passes on is of another span.
        if let Format::W3c = format {
            headers.remove("tracestate");
        }
        context.inject(*format, |name, value| {
            // A key of baggage may be no name of a header.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        });
    }
}
