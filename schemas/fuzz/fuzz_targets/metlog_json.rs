//! Any bytes as a datagram of Metlog JSON: divided, decoded, and pushed as rows.
#![no_main]
use libfuzzer_sys::fuzz_target;
use metlog_schemas::metlog_json::{Decoder, objects, statistic};
use metlog_schemas::rows::Rows;
use metlog_schemas::time::{TIMESTAMP_END, TIMESTAMP_MIN};

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::default();
    let mut rows = Rows::default();
    let mut messages = 0;
    for object in objects(bytes) {
        assert!(!object.trim_ascii().is_empty());
        let Ok(row) = decoder.decode(object, &mut rows) else { continue };
        assert!(row.timestamp.is_none_or(|timestamp| (TIMESTAMP_MIN..TIMESTAMP_END).contains(&timestamp)));
        if let Some(Ok(statistic)) = statistic(&row) {
            assert!(statistic.value.is_finite() && statistic.rate > 0.0);
        }
        row.commit(1);
        messages += 1;
    }
    assert_eq!(rows.finish().expect("rows make a batch").num_rows(), messages);
});
