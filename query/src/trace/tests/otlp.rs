//! OTLP in, OTLP out.
use super::super::otlp;
use metlog_schemas::span::{json as written, proto};
use serde_json::{Value as Json, json};

fn everything() -> Json {
    json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}], "droppedAttributesCount": 1},
        "schemaUrl": "https://example.org/1",
        "scopeSpans": [{
            "scope": {"name": "lib", "version": "2", "attributes": [{"key": "s", "value": {"boolValue": false}}]},
            "schemaUrl": "https://example.org/2",
            "spans": [{
                "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708", "parentSpanId": "0000000000000009",
                "traceState": "a=b", "flags": 257, "name": "GET /", "kind": 2,
                "startTimeUnixNano": "18446744073709551614", "endTimeUnixNano": "18446744073709551615",
                "attributes": [
                    {"key": "i", "value": {"intValue": "9223372036854775807"}},
                    {"key": "i", "value": {"doubleValue": "NaN"}},
                    {"key": "d", "value": {"doubleValue": 0.1}},
                    {"key": "b", "value": {"bytesValue": "AQID"}},
                    {"key": "l", "value": {"arrayValue": {"values": [{"intValue": "1"}, {}]}}},
                    {"key": "m", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": ""}}]}}},
                    {"key": "none", "value": {}},
                ],
                "droppedAttributesCount": 2,
                "events": [
                    {"timeUnixNano": "5", "name": "z", "droppedAttributesCount": 1},
                    {"timeUnixNano": "4", "name": "a", "attributes": [{"key": "e", "value": {"stringValue": "x"}}]},
                ],
                "droppedEventsCount": 3,
                "links": [{"traceId": "00000000000000000000000000000007", "spanId": "0000000000000008", "traceState": "c=d",
                           "attributes": [{"key": "l", "value": {"intValue": "1"}}], "flags": 1}],
                "droppedLinksCount": 4,
                "status": {"message": "bad", "code": 2},
            }],
        }],
    }]})
}

#[test]
fn what_comes_in_goes_out() {
    let body = everything();
    let spans = otlp::read(body.to_string().as_bytes()).unwrap();
    assert_eq!(written::traces(&otlp::write(&spans)), body);
    use prost::Message;
    let bytes = otlp::write(&spans).encode_to_vec();
    let again = proto::TracesData::decode(bytes.as_slice()).unwrap();
    assert_eq!(written::traces(&again), body);
}

#[test]
fn other_spellings_are_read() {
    let text = r#"{"resource_spans": [{"scope_spans": [{"spans": [{
        "trace_id": "00000000000000000000000000000007", "span_id": "0000000000000008", "name": null,
        "kind": "SPAN_KIND_CLIENT", "start_time_unix_nano": 12, "end_time_unix_nano": "13", "unknown": [1],
        "status": {"code": "STATUS_CODE_ERROR"}, "attributes": [{"key": "n", "value": {"intValue": 5}}]
    }]}]}]}"#;
    let [span] = &otlp::read(text.as_bytes()).unwrap()[..] else { panic!() };
    assert_eq!((span.kind.word(), span.status.word(), span.start, span.end), ("client", "error", 12, 13));
    assert_eq!(span.attributes[0].value.to_text(), "5");
}

#[test]
fn spans_of_one_resource_come_together() {
    let of = |service: &str, id: u64| {
        json!({"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
               "scopeSpans": [{"spans": [{"traceId": "7", "spanId": format!("{id:016x}")}]}]})
    };
    let body = json!({"resourceSpans": [of("a", 1), of("b", 2), of("a", 3)]});
    let spans = otlp::read(body.to_string().as_bytes()).unwrap();
    let data = otlp::write(&spans);
    let counts: Vec<usize> = data.resource_spans.iter().map(|of| of.scope_spans[0].spans.len()).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn bad_bodies_are_errors() {
    let deep = format!("{}1{}", r#"{"arrayValue":{"values":["#.repeat(100), "]}}".repeat(100));
    let deep = format!(r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"k","value":{deep}}}]}}}}]}}"#);
    for body in [
        "",
        "[]",
        r#"{"resourceSpans": 1}"#,
        r#"{"resourceSpans": [1]}"#,
        r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}"#,
        r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": -1}]}]}]}"#,
        &deep,
    ] {
        assert!(otlp::read(body.as_bytes()).is_err(), "{body}");
    }
}
