//! A kill, a damaged journal, a full disk, another configuration than before: what was accepted is stored once.
use super::*;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::AtomicU64;

/// Copies the folder as a kill would leave it: journal and receipts as they stand at some moment, receipts
/// first, since a segment goes only after its receipt is written.
pub fn killed(data: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("journal")).unwrap();
    std::fs::copy(data.join("receipts.json"), to.join("receipts.json")).unwrap();
    for entry in std::fs::read_dir(data.join("journal")).unwrap() {
        let entry = entry.unwrap();
        let _ = std::fs::copy(entry.path(), to.join("journal").join(entry.file_name()));
    }
}

/// Many senders at a time, and a kill in their midst, in several rounds, and then a start after which all is stored. `send` gets
/// the address of the server of this name, and the round and number of a sender; it gives what was answered. All of that, sorted.
pub async fn answered_over_kills<S>(
    store: &Store,
    configured: impl Fn(&Path) -> Config,
    server: &str,
    rounds: usize,
    senders: usize,
    send: S,
) -> Vec<String>
where
    S: Fn(&str, usize, usize) -> Vec<String> + Send + Sync + 'static,
{
    let folder = tempfile::tempdir().unwrap();
    let mut data = folder.path().join("data0");
    let (mut answered, send) = (Vec::new(), Arc::new(send));
    for round in 0..rounds {
        let listener = start(configured(&data), store);
        let to = address(&listener, server);
        let sending: Vec<_> = (0..senders)
            .map(|sender| {
                let (to, send) = (to.clone(), Arc::clone(&send));
                std::thread::spawn(move || send(&to, round, sender))
            })
            .collect();
        sending.into_iter().for_each(|sender| answered.extend(sender.join().unwrap()));
        store.down.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let next = folder.path().join(format!("data{}", round + 1));
        killed(&data, &next);
        listener.stop(std::future::ready(())).await;
        store.down.store(false, Ordering::Relaxed);
        data = next;
    }
    let listener = start(configured(&data), store);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced(), "{ledger:?}");
    assert_eq!(stop(&listener).await, 0);
    answered.sort();
    answered
}

/// Ends a listener and gives the folder that a kill at this moment would have left.
async fn kill(listener: &Listener, data: &Path) -> PathBuf {
    let copy = data.with_file_name("copy");
    killed(data, &copy);
    listener.stop(std::future::ready(())).await;
    copy
}

/// Changes a bit in the first record of a segment, and gives the file's new bytes.
fn corrupt_checkpoint(segment: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(segment).unwrap();
    bytes[60] ^= 1;
    std::fs::write(segment, &bytes).unwrap();
    bytes
}

