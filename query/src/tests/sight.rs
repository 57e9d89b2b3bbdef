//! What a query sees: stored, hot and cold rows, each once.
use super::*;
use crate::Kind;
use object_store::local::LocalFileSystem;
use serde_json::json;

#[tokio::test]
async fn an_empty_warehouse_has_tables_without_rows() {
    let folder = tempfile::tempdir().unwrap();
    let local: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    for store in [local, Arc::new(InMemory::new())] {
        let engine = Engine::new(Config::default(), store, Path::default(), None).unwrap();
        check(ask(&engine, "select count(*) as n from messages").await, json!([{"n": 0}]));
        check(ask(&engine, "select * from metrics").await, json!([]));
        let total = "select cast(sum(count) as bigint) as n from metrics where name = 'x'";
        check(ask(&engine, total).await, json!([{"n": null}]));
        let columns = "select count(*) as n from information_schema.columns where table_name = 'messages'";
        check(ask(&engine, columns).await, json!([{"n": 13}]));
    }
}

/// The same questions have the same answers wherever the rows are.
#[tokio::test]
async fn stored_hot_and_cold_rows_are_read_alike() {
    let rows = messages(HOUR, &["x", "y", "x"]);
    let stored = Arc::new(InMemory::new());
    put(&*stored, &key(Table::Messages, HOUR, "a", 1), &rows).await;
    let hot = FakeHot::new(1, vec![rows.slice(0, 1), rows.slice(1, 2), no_rows(Table::Messages)]);
    let cold = FakeHot::new(1, Vec::new());
    cold.cold.lock().unwrap().push(FakeCold::of(&[(Table::Messages, rows)]));
    let empty = Arc::new(InMemory::new());
    for engine in [engine(&stored, None), engine(&empty, Some(hot)), engine(&stored, Some(cold))] {
        let paths = "select fields['headers.path'] as path, count(*) as n from messages group by 1 order by 1";
        check(ask(&engine, paths).await, json!([{"path": "/x", "n": 2}, {"path": "/y", "n": 1}]));
        let tokens = "select count(*) as n from messages where array_has(tokens, 'login') and array_has(tokens, 'y')";
        check(ask(&engine, tokens).await, json!([{"n": 1}]));
        let times = "select count(distinct timestamp) as n, min(timestamp) as t from messages where type = 'wsgi'";
        check(ask(&engine, times).await, json!([{"n": 3, "t": "2026-03-04T05:00:00Z"}]));
        let range = "select payload from messages where timestamp = '2026-03-04T05:00:01Z'";
        check(ask(&engine, range).await, json!([{"payload": "y"}]));
        let partition = "select distinct dt, hour from messages where dt = '2026-03-04' and hour = 5";
        check(ask(&engine, partition).await, json!([{"dt": "2026-03-04", "hour": 5}]));
        let hour = "select hour, payload, tokens, fields from messages order by timestamp desc limit 1";
        let last = json!([{"hour": 5, "payload": "x", "tokens": ["login", "x"], "fields": {"headers.path": "/x"}}]);
        check(ask(&engine, hour).await, last);
        check(ask(&engine, "select count(*) as n from messages where hour = 6").await, json!([{"n": 0}]));
        assert_eq!(ask(&engine, "select * from messages limit 2").await.unwrap().as_array().map(Vec::len), Some(2));
    }
}

#[tokio::test]
async fn a_segment_that_is_hot_hides_its_objects_and_no_others() {
    let store = Arc::new(InMemory::new());
    put(&*store, &key(Table::Messages, HOUR, "a", 4), &messages(HOUR, &["stored"])).await;
    put(&*store, &key(Table::Messages, HOUR, "a", 5), &messages(HOUR, &["both"])).await;
    put(&*store, &key(Table::Messages, Hour(HOUR.0 - 9), "a", 6), &messages(HOUR, &["both, late"])).await;
    put(&*store, &key(Table::Messages, HOUR, "b", 7), &messages(HOUR, &["another listener's"])).await;
    let hot = FakeHot::new(5, vec![messages(HOUR, &["both", "both, late", "new"])]);
    let engine = engine(&store, Some(hot));
    let found = ask(&engine, "select payload from messages order by 1").await.unwrap();
    let payloads: Vec<_> = found.as_array().unwrap().iter().map(|row| row["payload"].as_str().unwrap()).collect();
    assert_eq!(payloads, ["another listener's", "both", "both, late", "new", "stored"]);
}

/// Scenario: a segment is stored after the hot rows were taken and before the store is listed; then it is
/// stored but still hot; then it is no longer hot.
/// Guarantees: its message counts once in each of these moments.
#[tokio::test]
async fn a_message_counts_once_while_its_segment_is_stored() {
    let store = Arc::new(InMemory::new());
    let rows = messages(HOUR, &["x"]);
    let hot = FakeHot::new(3, vec![rows.clone()]);
    let engine = engine(&store, Some(hot.clone()));
    let count = "select count(*) as n from messages";
    check(ask(&engine, count).await, json!([{"n": 1}]));
    let (behind, forgetting, object) = (store.clone(), hot.clone(), rows.clone());
    *hot.after.lock().unwrap() = Some(Box::pin(async move {
        put(&*behind, &key(Table::Messages, HOUR, "a", 3), &object).await;
        *forgetting.first_segment.lock().unwrap() = 4;
        forgetting.messages.lock().unwrap().clear();
    }));
    check(ask(&engine, count).await, json!([{"n": 1}]));
    check(ask(&engine, count).await, json!([{"n": 1}]));
    *hot.first_segment.lock().unwrap() = 3;
    hot.messages.lock().unwrap().push(rows);
    check(ask(&engine, count).await, json!([{"n": 1}]));
}

