//! Any bytes as a wire v1 datagram: read, checked, and pushed as rows of messages and spans.
#![no_main]
use libfuzzer_sys::fuzz_target;
use metlog_schemas::rows::Rows;
use metlog_schemas::format::wire::{Wire, describe_span};
use metlog_schemas::format::{Decoded, Entry, Format, Scratch, decode};
use metlog_schemas::span::{SpanRows, otlp, read::Spans};
use metlog_schemas::wire::v1::{Datagram, Frame};

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
    let mut spans = SpanRows::default();
    for frame in datagram.frames() {
        if let Ok(Frame::Span(view)) = frame {
            describe_span(&view);
        }
    }
    let (mut scratch, mut out) = (Scratch::default(), Decoded::default());
    scratch.begin();
    decode(Wire::CODE, bytes, Entry { index: 0, received_at: 1 }, &mut scratch, &mut out);
    let span_rows = out.rows.of::<SpanRows>();
    std::mem::swap(span_rows, &mut spans);
    let batch = spans.finish().expect("spans make a batch");
    assert_eq!(otlp::traces(Spans::new(&batch).expect("of the table").iter()).resource_spans.is_empty(), batch.num_rows() == 0);
    assert_eq!(rows.finish().expect("rows make a batch").num_rows(), messages);
});
