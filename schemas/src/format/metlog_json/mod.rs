//! Metlog JSON, `env_version` 0.8: one object a message, as every Metlog client since 2011 sends it.
//!
//! | key | taken | otherwise |
//! |---|---|---|
//! | `type` | string, required | refused |
//! | `timestamp` | RFC 3339, with or without `Z` or an offset; missing or null: the time of receipt | refused |
//! | `logger`, `metlog_hostname` or `hostname` | string or null | refused |
//! | `severity` | 0 to 7, as number or text; missing or null: 6 | refused |
//! | `metlog_pid` or `pid` | whole number, as number or text; missing or null: 0 | refused |
//! | `env_version` | string, number or null | refused |
//! | `payload` | string; number or boolean, as written; null is empty; object or array, as written | |
//! | `tokens` | array: a string as it is, anything else as written; no array: one such token | |
//! | `fields` | anything, see below | |
//! | any other key | as if it were in `fields` | |
//!
//! `fields` become flat: `{"headers": {"path": "/"}, "list": [1, {"a": 2}]}` has the keys `headers.path`,
//! `list[0]`, `list[1].a`. Numbers, `true`, `false` and `null` are kept as they are written, `{}` and `[]`
//! inside `fields` too. `fields` that are no object are `fields` (a scalar) or `fields[0]`… (an array); null, `{}` and
//! `[]` are no field at all. A key that comes twice gets `#2` (see [`Row::field`]), in `fields`; of the other keys the
//! last one counts.
//!
//! Short messages cannot make long rows, and nothing is lost by it. Kept as JSON text, under its own key, is
//! * what is more than [`DEPTH_MAX`] levels deep, or inside what has a key of more than [`PATH_BYTES_MAX`] bytes;
//! * a member of `fields` (or another key of the message) as a whole, where the keys and values that come of nested ones
//!   would be more than [`EXPANSION_FACTOR`] times the bytes of the message and [`EXPANSION_BYTES`], or where there would
//!   be more than [`FIELDS_MAX`] fields. All keys and values together are then at most 4 times the message and 16 KiB.
//!
//! Members beyond [`FIELDS_MAX`] are kept together, as the JSON text of one object, under the key [`REST`].
//!
//! `NaN`, `Infinity` and `-Infinity`, which Python writes, are read as numbers. Half of a surrogate pair,
//! which JavaScript writes where a text was cut, is read as U+FFFD.
mod format;
pub mod nested;
mod reading;
mod redact;
mod statistic;
mod surrogates;
mod timestamp;

pub(super) use format::CODE;
pub use format::{MetlogJson, Scratch};
pub use redact::as_json;
pub use statistic::{Statistic, kind_of, statistic};

use crate::rows::{MessageRows, Row};
use jiter::{Jiter, JiterError};
use memchr::memchr;
use reading::Reading;

/// What journal records of it are: see [`super::Format::CODE`].
pub const RECORD_CODE: u8 = format::CODE;

/// Levels of `fields` that are made flat.
pub const DEPTH_MAX: usize = 64;
/// Bytes of a key that is repeated for each value inside.
pub const PATH_BYTES_MAX: usize = 128;
/// Fields that one message can have, but for [`REST`].
pub const FIELDS_MAX: usize = 10_000;
/// Keys and values that are made of nested members may be so many times the bytes of the message …
pub const EXPANSION_FACTOR: usize = 2;
/// … and so many bytes.
pub const EXPANSION_BYTES: usize = 16 << 10;
/// The key of the members beyond [`FIELDS_MAX`].
pub const REST: &str = "fields";

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Nothing but white space.
    Empty,
    /// Not JSON, or more than one value.
    NotJson,
    /// JSON, but no object.
    NotAnObject,
    /// Not UTF-8.
    NotUtf8,
    /// No `type`.
    NoType,
    /// `type` is no string.
    BadType,
    /// `timestamp` is not RFC 3339.
    BadTimestamp,
    /// Before 1970 or after 9999.
    TimestampOutOfRange,
    /// `severity` is not 0 to 7.
    BadSeverity,
    /// `logger` is no string.
    BadLogger,
    /// The hostname is no string.
    BadHostname,
    /// The pid is no whole number.
    BadPid,
    /// `env_version` is neither string nor number.
    BadEnvVersion,
    /// The `payload` of a counter or timer is no finite number.
    BadPayload,
    /// A counter or timer without `fields.name`.
    NoName,
    /// `fields.rate` of a counter or timer is no finite number above 0.
    BadRate,
}

