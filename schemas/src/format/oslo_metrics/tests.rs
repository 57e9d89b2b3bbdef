//! What the real client sends, and what it never would.
use super::*;
use crate::format::{self, Scratch as All};

/// As oslo.messaging 18.3.1 sends them for a call, a cast, and a call that raises.
const REAL: &str = include_str!("../../../examples/oslo_metrics.real.pass.txt");

fn decoded(datagram: &str) -> Decoded {
    let (mut scratch, mut out) = (All::default(), Decoded::default());
    scratch.begin();
    format::decode(CODE, datagram.as_bytes(), Entry { index: 0, received_at: 0 }, &mut scratch, &mut out);
    out
}

fn series(datagram: &str) -> Result<(Kind, String, f64), &'static str> {
    let mut out = decoded(datagram);
    match out.samples.pop() {
        Some(sample) => Ok((sample.kind, sample.name, sample.value)),
        None => Err(out.counts.rejected[0].0),
    }
}

fn metric(name: &str, action: &str, labels: &str) -> String {
    format!(r#"{{"module": "oslo_messaging", "name": "{name}", "action": {action}, "labels": {labels}}}"#)
}

#[test]
fn what_the_real_client_sends_is_read() {
    let all: Vec<_> = REAL.lines().map(|line| series(line).unwrap()).collect();
    let of = |name: &str| all.iter().filter(|(_, series, _)| series.starts_with(name)).collect::<Vec<_>>();
    let starts = of("oslo_messaging.rpc_client_invocation_start_total;");
    assert_eq!((starts.len(), starts[0].0, starts[0].2), (3, Kind::Counter, 1.0));
    assert_eq!(starts[0].1, "oslo_messaging.rpc_client_invocation_start_total;call_type=call;method=ping;process=nova-api;topic=t;version=1.0");
    let seconds = of("oslo_messaging.rpc_client_processing_seconds;");
    assert!(seconds.iter().all(|(kind, _, value)| *kind == Kind::Timer && (0.0..5.0).contains(value)), "{seconds:?}");
    assert!(of("oslo_messaging.rpc_client_exception_total;").iter().all(|(_, series, _)| series.contains(";exception=ValueError;")));
}

#[test]
fn labels_of_every_type_are_tags() {
    let labels = r#"{"z":"a,b|c:d","a;=b":"x;y","timeout":60,"fanout":true,"none":null,"empty":" ","ü":"~é"}"#;
    let (kind, name, value) = series(&metric("n x", r#"{"action":"inc","value":"2.5"}"#, labels)).unwrap();
    assert_eq!((kind, value), (Kind::Counter, 2.5));
    assert_eq!(name, "oslo_messaging.n_x;a__b=x_y;fanout=true;timeout=60;z=a,b|c:d;ü=_é");
    let canonical = format::statsd::canonical(name.as_bytes(), b"").unwrap();
    assert_eq!(canonical.1.len(), 5, "{canonical:?}");
}

#[test]
fn what_is_wrong_is_refused_with_a_reason() {
    let inc = r#"{"action":"inc","value":null}"#;
    for (datagram, reason) in [
        (String::new(), "empty"),
        ("x".into(), "not_json"),
        (r#"{"module": "a""#.into(), "not_json"),
        ("[1]".into(), "oslo_bad_metric"),
        ("{}".into(), "oslo_bad_metric"),
        (metric("n", inc, "[]"), "oslo_bad_metric"),
        (metric("n", "1", "{}"), "oslo_bad_metric"),
        (metric("", inc, "{}"), "no_name"),
        (metric("é", inc, "{}"), "no_name"),
        (metric("n", r#"{"action":"dec","value":1}"#, "{}"), "oslo_bad_action"),
        (metric("n", r#"{"action":"observe","value":null}"#, "{}"), "bad_value"),
        (metric("n", r#"{"action":"observe","value":-0.1}"#, "{}"), "bad_value"),
        (metric("n", r#"{"action":"inc","value":"inf"}"#, "{}"), "bad_value"),
        (metric("n", r#"{"action":"inc","value":NaN}"#, "{}"), "not_json"),
        (metric("n", inc, r#"{"a":[1]}"#), "oslo_bad_label"),
        (metric("n", inc, &format!("{}1{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000))), "not_json"),
        (format!("{}{}", metric("n", inc, "{}"), metric("n", inc, "{}")), "not_json"),
    ] {
        assert_eq!(series(&datagram).unwrap_err(), reason, "{datagram:.80}");
        let out = decoded(&datagram);
        assert_eq!((out.counts.received, out.counts.facts), (1, 0));
    }
}

#[test]
fn rules_reach_labels_and_what_no_rule_is_about_is_equal() {
    struct Mask;
    impl Redactor for Mask {
        fn message(&self, _: &mut crate::wire::Message) -> Result<(), &'static str> {
            Ok(())
        }
        fn tags(&self, tags: &mut Vec<(String, String)>) {
            tags.iter_mut().filter(|(key, _)| key == "server").for_each(|(_, value)| *value = "***".into());
        }
        fn covers_tag(&self, key: &str) -> bool {
            key == "server"
        }
    }
    let datagram = metric("n", r#"{"action":"observe","value":0.25}"#, r#"{"server":"host-7","topic":"a,b"}"#);
    let redacted = OsloMetrics::redact(datagram.as_bytes(), &Mask).datagram.unwrap();
    let redacted = String::from_utf8(redacted).unwrap();
    assert!(!redacted.contains("host-7"), "{redacted}");
    assert_eq!(series(&redacted), Ok((Kind::Timer, "oslo_messaging.n;server=***;topic=a,b".to_owned(), 0.25)));
}