fn journal_bytes(listener: &Listener) -> u64 {
    let text = listener.metrics_text();
    text.lines().find_map(|line| line.strip_prefix("metlog_journal_bytes ")?.parse().ok()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::default();
    let mut data = folder.path().join("data0");
    let mut sent = 0;
    let mut listener = start(config(&data), &store);
    for round in 1..6 {
        store.down.store(round % 2 == 0, Ordering::Relaxed);
        let lines: Vec<String> = (sent..sent + 200).map(json).collect();
        for part in lines.chunks(20) {
            send(&address(&listener, "metlog"), part);
            send(&address(&listener, "statsd"), ["hits:1|c\nt:3|ms"; 5]);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        sent += 200;
        let received = (sent + round * 100) as u64;
        until("a round is received", || listener.ledger().received == received).await;
        let ledger = listener.ledger();
        assert!(ledger.is_balanced(), "{ledger:?}");
        // Nothing may move between the copies of two files: the store is down while they are made.
        store.down.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let next = folder.path().join(format!("data{round}"));
        killed(&data, &next);
        let hurried = listener.stop(std::future::ready(())).await;
        assert!(hurried.held <= received);
        data = next;
        store.down.store(false, Ordering::Relaxed);
        listener = start(config(&data), &store);
        let ledger = listener.ledger();
        assert!(ledger.is_balanced() && ledger.received == received, "{ledger:?}, expected {received}");
    }
    assert_eq!(stop(&listener).await, 0);
    let payloads = store.payloads();
    let expected: Vec<String> = (0..sent).map(|n| format!("p{n:05}")).collect();
    assert_eq!(payloads, expected);
    assert_eq!((store.count_of("hits"), store.count_of("t")), (250.0, 250.0));
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.stored == (sent + 500) as u64, "{ledger:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_starts_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let mut calm = config(&data);
    calm.journal.roll_after = Duration::from_secs(60);
    let listener = start(calm.clone(), &store);
    for n in 0..3 {
        send(&address(&listener, "metlog"), [json(n)]);
        until("it is received", || listener.ledger().received == n as u64 + 1).await;
    }
    let copy = kill(&listener, &data).await;
    let segment = segments(&copy).remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.windows(6).position(|window| window == b"p00001").unwrap();
    bytes[middle] ^= 1;
    bytes.extend_from_slice(b"half a record");
    std::fs::write(&segment, &bytes).unwrap();
    store.down.store(false, Ordering::Relaxed);
    calm.data.clone_from(&copy);
    let listener = start(calm, &store);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced(), "{ledger:?}");
    assert_eq!((ledger.received, ledger.set_aside), (3, 1));
    let metrics = listener.metrics_text();
    assert!(metrics.contains("metlog_journal_torn_tails 1\n"), "{metrics}");
    assert!(metrics.contains("metlog_journal_corrupt_records_total 1\n"), "{metrics}");
    assert_eq!(std::fs::read_dir(copy.join("set_aside")).unwrap().count(), 1);
    stop(&listener).await;
    assert_eq!(store.payloads(), ["p00000", "p00002"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_journal_drops_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let mut small = config(&data);
    small.journal.budget_bytes = 20_000;
    let listener = start(small, &store);
    for (n, part) in (0..1_000).map(json).collect::<Vec<_>>().chunks(100).enumerate() {
        send(&address(&listener, "metlog"), part);
        until("a part of it is received", || listener.ledger().received == (n as u64 + 1) * 100).await;
    }
    let full = listener.ledger();
    assert!(full.is_balanced() && full.dropped > 100 && full.held > 50, "{full:?}");
    assert!(!listener.health().ok);
    store.down.store(false, Ordering::Relaxed);
    until("what is held is stored", || listener.ledger().held == 0).await;
    // The room is given back once the files are gone, which is after the receipts.
    until("there is room again", || journal_bytes(&listener) < 10_000).await;
    send(&address(&listener, "metlog"), [json(7)]);
    until("it is received", || listener.ledger().received == 1_001).await;
    assert!(listener.health().ok);
    stop(&listener).await;
    assert_eq!(store.payloads().len() as u64, full.held + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_checkpoint_costs_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let mut calm = config(&data);
    calm.journal.roll_after = Duration::from_secs(60);
    let listener = start(calm.clone(), &store);
    send(&address(&listener, "metlog"), (0..3).map(json));
    send(&address(&listener, "statsd"), ["hits:4|c"]);
    until("all is received", || listener.ledger().received == 4).await;
    let copy = kill(&listener, &data).await;
    corrupt_checkpoint(&segments(&copy)[0]);
    store.down.store(false, Ordering::Relaxed);
    calm.data.clone_from(&copy);
    let listener = start(calm, &store);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.received == 5 && ledger.set_aside == 1, "{ledger:?}");
    let metrics = listener.metrics_text();
    assert!(metrics.contains("metlog_journal_unreadable_segments 0\n"), "{metrics}");
    assert!(metrics.contains("metlog_journal_corrupt_records_total 1\n"), "{metrics}");
    assert_eq!(std::fs::read_dir(copy.join("set_aside")).unwrap().count(), 1, "the corrupt record is kept");
    stop(&listener).await;
    assert_eq!((store.payloads().len(), store.count_of("hits")), (3, 4.0));
}

/// The first of several segments, after many messages that were stored before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_checkpoint_before_others_leaves_the_ledger_right() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(config(&data), &store);
    send(&address(&listener, "metlog"), (0..50).map(json));
    until("all is stored", || listener.ledger().stored == 50).await;
    store.down.store(true, Ordering::Relaxed);
    for n in 1..=2 {
        send(&address(&listener, "metlog"), (50..53).map(json));
        until("they are received", || listener.ledger().received == 50 + n * 3).await;
        until("their segment is sealed", || segments(&data).len() as u64 > n).await;
    }
    let copy = kill(&listener, &data).await;
    corrupt_checkpoint(&segments(&copy)[0]);
    store.down.store(false, Ordering::Relaxed);
    let listener = start(config(&copy), &store);
    until("all is stored", || listener.ledger().held == 0).await;
    let ledger = listener.ledger();
    assert!(ledger.is_balanced(), "{ledger:?}");
    // The corrupt record counts as one message.
    assert_eq!((ledger.received, ledger.stored, ledger.set_aside), (57, 56, 1));
    stop(&listener).await;
    assert_eq!(store.payloads().len(), 56);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_configuration_changes_nothing_that_was_accepted_before() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let mut before = config(&data);
    before.memory_bytes = 0;
    before.statsd_windows.flush_interval = Duration::from_secs(1);
    let listener = start(before.clone(), &store);
    for n in 1..=3 {
        send(&address(&listener, "statsd"), ["hits:1|c\nt:5|ms"; 4]);
        until("it is received", || listener.ledger().received == n * 8).await;
    }
    let copy = kill(&listener, &data).await;
    let mut after = Config { hostname: "renamed".into(), data: copy, ..before };
    after.statsd_windows =
        WindowConfig { flush_interval: Duration::from_millis(500), series_max: 1, ..after.statsd_windows };
    let listener = start(after, &store);
    store.down.store(false, Ordering::Relaxed);
    stop(&listener).await;
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.stored == 24, "{ledger:?}");
    assert_eq!((store.count_of("hits"), store.count_of("t")), (12.0, 12.0));
    let segments = store.segments.lock().unwrap();
    let windows: Vec<_> = segments.values().flat_map(|batch| &batch.windows).filter(|w| w.values > 0).collect();
    assert!(windows.iter().all(|window| &*window.hostname == "host"), "{windows:?}");
    assert!(windows.iter().all(|window| window.length == 1_000_000), "{windows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_waits_while_the_budget_is_used_up() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let mut small = config(&data);
    small.journal.budget_bytes = 600_000;
    let listener = start(small, &store);
    let to = address(&listener, "statsd_tcp");
    let sender = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(to).unwrap();
        let lines = "a.name.that.is.rather.long.and.fills.the.journal:1|c\n".repeat(1_000);
        (0..40).for_each(|_| stream.write_all(lines.as_bytes()).unwrap());
    });
    until("some of it is received", || listener.ledger().received > 3_000).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let full = listener.ledger();
    assert!(full.is_balanced() && full.dropped == 0 && full.received < 40_000, "{full:?}");
    store.down.store(false, Ordering::Relaxed);
    until("all of it is received", || listener.ledger().received == 40_000).await;
    sender.join().unwrap();
    stop(&listener).await;
    let ledger = listener.ledger();
    assert_eq!((ledger.stored, ledger.dropped), (40_000, 0));
    assert_eq!(store.count_of("a.name.that.is.rather.long.and.fills.the.journal"), 40_000.0);
}

