//! Scribe's log entries, a list of them in Thrift's binary protocol: each a category and a message.
//!
//! Category `Milo-Trace` brings spans of Milo ([`milo`]), `zipkin` brings spans of Zipkin in base64; an entry of any other
//! category is a message, whose logger is the category.
mod format;
pub mod milo;
#[cfg(test)]
mod tests;

pub use format::{CODE, Scribe, entries, is_list};

/// Remembers nothing from one entry to the next.
#[derive(Debug, Default)]
pub struct Scratch;

impl Scratch {
    pub(in crate::format) fn begin(&mut self) {}
}
