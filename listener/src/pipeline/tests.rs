//! What is owed to the disk: nothing that was journaled stays unsynced.
use super::*;
use crate::Listener;
use crate::clock::SystemClock;
use crate::config::{JournalConfig, WindowConfig};
use futures::future::BoxFuture;
use metlog_sink::{Batch, Receipt, Role, Sink, SinkError};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) fn config(data: &Path) -> Config {
    Config {
        name: "test".into(),
        hostname: "host".into(),
        data: data.to_owned(),
        sockets: Vec::new(),
        http: Vec::new(),
        tls: None,
        budget: metlog_schemas::budget::Budget::default(),
        submit: crate::SubmitConfig::default(),
        servers: Vec::new(),
        sampling: crate::sampling::SamplingConfig::default(),
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
        json_tags: Vec::new(),
        gauge_deltas: metlog_schemas::format::statsd::GaugeDeltas::Auto,
        privacy: Vec::new(),
        memory_bytes: 1 << 20,
    }
}

fn pipeline(data: &Path) -> Pipeline {
    // It makes the folders too.
    drop(crate::recover::lock(data).unwrap());
    let (found, _) = crate::recover::open(&config(data), &["store"], "store", crate::clock::wall()).unwrap();
    Pipeline::new(config(data), 1, found, Arc::new(SystemClock::default()))
}

fn take(pipeline: &Pipeline) -> u64 {
    let datagram: &[u8] = br#"{"type":"t"}"#;
    match pipeline.take(0, 2, std::iter::once((datagram, None))) {
        Taken::Journaled(position) => position,
        Taken::Dropped => panic!("dropped"),
    }
}

fn seal(pipeline: &Pipeline) {
    while pipeline.make_once() || pipeline.write_once().unwrap() {}
    pipeline.seal().unwrap();
}

/// Files that are owed a sync; afterwards none is.
fn unsynced(pipeline: &Pipeline) -> usize {
    pipeline.journal.lock().take_unsynced().0.len()
}

/// The kernel refuses to sync it, so it is seen whether a sync was asked for.
fn owe_what_cannot_be_synced(pipeline: &Pipeline) {
    let file = File::options().write(true).open("/dev/null").unwrap();
    pipeline.journal.lock().sync_failed(Arc::new(file));
}

#[test]
fn what_is_appended_is_owed_until_it_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    assert_eq!(unsynced(&pipeline), 0, "a segment begins synced");
    take(&pipeline);
    assert_eq!(unsynced(&pipeline), 1);
    take(&pipeline);
    seal(&pipeline);
    take(&pipeline);
    assert_eq!(unsynced(&pipeline), 2, "the sealed one and the one that is written");
    seal(&pipeline);
    let position = take(&pipeline);
    assert!(!pipeline.synced(position).is_done());
    pipeline.sync();
    assert!(pipeline.synced(position).is_done());
    assert_eq!((unsynced(&pipeline), pipeline.problems()), (0, Vec::new()));
}

#[test]
fn a_sync_that_fails_is_owed_again_and_wakes_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = pipeline(folder.path());
    let position = take(&pipeline);
    owe_what_cannot_be_synced(&pipeline);
    pipeline.sync();
    assert!(pipeline.problems()[0].contains("cannot be synced"), "{:?}", pipeline.problems());
    assert!(!pipeline.synced(position).is_done());
    assert_eq!(unsynced(&pipeline), 1);
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
    let pipeline = &listener.inner.pipeline;
    owe_what_cannot_be_synced(pipeline);
    // It is taken back by the next record that the journal takes, and told again by the next sync.
    let begun = Instant::now();
    while pipeline.problems().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody syncs");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    listener.stop(std::future::ready(())).await;
}