/// A second receiver of everything, that answers as it is told and notes when it was asked.
#[derive(Clone, Default)]
struct Other {
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Sink for Other {
    fn name(&self) -> &'static str {
        "other"
    }
    fn role(&self) -> Role {
        Role::Copy
    }
    fn write<'a>(&'a mut self, _: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        self.asked.lock().unwrap().push(Instant::now());
        let again = Next::Retry(Some(Duration::from_millis(400)));
        Box::pin(std::future::ready(Err(SinkError { next: again, message: "busy".into() })))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_no_more_gives_its_room_back_and_one_that_asks_for_time_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other, data) = (Store::default(), Other::default(), folder.path().join("data"));
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(store.clone()), Box::new(other.clone())];
    let listener = Listener::start(config(&data), sinks, &tokio::runtime::Handle::current()).unwrap();
    for n in 1..=3 {
        send(&address(&listener, "metlog"), (0..200).map(json));
        until("it is stored", || listener.ledger().stored == n * 200).await;
    }
    until("it was asked again and again", || other.asked.lock().unwrap().len() > 3).await;
    assert!(listener.health().ok && listener.health().problems.len() == 1, "{:?}", listener.health());
    let waiting = listener.stop(tokio::time::sleep(Duration::from_millis(500))).await.waiting;
    assert_eq!(waiting, ["other"]);
    let asked = other.asked.lock().unwrap().clone();
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(400)), "{asked:?}");
    drop(listener);
    let listener = start(config(&data), &store);
    let bytes = journal_bytes(&listener);
    assert!(bytes < 10_000, "{bytes}: nobody waits for those segments any more");
    assert!(listener.ledger().is_balanced() && listener.ledger().stored == 600, "{:?}", listener.ledger());
    stop(&listener).await;
    assert_eq!(store.payloads().len(), 600);
}

