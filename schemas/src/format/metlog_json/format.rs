//! Metlog JSON as it is taken in: one object or many in a datagram.
use super::{Decoder, is_json, objects, redact, statistic};
use crate::format::{Decoded, Entry, Format, InOrder, Options, OwnedSample, Redacted, Redactor, Socket, describe};
use crate::rows::{MessageRows, Row, Text};
use crate::wire::v1::SigningKey;
use serde_json::Value;

/// See the parent module.
#[derive(Debug)]
pub struct MetlogJson;

/// The decoder, whose memory serves one message after the other.
#[derive(Debug, Default)]
pub struct Scratch {
    decoder: Decoder,
}

impl Scratch {
    pub(in crate::format) fn begin(&mut self) {}
}

/// It comes by the sockets of the wire.
pub(in crate::format) const CODE: u8 = 2;

impl Format for MetlogJson {
    const NAME: &'static str = "metlog_json";
    const CODE: u8 = CODE;
    const CODE_NAME: &'static str = "metlog";
    const SOCKETS: &'static [Socket] = &[];

    fn recognises(datagram: &[u8]) -> bool {
        is_json(datagram)
    }

    fn count(datagram: &[u8]) -> u64 {
        objects(datagram).count().max(1) as u64
    }

    /// Nothing in it is signed.
    fn verify(_: &[u8], _: &[SigningKey]) -> Result<(), &'static str> {
        Err("unsigned")
    }

    fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
        redact::redact(datagram, rules)
    }

    fn enter(_: &[u8], _: Entry, _: &mut crate::format::Scratch, _: &mut impl InOrder, _: &mut Decoded) {}

    fn decode(datagram: &[u8], at: Entry, scratch: &mut crate::format::Scratch, out: &mut Decoded) {
        for object in objects(datagram) {
            let row = match scratch.metlog_json.decoder.decode(object, out.rows.of::<MessageRows>()) {
                Ok(row) => row,
                Err(refusal) => {
                    out.reject(at, refusal.reason(), 1, object);
                    continue;
                }
            };
            match statistic(&row) {
                None => {
                    row.commit(at.received_at);
                    out.counts.fact();
                }
                Some(Err(refusal)) => out.reject(at, refusal.reason(), 1, object),
                Some(Ok(found)) => {
                    let super::Statistic { kind, name, value, rate } = found;
                    let tags = tags(&row, &scratch.options);
                    out.samples.push(OwnedSample { kind, name, tags, value, rate });
                }
            }
        }
    }

    fn describe(datagram: &[u8]) -> Result<Vec<Value>, String> {
        let (mut decoder, mut rows) = (Decoder::default(), MessageRows::default());
        let describe = |object| match decoder.decode(object, &mut rows) {
            Ok(row) => describe::message(&row.to_message(0), row.timestamp),
            Err(refusal) => describe::refused(refusal.reason(), object),
        };
        Ok(objects(datagram).map(describe).collect())
    }
}

/// The fields of a statistic that are to be its tags, as a statsd line has them.
fn tags(row: &Row<'_>, options: &Options) -> String {
    let mut tags = String::new();
    for key in &options.json_tags {
        let value = match row.field_value(key) {
            None if key == "hostname" => row.get(Text::Hostname),
            value => value.unwrap_or_default(),
        };
        if value.is_empty() {
            continue;
        }
        if !tags.is_empty() {
            tags.push(',');
        }
        // What would end the tag in a line.
        let clean = |text: &str| text.replace([',', '|', '\n'], "_");
        tags.push_str(&clean(key));
        tags.push(':');
        tags.push_str(&clean(value));
    }
    tags
}
