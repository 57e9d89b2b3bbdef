//! Spans: what a program does, how long it takes, and what caused it, also in other programs.
//!
//! A span belongs to a *trace*, which its first span (the root) begins, and of which one decision is made: whether it is
//! sampled. Ids and that decision travel in headers ([`Context`]). A span is sent when it ends, through the queue and in
//! the datagrams that messages use, and counts as a message in [`Stats`](crate::Stats).
mod baggage;
mod context;
mod current;
mod ids;
mod propagation;
mod sampling;
mod span;
mod w3c;

pub use context::Context;
pub use current::current;
pub use propagation::Format;
pub use sampling::Sampling;
pub use span::{Entered, Instrument, Instrumented, Span};

#[cfg(feature = "tower")]
pub(crate) use baggage::Item;
pub(crate) use context::hex;
pub(crate) use current::{ids_of_current, is_in_use};
#[cfg(feature = "tower")]
pub(crate) use propagation::extract;
pub(crate) use sampling::parse as parse_sampling;
pub(crate) use span::To;

/// Attributes, events and links of a span: beyond so many of each they are left out and counted.
pub const SPAN_PARTS_MAX: u32 = 128;

#[cfg(test)]
mod tests;