/// Takes windows as they close, as Graphite does, once it is up.
#[derive(Clone, Default)]
struct Windows {
    values: Arc<AtomicU64>,
    asked: Arc<AtomicBool>,
    up: Arc<AtomicBool>,
}

impl Sink for Windows {
    fn name(&self) -> &'static str {
        "windows"
    }
    fn role(&self) -> Role {
        Role::Windows
    }
    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        self.asked.store(true, Ordering::Relaxed);
        let written = if self.up.load(Ordering::Relaxed) {
            self.values.fetch_add(batch.value_count(), Ordering::Relaxed);
            Ok(Receipt::default())
        } else {
            Err(SinkError::retry("down"))
        };
        Box::pin(std::future::ready(written))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_that_cannot_be_read_back_hold_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (store, windows, data) = (Store::default(), Windows::default(), folder.path().join("data"));
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(store.clone()), Box::new(windows.clone())];
    // Nothing sealed stays in memory, so what the sink has not had is read back.
    let forgetful = Config { memory_bytes: 0, ..config(&data) };
    let listener = Listener::start(forgetful, sinks, &tokio::runtime::Handle::current()).unwrap();
    let statsd = address(&listener, "statsd");
    let hits = ["hits:1|c\nhits:1|c\nhits:1|c\nhits:1|c"];
    send(&statsd, hits);
    until("the first windows are offered", || windows.asked.load(Ordering::Relaxed)).await;
    let mut offered = segments(&data);
    offered.pop();
    send(&statsd, hits);
    // Its window is closed by then, in one of the segments that were sealed since.
    until("the second is stored", || listener.ledger().stored == 8).await;
    let mut damaged = segments(&data);
    damaged.pop();
    damaged.retain(|segment| !offered.contains(segment));
    let bytes: Vec<Vec<u8>> = damaged.iter().map(|segment| corrupt_checkpoint(segment)).collect();
    windows.up.store(true, Ordering::Relaxed);
    until("the sink is past it", || listener.waiting().is_empty()).await;
    assert_eq!(windows.values.load(Ordering::Relaxed), 4, "the windows before it came");
    let set_aside = |segment: &PathBuf| std::fs::read(data.join("set_aside").join(segment.file_name().unwrap())).ok();
    let kept: Vec<_> =
        damaged.iter().map(set_aside).zip(bytes).filter_map(|(kept, bytes)| Some((kept?, bytes))).collect();
    assert!(!kept.is_empty() && kept.iter().all(|(kept, bytes)| kept == bytes));
    send(&statsd, ["hits:1|c\nhits:1|c"]);
    until("what is behind it comes", || windows.values.load(Ordering::Relaxed) == 6).await;
    assert_eq!(stop(&listener).await, 0);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.stored == 10 && ledger.set_aside == 0, "{ledger:?}");
}
