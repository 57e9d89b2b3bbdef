//! Requests of OTLP's metrics: each data point becomes a row of `metrics` of its own, at its own time.
//!
//! | data point | `kind` | of the row |
//! |---|---|---|
//! | gauge; cumulative sum that may fall | `gauge` | `value` |
//! | delta sum; cumulative sum that only grows, as what it grew by | `counter` | `count` and `sum` |
//! | histogram, exponential histogram | `timer` | `count`, `sum`, `min`, `max`, `samples`, and a sketch of the buckets |
//! | summary | `timer` | `count`, `sum`, `samples` |
//!
//! `timestamp` and `window_start` are the point's time and start; what a cumulative series grew by has the time of its
//! point before as its start. What it was then is state in the order of the journal ([`InOrder::grown`]), so that each
//! increase is counted once, over restarts too. Tags are the attributes of the point, of the resource, and `unit` and
//! `otel.scope.name`.
mod decode;
mod point;

use super::otlp::{self, Signal, count};
use super::{Decoded, Entry, Format, InOrder, Redacted, Redactor, Socket};
use crate::wire::v1::SigningKey;
use serde_json::Value;

/// See the module.
#[derive(Debug)]
pub struct OtlpMetrics;

/// Nothing is kept from one request to the next.
#[derive(Debug, Default)]
pub struct Scratch;

impl Scratch {
    pub(super) fn begin(&mut self) {}
}

impl Format for OtlpMetrics {
    const NAME: &'static str = "otlp_metrics";
    const CODE: u8 = Signal::Metrics.code();
    const CODE_NAME: &'static str = "otlp_metrics";
    const IS_WHOLE: bool = true;
    const SOCKETS: &'static [Socket] = &[];

    fn recognises(_: &[u8]) -> bool {
        true
    }

    fn count(request: &[u8]) -> u64 {
        count(Signal::Metrics, request).unwrap_or(1)
    }

    /// Requests come over connections that are not signed; keys are for the Metlog addresses.
    fn verify(_: &[u8], _: &[SigningKey]) -> Result<(), &'static str> {
        Ok(())
    }

    fn redact(request: &[u8], rules: &dyn Redactor) -> Redacted {
        otlp::redact(Signal::Metrics, request, rules)
    }

    /// All of it: what a cumulative series grew by depends on the order.
    fn enter(request: &[u8], at: Entry, _: &mut super::Scratch, state: &mut impl InOrder, out: &mut Decoded) {
        decode::enter(request, at, state, out);
    }

    fn decode(_: &[u8], _: Entry, _: &mut super::Scratch, _: &mut Decoded) {}

    fn describe(request: &[u8]) -> Result<Vec<Value>, String> {
        if count(Signal::Metrics, request) == Ok(0) {
            return Err("empty".to_owned());
        }
        decode::describe(request)
    }
}
