//! What an older version left on disk is taken over whole: the fixture is a data folder of version 0.1, killed with its
//! store away.
use super::*;
use arrow::datatypes::Float64Type;
use serde_json::Value;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/v0.1");

fn copy_to(data: &Path) {
    std::fs::create_dir_all(data.join("journal")).unwrap();
    std::fs::copy(Path::new(FIXTURE).join("receipts.json"), data.join("receipts.json")).unwrap();
    for entry in std::fs::read_dir(Path::new(FIXTURE).join("journal")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), data.join("journal").join(entry.file_name())).unwrap();
    }
}

fn answer(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(Path::new(FIXTURE).join(name)).unwrap()).unwrap()
}

/// The value of a gauge in what is stored.
fn gauge(store: &Store, name: &str) -> Vec<f64> {
    let segments = store.segments.lock().unwrap();
    let windows = segments.values().flat_map(|batch| batch.windows.iter().map(|window| &**window));
    let rows = metrics_rows(windows).unwrap();
    let names = rows.column_by_name("name").unwrap().as_string::<i32>().clone();
    let values = rows.column_by_name("value").unwrap().as_primitive::<Float64Type>().clone();
    (0..names.len()).filter(|at| names.value(*at) == name).map(|at| values.value(at)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_of_version_0_1_is_taken_over_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    copy_to(&data);
    store.down.store(true, Ordering::Relaxed);
    let mut patient = config(&data);
    patient.statsd_windows.idle_after = Duration::from_secs(100 * 365 * 86_400);
    let listener = start(patient.clone(), &store);
    let (ledger, before) = (listener.ledger(), answer("ledger.json"));
    let now = [ledger.received, ledger.rejected, ledger.dropped, ledger.stored, ledger.set_aside, ledger.held];
    let then =
        ["received", "rejected", "dropped", "stored", "set_aside", "held"].map(|key| before[key].as_u64().unwrap());
    assert_eq!(now, then);
    assert!(ledger.is_balanced() && ledger.missing == 0);
    let (senders, senders_before) = (listener.senders(), answer("senders.json"));
    assert_eq!((senders.len(), &Value::from(&*senders[0].sender)), (1, &senders_before[0]["sender"]));
    assert_eq!(&Value::from(senders[0].datagrams), &senders_before[0]["datagrams"]);
    // A gauge goes on from where it was.
    send(&address(&listener, "statsd"), ["depth:+5|g"]);
    until("it is received", || listener.ledger().received == then[0] + 1).await;
    store.down.store(false, Ordering::Relaxed);
    assert_eq!(stop(&listener).await, 0);
    let ledger = listener.ledger();
    assert!(ledger.is_balanced(), "{ledger:?}");
    assert_eq!(ledger.stored, then[3] + then[5] + 1);
    let mut payloads: Vec<String> = (0..20).map(|n| format!("held {n}")).collect();
    payloads.extend((0..5).map(|n| format!("later {n}")));
    payloads.extend(["last".into(), "paid".into()]);
    payloads.sort();
    assert_eq!(store.payloads(), payloads);
    assert_eq!((store.count_of("hits"), store.count_of("app.hits"), store.count_of("t")), (5.0, 8.0, 4.0));
    assert_eq!(store.count_of("who"), 2.0);
    assert_eq!(gauge(&store, "depth"), [10.0, 15.0]);
    drop(listener);
    let listener = start(patient, &store);
    assert!(listener.ledger().is_balanced() && listener.ledger().held == 0, "{:?}", listener.ledger());
    stop(&listener).await;
}

/// Each file of it damaged, alone: nothing panics, the start succeeds, and the books balance.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_folder_of_version_0_1_starts_and_balances() {
    let names: Vec<PathBuf> = {
        let folder = tempfile::tempdir().unwrap();
        copy_to(folder.path());
        segments(folder.path()).iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_owned()).collect()
    };
    for name in names.into_iter().chain(["receipts.json".into()]) {
        for damage in ["gone", "empty", "corrupt"] {
            let folder = tempfile::tempdir().unwrap();
            let (store, data) = (Store::default(), folder.path().join("data"));
            copy_to(&data);
            let path = data.join(&name);
            let mut bytes = std::fs::read(&path).unwrap();
            match damage {
                "gone" => std::fs::remove_file(&path).unwrap(),
                "empty" => std::fs::write(&path, b"").unwrap(),
                _ => {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 0xFF;
                    std::fs::write(&path, &bytes).unwrap();
                }
            }
            let listener = start(config(&data), &store);
            assert!(listener.ledger().is_balanced(), "{} {damage}: {:?}", name.display(), listener.ledger());
            assert_eq!(stop(&listener).await, 0);
            let ledger = listener.ledger();
            // Only the last segment knew of its own messages.
            assert!(ledger.is_balanced() && ledger.received >= 62, "{} {damage}: {ledger:?}", name.display());
        }
    }
}
