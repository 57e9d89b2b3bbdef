//! Lists of spans, checked as a whole before anything of them is taken.
use crate::format::metlog_json::array_items;
use crate::format::otlp::proto::Cursor;
use crate::format::thrift::{Binary, Kind, Protocol};

/// Checks a JSON array.
///
/// # Errors
/// In words, where it is none.
pub fn check_json(bytes: &[u8]) -> Result<(), String> {
    array_items(bytes).map(drop)
}

/// True for a list of structs in Thrift's binary protocol.
pub fn is_thrift(bytes: &[u8]) -> bool {
    let mut from = Binary::new(bytes);
    let Ok((kind, len)) = from.list() else { return false };
    (kind == Kind::Struct || len == 0)
        && (0..len).all(|_| from.skip_element(kind).is_ok())
        && from.rest().is_empty()
}

/// True for a `ListOfSpans` whose outer structure is whole.
pub fn is_proto(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    loop {
        match cursor.next() {
            Ok(Some(_)) => (),
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
