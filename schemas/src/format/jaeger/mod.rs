//! Jaeger as its clients, agents and collectors send it: `emitBatch` in Thrift compact and binary, the old
//! `emitZipkinBatch`, and `PostSpans` in protobuf. The first byte says which one it is.
//!
//! Tags, logs and references are kept as they were sent, in their order and with their types, so that Jaeger's API shows
//! them as Jaeger would; the columns `kind`, `status` and `sampling_probability` are derived from them.
mod batch;
mod format;
mod proto;
pub mod request;
mod sender;
mod tags;
#[cfg(test)]
pub(super) mod tests;

pub use format::{CODE, Jaeger};
#[cfg(test)]
pub(super) use tests::{COMPACT, noted, numbered as numbered_batch};

/// Remembers nothing from one datagram to the next.
#[derive(Debug, Default)]
pub struct Scratch;

impl Scratch {
    pub(in crate::format) fn begin(&mut self) {}
}

