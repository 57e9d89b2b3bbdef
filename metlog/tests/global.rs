//! The client of the process: `init`, calls from anywhere, and the end. One test, since there is one process.
#![allow(clippy::unwrap_used)]
use metlog::{Config, Destination, Outcome};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

#[test]
fn from_init_to_the_end() {
    assert_eq!((metlog::send(["a"], "b"), metlog::incr("a")), (Outcome::Off, Outcome::Off));
    assert_eq!((metlog::message("a").send(), metlog::timer("a").stop()), (Outcome::Off, Outcome::Off));
    assert!(metlog::flush());
    #[cfg(feature = "cadence")]
    assert!(metlog::statsd().is_none());
    assert_eq!(metlog::time("a", || 1), 1);

    let (destination, captured) = Destination::capture();
    let config = Config::default().destination(destination.clone()).statsd_destination(destination);
    let guard = metlog::init(config.clone()).unwrap();
    assert!(metlog::init(Config::default().destination("nowhere")).is_err());
    std::thread::spawn(|| {
        metlog::send(["browserid", "login"], "payload");
        metlog::message("built").of_type("login").send();
        metlog::incr("incr");
        metlog::incr_with_rate("incr", 1.0);
        metlog::count("count", 2);
        metlog::count_with_rate("count", 2, 1.0);
        metlog::gauge("gauge", 3);
        metlog::gauge_with_rate("gauge", 3, 1.0);
        metlog::gauge_delta("gauge", 3);
        metlog::timing("timing", Duration::from_millis(4));
        metlog::timing_with_rate("timing", Duration::from_millis(4), 1.0);
        metlog::set("set", 5);
        metlog::set_with_rate("set", 5, 1.0);
        metlog::timer("timer").stop();
        metlog::timer_with_rate("timer", 1.0).stop();
        metlog::time("time", || ());
    })
    .join()
    .unwrap();
    assert!(metlog::flush());
    let kinds: Vec<String> = captured.messages().into_iter().map(|message| message.r#type).collect();
    assert_eq!(kinds, ["metlog", "login"]);
    let lines = captured.statsd_lines();
    let fixed = ["incr:1|c", "incr:1|c", "count:2|c", "count:2|c", "gauge:3|g", "gauge:3|g", "gauge:+3|g"];
    assert_eq!(lines[..7], fixed);
    assert_eq!(lines[7..11], ["timing:4|ms", "timing:4|ms", "set:5|s", "set:5|s"]);
    assert_eq!(lines[11..].iter().filter(|line| line.starts_with("time") && line.ends_with("|ms")).count(), 3);
    assert_eq!((metlog::stats().queued, metlog::stats().statsd_queued), (2, 14));

    captured.clear();
    let newer = metlog::init(config).unwrap();
    metlog::send(["a"], "to the newer one");
    drop(guard);
    assert_eq!(metlog::send(["a"], "the older guard closes only its own"), Outcome::Queued);
    let kept = newer.client().clone();
    drop(newer);
    assert_eq!(captured.messages().len(), 2, "the guard flushes while a clone lives");
    assert_eq!(metlog::send(["a"], "late"), Outcome::Off);
    assert_eq!(kept.send(["a"], "by the clone"), Outcome::Queued);
    drop(kept);
    assert_eq!(captured.messages().len(), 3);
}

/// Scenario: real sockets of each kind, as a listener has them.
#[test]
fn over_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metlog.sock");
    let unix = UnixDatagram::bind(&path).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let statsd = UdpSocket::bind("127.0.0.1:0").unwrap();
    unix.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    statsd.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let toml = format!(
        "[metlog]\ndestinations = [\"localhost:{}\", \"unix:{}\"]\nstatsd_destination = \"{}\"",
        udp.local_addr().unwrap().port(),
        path.display(),
        statsd.local_addr().unwrap(),
    );
    let client = metlog::Client::new(Config::from_toml(&toml).unwrap()).unwrap();
    client.send(["a"], "over the network");
    client.incr("logins");
    let (mut first, mut second, mut lines) = ([0; 2_048], [0; 2_048], [0; 2_048]);
    let (a, b) = (udp.recv(&mut first).unwrap(), unix.recv(&mut second).unwrap());
    assert_eq!(first[..a], second[..b]);
    let message = metlog_wire::v1::Datagram::decode(&first[..a]).unwrap().messages().next().unwrap().unwrap();
    assert_eq!(message.payload, "over the network");
    let length = statsd.recv(&mut lines).unwrap();
    assert_eq!(&lines[..length], b"logins:1|c");
    assert_eq!(client.stats().send_errors, 0);
}
