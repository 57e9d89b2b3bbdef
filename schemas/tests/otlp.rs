//! OTLP requests: what is taken comes back equal, whichever form it came in, and nothing that anybody sends is more than
//! refused and counted.
#![allow(clippy::unwrap_used)]
mod any_trace;

use any_trace::{flat, traces};
use arrow::array::RecordBatch;
use metlog_schemas::format::otlp::proto::{put_bytes, put_message};
use metlog_schemas::format::otlp::{self, Signal, json};
use metlog_schemas::format::statsd::Sample;
use metlog_schemas::format::{self, Decoded, Entry, InOrder, Scratch, Verdict};
use metlog_schemas::span::proto::{Resource, ResourceSpans, ScopeSpans, Span, TracesData};
use metlog_schemas::span::read::Spans;
use metlog_schemas::table::Table;
use metlog_schemas::wire::v1::{Header, Heartbeat};
use proptest::prelude::*;
use prost::Message;

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

fn decode(signal: Signal, request: &[u8]) -> Decoded {
    let (mut scratch, mut out) = (Scratch::default(), Decoded::default());
    let at = Entry { index: 0, received_at: 7 };
    scratch.begin();
    format::enter(signal.code(), request, at, &mut scratch, &mut Anything, &mut out);
    format::decode(signal.code(), request, at, &mut scratch, &mut out);
    out.settle(&mut Anything, at);
    out
}

fn rows(out: &mut Decoded, table: Table) -> Option<RecordBatch> {
    out.rows.batches().unwrap()[table].take()
}

fn back(out: &mut Decoded) -> TracesData {
    let batch = rows(out, Table::Spans);
    batch.map_or_else(TracesData::default, |batch| {
        metlog_schemas::span::otlp::traces(Spans::new(&batch).unwrap().iter())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Guarantees: OTLP in and OTLP out are equal, span for span, from protobuf and from JSON.
    #[test]
    fn spans_come_back_from_either_form(data in traces()) {
        let request = data.encode_to_vec();
        let spans = flat(&data).len() as u64;
        prop_assert_eq!(otlp::count(Signal::Traces, &request), Ok(spans));
        let mut out = decode(Signal::Traces, &request);
        prop_assert_eq!((out.counts.facts, &out.counts.rejected), (spans, &vec![]));
        prop_assert_eq!(flat(&back(&mut out)), flat(&data));
        let text = metlog_schemas::span::json::traces(&data).to_string();
        let rewritten = json::to_protobuf(Signal::Traces.request(), text.as_bytes()).unwrap();
        let mut out = decode(Signal::Traces, &rewritten);
        let again = metlog_schemas::span::json::traces(&back(&mut out)).to_string();
        let first = metlog_schemas::span::json::traces(&back(&mut decode(Signal::Traces, &request))).to_string();
        prop_assert_eq!(again, first);
    }

    /// Guarantees: each item of a request is counted once, taken or refused, whatever is wrong with it.
    #[test]
    fn damage_is_counted_item_by_item(data in traces(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut request = data.encode_to_vec();
        if !request.is_empty() {
            let at = at.index(request.len());
            request[at] = byte;
        }
        for signal in [Signal::Traces, Signal::Logs] {
            let mut out = decode(signal, &request);
            let refused: u64 = out.counts.rejected.iter().map(|(_, count)| count).sum();
            prop_assert_eq!(out.counts.received, out.counts.facts + refused);
            if let Ok(count) = otlp::count(signal, &request) {
                prop_assert_eq!(out.counts.received, count);
            }
            let table = if signal == Signal::Traces { Table::Spans } else { Table::Messages };
            prop_assert_eq!(rows(&mut out, table).map_or(0, |batch| batch.num_rows()) as u64, out.counts.facts);
        }
    }

    /// Guarantees: any bytes are no panic and no more rows than items.
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for signal in [Signal::Traces, Signal::Logs, Signal::Metrics] {
            let _ = otlp::count(signal, &bytes);
            let _ = json::to_protobuf(signal.request(), &bytes);
            decode(signal, &bytes);
            let _ = format::describe(signal.code(), &bytes);
        }
    }
}

fn span(trace_id: &[u8], span_id: &[u8], parent: &[u8]) -> Span {
    Span {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
        parent_span_id: parent.to_vec(),
        start_time_unix_nano: 1_544_712_660_000_000_000,
        ..Span::default()
    }
}

fn request(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource = Some(Resource::default());
    TracesData { resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }] }
        .encode_to_vec()
}

