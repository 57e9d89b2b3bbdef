//! Requests of any size as items of a bounded size for the journal: each has the process and some of the spans, as bytes
//! that are not looked into.
use super::batch;
use super::proto::each;
use crate::format::ITEM_BYTES_TARGET;
use crate::format::otlp::proto::Cursor;
use crate::format::thrift::write::{Writer, call, code};
use crate::format::thrift::{Binary, Kind, Protocol, Result};

/// A Thrift `Batch` in the binary protocol, as datagrams with the same content. None for a batch without spans.
///
/// # Errors
/// Where it is no such batch: then nothing of it is to be taken.
pub fn batch(bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut whole = Binary::new(bytes);
    whole.skip(Kind::Struct)?;
    let parts = batch::parts(&mut Binary::new(bytes))?;
    let process = match parts.process {
        Some(mut process) => {
            let start = process.rest();
            process.skip(Kind::Struct)?;
            &start[..start.len() - process.rest().len()]
        }
        None => &[0][..],
    };
    let Some(mut spans) = parts.spans else { return Ok(Vec::new()) };
    let (kind, len) = spans.list()?;
    let mut items = Vec::new();
    let mut left = len;
    while left > 0 {
        let start = spans.rest();
        let mut taken = 0;
        while taken < left && start.len() - spans.rest().len() < ITEM_BYTES_TARGET {
            spans.skip_element(kind)?;
            taken += 1;
        }
        left -= taken;
        let mut writer = Writer::default();
        writer.call(b"emitBatch", call::ONE_WAY, 0, true).field(code::STRUCT, 1);
        writer.field(code::STRUCT, 1).raw(process);
        writer.field(code::LIST, 2).list(code::STRUCT, taken).raw(&start[..start.len() - spans.rest().len()]);
        writer.stop().stop();
        items.push(writer.bytes);
    }
    Ok(items)
}

/// A `PostSpansRequest`, as smaller ones with the same content. None for a request without spans; `None`: it is no such
/// request.
pub fn request(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let is_whole = |message| {
        let mut cursor = Cursor::new(message);
        while cursor.next().ok()?.is_some() {}
        Some(())
    };
    is_whole(bytes)?;
    let mut items = Vec::new();
    for batch in each(bytes, 1) {
        is_whole(batch)?;
        let process = each(batch, 2).last().unwrap_or_default();
        let mut body = Vec::new();
        for span in each(batch, 1) {
            put(1, span, &mut body);
            if body.len() >= ITEM_BYTES_TARGET {
                items.push(post(&mut body, process));
            }
        }
        if !body.is_empty() {
            items.push(post(&mut body, process));
        }
    }
    Some(items)
}

fn post(body: &mut Vec<u8>, process: &[u8]) -> Vec<u8> {
    let mut batch = std::mem::take(body);
    put(2, process, &mut batch);
    let mut request = Vec::new();
    put(1, &batch, &mut request);
    request
}

/// Appends a message as a field.
fn put(field: u8, message: &[u8], to: &mut Vec<u8>) {
    to.push(field << 3 | 2);
    crate::format::otlp::proto::put_varint(message.len() as u64, to);
    to.extend_from_slice(message);
}
