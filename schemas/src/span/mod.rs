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
mod row;
mod rows;
mod shared;
mod text;

pub use id::{hex, unhex};
pub use probability::of_trace_state as probability_of_trace_state;
pub use row::SpanRow;
pub use rows::SpanRows;
pub use shared::Set;
pub use text::base64;

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

/// What part a span had in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// Not said.
    #[default]
    Unspecified,
    /// Within a program.
    Internal,
    /// It served a request.
    Server,
    /// It sent a request and waited.
    Client,
    /// It sent a message.
    Producer,
    /// It received a message.
    Consumer,
}

impl Kind {
    /// All, by their number in OTLP.
    pub const ALL: [Kind; 6] =
        [Kind::Unspecified, Kind::Internal, Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer];

    /// As in the column `kind`.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Unspecified => "",
            Kind::Internal => "internal",
            Kind::Server => "server",
            Kind::Client => "client",
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
        }
    }

    /// Its number in OTLP.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The kind of an OTLP number.
    pub fn of_number(number: i32) -> Option<Kind> {
        Kind::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The kind of a word, in any case; `None` for a word that is none.
    pub fn of_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word))
    }
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    /// Not said.
    #[default]
    Unset,
    /// Said to be good.
    Ok,
    /// It failed.
    Error,
}

impl Status {
    /// As in the column `status`.
    pub const fn word(self) -> &'static str {
        match self {
            Status::Unset => "",
            Status::Ok => "ok",
            Status::Error => "error",
        }
    }

    /// Its number in OTLP.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The status of an OTLP number.
    pub fn of_number(number: i32) -> Option<Status> {
        [Status::Unset, Status::Ok, Status::Error].get(usize::try_from(number).ok()?).copied()
    }

    /// The status of a word of the column.
    pub fn of_word(word: &str) -> Option<Status> {
        [Status::Unset, Status::Ok, Status::Error].into_iter().find(|status| status.word() == word)
    }
}

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

impl Value<'_> {
    /// Appends it as the text that a map of attributes holds: nothing for an empty one. `None` where it is no `AnyValue`,
    /// or too deep.
    pub fn write(self, to: &mut Vec<u8>) -> Option<()> {
        match self {
            Value::Str(text) => to.extend_from_slice(text.as_bytes()),
            Value::Int(number) => text::write_int(number, to),
            Value::Double(number) => text::write_double(number, to),
            Value::Bool(value) => to.extend_from_slice(if value { b"true" } else { b"false" }),
            Value::Bytes(bytes) => text::write_base64(bytes, to),
            Value::Nested(any) => text::write_any(any, 1, to)?,
            Value::Empty | Value::Missing => (),
        }
        Some(())
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