#[test]
fn ids_are_judged_span_by_span() {
    let (trace, id) = ([1u8; 16], [2u8; 8]);
    let late = Span { start_time_unix_nano: u64::MAX, ..span(&trace, &id, b"") };
    let out = decode(
        Signal::Traces,
        &request(vec![
            span(&trace, &id, b""),
            span(&trace, &id, &[0; 8]),
            span(b"", &id, b""),
            span(&[0; 16], &id, b""),
            span(&trace[..8], &id, b""),
            span(&trace, b"", b""),
            span(&trace, &[0; 8], b""),
            span(&trace, &trace, b""),
            span(&trace, &id, b"1"),
            late,
        ]),
    );
    assert_eq!((out.counts.received, out.counts.facts), (10, 3), "a start in 2554 is a time: {:?}", out.counts);
    let rejected =
        [("no_trace_id", 2), ("bad_trace_id", 1), ("no_span_id", 2), ("bad_span_id", 1), ("bad_parent_span_id", 1)];
    assert_eq!(out.counts.rejected, rejected);
}

#[test]
fn what_is_malformed_inside_refuses_no_more_than_it_must() {
    let good = span(&[1; 16], &[2; 8], b"").encode_to_vec();
    let scope = |spans: &[&[u8]], more: &[u8]| {
        let mut bytes = more.to_vec();
        spans.iter().for_each(|span| put_bytes(2, span, &mut bytes));
        bytes
    };
    let request = |resource: &[u8], scopes: &[Vec<u8>]| {
        let mut request = Vec::new();
        let _ = put_message(1, &mut request, |of| {
            put_bytes(1, resource, of);
            scopes.iter().for_each(|scope| put_bytes(2, scope, of));
            Ok::<(), ()>(())
        });
        request
    };
    let bad_name = [&good[..], b"\x2a\x01\xff"].concat();
    let cases = [
        (request(b"", &[scope(&[&good, &bad_name, b"\xff"], b"")]), 1, 2),
        // A scope whose name is no text: its spans, and not those of the next.
        (request(b"", &[scope(&[&good, &good], b"\x0a\x03\x0a\x01\xff"), scope(&[&good], b"")]), 1, 2),
        // A resource with an attribute that is none: all of them.
        (request(b"\x0a\x02\x0a\x09", &[scope(&[&good], b""), scope(&[&good], b"")]), 0, 2),
        (request(b"\x12\x00", &[scope(&[&good], b"")]), 0, 1),
    ];
    for (bytes, facts, malformed) in cases {
        let out = decode(Signal::Traces, &bytes);
        assert_eq!((out.counts.facts, out.counts.rejected), (facts, vec![("otlp_malformed", malformed)]), "{bytes:x?}");
        assert_eq!(out.rows.len() as u64, facts);
    }
}

