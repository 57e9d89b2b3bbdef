//! Spans nest, travel, are sampled as a whole, and never cost their host more than they may.
use super::baggage::Item;
use super::*;
use crate::{CapturedSpan, Client, Config, Destination, Kind, Outcome, Status};
use serde_json::{Value as Json, json};
use std::task::{Poll, Waker};

fn client(config: Config) -> (Client, crate::Captured) {
    let (destination, captured) = Destination::capture();
    (Client::new(config.destination(destination).statsd(false)).unwrap(), captured)
}

fn spans(client: &Client, captured: &crate::Captured) -> Vec<CapturedSpan> {
    assert!(client.flush());
    captured.spans()
}

fn vectors(of: &str) -> Vec<Json> {
    let text = std::fs::read_to_string("../schemas/examples/propagation.vectors.json").unwrap();
    let mut vectors: Json = serde_json::from_str(&text).unwrap();
    let Json::Array(vectors) = vectors[of].take() else { panic!("no {of}") };
    assert!(vectors.len() > 5);
    vectors
}

fn pairs(of: &Json) -> Vec<(String, String)> {
    serde_json::from_value(of.clone()).unwrap()
}

fn described(context: &Context) -> Json {
    json!({
        "trace_id": context.trace_id_text(), "span_id": context.span_id_text(), "sampled": context.is_sampled(),
        "debug": context.is_debug(), "trace_state": context.trace_state(),
        "baggage": context.baggage_items().collect::<Vec<_>>(),
    })
}

#[test]
fn headers_are_read_as_the_vectors_say() {
    for vector in vectors("extract") {
        let headers = pairs(&vector["headers"]);
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let found = Context::extract(headers);
        assert_eq!(found.as_ref().map(described).unwrap_or_default(), vector["context"], "{}", vector["name"]);
        assert!(found.is_none_or(|context| context.is_remote()));
    }
}

#[test]
fn headers_are_written_as_the_vectors_say() {
    for vector in vectors("inject") {
        let of = &vector["context"];
        let context = Context {
            trace_id: context::id(of["trace_id"].as_str().unwrap()).unwrap(),
            span_id: context::id(of["span_id"].as_str().unwrap()).unwrap(),
            sampled: of["sampled"].as_bool(),
            random: false,
            debug: of["debug"].as_bool().unwrap(),
            trace_state: of["trace_state"].as_str().unwrap().to_owned(),
            baggage: pairs(&of["baggage"]).into_iter().map(|(key, value)| Item::new(key, value)).collect(),
            remote: false,
        };
        let format = match vector["format"].as_str().unwrap() {
            "w3c" => Format::W3c,
            "jaeger" => Format::Jaeger,
            "b3" => Format::B3,
            "b3multi" => Format::B3Multi,
            other => panic!("{other}"),
        };
        let mut headers = Vec::new();
        context.inject(format, |name, value| headers.push((name.to_owned(), value.to_owned())));
        assert_eq!(headers, pairs(&vector["headers"]), "{}", vector["name"]);
        let again = Context::extract(headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))).unwrap();
        assert_eq!(
            (again.trace_id, again.span_id, again.sampled),
            (context.trace_id, context.span_id, context.sampled)
        );
    }
}

/// Guarantees: no header, however large or malformed, makes a reader panic or keep more than its bounds.
#[test]
fn hostile_headers_are_bounded() {
    let long = "x".repeat(1 << 20);
    let commas = ",".repeat(8_000);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let states: Vec<String> = (0..32).map(|n| format!("k{n}={}", "v".repeat(250))).collect();
    let mut headers = vec![("traceparent", parent), ("tracestate", &long), ("baggage", &long), ("baggage", &commas)];
    headers.extend(states.iter().map(|state| ("tracestate", state.as_str())));
    headers.extend((0..5_000).map(|_| ("uberctx-é", "%%%")));
    let context = Context::extract(headers).unwrap();
    assert!(context.trace_state().len() <= 4_096 && context.trace_state().starts_with("k0="));
    assert_eq!(context.baggage_items().count(), 1);
    for name in ["traceparent", "tracestate", "uber-trace-id", "b3", "x-b3-traceid", "x-b3-spanid", "é"] {
        for value in ["", "-", ":::", "---", "é", "00-", "\u{0}", &commas, &long] {
            assert_eq!(Context::extract([(name, value)]), None, "{name}: {}", value.len());
        }
    }
}

