//! Requests of OTLP's traces: protobuf straight into rows of `spans`.
//!
//! A span that is malformed inside, or lacks its ids, is refused by itself; the others of its request are taken.
mod decode;

use super::otlp::{self, Signal, count};
use super::{Decoded, Entry, Format, InOrder, Redacted, Redactor, Socket};
use crate::wire::v1::SigningKey;
use serde_json::Value;

/// See the module.
#[derive(Debug)]
pub struct OtlpTraces;

/// Nothing is kept from one request to the next.
#[derive(Debug, Default)]
pub struct Scratch;

impl Scratch {
    pub(super) fn begin(&mut self) {}
}

impl Format for OtlpTraces {
    const NAME: &'static str = "otlp_traces";
    const CODE: u8 = Signal::Traces.code();
    const CODE_NAME: &'static str = "otlp_traces";
    const IS_WHOLE: bool = true;
    const SOCKETS: &'static [Socket] = &[];

    fn recognises(_: &[u8]) -> bool {
        true
    }

    fn count(request: &[u8]) -> u64 {
        count(Signal::Traces, request).unwrap_or(1)
    }

    /// Requests come over connections that are not signed; keys are for the Metlog addresses.
    fn verify(_: &[u8], _: &[SigningKey]) -> Result<(), &'static str> {
        Ok(())
    }

    fn redact(request: &[u8], rules: &dyn Redactor) -> Redacted {
        otlp::redact(Signal::Traces, request, rules)
    }

    fn enter(_: &[u8], _: Entry, _: &mut super::Scratch, _: &mut impl InOrder, _: &mut Decoded) {}

    fn decode(request: &[u8], at: Entry, _: &mut super::Scratch, out: &mut Decoded) {
        decode::decode(request, at, out);
    }

    fn describe(request: &[u8]) -> Result<Vec<Value>, String> {
        if count(Signal::Traces, request) == Ok(0) {
            return Err("empty".to_owned());
        }
        decode::describe(request)
    }
}