#[test]
fn a_log_record_is_a_message() {
    let json = br#"{"resourceLogs":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"shop"}},{"key":"host.name","value":{"stringValue":"web-1"}},
        {"key":"process.pid","value":{"intValue":"17"}},{"key":"os","value":{"stringValue":"linux"}}]},
        "scopeLogs":[{"scope":{"name":"app.cart","version":"2","attributes":[{"key":"k","value":{"boolValue":true}}]},"logRecords":[
        {"timeUnixNano":"1544712660300000123","severityNumber":17,"severityText":"Error","body":{"stringValue":"no stock"},
         "attributes":[{"key":"item","value":{"intValue":"7"}}],"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
         "flags":1,"eventName":"cart.failed"},
        {"observedTimeUnixNano":"1544712661000000000","severityText":"warn","body":{"kvlistValue":{"values":[{"key":"a","value":
         {"arrayValue":{"values":[{"intValue":1},{"doubleValue":0.5}]}}}]}},"attributes":[{"key":"event.name","value":{"stringValue":"e"}}]},
        {}]}]}]}"#;
    let request = json::to_protobuf(Signal::Logs.request(), json).unwrap();
    assert_eq!(otlp::count(Signal::Logs, &request), Ok(3));
    let messages = format::describe(Signal::Logs.code(), &request).unwrap();
    let expected = serde_json::json!({
        "timestamp": 1_544_712_660_300_000_i64, "type": "cart.failed", "logger": "shop", "severity": 3, "hostname": "web-1",
        "pid": 17, "tokens": [], "payload": "no stock", "env_version": "",
        "fields": {"item": "7", "trace_id": "5b8efff798038103d269b633813fc60c", "span_id": "eee19b7ec3c1b174", "trace_flags": "1",
            "severity_text": "Error", "resource.os": "linux", "scope.name": "app.cart", "scope.version": "2", "scope.k": "true"},
    });
    assert_eq!(messages[0], expected);
    assert_eq!(messages[1]["payload"], r#"{"a":[1,0.5]}"#);
    assert_eq!((&messages[1]["type"], &messages[1]["severity"]), (&"e".into(), &4.into()));
    assert_eq!(
        (&messages[2]["type"], &messages[2]["severity"], &messages[2]["timestamp"]),
        (&"log".into(), &6.into(), &serde_json::Value::Null)
    );
    let mut out = decode(Signal::Logs, &request);
    assert_eq!((out.counts.received, out.counts.facts), (3, 3));
    assert_eq!(rows(&mut out, Table::Messages).unwrap().num_rows(), 3);
}

/// What a request takes up stays in proportion to its bytes, though each record has a copy of its resource.
#[test]
fn copies_of_a_resource_are_bounded() {
    let mut scope = Vec::new();
    (0..20_000).for_each(|_| put_bytes(2, b"", &mut scope));
    let mut request = Vec::new();
    let value = [b"\x0a\x80\x80\x04".to_vec(), vec![b'x'; 65_536]].concat();
    let _ = put_message(1, &mut request, |of| {
        put_message(1, of, |resource| {
            put_message(1, resource, |pair| {
                put_bytes(1, b"k", pair);
                put_bytes(2, &value, pair);
                Ok::<(), ()>(())
            })
        })?;
        put_bytes(2, &scope, of);
        Ok::<(), ()>(())
    });
    let out = decode(Signal::Logs, &request);
    assert!(out.rows.text_bytes() <= 65 << 20, "{}", out.rows.text_bytes());
    assert_eq!(out.counts.rejected, [("resource_too_large", 20_000 - out.counts.facts)]);
}

