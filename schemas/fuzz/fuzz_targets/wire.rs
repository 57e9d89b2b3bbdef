//! Any bytes as a wire v1 datagram: read, checked, and pushed as rows.
#![no_main]
use libfuzzer_sys::fuzz_target;
use metlog_schemas::rows::Rows;
use metlog_schemas::wire::v1::Datagram;

fuzz_target!(|bytes: &[u8]| {
    let Ok(datagram) = Datagram::decode(bytes) else { return };
    let _ = datagram.verify(b"key");
    if let Some(heartbeat) = datagram.heartbeat {
        assert!(datagram.messages().next().is_none(), "{heartbeat:?} holds messages");
    }
    let mut rows = Rows::default();
    let mut messages = 0;
    for message in datagram.messages().flatten() {
        assert_eq!(message.to_message().tokens.len(), message.tokens.count());
        rows.push_view(&message, 1);
        messages += 1;
    }
    assert_eq!(rows.finish().expect("rows make a batch").num_rows(), messages);
});
