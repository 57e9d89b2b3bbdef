//! Search: which traces are found, and in which order.
use super::*;

async fn shop() -> Server {
    let tagged = Span {
        attributes: vec![
            Attribute::text("place", "span"),
            Attribute::new("int", Value::Int(123)),
            Attribute::new("double", Value::Double(72.5)),
            Attribute::new("bool", Value::Bool(true)),
            Attribute::text("quote'd key", "it's; drop table spans --"),
        ],
        events: vec![Event {
            time: T,
            name: "e".into(),
            attributes: vec![Attribute::text("of.event", "1")],
            ..Event::default()
        }],
        links: vec![Link {
            trace_id: TraceId(9),
            span_id: SpanId(9),
            attributes: vec![Attribute::text("of.link", "1")],
            ..Link::default()
        }],
        scope: Arc::new(Scope {
            name: "lib".into(),
            version: "2.0".into(),
            attributes: vec![Attribute::text("of.scope", "1")],
            ..Scope::default()
        }),
        ..span(1, 1, 0, "shop", 0, 100)
    };
    let failed = Span { status: Status::Error, ..span(3, 1, 0, "shop", 2_000, 500) };
    Server::over(&[
        tagged,
        span(1, 2, 1, "bank", 10, 80),
        span(2, 1, 0, "shop", 1_000, 10),
        Span { attributes: vec![Attribute::text("place", "elsewhere")], ..span(2, 2, 1, "bank", 1_001, 5_000) },
        failed,
        Span { kind: Kind::Client, status: Status::Ok, ..span(4, 1, 0, "cron", 1_500, 1) },
    ])
    .await
}

#[tokio::test]
async fn predicates_hold_for_one_span() {
    let server = shop().await;
    for (parameters, expected) in [
        ("service=shop", vec!["3", "2", "1"]),
        ("service=shop&limit=2", vec!["3", "2"]),
        ("service=shop&limit=1&offset=1", vec!["2"]),
        ("service=bank", vec!["2", "1"]),
        ("service=nobody", vec![]),
        ("service=shop&operation=shop-work", vec!["3", "2", "1"]),
        ("service=shop&operation=bank-work", vec![]),
        ("service=shop&minDuration=100ms", vec!["3", "1"]),
        ("service=shop&minDuration=100ms&maxDuration=100000us", vec!["1"]),
        ("service=shop&minDuration=1s", vec![]),
        ("service=shop&minTraceDuration=1s", vec!["2"]),
        ("service=shop&maxTraceDuration=99ms", vec![]),
        ("service=shop&tag=place:span", vec!["1"]),
        ("service=shop&tag=place:elsewhere", vec![]),
        ("service=shop&tag=int:123&tag=double:72.5&tag=bool:true", vec!["1"]),
        ("service=shop&tag=int:123&tag=double:72", vec![]),
        ("service=shop&tag=of.event:1&tag=of.link:1&tag=of.scope:1&tag=host.name:h1", vec!["1"]),
        ("service=shop&tag=error:true", vec!["3"]),
        ("service=shop&tag=error:false", vec!["2", "1"]),
        ("service=cron&tag=error:false", vec!["4"]),
        ("service=shop&tag=span.status:Error", vec!["3"]),
        ("service=shop&tag=span.status:unset", vec!["2", "1"]),
        ("service=cron&tag=span.kind:client", vec!["4"]),
        ("service=cron&tag=span.kind:server", vec![]),
        ("service=shop&tag=scope.name:lib&tag=scope.version:2.0", vec!["1"]),
        ("service=shop&tag=resource.host.name:h1&limit=1", vec!["3"]),
        ("service=shop&sort=longest", vec!["2", "3", "1"]),
        ("service=shop&sort=shortest", vec!["1", "3", "2"]),
        ("service=shop&sort=oldest", vec!["1", "2", "3"]),
        ("service=shop&sort=spans&limit=2", vec!["1", "2"]),
        ("service=shop&sort=errors&limit=1", vec!["3"]),
    ] {
        assert_eq!(server.found(parameters).await, expected, "{parameters}");
    }
    let tags = encoded(r#"{"quote'd key": "it's; drop table spans --"}"#);
    assert_eq!(server.found(&format!("service=shop&tags={tags}")).await, ["1"]);
    let service = encoded("x' or 'a'='a");
    assert_eq!(server.found(&format!("service={service}")).await, [""; 0]);
}

#[tokio::test]
async fn filters_search_all_services() {
    let server = shop().await;
    for (filter, expected) in [
        ("", vec!["3", "4", "2", "1"]),
        ("service!=shop and kind=server", vec!["2", "1"]),
        ("service~\"^(cron|bank)$\" and not status=ok", vec!["2", "1"]),
        ("attributes.int>=100 or status=error", vec!["3", "1"]),
        ("duration_nanos>1000000000", vec!["2"]),
    ] {
        assert_eq!(server.found(&format!("filter={}", encoded(filter))).await, expected, "{filter}");
    }
    let (status, message) = server.error(&format!("/api/traces?filter={}", encoded("servce=shop"))).await;
    assert!(status == 400 && message.starts_with("unable to parse param 'filter': "), "{message}");
}

#[tokio::test]
async fn times_are_exact_to_the_nanosecond() {
    let mut late = span(1, 1, 0, "a", 0, 1);
    late.start = T + 999;
    late.end = T + 5_499;
    let server = Server::over(&[late, span(2, 1, 0, "a", 1, 1)]).await;
    let micros = T / 1_000;
    let of = |from: u64, until: u64| format!("/api/traces?service=a&start={from}&end={until}");
    assert_eq!(server.get(&of(micros, micros)).await.1["data"], json!([]), "999 ns later is later");
    assert_eq!(server.get(&of(micros, micros + 1)).await.1["data"].as_array().unwrap().len(), 1);
    assert_eq!(server.found("service=a&minDuration=4500ns&maxDuration=4500ns").await, ["1"]);
    assert_eq!(server.found("service=a&maxDuration=4499ns").await, [""; 0]);
}

#[tokio::test]
async fn the_newest_of_many_come_first_in_pages() {
    let spans: Vec<Span> = (1..=300).map(|n| span(n, 1, 0, "a", u64::from(n as u32), 1)).collect();
    let server = Server::over(&spans).await;
    let expected: Vec<String> = (201..=300).rev().map(|n| format!("{n:x}")).collect();
    assert_eq!(server.found("service=a").await, expected, "100 where nobody says");
    let (mut offset, mut all) = (0, Vec::new());
    loop {
        let page = server.found(&format!("service=a&limit=70&offset={offset}")).await;
        if page.is_empty() {
            break;
        }
        offset += page.len();
        all.extend(page);
    }
    assert_eq!(all, (1..=300).rev().map(|n| format!("{n:x}")).collect::<Vec<_>>());
}