#[test]
fn points_are_rows_of_metrics() {
    let json = br#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},
        {"key":"host.name","value":{"stringValue":"web-1"}}]},"scopeMetrics":[{"scope":{"name":"lib"},"metrics":[
        {"name":"level","unit":"By","gauge":{"dataPoints":[{"timeUnixNano":"1544712660000000000","asInt":"7",
          "attributes":[{"key":"k","value":{"intValue":1}},{"key":"unit","value":{"stringValue":"own"}}]},
          {"timeUnixNano":"1544712660000000000","flags":1}]}},
        {"name":"grew","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[
          {"startTimeUnixNano":"1544712650000000000","timeUnixNano":"1544712660000000000","asDouble":2.5}]}},
        {"name":"up_down","sum":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1544712660000000000","asInt":"-3"}]}},
        {"name":"no_temporality","sum":{"dataPoints":[{"timeUnixNano":"1544712660000000000","asInt":"1"}]}},
        {"name":"took","histogram":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA","dataPoints":[
          {"startTimeUnixNano":"1544712650000000000","timeUnixNano":"1544712660000000000","count":"4","sum":21,"min":1,"max":12,
           "bucketCounts":["1","2","1"],"explicitBounds":[2,10]},
          {"timeUnixNano":"1544712660000000000","count":"5","bucketCounts":["1","2","1"],"explicitBounds":[2,10]}]}},
        {"name":"spread","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":"1544712660000000000",
          "count":"6","sum":3,"scale":0,"zeroCount":"1","positive":{"offset":-1,"bucketCounts":["1","2"]},
          "negative":{"offset":3,"bucketCounts":["2"]}}]}},
        {"name":"quantiles","summary":{"dataPoints":[{"timeUnixNano":"1544712660000000000","count":"2","sum":3}]}},
        {"name":"nothing"}]}]}]}"#;
    let request = json::to_protobuf(Signal::Metrics.request(), json).unwrap();
    assert_eq!(otlp::count(Signal::Metrics, &request), Ok(9));
    let mut out = decode(Signal::Metrics, &request);
    assert_eq!((out.counts.received, out.counts.facts), (9, 7));
    assert_eq!(out.counts.rejected, [("otlp_no_temporality", 1), ("otlp_bad_histogram", 1)]);
    let batch = rows(&mut out, Table::Metrics).unwrap();
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let found: Vec<serde_json::Value> = serde_json::from_slice(&writer.into_inner()).unwrap();
    let one = |name: &str| found.iter().find(|row| row["name"] == name).unwrap();
    let level = one("level");
    let tags =
        serde_json::json!({"k": "1", "unit": "own", "unit#2": "By", "service.name": "shop", "otel.scope.name": "lib"});
    assert_eq!((&level["kind"], &level["value"], &level["tags"]), (&"gauge".into(), &7.0.into(), &tags));
    assert_eq!((&level["hostname"], &level["timestamp"]), (&"web-1".into(), &"2018-12-13T14:51:00Z".into()));
    let grew = one("grew");
    assert_eq!((&grew["kind"], &grew["count"], &grew["sum"]), (&"counter".into(), &2.5.into(), &2.5.into()));
    assert_eq!((&grew["window_seconds"], &grew["window_start"]), (&10.0.into(), &"2018-12-13T14:50:50Z".into()));
    assert_eq!((&one("up_down")["kind"], &one("up_down")["value"]), (&"gauge".into(), &(-3.0).into()));
    let took = one("took");
    assert_eq!((&took["kind"], &took["count"], &took["samples"]), (&"timer".into(), &4.0.into(), &4.into()));
    assert_eq!((&took["sum"], &took["min"], &took["max"]), (&21.0.into(), &1.0.into(), &12.0.into()));
    assert_eq!(one("quantiles")["sum"], 3.0);
    let sketch = |name: &str| {
        let at = found.iter().position(|row| row["name"] == name).unwrap();
        let bytes = batch.column_by_name("sketch").unwrap();
        let bytes = arrow::array::AsArray::as_binary::<i32>(bytes.as_ref()).value(at).to_vec();
        sketches_ddsketch::DDSketch::from_java_bytes(&bytes).unwrap()
    };
    let (took, spread) = (sketch("took"), sketch("spread"));
    assert_eq!((took.count(), spread.count()), (4, 6));
    let near = |found: Option<f64>, expected: f64| assert!((found.unwrap() / expected - 1.0).abs() < 0.02, "{found:?}");
    near(took.quantile(0.5).unwrap(), 6.0);
    near(spread.quantile(0.0).unwrap(), -(2_f64.powf(3.5)));
    near(spread.quantile(1.0).unwrap(), 2_f64.powf(0.5));
}

/// Masks what is of the key `secret`, and replaces `hunter2` in what is said; refuses what is of the logger `gone`.
struct Hide;