#[test]
fn spans_nest_through_a_thread_and_messages_carry_their_ids() {
    let (client, captured) = client(Config::default().logger("shop"));
    client.send(["a"], "outside");
    {
        let outer = client.span("outer");
        outer.kind(Kind::Server).attribute("n", 7).attribute("t", "é").attribute("ok", true).attribute("f", 0.5);
        outer.event("begun").event_with("retry", &[("n", 2.into())]).status(Status::Error, "broken");
        {
            let inner = client.span("inner");
            inner.link(outer.context());
            client.send(["a"], "inside");
            client.message("inside").field("k", "v").send();
        }
        client.send(["a"], "between");
    }
    client.send(["a"], "outside");
    let spans = spans(&client, &captured);
    let [inner, outer] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((inner.name.as_str(), outer.name.as_str(), outer.service.as_str()), ("inner", "outer", "shop"));
    assert_eq!((&inner.trace_id, &inner.parent_span_id), (&outer.trace_id, &outer.span_id));
    assert_eq!(
        (outer.parent_span_id.as_str(), outer.kind, inner.kind),
        ("0000000000000000", Kind::Server, Kind::Internal)
    );
    assert_eq!((outer.status, outer.status_message.as_str()), (Status::Error, "broken"));
    let text =
        |pairs: &[(String, String)]| pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>();
    assert_eq!(text(&outer.attributes), ["n=7", "t=é", "ok=true", "f=0.5"]);
    assert_eq!((outer.events[0].0.as_str(), text(&outer.events[1].1)), ("begun", vec!["n=2".to_owned()]));
    assert_eq!(inner.links, [(outer.trace_id.clone(), outer.span_id.clone())]);
    assert!(outer.start_unix_nanos <= inner.start_unix_nanos && inner.duration_nanos <= outer.duration_nanos);
    let ids = |span: &CapturedSpan| vec![format!("trace_id={}", span.trace_id), format!("span_id={}", span.span_id)];
    let found: Vec<Vec<String>> = captured.messages().iter().map(|message| text(&message.fields)).collect();
    let with_field = [vec!["k=v".to_owned()], ids(inner)].concat();
    assert_eq!(found, [vec![], ids(inner), with_field, ids(outer), vec![]]);
    assert_eq!(client.stats().queued, 7);
}

#[test]
fn a_context_from_elsewhere_is_the_parent_and_decides() {
    let (client, captured) = client(Config::default().sampling(Sampling::None));
    let parent = |flags| {
        let header = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        Context::extract([("traceparent", header.as_str()), ("tracestate", "ot=th:8"), ("baggage", "user=jo")]).unwrap()
    };
    let span = client.span_of(Some(&parent("01")), "sampled there");
    assert_eq!((span.context().baggage("user"), span.is_recording()), (Some("jo"), true));
    assert_eq!(current().map(|context| context.span_id), Some(span.context().span_id));
    drop(span);
    drop(client.span_of(Some(&parent("00")), "not sampled there"));
    let root = client.span("root");
    assert!(!root.is_recording() && root.context().is_sampled() == Some(false));
    root.attribute("k", 1).event("e").error("x");
    drop(root);
    assert_eq!(client.start_span("x").end(), Outcome::SampledOut);
    let spans = spans(&client, &captured);
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((span.parent_span_id.as_str(), span.trace_state.as_str()), ("00f067aa0ba902b7", "ot=th:8"));
    assert_eq!((span.trace_id.as_str(), span.flags), ("4bf92f3577b34da6a3ce929d0e0e4736", 0x301));
    assert_eq!(current(), None);
}

