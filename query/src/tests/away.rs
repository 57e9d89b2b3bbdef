//! The store is away: what is known is still there, and the result says that it is a part.
use super::fake_store::{FakeStore, Mood};
use super::*;
use crate::Kind;
use serde_json::json;
use std::time::Duration;

const PAYLOADS: &str = "select payload from messages order by 1";

/// The rows, and why they are not all.
async fn lenient(engine: &Engine, sql: &str) -> Result<(Value, Option<String>), Error> {
    let mut answer = engine.query_within(sql, &crate::Rights::everything(), Duration::from_secs(30), false).await?;
    let mut batches = Vec::new();
    let schema = answer.schema();
    while let Some(batch) = answer.next().await {
        batches.push(batch?);
    }
    let mut writer = crate::format::Writer::new(crate::format::Format::Json, &schema, Vec::new()).unwrap();
    batches.iter().try_for_each(|batch| writer.write(batch)).unwrap();
    Ok((serde_json::from_slice(&writer.finish().unwrap()).unwrap(), answer.partial()))
}

async fn store() -> Arc<FakeStore> {
    let inner = Arc::new(InMemory::new());
    put(&*inner, &key(Table::Messages, HOUR, "a", 1), &messages(HOUR, &["stored"])).await;
    FakeStore::new(inner)
}

fn impatient() -> Config {
    Config { store_wait: Duration::from_millis(50), ..Config::default() }
}

/// Scenario: from the start the store fails, or does not answer.
/// Guarantees: hot rows are there, marked as a part; who asks strictly gets an error.
#[tokio::test]
async fn hot_rows_are_there_without_a_store() {
    for mood in [Mood::Failing, Mood::Silent] {
        let store = store().await;
        *store.listing.lock().unwrap() = mood;
        let engine = store.engine(impatient(), Some(FakeHot::new(2, vec![messages(HOUR, &["hot"])])));
        let (rows, partial) = lenient(&engine, PAYLOADS).await.unwrap();
        assert_eq!(rows, json!([{"payload": "hot"}]), "{mood:?}");
        let partial = partial.unwrap();
        assert!(partial.starts_with("stored rows are missing: "), "{partial}");
        let both = "select (select count(*) from messages) as a, (select count(*) from metrics) as b";
        assert_eq!(lenient(&engine, both).await.unwrap().0, json!([{"a": 1, "b": 0}]));
        assert_eq!(ask(&engine, PAYLOADS).await.unwrap_err().kind, Kind::Storage, "{mood:?}");
        *store.listing.lock().unwrap() = Mood::Fine;
        let all = json!([{"payload": "hot"}, {"payload": "stored"}]);
        assert_eq!(lenient(&engine, PAYLOADS).await.unwrap(), (all, None));
    }
}

/// Scenario: the store cannot be listed any more, and then not be read either.
/// Guarantees: what was listed and can be read is there; all is marked as a part.
#[tokio::test]
async fn what_was_listed_is_still_read() {
    for mood in [Mood::Failing, Mood::Silent] {
        let store = store().await;
        let hot = FakeHot::new(2, vec![messages(HOUR, &["hot"])]);
        let engine = store.engine(impatient(), Some(hot.clone()));
        assert_eq!(lenient(&engine, PAYLOADS).await.unwrap().1, None);
        // The kept listing is no longer complete.
        *hot.first_segment.lock().unwrap() = 3;
        *store.listing.lock().unwrap() = mood;
        let (rows, partial) = lenient(&engine, PAYLOADS).await.unwrap();
        assert!(partial.unwrap().starts_with("rows that were stored last may be missing: "));
        assert_eq!(rows, json!([{"payload": "hot"}, {"payload": "stored"}]), "{mood:?}");
        *store.listing.lock().unwrap() = Mood::Fine;
        *store.reading.lock().unwrap() = mood;
        let (rows, partial) = lenient(&engine, PAYLOADS).await.unwrap();
        assert!(partial.unwrap().starts_with("stored rows that could not be read are missing: "));
        assert_eq!(rows, json!([{"payload": "hot"}]), "{mood:?}");
        assert_eq!(ask(&engine, PAYLOADS).await.unwrap_err().kind, Kind::Storage, "{mood:?}");
    }
}

/// Guarantees: a query whose own fault it is fails, whatever the store does.
#[tokio::test]
async fn other_errors_are_none_of_the_store() {
    let store = store().await;
    *store.listing.lock().unwrap() = Mood::Failing;
    let engine = store.engine(impatient(), Some(FakeHot::new(2, vec![messages(HOUR, &["hot"])])));
    let error = lenient(&engine, "select cast(payload as int) from messages").await.unwrap_err();
    assert_eq!(error.kind, Kind::Sql, "{error}");
}
