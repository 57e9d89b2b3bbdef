//! How many requests to the store a query makes: the size of the warehouse is none of its business.
use super::fake_store::FakeStore;
use super::*;
use serde_json::json;

/// Where objects with rows of many hours are.
const STRAYS: &str = "messages/dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__";

/// As many objects as given, one an hour and listener, up to [`HOUR`]. They are all the same file.
async fn filled(objects: usize) -> Arc<FakeStore> {
    let inner = Arc::new(InMemory::new());
    let first = key(Table::Messages, HOUR, "a", 1);
    put(&*inner, &first, &messages(HOUR, &["x"])).await;
    let bytes = inner.get(&Path::from(first)).await.unwrap().bytes().await.unwrap();
    for n in 0..objects as i64 {
        let path = key(Table::Messages, Hour(HOUR.0 - n / 4), ["a", "b", "c", "d"][n as usize % 4], 1);
        inner.put(&Path::from(path), bytes.clone().into()).await.unwrap();
    }
    FakeStore::new(inner)
}

const LAST_HOURS: [&str; 4] = [
    "timestamp >= '2026-03-04T05:00:00Z'",
    "timestamp >= '2026-03-04T05:10:00Z' and timestamp < '2026-03-04T05:50:00Z'",
    "dt = '2026-03-04' and hour = 5",
    "timestamp between '2026-03-04T05:00:00Z' and '2026-03-04T05:59:59Z' and payload = 'x'",
];

/// Scenario: the last hour, of a hundred objects and of twenty thousand.
/// Guarantees: the same few requests.
#[tokio::test]
async fn the_last_hour_costs_a_handful() {
    let (few, many) = (filled(100).await, filled(20_000).await);
    for filter in LAST_HOURS {
        let sql = format!("select count(payload) as n from messages where {filter}");
        let mut counts = Vec::new();
        for store in [&few, &many] {
            let engine = store.engine(Config::default(), None);
            // The first row of each file is at the hour's beginning.
            let n = if filter.contains("05:10") { 0 } else { 4 };
            check(ask(&engine, &sql).await, json!([{"n": n}]));
            let (listed, reads) = store.requests();
            // Of each object its footer, twice, and its columns; those of a condition before the others.
            let of_each = if filter.contains("payload") { 4 } else { 3 };
            assert!(listed.len() <= 4 && reads <= 4 * of_each, "{filter}: {listed:?}, {reads} reads");
            counts.push((listed.len(), reads));
        }
        assert_eq!(counts[0], counts[1], "{filter}");
    }
}

#[tokio::test]
async fn only_the_hours_that_are_left_are_listed() {
    let store = filled(100).await;
    let engine = store.engine(Config::default(), None);
    for (filter, expected) in [
        (
            "timestamp >= '2026-03-04T04:00:00Z' and timestamp < '2026-03-04T06:00:00Z'",
            &["messages/dt=2026-03-04/hour=04", "messages/dt=2026-03-04/hour=05", STRAYS][..],
        ),
        ("dt = '2026-03-03' and hour in (23)", &["messages/dt=2026-03-03/hour=23", STRAYS]),
        (
            "timestamp >= '2026-03-04T04:00:00Z'",
            &["messages", "messages/dt=2026-03-04", "messages/dt=2026-03-04/hour=04", "messages/dt=2026-03-04/hour=05"],
        ),
        ("dt >= '2026-03-04'", &["messages", "messages/dt=2026-03-04"]),
        ("dt < '2026-03-04'", &["messages", "messages/dt=2026-03-03"]),
        ("dt = '2030-01-01' and hour = 3", &["messages/dt=2030-01-01/hour=03", STRAYS]),
        ("timestamp < '2020-01-01T00:00:00Z'", &["messages"]),
        ("timestamp < '2020-01-01T00:00:00Z' and timestamp > '2021-01-01T00:00:00Z'", &[]),
    ] {
        ask(&engine, &format!("select count(*) from messages where {filter}")).await.unwrap();
        let mut listed = store.requests().0;
        listed.sort();
        assert_eq!(listed, expected, "{filter}");
    }
}

/// Scenario: a query is asked again; then the listener has stored one more segment.
/// Guarantees: at first nothing is listed and no footer is read; then the new object is seen at once.
#[tokio::test]
async fn listings_and_footers_are_used_again_while_they_are_complete() {
    let store = filled(8).await;
    let hot = FakeHot::new(2, Vec::new());
    let engine = store.engine(Config::default(), Some(hot.clone()));
    let sql = "select count(payload) as n from messages where timestamp >= '2026-03-04T05:00:00Z'";
    check(ask(&engine, sql).await, json!([{"n": 4}]));
    let (listed, reads) = store.requests();
    check(ask(&engine, sql).await, json!([{"n": 4}]));
    let (again, reads_again) = store.requests();
    assert!(!listed.is_empty() && again.is_empty(), "{again:?}");
    assert!(reads_again < reads, "footers are read again: {reads_again} of {reads}");
    put(&*store.inner, &key(Table::Messages, HOUR, "a", 2), &messages(HOUR, &["new"])).await;
    *hot.first_segment.lock().unwrap() = 3;
    check(ask(&engine, sql).await, json!([{"n": 5}]));
}

/// Scenario: a listing is kept, and an object of it is removed.
/// Guarantees: one query fails, the next one knows.
#[tokio::test]
async fn a_listing_with_an_object_that_is_gone_is_forgotten() {
    let store = filled(8).await;
    let engine = store.engine(Config::default(), Some(FakeHot::new(2, Vec::new())));
    let sql = "select count(payload) as n from messages";
    check(ask(&engine, sql).await, json!([{"n": 8}]));
    store.inner.delete(&Path::from(key(Table::Messages, HOUR, "a", 1))).await.unwrap();
    assert_eq!(ask(&engine, sql).await.unwrap_err().kind, crate::Kind::Storage);
    check(ask(&engine, sql).await, json!([{"n": 7}]));
}
