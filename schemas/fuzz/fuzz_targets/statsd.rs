//! Any bytes as a datagram of statsd lines.
#![no_main]
use libfuzzer_sys::fuzz_target;
use metlog_schemas::rows::Rows;
use metlog_schemas::statsd::{self, Annotation, Kind, Lines, Reason, Sample, Value};

/// Checks what every sample promises.
struct Check;

impl Lines for Check {
    fn sample(&mut self, sample: Sample<'_>) {
        assert!(!sample.name.is_empty() && !sample.name.contains(&b'\n'));
        assert!(sample.rate > 0.0 && sample.rate.is_finite());
        match sample.value {
            Value::Number(number) => assert!(number.is_finite() && sample.kind != Kind::Set),
            Value::Delta(number) => assert!(number.is_finite() && sample.kind == Kind::Gauge),
            Value::Member(member) => assert!(!member.is_empty() && sample.kind == Kind::Set),
        }
        if let Ok((name, tags)) = statsd::canonical(sample.name, sample.tags) {
            assert!(!name.is_empty() && tags.is_sorted_by(|a, b| a.0 < b.0));
        }
    }
    fn message(&mut self, message: &Annotation<'_>) {
        let mut rows = Rows::default();
        let mut row = rows.begin();
        message.write(&mut row);
        row.commit(1);
        assert_eq!(rows.finish().expect("rows make a batch").num_rows(), 1);
    }
    fn bad(&mut self, line: &[u8], _: Reason) {
        assert!(!line.is_empty());
    }
}

fuzz_target!(|bytes: &[u8]| {
    statsd::parse(bytes, &mut Check);
});
