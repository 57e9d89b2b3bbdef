//! What a client says of its own losses, for the ledger: the number of each batch, and what it dropped.
//!
//! Clients that number their batches have a tag `client-uuid` in their process. A number that comes twice changes the
//! counts only: two processes that a fork made share the tag, and what either sends must be stored.
use super::batch::each_tag;
use crate::format::thrift::write::{Writer, call, code};
use crate::format::thrift::{Kind, Protocol, Result};
use crate::format::{Entry, InOrder};
use crate::span::Value;
use crate::wire::v1::Header;

/// What is read of a batch.
#[derive(Default)]
struct Found<'a> {
    service: &'a str,
    uuid: &'a str,
    hostname: &'a str,
    number: Option<i64>,
    dropped: u64,
}

/// Notes the batch of a datagram.
pub(super) fn note<'a, P: Protocol<'a>>(datagram: &'a [u8], at: Entry, state: &mut impl InOrder) {
    let Ok(Some(found)) = find(P::new(datagram)) else { return };
    // The first batch is number 1, the first datagram number 0.
    let Some(sequence) = found.number.and_then(|number| u64::try_from(number).ok()?.checked_sub(1)) else { return };
    let header = Header {
        sender: identity(found.service, found.uuid),
        sequence,
        opened_at: at.received_at,
        dropped: found.dropped,
        pid: 0,
        hostname: found.hostname,
        logger: found.service,
        key_id: None,
    };
    state.sender(&header, at.received_at);
}

/// A batch without spans that says of its sender what this one does; `None` where it says nothing.
pub(super) fn stub<'a, P: Protocol<'a>>(datagram: &'a [u8]) -> Option<Vec<u8>> {
    let found = find(P::new(datagram)).ok()??;
    let number = found.number?;
    let tags = [("client-uuid", found.uuid), ("hostname", found.hostname)];
    let mut writer = Writer::default();
    writer.call(b"emitBatch", call::ONE_WAY, 0, true).field(code::STRUCT, 1).field(code::STRUCT, 1);
    writer.field(code::BYTES, 1).string(found.service.as_bytes()).field(code::LIST, 2).list(code::STRUCT, tags.len());
    for (key, value) in tags {
        writer.field(code::BYTES, 1).string(key.as_bytes()).field(code::I32, 2).i32(0);
        writer.field(code::BYTES, 3).string(value.as_bytes()).stop();
    }
    writer.stop().field(code::LIST, 2).list(code::STRUCT, 0).field(code::I64, 3).i64(number);
    writer.field(code::STRUCT, 4).field(code::I64, 1).i64(found.dropped.cast_signed()).stop().stop().stop();
    Some(writer.bytes)
}

fn find<'a, P: Protocol<'a>>(mut from: P) -> Result<Option<Found<'a>>> {
    let mut found = Found::default();
    if from.call()?.name != b"emitBatch" || !matches!(from.field(&mut 0)?, Some((1, Kind::Struct))) {
        return Ok(None);
    }
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        match (id, kind) {
            (1, Kind::Struct) => {
                find_in_process(&mut from, &mut found)?;
                // Passing the spans takes time: not for a client that has nothing behind them.
                if found.uuid.is_empty() {
                    return Ok(None);
                }
            }
            (3, Kind::I64) => found.number = Some(from.i64()?),
            (4, Kind::Struct) => {
                let mut last = 0;
                while let Some((_, kind)) = from.field(&mut last)? {
                    match kind {
                        Kind::I64 => {
                            found.dropped = found.dropped.saturating_add(u64::try_from(from.i64()?).unwrap_or(0));
                        }
                        _ => from.skip(kind)?,
                    }
                }
            }
            _ => from.skip(kind)?,
        }
    }
    Ok(Some(found))
}

fn find_in_process<'a, P: Protocol<'a>>(from: &mut P, found: &mut Found<'a>) -> Result<()> {
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        match (id, kind) {
            (1, Kind::Bytes) => found.service = std::str::from_utf8(from.bytes()?).unwrap_or_default(),
            (2, Kind::List) => each_tag(from, |key, value| match (key, value) {
                ("client-uuid", Value::Str(uuid)) => found.uuid = uuid,
                ("hostname" | "host.name", Value::Str(name)) => found.hostname = name,
                _ => (),
            })?,
            _ => from.skip(kind)?,
        }
    }
    Ok(())
}

/// A sender's identity from its names, by FNV-1a with 64 bits.
fn identity(service: &str, uuid: &str) -> u64 {
    let bytes = ["jaeger", service, uuid].into_iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
