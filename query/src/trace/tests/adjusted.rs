//! Adjustments: each changes what it is for, says so, and can be switched off.
use super::super::adjust::Adjustments;
use super::*;
use std::time::Duration;

fn adjusted(adjustments: Adjustments, spans: Vec<Span>) -> Vec<Span> {
    let mut trace = trace(spans);
    adjustments.apply(&mut trace);
    trace.spans
}

fn warnings(spans: &[Span]) -> Vec<&str> {
    spans.iter().flat_map(|span| span.warnings.iter().map(String::as_str)).collect()
}

#[test]
fn a_server_that_shares_an_id_gets_its_own() {
    let of = |kind, service: &str, span| Span { kind, service: service.into(), ..span };
    let spans = vec![
        of(Kind::Client, "front", span(2, 1, 0, 100)),
        of(Kind::Server, "back", span(2, 1, 10, 90)),
        of(Kind::Internal, "back", span(3, 2, 20, 30)),
        of(Kind::Internal, "front", span(4, 2, 1, 2)),
        of(Kind::Internal, "back", span(1, 0, 0, 0)),
    ];
    let only = Adjustments { shared_ids: true, ..Adjustments::NONE };
    let found = adjusted(only, spans.clone());
    let ids: Vec<(u64, u64)> = found.iter().map(|span| (span.span_id.0, span.parent_id.0)).collect();
    assert_eq!(ids, [(2, 1), (5, 2), (3, 5), (4, 2), (1, 0)]);
    assert!(warnings(&found)[0].contains("shared the ID 0000000000000002"), "{:?}", warnings(&found));
    assert_eq!(adjusted(Adjustments::NONE, spans.clone()), spans);
}

#[test]
fn of_identical_spans_one_stays() {
    let other = Span { name: "else".into(), ..span(1, 0, 0, 5) };
    let spans = vec![span(1, 0, 0, 5), span(1, 0, 0, 5), other, span(1, 0, 0, 5)];
    let found = adjusted(Adjustments { duplicates: true, ..Adjustments::NONE }, spans);
    assert_eq!(found.len(), 2);
    assert_eq!(warnings(&found), ["This span was received more than once; 2 identical copies left out"]);
}

#[test]
fn clocks_are_told_of_or_adjusted() {
    let spans = || {
        let mut child = on_host("b", span(2, 1, 500, 560));
        child.events = vec![Event { time: 510, ..Event::default() }];
        vec![on_host("a", span(1, 0, 1_000, 1_100)), child, on_host("b", span(3, 2, 520, 530))]
    };
    let with = |delta_max| Adjustments { clock_skew: Some(delta_max), ..Adjustments::NONE };
    let told = adjusted(with(Duration::ZERO), spans());
    assert_eq!(told[1].start, 500);
    assert_eq!(
        warnings(&told),
        ["clock skew adjustment disabled; not applying calculated delta of 520ns"; 2],
        "a child on the same host inherits it"
    );
    let moved = adjusted(with(Duration::from_secs(1)), spans());
    let times: Vec<(u64, u64)> = moved.iter().map(|span| (span.start, span.end)).collect();
    assert_eq!(times, [(1_000, 1_100), (1_020, 1_080), (1_040, 1_050)]);
    assert_eq!(moved[1].events[0].time, 1_030);
    assert_eq!(warnings(&moved), ["This span's timestamps were adjusted by 520ns"; 2]);
    let too_far = adjusted(with(Duration::from_nanos(100)), spans());
    assert_eq!(too_far[1].start, 500);
    let text = "max clock skew adjustment delta of 100ns exceeded; not applying calculated delta of 520ns";
    assert_eq!(warnings(&too_far), [text; 2]);
}