/// Guarantees: a trace is sent whole or not at all, and its spans tell how likely that was.
#[test]
fn sampling_is_decided_at_the_root() {
    let (client, captured) = client(Config::default().sampling(Sampling::Share(0.5)));
    for _ in 0..200 {
        let _root = client.span("root");
        let _child = client.span("child");
    }
    let spans = spans(&client, &captured);
    let names = |name: &str| spans.iter().filter(|span| span.name == name).count();
    assert_eq!(names("root"), names("child"));
    assert!((50..150).contains(&names("root")), "{}", names("root"));
    assert!(spans.iter().all(|span| span.trace_state == "ot=th:8"));
}

/// Yields once, so that another task runs in between.
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn tasks_on_one_thread_keep_their_own_spans() {
    let (client, captured) = client(Config::default());
    let task = |name: &'static str| {
        let of_task = client.clone();
        let inside = async move {
            drop(of_task.span("before"));
            Once(false).await;
            drop(of_task.span("after"));
        };
        Box::pin(inside.in_span(client.start_span(name)))
    };
    let mut tasks = [task("one"), task("two")];
    let ids = tasks.each_ref().map(|task| task.span().context().span_id_text());
    let mut waker = std::task::Context::from_waker(Waker::noop());
    for expected in [Poll::Pending, Poll::Ready(())] {
        for task in &mut tasks {
            assert_eq!(task.as_mut().poll(&mut waker), expected);
            assert_eq!(current(), None);
        }
    }
    drop(tasks);
    let spans = spans(&client, &captured);
    let parents: Vec<&str> = spans[..4].iter().map(|span| span.parent_span_id.as_str()).collect();
    assert_eq!(parents, [&ids[0], &ids[1], &ids[0], &ids[1]]);
    assert_eq!(spans.len(), 6);
}

#[test]
fn guards_may_be_dropped_in_any_order_and_on_other_threads() {
    let (client, captured) = client(Config::default());
    let (first, second) = (client.span("first"), client.span("second"));
    drop(first);
    assert_eq!(current().as_ref(), Some(second.context()));
    drop(second);
    assert_eq!(current(), None);
    let span = client.start_span("elsewhere");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _entered = span.enter();
            drop(client.span("child"));
        });
    });
    drop(span);
    let names: Vec<String> = spans(&client, &captured).into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["first", "second", "child", "elsewhere"]);
}

/// Guarantees: a span that fits no datagram is sent with what fits, and says how much it lacks; only one that never fits is
/// dropped, and counted.
#[test]
fn what_does_not_fit_is_left_out_and_counted() {
    let (client, captured) = client(Config::default().datagram_bytes(512));
    {
        let span = client.span("large");
        for n in 0..SPAN_PARTS_MAX + 10 {
            span.attribute("k", n);
            span.event("something that happened");
            span.link(span.context());
        }
    }
    client.span(&"x".repeat(600)).attribute("k", 1);
    let spans = spans(&client, &captured);
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    let lacking = [span.attributes.len(), span.events.len(), span.links.len()];
    let total = SPAN_PARTS_MAX + 10;
    assert_eq!(span.dropped.map(|dropped| total - dropped), lacking.map(|kept| u32::try_from(kept).unwrap()));
    assert_eq!(span.dropped[1], total, "events go first");
    assert_eq!((client.stats().oversize, client.stats().dropped), (1, 1));
}

#[test]
fn without_a_client_spans_are_harmless() {
    let span = crate::start_span("nobody listens");
    assert!(!span.is_recording());
    assert_eq!(span.end(), Outcome::SampledOut);
    let (client, captured) = client(Config::default());
    let span = client.start_span("the client is gone");
    drop(client);
    assert_eq!(span.end(), Outcome::Off);
    assert_eq!(captured.spans(), []);
}