impl Refusal {
    /// The word that counts it.
    pub const fn reason(self) -> &'static str {
        match self {
            Refusal::Empty => "empty",
            Refusal::NotJson => "not_json",
            Refusal::NotAnObject => "json_not_an_object",
            Refusal::NotUtf8 => "not_utf8",
            Refusal::NoType => "json_no_type",
            Refusal::BadType => "json_bad_type",
            Refusal::BadTimestamp => "json_bad_timestamp",
            Refusal::TimestampOutOfRange => "timestamp_out_of_range",
            Refusal::BadSeverity => "json_bad_severity",
            Refusal::BadLogger => "json_bad_logger",
            Refusal::BadHostname => "json_bad_hostname",
            Refusal::BadPid => "json_bad_pid",
            Refusal::BadEnvVersion => "json_bad_env_version",
            Refusal::BadPayload => "json_bad_payload",
            Refusal::NoName => "json_no_name",
            Refusal::BadRate => "json_bad_rate",
        }
    }
}

impl From<JiterError> for Refusal {
    fn from(_: JiterError) -> Self {
        Refusal::NotJson
    }
}

/// True for a datagram that [`Decoder`] should see: its first byte that is not blank is `{`.
pub fn is_json(datagram: &[u8]) -> bool {
    datagram.trim_ascii_start().first() == Some(&b'{')
}

/// Splits a datagram into its objects, one a line; blank lines are skipped.
///
/// An object may be spread over lines: a line end next to a character that shows the object to go on (`{`, `[`,
/// `,` or `:` before it; `}`, `]`, `,` or `:` after it) divides nothing.
pub fn objects(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = datagram.trim_ascii();
    std::iter::from_fn(move || {
        let mut from = 0;
        while let Some(at) = memchr(b'\n', &rest[from..]).map(|at| from + at) {
            let (before, after) = (rest[..at].trim_ascii_end(), rest[at..].trim_ascii_start());
            let goes_on = matches!(before.last(), Some(b'{' | b'[' | b',' | b':'))
                || matches!(after.first(), Some(b'}' | b']' | b',' | b':'));
            if !goes_on {
                rest = after;
                return Some(before);
            }
            // Each line end of this run says the same.
            from = rest.len() - after.len();
        }
        let last = std::mem::take(&mut rest);
        (!last.is_empty()).then_some(last)
    })
}

/// The items of a JSON array of messages, each as it is written.
///
/// # Errors
/// In words, where it is no array.
pub fn array_items(array: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut jiter = Jiter::new(array).with_allow_inf_nan();
    let mut items = Vec::new();
    let mut next = jiter.next_array().map_err(|error| error.description(&jiter))?;
    while let Some(peek) = next {
        let start = jiter.current_index();
        jiter.known_skip(peek).map_err(|error| error.description(&jiter))?;
        items.push(&array[start..jiter.current_index()]);
        next = jiter.array_step().map_err(|error| error.description(&jiter))?;
    }
    jiter.finish().map_err(|error| error.description(&jiter))?;
    Ok(items)
}

/// Decodes messages; its memory serves one after the other.
#[derive(Debug, Default)]
pub struct Decoder {
    tape: Vec<u8>,
    path: String,
    open: Vec<bool>,
    rest: String,
}

impl Decoder {
    /// Decodes the text of one object into a row that the caller commits or drops. Allocates nothing but what
    /// the rows need, once it has grown.
    ///
    /// # Errors
    /// [`Refusal`]; no row is begun then.
    pub fn decode<'r>(&mut self, text: &[u8], rows: &'r mut MessageRows) -> Result<Row<'r>, Refusal> {
        let text = std::str::from_utf8(text).map_err(|_| Refusal::NotUtf8)?;
        let whole = surrogates::replaced(text);
        let text = whole.as_deref().unwrap_or(text);
        let mut row = rows.begin();
        self.path.clear();
        self.rest.clear();
        let jiter = Jiter::with_tape(text.as_bytes(), std::mem::take(&mut self.tape)).with_allow_inf_nan();
        let budget = EXPANSION_BYTES + EXPANSION_FACTOR * text.len();
        let (path, open, rest) = (&mut self.path, &mut self.open, &mut self.rest);
        let mut reading = Reading { text, jiter, path, open, row: &mut row, rest, budget, bytes_max: 0, is_over: false };
        let outcome = reading.message();
        self.tape = reading.jiter.into_tape();
        outcome.map(|()| row)
    }
}

#[cfg(test)]
mod tests;