#[tokio::test]
async fn one_query_sees_one_moment() {
    let hot = FakeHot::new(0, vec![messages(HOUR, &["x"])]);
    let growing = hot.clone();
    *hot.after.lock().unwrap() = Some(Box::pin(async move {
        growing.messages.lock().unwrap().push(messages(HOUR, &["y"]));
    }));
    let engine = engine(&Arc::new(InMemory::new()), Some(hot.clone()));
    let twice = "select (select count(*) from messages) as a, (select count(*) from public.messages) as b \
                 where not exists (select 1 from metrics)";
    check(ask(&engine, twice).await, json!([{"a": 1, "b": 1}]));
    assert_eq!(*hot.calls.lock().unwrap(), 1);
    check(ask(&engine, twice).await, json!([{"a": 2, "b": 2}]));
}

/// Scenario: a query names both tables, one of them twice, and their rows are in a cold segment.
/// Guarantees: the segment is read and decoded once; the next query reads it again.
#[tokio::test]
async fn several_tables_read_a_cold_segment_once() {
    let hot = FakeHot::new(1, Vec::new());
    let segment =
        FakeCold::of(&[(Table::Messages, messages(HOUR, &["x", "y"])), (Table::Metrics, no_rows(Table::Metrics))]);
    hot.cold.lock().unwrap().push(segment.clone());
    let engine = engine(&Arc::new(InMemory::new()), Some(hot));
    let sql = "select (select count(*) from messages) as a, (select count(*) from metrics) as b, \
               (select count(distinct payload) from messages) as c";
    check(ask(&engine, sql).await, json!([{"a": 2, "b": 0, "c": 2}]));
    assert_eq!(*segment.reads.lock().unwrap(), 1);
    check(ask(&engine, sql).await, json!([{"a": 2, "b": 0, "c": 2}]));
    assert_eq!(*segment.reads.lock().unwrap(), 2);
}

#[tokio::test]
async fn only_objects_of_ours_are_read_and_only_below_the_prefix() {
    let store = Arc::new(InMemory::new());
    let rows = messages(HOUR, &["x"]);
    let own = key(Table::Messages, HOUR, "a", 1);
    put(&*store, &format!("some/where/{own}"), &rows).await;
    put(&*store, &own, &rows).await;
    for stranger in [
        "messages/README",
        "messages/dt=2026-03-04/hour=05/part-0.parquet",
        "messages/dt=x/hour=05/a-000000000001.parquet",
    ] {
        store.put(&Path::from(format!("some/where/{stranger}")), "not parquet".into()).await.unwrap();
    }
    store.put(&Path::from(format!("some/where/{own}#1")), "half".into()).await.unwrap();
    let prefix = Path::from("some/where");
    let engine = Engine::new(Config::default(), store.clone() as Arc<dyn ObjectStore>, prefix, None).unwrap();
    check(ask(&engine, "select payload from messages").await, json!([{"payload": "x"}]));
}

#[tokio::test]
async fn metrics_and_senders_are_tables_too() {
    let hot = FakeHot::new(0, Vec::new());
    hot.metrics.lock().unwrap().push(no_rows(Table::Metrics));
    let running = engine(&Arc::new(InMemory::new()), Some(hot));
    check(ask(&running, "select count(*) as n from metrics").await, json!([{"n": 0}]));
    check(ask(&running, "select hostname from senders where lost > 2").await, json!([{"hostname": "h1"}]));
    let tables = "select table_name as t from information_schema.tables where table_schema = 'public' order by 1";
    check(
        ask(&running, tables).await,
        json!([{"t": "messages"}, {"t": "metrics"}, {"t": "pings"}, {"t": "probes"}, {"t": "senders"}, {"t": "spans"}]),
    );
    let offline = engine(&Arc::new(InMemory::new()), None);
    check(
        ask(&offline, tables).await,
        json!([{"t": "messages"}, {"t": "metrics"}, {"t": "pings"}, {"t": "probes"}, {"t": "spans"}]),
    );
    let error = ask(&offline, "select * from senders").await.unwrap_err();
    assert!(error.message.contains("running listener"), "{error}");
}

#[tokio::test]
async fn an_object_that_vanishes_is_an_error_that_says_so() {
    let store = Arc::new(InMemory::new());
    let own = key(Table::Messages, HOUR, "a", 1);
    put(&*store, &own, &messages(HOUR, &["x"])).await;
    let engine = engine(&store, None);
    let answer = engine.query("select payload from messages").await.unwrap();
    store.delete(&Path::from(own)).await.unwrap();
    let error = answer.collect().await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::Storage, "an object was removed while it was read: run the query again")
    );
}

#[tokio::test]
async fn an_object_that_is_replaced_is_read_as_it_is_now() {
    let store = Arc::new(InMemory::new());
    let own = key(Table::Messages, HOUR, "a", 1);
    let engine = engine(&store, None);
    for payload in ["first", "and then a longer one"] {
        put(&*store, &own, &messages(HOUR, &[payload])).await;
        check(ask(&engine, "select payload from messages").await, json!([{"payload": payload}]));
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_of_storage() {
    let hot = FakeHot::new(0, Vec::new());
    hot.cold.lock().unwrap().push(FakeCold { bytes: b"torn".to_vec(), reads: Arc::default() });
    let cold = engine(&Arc::new(InMemory::new()), Some(hot));
    let error = ask(&cold, "select payload from messages").await.unwrap_err();
    assert_eq!(error.kind, Kind::Storage, "{error}");
    let store = Arc::new(InMemory::new());
    store.put(&Path::from(key(Table::Messages, HOUR, "a", 1)), "not parquet".into()).await.unwrap();
    let error = ask(&engine(&store, None), "select payload from messages").await.unwrap_err();
    assert_eq!(error.kind, Kind::Storage, "{error}");
}
