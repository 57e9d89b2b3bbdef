//! Zipkin: spans of v1 and v2 in JSON, of v1 in Thrift, of v2 in protobuf, each as a list. The first byte says which.
//!
//! Everything becomes a span of v2 ([`span`]), whose tags are attributes in their order, annotations events, and the
//! local endpoint the resource. What has no column stays under keys of its own in `extras`, so that Zipkin's API can show
//! each span as it was sent: `zipkin.debug`, `zipkin.shared`, `zipkin.local`, `zipkin.remote`, `zipkin.tags` (how many of
//! the attributes are tags; those behind are derived from the remote endpoint), `zipkin.timestamp` (`absent`).
mod format;
mod json;
mod proto;
pub mod request;
mod span;
pub mod thrift;
mod v1;
#[cfg(test)]
mod tests;

pub use format::{CODE, Zipkin};

/// Remembers nothing from one list to the next.
#[derive(Debug, Default)]
pub struct Scratch;

impl Scratch {
    pub(in crate::format) fn begin(&mut self) {}
}
