//! Datagrams of oslo.metrics, by which services of OpenStack report how their remote calls go: one JSON object each, to a
//! Unix socket, `metrics_socket_file` of `[oslo_messaging_metrics]` in their configuration.
//!
//! ```json
//! {"module": "oslo_messaging", "name": "rpc_server_processing_seconds",
//!  "action": {"value": 0.12, "action": "observe"}, "labels": {"topic": "compute", "fanout": null}}
//! ```
//!
//! | of the datagram | of the value |
//! |---|---|
//! | `module` and `name` | name, with a point between them |
//! | action `inc` | counter: `value`, or 1 where it is null |
//! | action `observe` | timer: `value` as sent, which is in seconds |
//! | `labels` | tags; numbers and truth values as written, null and empty ones are left out |
//!
//! Values belong to the window in which they were received, as those of statsd do. Other keys are ignored.
mod reading;

use super::statsd::Kind;
use super::{Decoded, Entry, Format, InOrder, OwnedSample, Redacted, Redactor, Socket, Transport};
use crate::wire::v1::SigningKey;
use reading::Reading;
use serde_json::{Value, json};

/// See the module.
#[derive(Debug)]
pub struct OsloMetrics;

/// Nothing is kept from one datagram to the next.
#[derive(Debug, Default)]
pub struct Scratch;

impl Scratch {
    pub(super) fn begin(&mut self) {}
}

/// What journal records of it are: see [`Format::CODE`].
pub const CODE: u8 = 44;

impl Format for OsloMetrics {
    const NAME: &'static str = "oslo_metrics";
    const CODE: u8 = CODE;
    const CODE_NAME: &'static str = "oslo_metrics";
    const SOCKETS: &'static [Socket] = &[Socket {
        key: "oslo_metrics_unix",
        name: "oslo_metrics",
        code: CODE,
        transport: Transport::UnixDatagram,
        default_port: None,
        yields: false,
    }];

    fn recognises(datagram: &[u8]) -> bool {
        !datagram.is_empty()
    }

    fn count(_: &[u8]) -> u64 {
        1
    }

    /// There is nothing that could be signed, and who may send is decided by the socket's folder.
    fn verify(_: &[u8], _: &[SigningKey]) -> Result<(), &'static str> {
        Ok(())
    }

    fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
        match Reading::of(datagram) {
            Err(reason) => Redacted::refused(reason),
            Ok(mut reading) => {
                rules.tags(&mut reading.tags);
                Redacted { datagram: Some(reading.to_json().to_string().into_bytes()), ..Redacted::default() }
            }
        }
    }

    fn enter(_: &[u8], _: Entry, _: &mut super::Scratch, _: &mut impl InOrder, _: &mut Decoded) {}

    fn decode(datagram: &[u8], at: Entry, _: &mut super::Scratch, out: &mut Decoded) {
        match Reading::of(datagram) {
            Err(reason) => out.reject(at, reason, 1, datagram),
            Ok(reading) => out.samples.push(OwnedSample {
                kind: reading.kind,
                value: reading.value,
                rate: 1.0,
                name: reading.into_series(),
                tags: String::new(),
            }),
        }
    }

    fn describe(datagram: &[u8]) -> Result<Vec<Value>, String> {
        let reading = Reading::of(datagram)?;
        let tags: serde_json::Map<_, _> =
            reading.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        let (name, kind, value) = (reading.name(), reading.kind.name(), reading.value);
        Ok(vec![json!({"name": name, "kind": kind, "value": value, "tags": tags})])
    }
}

#[cfg(test)]
mod tests;
