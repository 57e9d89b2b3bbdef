//! What is told of datagrams and of the records of a segment.
use super::*;
use crate::journal::record::Builder;

fn told_of(bytes: &[u8]) -> Vec<Value> {
    let mut told = Vec::new();
    decode(bytes, &mut |value| told.push(value)).unwrap();
    told
}

#[test]
fn each_statsd_value_is_told_with_its_line() {
    let told = told_of(b"a b:1:2|c|@0.5|#y:2,x\r\n\ndepth:-3|g\nwho:7a|s\nt:1.5|ms\nbad");
    let counter = |value: f64| {
        json!({
            "statsd": "a b:1:2|c|@0.5|#y:2,x", "name": "a_b", "kind": "counter", "value": value, "rate": 0.5,
            "tags": {"x": "true", "y": "2"},
        })
    };
    assert_eq!(told[..2], [counter(1.0), counter(2.0)]);
    let gauge = json!({
        "statsd": "depth:-3|g", "name": "depth", "kind": "gauge", "value": -3.0, "rate": 1.0, "tags": {}, "delta": true,
    });
    assert_eq!(told[2], gauge);
    assert_eq!((&told[3]["kind"], &told[3]["value"]), (&json!("set"), &json!("7a")));
    assert_eq!((&told[4]["kind"], &told[4]["value"]), (&json!("timer"), &json!(1.5)));
    assert_eq!(told[5], json!({"statsd": "bad", "refused": "no_value", "bytes": "bad"}));
    assert_eq!(told.len(), 6);
}

#[test]
fn events_and_checks_are_told_as_messages() {
    let told = told_of(b"_e{1,2}:t|xy|d:10|#k:v\n_sc|redis|2");
    assert_eq!((&told[0]["type"], &told[0]["payload"]), (&json!("event"), &json!("xy")));
    assert_eq!((&told[0]["timestamp"], &told[0]["fields"]["tag.k"]), (&json!(10_000_000), &json!("v")));
    assert_eq!((&told[1]["type"], &told[1]["timestamp"]), (&json!("service_check"), &Value::Null));
    assert_eq!(told[1]["statsd"], "_sc|redis|2");
}

#[test]
fn a_segment_is_told_record_by_record() {
    let mut totals = Totals::default();
    totals.reject("empty", 2);
    let framing = Framing::salted(7);
    let (mut lines, mut tally) = (Builder::default(), Builder::default());
    lines.begin(3);
    lines.datagram(b"a:1|c\nbad");
    lines.datagram(b"b:2|c");
    tally.begin(code::COUNTS);
    tally.raw(&serde_json::to_vec(&totals).unwrap());
    let told = told_of(&[&framing.head()[..], lines.finish(framing, 5), tally.finish(framing, 6)].concat());
    assert_eq!((&told[0]["kind"], &told[0]["received_at"]), (&json!("statsd"), &json!(5)));
    let datagrams = &told[0]["datagrams"];
    assert_eq!((&datagrams[0][0]["name"], &datagrams[0][1]["refused"]), (&json!("a"), &json!("no_value")));
    assert_eq!(datagrams[1][0]["value"], 2.0);
    assert_eq!((&told[1]["kind"], &told[1]["datagrams"]), (&json!("tally"), &json!([])));
    assert_eq!(told[1]["totals"]["received"], 2);
    assert_eq!(told[1]["totals"]["rejected"], json!({"empty": 2}));
}

#[test]
fn what_is_nothing_of_ours_is_refused() {
    for bytes in [&b"neither"[..], b"", b"\n\n"] {
        assert!(decode(bytes, &mut |value| panic!("{value}")).is_err());
    }
}

#[test]
fn a_heartbeat_says_whose_it_is() {
    let encoder = metlog_schemas::wire::v1::Encoder::new(1_432, 9, 1, "h", "l", None);
    let expected = json!({
        "heartbeat_of": "0000000000000009", "next": 300, "opened_at": 5, "dropped": 2, "pid": 1, "hostname": "h",
        "logger": "l", "key_id": null,
    });
    assert_eq!(told_of(&encoder.heartbeat(5, 300, 2)), [expected]);
}
