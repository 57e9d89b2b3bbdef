//! Any bytes as a datagram of oslo.metrics: it is one value or one refusal, and what is left of it after rules is read as
//! the same value.
#![no_main]
use libfuzzer_sys::fuzz_target;
use metlog_schemas::format::statsd::canonical;
use metlog_schemas::format::{self, Decoded, Entry, Redactor, Scratch, oslo_metrics};
use metlog_schemas::wire::Message;

struct Nothing;

impl Redactor for Nothing {
    fn message(&self, _: &mut Message) -> Result<(), &'static str> {
        Ok(())
    }
    fn tags(&self, _: &mut Vec<(String, String)>) {}
    fn covers_tag(&self, _: &str) -> bool {
        false
    }
}

fn decoded(bytes: &[u8]) -> Decoded {
    let (mut scratch, mut out) = (Scratch::default(), Decoded::default());
    scratch.begin();
    format::decode(oslo_metrics::CODE, bytes, Entry { index: 0, received_at: 0 }, &mut scratch, &mut out);
    out
}

fuzz_target!(|bytes: &[u8]| {
    let out = decoded(bytes);
    assert_eq!(out.samples.len() as u64 + out.counts.received, 1);
    let left = format::redact(oslo_metrics::CODE, bytes, &Nothing).datagram;
    assert_eq!(left.is_some(), out.samples.len() == 1);
    if let (Some(left), Some(sample)) = (left, out.samples.first()) {
        let again = decoded(&left).samples.pop().expect("it was good");
        assert_eq!((again.kind, again.value), (sample.kind, sample.value));
        assert_eq!(canonical(again.name.as_bytes(), b""), canonical(sample.name.as_bytes(), b""));
    }
    let _ = format::describe(oslo_metrics::CODE, bytes);
});