impl format::Redactor for Hide {
    fn message(&self, message: &mut metlog_schemas::wire::Message) -> Result<(), &'static str> {
        if message.logger == "gone" || message.r#type == "gone" {
            return Err(format::DROPPED);
        }
        message.payload = message.payload.replace("hunter2", "***");
        message.fields.retain(|(key, _)| key != "drop");
        message.fields.iter_mut().filter(|(key, _)| key == "secret").for_each(|(_, value)| *value = "***".into());
        Ok(())
    }
    fn tags(&self, tags: &mut Vec<(String, String)>) {
        tags.iter_mut().filter(|(key, _)| key == "secret").for_each(|(_, value)| *value = "***".into());
    }
    fn covers_tag(&self, key: &str) -> bool {
        key == "secret"
    }
}

#[test]
fn rules_of_privacy_reach_every_attribute_and_name() {
    let secret = r#"[{"key":"secret","value":{"stringValue":"hunter2"}},{"key":"drop","value":{"intValue":"7331"}},
        {"key":"kept","value":{"intValue":"5"}},{"key":"text","value":{"stringValue":"is hunter2"}},
        {"key":"list","value":{"arrayValue":{"values":[{"stringValue":"hunter2"}]}}}]"#;
    let ids = r#""traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174""#;
    let of = |service: &str, spans: &str| {
        format!(
            r#"{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}},{}}},
            "scopeSpans":[{{"scope":{{"attributes":{secret}}},"spans":[{spans}]}}]}}"#,
            &secret[1..]
        )
    };
    let span = |name: &str| {
        format!(
            r#"{{{ids},"name":"{name}","startTimeUnixNano":"5000","attributes":{secret},"status":{{"message":"hunter2","code":2}},
            "events":[{{"name":"hunter2","attributes":{secret}}}],"links":[{{{ids},"attributes":{secret}}}]}}"#
        )
    };
    let spans = [span("see hunter2"), span("gone"), span("again")].join(",");
    let json = format!(r#"{{"resourceSpans":[{},{}]}}"#, of("shop", &spans), of("gone", &spans));
    let request = json::to_protobuf(Signal::Traces.request(), json.as_bytes()).unwrap();
    assert!(request.windows(7).any(|window| window == b"hunter2"));
    let left = format::redact(Signal::Traces.code(), &request, &Hide);
    assert_eq!(left.rejected, [("privacy", 1), ("privacy", 3)]);
    let datagram = left.datagram.unwrap();
    assert!(!datagram.windows(7).any(|window| window == b"hunter2"));
    let mut out = decode(Signal::Traces, &datagram);
    assert_eq!((out.counts.facts, &out.counts.rejected), (2, &vec![]));
    let back = back(&mut out);
    let first = &back.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(first.name, "see ***");
    let keys: Vec<_> = first.attributes.iter().map(|pair| pair.key.as_str()).collect();
    assert_eq!(keys, ["secret", "kept", "text", "list"]);
    // What no rule is about keeps its type.
    let kept = first.attributes[1].value.clone().unwrap().value;
    assert_eq!(kept, Some(metlog_schemas::span::proto::any_value::Value::IntValue(5)));
    let logs = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"5000","body":{{"stringValue":"hunter2!"}},"attributes":{secret}}}]}}]}}]}}"#
    );
    let request = json::to_protobuf(Signal::Logs.request(), logs.as_bytes()).unwrap();
    let left = format::redact(Signal::Logs.code(), &request, &Hide).datagram.unwrap();
    let messages = format::describe(Signal::Logs.code(), &left).unwrap();
    assert_eq!((&messages[0]["payload"], &messages[0]["fields"]["secret"]), (&"***!".into(), &"***".into()));
    assert!(!left.windows(7).any(|window| window == b"hunter2"));
    for bad in [&b"\xff"[..], b"\x0a\x04\x12\x02\x12\x09"] {
        let left = format::redact(Signal::Traces.code(), bad, &Hide);
        assert!(left.datagram.is_none() && left.rejected.len() == 1, "{left:?}");
    }
}
