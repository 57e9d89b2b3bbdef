//! What is owed to the disk: nothing that was journaled stays unsynced.
use super::*;
use crate::Listener;
use crate::config::{JournalConfig, WindowConfig};
use futures::future::BoxFuture;
use metlog_sink::{Batch, Receipt, Role, Sink, SinkError};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

fn config(data: &Path) -> Config {
    Config {
        name: "test".into(),
        hostname: "host".into(),
        data: data.to_owned(),
        metlog: Vec::new(),
        statsd: Vec::new(),
        statsd_tcp: Vec::new(),
        metlog_unix: None,
        statsd_unix: None,
        workers: 1,
        receive_buffer: 1 << 20,
        keys: Vec::new(),
        replay_window: Duration::from_secs(60),
        journal: JournalConfig {
            sync_interval: Duration::from_millis(20),
            budget_bytes: 1 << 30,
            roll_after: Duration::from_secs(60),
            roll_bytes: 1 << 20,
        },
        statsd_windows: WindowConfig {
            flush_interval: Duration::from_secs(10),
            percentiles: Vec::new(),
            idle_after: Duration::from_secs(60),
            series_max: 10,
            tags_max: 10,
        },
        privacy: Vec::new(),
        memory_bytes: 1 << 20,
    }
}

fn road(data: &Path) -> Road {
    let (config, now) = (config(data), now());
    // It makes the folders too.
    drop(crate::recover::lock(data).unwrap());
    let (found, _) = crate::recover::open(&config, &["store"], "store", now).unwrap();
    Road::new(config, 1, found, now)
}

fn take(road: &Road) {
    let datagram: &[u8] = br#"{"type":"t"}"#;
    assert_eq!(road.take(0, Kind::Metlog, std::iter::once(datagram)), Taken::Journaled);
}

/// Files that are owed a sync; afterwards none is.
fn unsynced(road: &Road) -> usize {
    lock(&road.journal).take_unsynced().len()
}

/// The kernel refuses to sync it, so it is seen whether a sync was asked for.
fn owe_what_cannot_be_synced(road: &Road) {
    let file = File::options().write(true).open("/dev/null").unwrap();
    lock(&road.journal).sync_failed(Arc::new(file));
}

#[test]
fn what_is_appended_is_owed_until_it_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let road = road(folder.path());
    assert_eq!(unsynced(&road), 0, "a segment begins synced");
    take(&road);
    assert_eq!(unsynced(&road), 1);
    take(&road);
    road.seal().unwrap();
    take(&road);
    assert_eq!(unsynced(&road), 2, "the sealed one and the one that is written");
    take(&road);
    road.seal().unwrap();
    take(&road);
    road.sync();
    assert_eq!((unsynced(&road), road.problems()), (0, Vec::new()));
}

#[test]
fn a_sync_that_fails_is_owed_again() {
    let folder = tempfile::tempdir().unwrap();
    let road = road(folder.path());
    take(&road);
    owe_what_cannot_be_synced(&road);
    road.sync();
    assert!(road.problems()[0].contains("cannot be synced"), "{:?}", road.problems());
    assert_eq!(unsynced(&road), 1);
}

struct Nowhere;

impl Sink for Nowhere {
    fn name(&self) -> &'static str {
        "store"
    }
    fn role(&self) -> Role {
        Role::Store
    }
    fn write<'a>(&'a mut self, _: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        Box::pin(std::future::ready(Ok(Receipt::default())))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_listener_syncs_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Handle::current();
    let listener = Listener::start(config(folder.path()), vec![Box::new(Nowhere)], &runtime).unwrap();
    let road = &listener.inner.road;
    owe_what_cannot_be_synced(road);
    // It is taken back by the next record that the journal takes, and told again by the next sync.
    let begun = Instant::now();
    while road.problems().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody syncs");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    listener.stop(std::future::ready(())).await;
}
