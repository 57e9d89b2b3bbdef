//! What identifies a span to others: its ids, whether its trace is sampled, and what travels with it.
use super::baggage::Item;
use std::fmt;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The identity of a span as it travels between programs. Made by [`Span::context`](crate::Span::context), or from
/// headers by [`Context::extract`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    /// `None`: nobody has decided.
    pub(super) sampled: Option<bool>,
    /// The lower bits of the trace id are random.
    pub(super) random: bool,
    pub(super) debug: bool,
    pub(super) trace_state: String,
    pub(super) baggage: Vec<Item>,
    pub(super) remote: bool,
}

impl Context {
    /// The trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The span.
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// The trace in hexadecimal, 32 digits.
    pub fn trace_id_text(&self) -> String {
        hex(&self.trace_id)
    }

    /// The span in hexadecimal, 16 digits.
    pub fn span_id_text(&self) -> String {
        hex(&self.span_id)
    }

    /// Whether the trace is sampled; `None` if nobody has decided yet.
    pub fn is_sampled(&self) -> Option<bool> {
        self.sampled
    }

    /// True if somebody asked for this very trace.
    pub fn is_debug(&self) -> bool {
        self.debug
    }

    /// True if it came from another program.
    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// W3C `tracestate`.
    pub fn trace_state(&self) -> &str {
        &self.trace_state
    }

    /// A value that travels with the trace.
    pub fn baggage(&self, key: &str) -> Option<&str> {
        self.baggage.iter().find(|item| item.key == key).map(|item| item.value.as_str())
    }

    /// All values that travel with the trace.
    pub fn baggage_items(&self) -> impl Iterator<Item = (&str, &str)> {
        self.baggage.iter().map(|item| (item.key.as_str(), item.value.as_str()))
    }

    #[cfg(feature = "tower")]
    pub(crate) fn with_baggage(self, baggage: Vec<Item>) -> Context {
        Context { baggage, ..self }
    }

    /// W3C's flags.
    pub(super) fn flags(&self) -> u8 {
        u8::from(self.sampled == Some(true)) | u8::from(self.random) << 1
    }
}

/// `00-<trace>-<span>-<flags>`, as in `traceparent`.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", hex(&self.trace_id), hex(&self.span_id), self.flags())
    }
}

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// An id as text that needs no allocation.
pub(super) fn hex_of<const N: usize, const M: usize>(id: [u8; N]) -> [u8; M] {
    let mut text = [b'0'; M];
    for (digits, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(id) {
        *digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    text
}

/// An id of `N` bytes from hexadecimal digits in any case; fewer are filled with zeros on the left. Zeros are no id.
pub(super) fn id<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.is_empty() || text.len() > 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u128::from_str_radix(text, 16).ok().filter(|number| *number != 0)?;
    number.to_be_bytes().last_chunk::<N>().copied()
}
