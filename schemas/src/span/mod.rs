//! Spans: how formats write them into rows of the table `spans`, and how rows become spans again.
//!
//! A format writes straight into columns ([`SpanRows`]): no span is ever a tree of objects on the way in. On the way out
//! ([`otlp`]) what came as OTLP is equal to what was sent: types, nested values, repeated keys, order.
mod attributes;
mod columns;
mod id;
pub mod json;
pub mod otlp;
mod parts;
mod probability;
pub mod proto;
pub mod read;
pub mod redact;
mod row;
mod rows;
mod shared;
mod text;

pub use id::{hex, unhex};
pub use metlog_wire::span::{Kind, Status};
pub use probability::of_trace_state as probability_of_trace_state;
pub use row::SpanRow;
pub use rows::SpanRows;
pub use shared::Set;
pub use text::{base64, unbase64};

/// Most bytes of text that one span may have: names, keys and values of its attributes, events and links.
pub const SPAN_BYTES_MAX: usize = 4 << 20;
/// Most attributes, events and links that one span may have, all together.
pub const SPAN_PARTS_MAX: usize = 128 * 1024;
/// Most bytes of text that a resource or a scope may have: each of its spans has a copy of it.
pub const SHARED_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of such copies in one batch, so that a small request cannot become gigabytes.
pub const SHARED_BATCH_BYTES_MAX: usize = 256 << 20;
/// Deepest nesting of an attribute's value: what protobuf readers with a limit of 100 messages still read.
pub const NESTING_MAX: usize = 30;

/// A value of an attribute, borrowed from where it came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Str(&'a str),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list, a map or anything else, as the protobuf of OTLP's `AnyValue`.
    Nested(&'a [u8]),
    /// An `AnyValue` with nothing in it.
    Empty,
    /// No value at all.
    Missing,
}

impl<'a> From<metlog_wire::span::Value<'a>> for Value<'a> {
    fn from(value: metlog_wire::span::Value<'a>) -> Self {
        use metlog_wire::span::Value as Sent;
        match value {
            Sent::Str(text) => Value::Str(text),
            Sent::Int(number) => Value::Int(number),
            Sent::Double(number) => Value::Double(number),
            Sent::Bool(value) => Value::Bool(value),
            Sent::Bytes(bytes) => Value::Bytes(bytes),
            Sent::Nested(bytes) => Value::Nested(bytes),
        }
    }
}

impl Value<'_> {
    /// Appends it as the text that a map of attributes holds: nothing for an empty one. `None` where it is no `AnyValue`,
    /// or too deep; nothing is appended then.
    pub fn write(self, to: &mut Vec<u8>) -> Option<()> {
        text::write_value(self, to)
    }
}

/// Why a span is refused. Each is a reason of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Its trace has no id, or zeros.
    NoTraceId,
    /// It has no id, or zeros.
    NoSpanId,
    /// It starts outside of the years 1970 to 9999.
    Timestamp,
    /// It has more than [`SPAN_BYTES_MAX`] or [`SPAN_PARTS_MAX`].
    TooLarge,
    /// Its resource or scope has more than [`SHARED_BYTES_MAX`], or all of them more than [`SHARED_BATCH_BYTES_MAX`].
    ResourceTooLarge,
    /// A nested value is no `AnyValue`, or deeper than [`NESTING_MAX`].
    Nested,
}

impl Refusal {
    /// The word that counts it.
    pub const fn reason(self) -> &'static str {
        match self {
            Refusal::NoTraceId => "no_trace_id",
            Refusal::NoSpanId => "no_span_id",
            Refusal::Timestamp => "timestamp_out_of_range",
            Refusal::TooLarge => "span_too_large",
            Refusal::ResourceTooLarge => "resource_too_large",
            Refusal::Nested => "bad_nested_value",
        }
    }
}

/// Bits of the column `presence`.
pub mod presence {
    /// A status was given, with nothing in it.
    pub const STATUS: i32 = 1;
    /// No resource was given.
    pub const NO_RESOURCE: i32 = 2;
    /// No scope was given.
    pub const NO_SCOPE: i32 = 4;
    /// The parent was given as eight zeros.
    pub const ZERO_PARENT: i32 = 8;
}
