//! Values of series whose name and tags are prepared once: nothing of them is copied but into the datagram.
use super::Statsd;
use super::number::{Quantity, is_finite, is_negative};
use crate::outcome::Outcome;
use crate::text::InlineText;
use std::fmt::Write;

/// Holds every number that is not an extreme float.
const NUMBER_BYTES_INLINE: usize = 40;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Count,
    /// What a gauge is set to.
    Gauge,
    /// What a gauge changes by.
    Delta,
    Millis,
    Histogram,
}

impl Form {
    fn suffix(self) -> &'static str {
        match self {
            Form::Count => "|c",
            Form::Gauge | Form::Delta => "|g",
            Form::Millis => "|ms",
            Form::Histogram => "|h",
        }
    }
}

impl Statsd {
    /// One value. `head` is a clean name and its colon, `tags` is empty or begins with `|#`.
    pub fn send(&self, form: Form, head: &str, value: Quantity, tags: &str) -> Outcome {
        let pipe = self.pipes.current();
        if !is_finite(&value) {
            return pipe.count_dropped();
        }
        let mut number = InlineText::<NUMBER_BYTES_INLINE>::default();
        let _ = write!(number, "{value}"); // an `InlineText` takes everything
        let (prefix, number, suffix) = (self.prefix.as_str(), number.as_str(), form.suffix());
        match (form, is_negative(&value)) {
            (Form::Delta, false) => pipe.push_statsd(&[prefix, head, "+", number, suffix, tags]),
            // As in `gauge`: set to 0 first, or the sign would make it a change.
            (Form::Gauge, true) => {
                pipe.push_statsd(&[prefix, head, "0|g", tags, "\n", prefix, head, number, suffix, tags])
            }
            _ => pipe.push_statsd(&[prefix, head, number, suffix, tags]),
        }
    }
}

/// Text in which each of these, and each control character, is `_`.
pub(crate) fn clean(text: &str, special: &str) -> String {
    text.replace(|c: char| special.contains(c) || c.is_ascii_control(), "_")
}
