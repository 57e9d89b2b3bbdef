//! Any bytes as a datagram of Jaeger: Thrift in both protocols, and protobuf: each span is a row or counted, and what is
//! allocated is no more than the bytes can hold.
#![no_main]
use libfuzzer_sys::fuzz_target;
use metlog_schemas::format::{self, Decoded, Entry, Scratch, jaeger};
use metlog_schemas::rows::MessageRows;
use metlog_schemas::span::SpanRows;

fuzz_target!(|bytes: &[u8]| {
    let (mut scratch, mut out) = (Scratch::default(), Decoded::default());
    let at = Entry { index: 0, received_at: 1_700_000_000_000_000 };
    scratch.begin();
    format::decode(jaeger::CODE, bytes, at, &mut scratch, &mut out);
    let rejected: u64 = out.counts.rejected.iter().map(|(_, count)| count).sum();
    assert_eq!(out.counts.received, out.counts.facts + rejected);
    assert!(out.counts.received <= 2 * bytes.len() as u64 + 2);
    assert!(format::count(jaeger::CODE, bytes) <= bytes.len() as u64 + 1);
    let spans = out.rows.of::<SpanRows>().finish().expect("rows make a batch").num_rows();
    let messages = out.rows.of::<MessageRows>().finish().expect("rows make a batch").num_rows();
    assert_eq!((spans + messages) as u64, out.counts.facts);
    let _ = format::describe(jaeger::CODE, bytes);
});
