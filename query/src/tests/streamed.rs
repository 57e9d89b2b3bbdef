//! Results as they come, for interfaces that show the first rows at once and say what was read.
use super::isolated::Server;
use super::*;
use crate::{Kind, PoolConfig, Query, Rights, Scanned};
use object_store::local::LocalFileSystem;
use tokio::sync::watch;

/// Far more than fits into what is on its way to a reader.
const LONG: &str = "select value as n from range(900000)";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rows_come_before_the_last_and_an_error_comes_behind_them() {
    let query = Config { rows_max: 500_000, ..Config::default() };
    let config = PoolConfig { query, ..PoolConfig::default() };
    let server = Server::new(config, tempfile::tempdir().unwrap(), None);
    let asked = Query::streamed(LONG, &Rights::everything());
    let mut streamed = server.pool.stream(asked, watch::Sender::default()).await.unwrap();
    assert_eq!(streamed.schema.field(0).name(), "n");
    let first = streamed.next().await.unwrap().unwrap();
    assert!(first.num_rows() > 0, "although the result is too long");
    let error = loop {
        match streamed.next().await {
            Ok(batch) => assert!(batch.is_some(), "it is no complete result"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, Kind::Limit, "{}", error.message);
    let wrong = server.pool.stream(Query::streamed("selec 1", &Rights::everything()), watch::Sender::default()).await;
    assert_eq!(wrong.err().map(|error| error.kind), Some(Kind::Sql));
}

/// What is pruned depends on rows of others: it is not said to those who do not see them.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_and_pruned_is_said_to_those_who_see_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    let hour = HOUR;
    for segment in 1..=3 {
        put(&store, &key(Table::Messages, hour, "a", segment), &messages(hour, &["one", "two"])).await;
    }
    let server = Server::new(PoolConfig::default(), folder, None);
    for (rights, expected) in [(Rights::everything(), (3, 6)), (Rights::reader("jo", Some(Vec::new())), (0, 0))] {
        let (told, progress) = watch::channel(Scanned::default());
        let asked = Query::streamed("select payload from messages", &rights);
        let mut streamed = server.pool.stream(asked, told).await.unwrap();
        while streamed.next().await.unwrap().is_some() {}
        let scanned = *progress.borrow();
        assert_eq!((scanned.objects, scanned.rows), expected, "{scanned:?}");
        assert_eq!(scanned.bytes > 0, expected.0 > 0);
    }
}
