//! What the formats promise, in a whole listener: what is sent comes back from the store as it was meant.
use super::privacy::{files_below, holds, objects};
use super::*;
use metlog_listener::privacy::{Action, Rule, Target};
use metlog_schemas::format::statsd::GaugeDeltas;
use regex::Regex;
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;

/// Rows of `metrics` of a name, in the order of their windows.
fn metrics(store: &Store, name: &str) -> Vec<Value> {
    let segments = store.segments.lock().unwrap();
    let windows = segments.values().flat_map(|batch| batch.windows.iter().map(|window| &**window));
    let mut rows = objects(&metrics_rows(windows).unwrap());
    rows.retain(|row| row["name"] == name);
    rows
}

fn last_value(store: &Store, name: &str) -> Option<f64> {
    metrics(store, name).last().and_then(|row| row["value"].as_f64())
}

/// Scenario: a gauge with a sign three times, with and without sections of DogStatsD, under each setting; then a start
/// under another setting, which reads the journal back.
#[tokio::test(flavor = "multi_thread")]
async fn gauges_with_a_sign_mean_what_is_configured() {
    for (gauge_deltas, plain, tagged) in
        [(GaugeDeltas::Auto, -15.0, -5.0), (GaugeDeltas::Etsy, -15.0, -15.0), (GaugeDeltas::Dogstatsd, -5.0, -5.0)]
    {
        let folder = tempfile::tempdir().unwrap();
        let (store, data) = (Store::default(), folder.path().join("data"));
        store.down.store(true, Ordering::Relaxed);
        let configured = Config { gauge_deltas, ..config(&data) };
        let listener = start(configured.clone(), &store);
        let lines = ["plain:-5|g", "plain:-5|g\nplain:-5|g", "tagged:-5|g|#\ntagged:-5|g|c:x\ntagged:-5|g|T1656581400"];
        send(&address(&listener, "statsd"), lines);
        until("all came", || listener.ledger().received == 6).await;
        // As after a kill: the folder is read back under the other meaning.
        let copy = folder.path().join("copy");
        copy_folder(&data, &copy);
        store.down.store(false, Ordering::Relaxed);
        stop(&listener).await;
        assert_eq!((last_value(&store, "plain"), last_value(&store, "tagged")), (Some(plain), Some(tagged)));
        drop(listener);
        let other = match gauge_deltas {
            GaugeDeltas::Dogstatsd => GaugeDeltas::Etsy,
            GaugeDeltas::Etsy | GaugeDeltas::Auto => GaugeDeltas::Dogstatsd,
        };
        let again = Store::default();
        let sockets = sockets(&copy);
        let listener = start(Config { data: copy, sockets, gauge_deltas: other, ..configured }, &again);
        stop(&listener).await;
        assert_eq!((last_value(&again, "plain"), last_value(&again, "tagged")), (Some(plain), Some(tagged)));
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target = to.join(entry.file_name().unwrap());
        if entry.is_dir() { copy_folder(&entry, &target) } else { drop(std::fs::copy(&entry, &target)) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_tags_are_kept_in_metrics_and_messages() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(config(&data), &store);
    let lines = ["hits:1|c|#team:a,team:b,plain", "hits:1|c|#plain,team:b,team:a", "_e{1,1}:t|x|#team:a,team:b,plain"];
    send(&address(&listener, "statsd"), lines);
    until("all came", || listener.ledger().received == 3).await;
    stop(&listener).await;
    let rows = metrics(&store, "hits");
    assert!(rows.iter().all(|row| row["tags"] == json!({"plain": "true", "team": "a", "team#2": "b"})), "{rows:?}");
    assert_eq!(store.count_of("hits"), 2.0);
    let messages: Vec<Value> = store.messages().iter().flat_map(objects).collect();
    let expected = json!({"title": "t", "tag.team": "a", "tag.team#2": "b", "tag.plain": "true"});
    assert_eq!(messages[0]["fields"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_and_host_of_json_statistics_become_tags() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let json_tags = vec!["page".to_owned(), "hostname".to_owned()];
    let listener = start(Config { json_tags, ..config(&data) }, &store);
    let statistic = |kind: &str, page: &str| {
        json!({
            "type": kind, "logger": "app", "payload": "4", "metlog_hostname": "web1",
            "fields": {"name": "n", "rate": 0.5, "page": page, "user": "not a tag"},
        })
        .to_string()
    };
    let sent = ["/a", "/a", "/b;,|x"].iter().flat_map(|page| [statistic("counter", page), statistic("timer", page)]);
    send(&address(&listener, "metlog"), sent);
    until("all came", || listener.ledger().received == 6).await;
    stop(&listener).await;
    let rows = metrics(&store, "app.n");
    let total = |kind: &str, page: &str| -> f64 {
        let tags = json!({"hostname": "web1", "page": page});
        let found = rows.iter().filter(|row| row["kind"] == kind && row["tags"] == tags);
        found.map(|row| row["count"].as_f64().unwrap()).sum()
    };
    assert_eq!((total("counter", "/a"), total("timer", "/a")), (16.0, 4.0), "{rows:?}");
    assert_eq!((total("counter", "/b___x"), total("timer", "/b___x")), (8.0, 2.0), "{rows:?}");
}

/// Scenario: the attack that lost 4,550 of 8,000 values: datagrams of more than 64 KiB over a Unix socket.
#[tokio::test(flavor = "multi_thread")]
async fn unix_datagrams_that_are_too_long_are_counted() {
    const DATAGRAMS: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(config(&data), &store);
    let unix = socket2::Socket::from(UnixDatagram::unbound().unwrap());
    unix.set_send_buffer_size(4 << 20).unwrap();
    let send_to = |name: &str, bytes: &[u8]| {
        let to = socket2::SockAddr::unix(data.with_extension(name)).unwrap();
        assert_eq!(unix.send_to(bytes, &to).unwrap(), bytes.len());
    };
    let line = "cut:10|c|@0.1|#env:prod\n";
    let (fits, longer) = (65_536 / line.len(), 65_536 / line.len() + 200);
    for n in 0..DATAGRAMS {
        // The end of the buffer falls at another place of a line each time.
        let begin = format!("{}:1|c\n", "b".repeat(n as usize + 1));
        send_to("statsd", format!("{begin}{}", line.repeat(longer)).as_bytes());
        send_to("metlog", format!(r#"{{"type":"t","payload":"{}"}}"#, "x".repeat(65_536 + n as usize)).as_bytes());
    }
    send_to("statsd", line.repeat(fits).as_bytes());
    let taken = fits as u64;
    let refused = || listener.ledger().rejected_by_reason.get("datagram_too_long").copied().unwrap_or_default();
    // A line that is cut is one too; those behind the cut nobody has seen.
    let seen = |n: u64| (65_536 - (n + 6)).div_ceil(line.len() as u64) + 1;
    let expected = DATAGRAMS + (0..DATAGRAMS).map(seen).sum::<u64>();
    until("each is counted", || refused() >= expected && listener.ledger().received >= expected + taken).await;
    let ledger = listener.ledger();
    assert_eq!((refused(), ledger.received, ledger.rejected), (expected, expected + taken, expected), "{ledger:?}");
    stop(&listener).await;
    assert_eq!(store.count_of("cut"), taken as f64 * 100.0, "nothing of what was cut is stored");
    assert!(store.messages().is_empty() && listener.ledger().is_balanced());
}

/// Scenario: messages that a rule cannot look into, and lines with mixed spellings, while the store is away.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_rule_can_reach_is_refused_and_not_shown() {
    const SECRET: &str = "hunter2-4711";
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    store.down.store(true, Ordering::Relaxed);
    let target = Target::Fields(Regex::new("email").unwrap());
    let privacy = vec![Rule { r#type: None, logger: None, target, action: Action::Drop }];
    let listener = start(Config { privacy, ..config(&data) }, &store);
    let deep = format!("{}{{\"email\":\"{SECRET}\"}}{}", "[".repeat(300), "]".repeat(300));
    send(&address(&listener, "metlog"), [format!(r#"{{"type":"t","fields":{{"x":{deep}}}}}"#), format!("{{{SECRET}")]);
    let lines = [format!("hits,email={SECRET},flag:1|c"), format!("hits:1|c|#email:{SECRET}b,email:{SECRET},a:b")];
    send(&address(&listener, "statsd"), lines);
    until("all came", || listener.ledger().received == 4).await;
    let ledger = listener.ledger();
    assert_eq!(ledger.rejected_by_reason.get("privacy_unreadable"), Some(&2), "{ledger:?}");
    assert!(listener.rejected().iter().all(|reject| reject.text.is_empty()));
    until("a segment is sealed", || segments(&data).len() > 1).await;
    assert!(files_below(&data).iter().all(|(_, bytes)| !holds(bytes, SECRET)));
    store.down.store(false, Ordering::Relaxed);
    stop(&listener).await;
    assert_eq!(metrics(&store, "hits")[0]["tags"], json!({"a": "b"}));
}

/// Scenario: the datagrams of a real client, one that is wrong and an empty one, to the socket of oslo.metrics.
/// Guarantees: each value is in its series, with its labels as tags, and each refusal is counted.
#[tokio::test(flavor = "multi_thread")]
async fn datagrams_of_oslo_metrics_are_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let (store, data) = (Store::default(), folder.path().join("data"));
    let listener = start(config(&data), &store);
    let client = UnixDatagram::unbound().unwrap();
    let to = address(&listener, "oslo_metrics_unix").replace("unix:", "");
    let real = include_str!("../../../schemas/examples/oslo_metrics.real.pass.txt");
    for datagram in real.lines().chain(["{}", ""]) {
        client.send_to(datagram.as_bytes(), &to).unwrap();
    }
    until("all came", || listener.ledger().received == 10).await;
    let ledger = listener.ledger();
    assert!(ledger.is_balanced() && ledger.rejected == 2, "{ledger:?}");
    stop(&listener).await;
    let starts = metrics(&store, "oslo_messaging.rpc_client_invocation_start_total");
    assert_eq!(starts.iter().map(|row| row["count"].as_f64().unwrap()).sum::<f64>(), 3.0);
    assert!(starts.iter().any(|row| row["tags"].to_string().contains("boom")), "{starts:?}");
    let timers = metrics(&store, "oslo_messaging.rpc_client_processing_seconds");
    assert!(timers.iter().all(|row| row["kind"] == "timer" && row["max"].as_f64().unwrap() < 1.0), "{timers:?}");
    assert_eq!(timers.iter().map(|row| row["count"].as_f64().unwrap()).sum::<f64>(), 2.0);
}
