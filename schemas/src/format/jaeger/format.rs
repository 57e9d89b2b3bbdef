//! Jaeger as it is taken in.
use super::{batch, proto, sender};
use crate::format::thrift::{Binary, Call, Compact, Error, Kind, Protocol};
use crate::format::{Decoded, Entry, Format, InOrder, Redacted, Redactor, Socket, Transport, zipkin};
use crate::span::SpanRows;
use crate::wire::v1::SigningKey;
use serde_json::Value;

/// See the parent module.
#[derive(Debug)]
pub struct Jaeger;

/// The code of its records.
pub const CODE: u8 = 40;

/// The first byte of Thrift's compact protocol.
const COMPACT: u8 = 0x82;
/// The first byte of Thrift's binary protocol in its strict form, and in the old one, which begins with a length.
const BINARY: [u8; 2] = [0x80, 0x00];
/// The first byte of a `PostSpansRequest`: its only field.
const PROTO: u8 = 0x0a;

const fn socket(key: &'static str, port: u16) -> Socket {
    Socket { key, name: key, code: CODE, transport: Transport::Udp, default_port: Some(port), yields: true }
}

impl Format for Jaeger {
    const NAME: &'static str = "jaeger";
    const CODE: u8 = CODE;
    const CODE_NAME: &'static str = "jaeger";
    const SOCKETS: &'static [Socket] = &[socket("jaeger_compact", 6831), socket("jaeger_binary", 6832)];

    fn recognises(datagram: &[u8]) -> bool {
        datagram.first().is_some_and(|first| [COMPACT, PROTO].contains(first) || BINARY.contains(first))
    }

    fn count(datagram: &[u8]) -> u64 {
        let count = match datagram.first() {
            Some(&COMPACT) => count::<Compact<'_>>(datagram),
            Some(&PROTO) => Ok(proto::count(datagram)),
            _ => count::<Binary<'_>>(datagram),
        };
        count.unwrap_or(1).max(1)
    }

    /// Nothing in it is signed, and nobody asks for it.
    fn verify(_: &[u8], _: &[SigningKey]) -> Result<(), &'static str> {
        Ok(())
    }

    fn redact(datagram: &[u8], rules: &dyn Redactor) -> Redacted {
        let stub = match datagram.first() {
            Some(&COMPACT) => sender::stub::<Compact<'_>>(datagram),
            Some(&PROTO) => None,
            _ => sender::stub::<Binary<'_>>(datagram),
        };
        // Its number counts even where nothing else of it is left.
        Redacted { datagram: stub, ..crate::format::spans::redact::<Jaeger>(datagram, rules) }
    }

    fn enter(datagram: &[u8], at: Entry, _: &mut crate::format::Scratch, state: &mut impl InOrder, _: &mut Decoded) {
        match datagram.first() {
            Some(&COMPACT) => sender::note::<Compact<'_>>(datagram, at, state),
            Some(&PROTO) => (),
            _ => sender::note::<Binary<'_>>(datagram, at, state),
        }
    }

    fn decode(datagram: &[u8], at: Entry, _: &mut crate::format::Scratch, out: &mut Decoded) {
        match datagram.first() {
            Some(&COMPACT) => decode::<Compact<'_>>(datagram, at, out),
            Some(&PROTO) => proto::decode(datagram, at, out),
            _ => decode::<Binary<'_>>(datagram, at, out),
        }
    }

    fn describe(datagram: &[u8]) -> Result<Vec<Value>, String> {
        crate::format::spans::describe::<Jaeger>(datagram)
    }
}

/// What a datagram calls.
enum Method {
    Batch,
    Zipkin,
}

/// Reads the head of a call up to its only argument.
fn method<'a, P: Protocol<'a>>(from: &mut P, of: Kind) -> Result<(), Error> {
    match from.field(&mut 0)? {
        Some((1, kind)) if kind == of => Ok(()),
        _ => Err(Error::Malformed),
    }
}

/// The method, with the input at its argument. `Err(None)`: a method that is not known.
fn call<'a, P: Protocol<'a>>(from: &mut P) -> Result<Method, Option<Error>> {
    let Call { name, .. } = from.call().map_err(Some)?;
    match name {
        b"emitBatch" => method(from, Kind::Struct).map(|()| Method::Batch).map_err(Some),
        b"emitZipkinBatch" => method(from, Kind::List).map(|()| Method::Zipkin).map_err(Some),
        _ => Err(None),
    }
}

fn count<'a, P: Protocol<'a>>(datagram: &'a [u8]) -> Result<u64, Error> {
    let mut from = P::new(datagram);
    match call(&mut from).map_err(|error| error.unwrap_or(Error::Malformed))? {
        Method::Batch => batch::count(&mut from),
        Method::Zipkin => Ok(from.list()?.1 as u64),
    }
}

fn decode<'a, P: Protocol<'a>>(datagram: &'a [u8], at: Entry, out: &mut Decoded) {
    let mut from = P::new(datagram);
    match call(&mut from) {
        Ok(Method::Batch) => batch::decode(from, at, out),
        Ok(Method::Zipkin) => zipkin::thrift::decode_list(from, at, out),
        Err(None) => out.reject(at, "jaeger_unknown_method", 1, datagram),
        Err(Some(error)) => out.reject(at, error.reason(), 1, datagram),
    }
}

/// The rows that spans go into.
pub(super) fn rows(out: &mut Decoded) -> &mut SpanRows {
    out.rows.of::<SpanRows>()
}
