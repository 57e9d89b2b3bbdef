//! Lists of any size as lists of a bounded size for the journal, whose spans are not looked into.
use super::format::PROTO;
use crate::format::ITEM_BYTES_TARGET;
use crate::format::metlog_json::array_items;
use crate::format::otlp::proto::{Cursor, Value, put_varint};
use crate::format::thrift::write::{Writer, code};
use crate::format::thrift::{Binary, Kind, Protocol, Result};

/// A JSON array.
///
/// # Errors
/// In words, where it is none.
pub fn json(bytes: &[u8]) -> std::result::Result<Vec<Vec<u8>>, String> {
    let mut lists = Vec::new();
    let mut list: Vec<u8> = Vec::new();
    for item in array_items(bytes.trim_ascii())? {
        list.push(if list.is_empty() { b'[' } else { b',' });
        list.extend_from_slice(item);
        if list.len() >= ITEM_BYTES_TARGET {
            list.push(b']');
            lists.push(std::mem::take(&mut list));
        }
    }
    if !list.is_empty() {
        list.push(b']');
        lists.push(list);
    }
    Ok(lists)
}

/// A list in Thrift's binary protocol.
///
/// # Errors
/// Where it is none: then nothing of it is to be taken.
pub fn thrift(bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut from = Binary::new(bytes);
    let (kind, mut left) = from.list()?;
    if kind != Kind::Struct && left > 0 {
        return Err(crate::format::thrift::Error::Malformed);
    }
    let mut lists = Vec::new();
    while left > 0 {
        let start = from.rest();
        let mut taken = 0;
        while taken < left && start.len() - from.rest().len() < ITEM_BYTES_TARGET {
            from.skip_element(kind)?;
            taken += 1;
        }
        left -= taken;
        let mut writer = Writer::default();
        writer.list(code::STRUCT, taken).raw(&start[..start.len() - from.rest().len()]);
        lists.push(writer.bytes);
    }
    Ok(lists)
}

/// A `ListOfSpans`; `None`: it is none.
pub fn proto(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut lists = Vec::new();
    let mut list = Vec::new();
    let mut cursor = Cursor::new(bytes);
    while let Some((field, value)) = cursor.next().ok()? {
        let (1, Value::Bytes(span)) = (field, value) else { continue };
        list.push(PROTO);
        put_varint(span.len() as u64, &mut list);
        list.extend_from_slice(span);
        if list.len() >= ITEM_BYTES_TARGET {
            lists.push(std::mem::take(&mut list));
        }
    }
    if !list.is_empty() {
        lists.push(list);
    }
    Some(lists)
}
