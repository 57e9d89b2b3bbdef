//! Zipkin as it is taken in.
use super::{json, proto, thrift};
use crate::format::metlog_json::array_items;
use crate::format::thrift::{Binary, Protocol};
use crate::format::{Decoded, Entry, Format, InOrder, Redacted, Redactor, Socket};
use crate::wire::v1::SigningKey;
use serde_json::Value;

/// See the parent module.
#[derive(Debug)]
pub struct Zipkin;

/// The code of its records.
pub const CODE: u8 = 41;

/// The first byte of a list of structs in Thrift's binary protocol.
pub(super) const THRIFT: u8 = 0x0c;
/// The first byte of a `ListOfSpans`: its only field.
pub(super) const PROTO: u8 = 0x0a;

impl Format for Zipkin {
    const NAME: &'static str = "zipkin";
    const CODE: u8 = CODE;
    const CODE_NAME: &'static str = "zipkin";
    const IS_WHOLE: bool = true;
    const SOCKETS: &'static [Socket] = &[];

    fn recognises(datagram: &[u8]) -> bool {
        matches!(datagram.first(), Some(b'[' | &THRIFT | &PROTO))
    }

    fn count(datagram: &[u8]) -> u64 {
        let count = match datagram.first() {
            Some(b'[') => array_items(datagram).map_or(1, |items| items.len()),
            Some(&THRIFT) => Binary::new(datagram).list().map_or(1, |(_, len)| len),
            _ => proto::count(datagram),
        };
        count.max(1) as u64
    }

    /// Nothing in it is signed, and nobody asks for it.
    fn verify(_: &[u8], _: &[SigningKey]) -> Result<(), &'static str> {
        Ok(())
    }

    fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
        crate::format::spans::redact::<Zipkin>(datagram, rules)
    }

    fn enter(_: &[u8], _: Entry, _: &mut crate::format::Scratch, _: &mut impl InOrder, _: &mut Decoded) {}

    fn decode(datagram: &[u8], at: Entry, _: &mut crate::format::Scratch, out: &mut Decoded) {
        match datagram.first() {
            Some(b'[') => json::decode(datagram, at, out),
            Some(&THRIFT) => thrift::decode_list(Binary::new(datagram), at, out),
            _ => proto::decode(datagram, at, out),
        }
    }

    fn describe(datagram: &[u8]) -> Result<Vec<Value>, String> {
        crate::format::spans::describe::<Zipkin>(datagram)
    }
}