#[test]
fn clocks_of_odd_traces_stay() {
    let skew = Adjustments { clock_skew: Some(Duration::from_secs(1)), ..Adjustments::NONE };
    let twice = adjusted(skew, vec![span(1, 0, 0, 9), span(1, 0, 50, 59), span(2, 1, 500, 510)]);
    assert_eq!(warnings(&twice), ["duplicate span IDs; skipping clock skew adjustment"]);
    assert_eq!(twice[2].start, 500);
    let orphan = adjusted(skew, vec![span(1, 9, 0, 9)]);
    let text = "parent span ID=0000000000000009 is not in the trace; skipping clock skew adjustment";
    assert_eq!(warnings(&orphan), [text]);
    let longer = adjusted(skew, vec![on_host("a", span(1, 0, 100, 110)), on_host("b", span(2, 1, 50, 90))]);
    assert_eq!((longer[1].start, longer[1].end), (100, 140), "it does not begin before its parent");
    let same_host = adjusted(skew, vec![on_host("a", span(1, 0, 100, 110)), on_host("a", span(2, 1, 50, 55))]);
    assert_eq!(same_host[1].start, 50);
    let circle = adjusted(skew, vec![span(1, 2, 5, 6), span(2, 1, 500, 501)]);
    assert_eq!(circle.len(), 2);
}

#[test]
fn numbers_become_addresses_and_the_sdk_a_resource() {
    let one = Span {
        attributes: vec![
            Attribute::new("peer.ipv4", Value::Int(16_909_060)),
            Attribute::new("ip", Value::Int(-1)),
            Attribute::text("telemetry.sdk.name", "opentracing"),
            Attribute::text("telemetry.sdk.version", "2"),
            Attribute::new("other", Value::Int(16_909_060)),
        ],
        links: vec![Link::default(), Link { trace_id: TraceId(7), ..Link::default() }],
        resource: Arc::new(Resource {
            attributes: vec![Attribute::text("telemetry.sdk.version", "1")],
            ..Resource::default()
        }),
        ..span(1, 0, 0, 1)
    };
    let [found] = &adjusted(Adjustments { clock_skew: None, ..Adjustments::JAEGER }, vec![one])[..] else { panic!() };
    let pairs: Vec<(&str, String)> =
        found.attributes.iter().map(|attribute| (attribute.key.as_str(), attribute.value.to_text())).collect();
    let expected =
        [("peer.ipv4", "1.2.3.4"), ("ip", "255.255.255.255"), ("telemetry.sdk.version", "2"), ("other", "16909060")];
    assert_eq!(pairs, expected.map(|(key, text)| (key, text.to_owned())));
    assert_eq!(value_of(&found.resource.attributes, "telemetry.sdk.name").unwrap().to_text(), "opentracing");
    assert_eq!(found.links.len(), 1);
    let conflict = "conflicting values between Span and Resource for attribute telemetry.sdk.version";
    assert_eq!(found.warnings, [conflict, "Invalid span link removed"]);
}

#[test]
fn events_keep_their_order() {
    let event = |name: &str, time| Event { name: name.into(), time, ..Event::default() };
    let events = vec![event("z", 1), event("a", 2), event("m", 2)];
    let found = adjusted(Adjustments::JAEGER, vec![Span { events: events.clone(), ..span(1, 0, 0, 9) }]);
    assert_eq!(found[0].events, events);
}

#[test]
fn adjustments_are_chosen_by_name() {
    assert_eq!(Adjustments::parse("none"), Ok(Adjustments::NONE));
    let chosen = Adjustments::parse("ids, skew").unwrap();
    assert!(chosen.shared_ids && chosen.clock_skew.is_some() && !chosen.links);
    assert_eq!(Adjustments::parse("ids,clocks"), Err("clocks".to_owned()));
}

#[test]
fn durations_are_written_as_go_does() {
    for (nanos, text) in [
        (0, "0s"),
        (15, "15ns"),
        (-1_500, "-1.5µs"),
        (2_000_001, "2.000001ms"),
        (1_000_000_000, "1s"),
        (90_500_000_000, "1m30.5s"),
        (3_600_000_000_000, "1h0m0s"),
    ] {
        assert_eq!(super::super::adjust::go_duration(nanos), text);
    }
}
