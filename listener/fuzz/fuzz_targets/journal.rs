//! Any bytes as a file that `decode` is given: a datagram, or a journal segment with whole, torn and corrupt records.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut end = 8;
    let segment = [b"METLOGJ1", bytes].concat();
    let told = metlog_listener::decode(&segment, &mut |value| {
        let at = value["at"].as_u64().expect("each part of a segment has its place");
        assert!(at >= end || at == 8, "places grow");
        end = at + 1;
    });
    assert!(told.is_ok(), "no segment is refused as a whole");
    let _ = metlog_listener::decode(bytes, &mut |_| ());
});
