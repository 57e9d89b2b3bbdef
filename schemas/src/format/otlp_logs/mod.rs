//! Requests of OTLP's logs: each record becomes a row of `messages`.
//!
//! | column | of a record |
//! |---|---|
//! | `timestamp` | `time_unix_nano`, or else `observed_time_unix_nano`, or else when it was received |
//! | `type` | `event_name`, or else the attribute `event.name`, or else `log` |
//! | `logger`, `hostname`, `pid` | the resource's `service.name`, `host.name`, `process.pid` |
//! | `severity` | by `severity_number` as OpenTelemetry's data model relates it to syslog's, or else by `severity_text` |
//! | `payload` | the body: text as it is, anything else as JSON |
//! | `fields` | attributes; `trace_id`, `span_id`, `trace_flags`, `severity_text`; `scope.name`; `resource.` and `scope.` before other keys |
mod decode;

use super::otlp::{self, Signal, count};
use super::{Decoded, Entry, Format, InOrder, Redacted, Redactor, Socket};
use crate::wire::v1::SigningKey;
use serde_json::Value;

/// See the module.
#[derive(Debug)]
pub struct OtlpLogs;

/// Nothing is kept from one request to the next.
#[derive(Debug, Default)]
pub struct Scratch;

impl Scratch {
    pub(super) fn begin(&mut self) {}
}

impl Format for OtlpLogs {
    const NAME: &'static str = "otlp_logs";
    const CODE: u8 = Signal::Logs.code();
    const CODE_NAME: &'static str = "otlp_logs";
    const IS_WHOLE: bool = true;
    const SOCKETS: &'static [Socket] = &[];

    fn recognises(_: &[u8]) -> bool {
        true
    }

    fn count(request: &[u8]) -> u64 {
        count(Signal::Logs, request).unwrap_or(1)
    }

    /// Requests come over connections that are not signed; keys are for the Metlog addresses.
    fn verify(_: &[u8], _: &[SigningKey]) -> Result<(), &'static str> {
        Ok(())
    }

    fn redact(request: &[u8], rules: &dyn Redactor) -> Redacted {
        otlp::redact(Signal::Logs, request, rules)
    }

    fn enter(_: &[u8], _: Entry, _: &mut super::Scratch, _: &mut impl InOrder, _: &mut Decoded) {}

    fn decode(request: &[u8], at: Entry, _: &mut super::Scratch, out: &mut Decoded) {
        decode::decode(request, at, out);
    }

    fn describe(request: &[u8]) -> Result<Vec<Value>, String> {
        if count(Signal::Logs, request) == Ok(0) {
            return Err("empty".to_owned());
        }
        decode::describe(request)
    }
}
