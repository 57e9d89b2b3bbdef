//! Requests to a collector, checked as a whole before anything of them is taken.
use super::proto::each;
use crate::format::otlp::proto::Cursor;
use crate::format::thrift::write::{Writer, call, code};
use crate::format::thrift::{Binary, Error, Kind, Protocol, Result};

/// A Thrift `Batch` in the binary protocol, as collectors take it over HTTP, in the envelope of a datagram.
///
/// # Errors
/// Where it is no whole struct.
pub fn batch(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut whole = Binary::new(bytes);
    whole.skip(Kind::Struct)?;
    if !whole.rest().is_empty() {
        return Err(Error::Malformed);
    }
    let mut writer = Writer::default();
    writer.call(b"emitBatch", call::ONE_WAY, 0, true).field(code::STRUCT, 1).raw(bytes).stop();
    Ok(writer.bytes)
}

/// True for a `PostSpansRequest` whose outer structure is whole.
pub fn is_post_spans(bytes: &[u8]) -> bool {
    let is_whole = |message| {
        let mut cursor = Cursor::new(message);
        while cursor.next().ok()?.is_some() {}
        Some(())
    };
    is_whole(bytes).is_some() && each(bytes, 1).all(|batch| is_whole(batch).is_some())
}
