//! Any bytes as a request of OTLP, in protobuf or JSON: each item is counted once, taken or refused.
#![no_main]
use libfuzzer_sys::fuzz_target;
use metlog_schemas::format::otlp::{self, Signal, json};
use metlog_schemas::format::statsd::Sample;
use metlog_schemas::format::{self, Decoded, Entry, InOrder, Scratch, Verdict};
use metlog_schemas::wire::v1::{Header, Heartbeat};

/// State that takes everything.
struct Anything;

impl InOrder for Anything {
    fn sender(&mut self, _: &Header<'_>, _: i64) -> Verdict {
        Verdict::New
    }
    fn heartbeat(&mut self, _: &Header<'_>, _: &Heartbeat, _: i64) {}
    fn add(&mut self, _: &Sample<'_>) -> Result<(), &'static str> {
        Ok(())
    }
    fn packet(&mut self, _: u64) {}
    fn bad_line(&mut self) {}
}

fn check(signal: Signal, request: &[u8]) {
    let (mut scratch, mut out) = (Scratch::default(), Decoded::default());
    let at = Entry { index: 0, received_at: 7 };
    scratch.begin();
    format::enter(signal.code(), request, at, &mut scratch, &mut Anything, &mut out);
    format::decode(signal.code(), request, at, &mut scratch, &mut out);
    let refused: u64 = out.counts.rejected.iter().map(|(_, count)| count).sum();
    assert_eq!(out.counts.received, out.counts.facts + refused);
    if let Ok(count) = otlp::count(signal, request) {
        assert_eq!(out.counts.received, count);
    }
    assert_eq!(out.rows.len() as u64, out.counts.facts);
    out.rows.batches().expect("rows make batches");
    let _ = format::describe(signal.code(), request);
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, request)) = bytes.split_first() else { return };
    let signal = [Signal::Traces, Signal::Logs, Signal::Metrics][usize::from(first % 3)];
    if first & 0x80 == 0 {
        return check(signal, request);
    }
    if let Ok(rewritten) = json::to_protobuf(signal.request(), request) {
        assert!(otlp::count(signal, &rewritten).is_ok());
        check(signal, &rewritten);
    }
});
