//! What was set aside is no dead end: segments that the store refused, and records of a newer program.
use super::*;
use metlog_listener::journal::record::{Builder, Framing};
use metlog_listener::{Offered, offer_again};
use std::io::Write;

/// A store that refuses for good until it is told otherwise.
#[derive(Clone, Default)]
struct Fussy {
    store: Store,
    takes: Arc<AtomicBool>,
}

impl Sink for Fussy {
    fn name(&self) -> &'static str {
        "store"
    }
    fn role(&self) -> Role {
        Role::Store
    }
    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        if self.takes.load(Ordering::Relaxed) {
            return self.store.write(batch);
        }
        Box::pin(std::future::ready(Err(SinkError::set_aside("the path is not allowed"))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_segment_is_offered_again() {
    let folder = tempfile::tempdir().unwrap();
    let (fussy, data) = (Fussy::default(), folder.path().join("data"));
    let runtime = tokio::runtime::Handle::current();
    let listener = Listener::start(config(&data), vec![Box::new(fussy.clone())], &runtime).unwrap();
    send(&address(&listener, "metlog"), (0..30).map(json));
    send(&address(&listener, "statsd"), ["hits:3|c"]);
    until("all is set aside", || listener.ledger().set_aside == 31).await;
    assert!(listener.ledger().is_balanced());
    stop(&listener).await;
    drop(listener);
    let left: Vec<Offered> = offer_again(&config(&data), &mut fussy.clone()).await.unwrap();
    assert!(!left.is_empty() && left.iter().all(|offered| offered.left.is_some()), "{left:?}");
    fussy.takes.store(true, Ordering::Relaxed);
    let offered = offer_again(&config(&data), &mut fussy.clone()).await.unwrap();
    assert!(offered.iter().all(|offered| offered.left.is_none()), "{offered:?}");
    assert_eq!(offered.iter().map(|offered| offered.stored).sum::<u64>(), 31);
    assert_eq!((fussy.store.payloads().len(), fussy.store.count_of("hits")), (30, 3.0));
    assert_eq!(std::fs::read_dir(data.join("set_aside")).unwrap().count(), 0);
    let listener = start(config(&data), &fussy.store);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.stored == 31 && ledger.set_aside == 0, "{ledger:?}");
    stop(&listener).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_newer_program_is_kept_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let listener = start(config(&data), &store);
    send(&address(&listener, "metlog"), (0..3).map(json));
    until("all is received", || listener.ledger().received == 3).await;
    listener.stop(std::future::ready(())).await;
    drop(listener);
    until("the folder is free", || std::fs::File::open(data.join("lock")).unwrap().try_lock().is_ok()).await;
    let segment = segments(&data).pop().unwrap();
    let (framing, _) = Framing::of(&std::fs::read(&segment).unwrap()).unwrap();
    let mut file = std::fs::File::options().append(true).open(&segment).unwrap();
    for _ in 0..2 {
        file.write_all(Builder::of(250, b"what is this").finish(framing, now())).unwrap();
    }
    drop(file);
    store.down.store(false, Ordering::Relaxed);
    let listener = start(config(&data), &store);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.received == 5 && ledger.set_aside == 2, "{ledger:?}");
    assert_eq!(stop(&listener).await, 0);
    assert_eq!(store.payloads().len(), 3);
    drop(listener);
    let left = offer_again(&config(&data), &mut store.clone()).await.unwrap();
    assert!(left[0].left.as_ref().unwrap().contains("2 of its records still need a newer program"), "{left:?}");
    // A program that knows the code: here it is one that we know.
    let kept = left[0].file.clone();
    let bytes = std::fs::read(&kept).unwrap();
    let (framing, _) = Framing::of(&bytes).unwrap();
    let at = bytes.len() - 2 * Builder::of(250, b"what is this").len();
    let mut known = bytes[..at].to_vec();
    for n in 7..9 {
        let mut record = Builder::default();
        record.begin(2);
        record.datagram(json(n).as_bytes());
        known.extend_from_slice(record.finish(framing, now()));
    }
    std::fs::write(&kept, known).unwrap();
    let offered = offer_again(&config(&data), &mut store.clone()).await.unwrap();
    assert_eq!((offered[0].stored, &offered[0].left), (2, &None));
    let listener = start(config(&data), &store);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.received == 5 && ledger.stored == 5 && ledger.set_aside == 0, "{ledger:?}");
    stop(&listener).await;
}
