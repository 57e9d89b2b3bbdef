//! Traces: spans as values, between the rows of `spans` and the interfaces that show them.
//!
//! Everything here is pure: a trace is assembled from spans, adjusted where its reader wants that ([`adjust`]), and
//! looked at as a tree ([`tree`]) or by its critical path ([`critical_path`]). `find.rs` alone asks for rows.
pub mod adjust;
pub mod critical_path;
pub mod find;
pub mod halves;
mod ids;
mod model;
pub mod otlp;
pub mod tree;

pub(crate) use ids::from_base64;
pub use ids::{SpanId, TraceId};
pub use model::{Attribute, Event, Kind, Link, Resource, Scope, Span, Status, Trace, Value, value_of};

#[cfg(test)]
pub(crate) mod tests;
