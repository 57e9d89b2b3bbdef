//! The client, through a capturing destination.
use super::*;
use crate::origin;
use crate::{Captured, Destination, Filters, Message, Severity};
use metlog_wire::v1::Datagram;
use std::time::{SystemTime, UNIX_EPOCH};

fn client(change: impl FnOnce(Config) -> Config) -> (Client, Captured) {
    let (destination, captured) = Destination::capture();
    let config = Config::default().destination(destination.clone()).statsd_destination(destination);
    (Client::new(change(config)).unwrap(), captured)
}

#[test]
fn a_plain_message_has_the_configured_values() {
    let (client, captured) =
        client(|config| config.logger("sync").hostname("web1").severity(Severity::NOTICE).default_type("services"));
    let before = origin::now();
    assert_eq!(client.send(["browserid", "login"], "user 25"), Outcome::Queued);
    let none: [&str; 0] = [];
    assert_eq!(client.send(none, String::from("no tokens")), Outcome::Queued);
    assert_eq!(client.send(vec!["a".to_owned()], ""), Outcome::Queued);
    assert!(client.flush());
    let messages = captured.messages();
    let [first, second, third] = messages.as_slice() else { panic!("{messages:?}") };
    assert!((before..=origin::now()).contains(&first.timestamp));
    let expected = Message {
        timestamp: first.timestamp,
        r#type: "services".into(),
        logger: "sync".into(),
        severity: Severity::NOTICE,
        hostname: "web1".into(),
        pid: std::process::id().into(),
        tokens: vec!["browserid".into(), "login".into()],
        payload: "user 25".into(),
        fields: vec![],
        env_version: "1".into(),
    };
    assert_eq!(*first, expected);
    assert_eq!((second.payload.as_str(), second.tokens.len()), ("no tokens", 0));
    assert_eq!((third.payload.as_str(), third.tokens.as_slice()), ("", &["a".to_owned()][..]));
}

#[test]
fn a_built_message_has_what_it_was_given() {
    let (client, captured) = client(|config| config.logger("sync"));
    let at = UNIX_EPOCH + Duration::from_micros(1_342_646_005_000_001);
    let names: Vec<String> = (0..12).map(|i| format!("f{i}")).collect();
    let message = client
        .message("bad password")
        .of_type("login")
        .logger("auth")
        .severity(Severity::WARNING)
        .timestamp(at)
        .tokens(&["browserid", "refused"]);
    let message = names.iter().enumerate().fold(message, |message, (i, name)| message.field(name, i));
    assert_eq!(message.send(), Outcome::Queued);
    assert!(client.flush());
    let sent = &captured.messages()[0];
    assert_eq!((sent.r#type.as_str(), sent.logger.as_str(), sent.severity.number()), ("login", "auth", 4));
    assert_eq!((sent.timestamp, sent.payload.as_str()), (1_342_646_005_000_001, "bad password"));
    assert_eq!(sent.tokens, ["browserid", "refused"]);
    assert!(sent.fields.iter().cloned().eq(names.into_iter().enumerate().map(|(i, name)| (name, i.to_string()))));
}

/// Guarantees: whatever a caller passes, it gets an answer.
#[test]
fn values_at_the_edges() {
    let (client, captured) = client(|config| config);
    assert_eq!(client.message("x").timestamp(UNIX_EPOCH - Duration::from_secs(1)).send(), Outcome::Queued);
    assert_eq!(client.message("x").timestamp(SystemTime::now() + Duration::from_secs(1 << 40)).send(), Outcome::Queued);
    assert_eq!(client.message("x").of_type(&"t".repeat(256)).send(), Outcome::Oversize);
    assert_eq!(client.send(["x"], "x".repeat(100_000)), Outcome::Oversize);
    assert_eq!(client.send(vec!["x"; 100_000], ""), Outcome::Oversize);
    assert!(client.flush());
    assert_eq!(captured.messages()[0].timestamp, -1_000_000);
    assert_eq!((captured.messages().len(), client.stats().dropped, client.stats().oversize), (2, 3, 3));
}

#[test]
fn filters_keep_messages_back_and_leave_statsd_alone() {
    let filters = Filters { severity_max: Some(Severity::ERROR), ..Filters::default() };
    let (client, captured) = client(|config| config.filters(filters));
    assert_eq!(client.send(["a"], "informational"), Outcome::Filtered);
    assert_eq!(client.message("urgent").severity(Severity::ALERT).send(), Outcome::Queued);
    assert_eq!(client.incr("a"), Outcome::Queued);
    assert!(client.flush());
    assert_eq!((captured.messages().len(), captured.statsd_lines().len()), (1, 1));
    assert_eq!((client.stats().filtered, client.stats().dropped), (1, 0));
}

#[test]
fn datagrams_are_signed_where_a_key_is_configured() {
    let (client, captured) = client(|config| config.key("web", "secret"));
    client.send(["a"], "b");
    assert!(client.flush());
    let bytes = &captured.datagrams()[0];
    let datagram = Datagram::decode(bytes).unwrap();
    assert_eq!((datagram.header.key_id, datagram.verify(b"secret")), (Some("web"), Ok(())));
    assert!(datagram.verify(b"other").is_err());
}

#[test]
fn each_datagram_goes_to_every_destination_and_fits() {
    let (other, also) = Destination::capture();
    let (client, captured) = client(|config| config.destination(other).datagram_bytes(512));
    for i in 0..100 {
        client.send(["a", "b"], format!("message {i}"));
    }
    assert!(client.flush());
    assert_eq!(captured.datagrams(), also.datagrams());
    assert_eq!(captured.messages().len(), 100);
    assert!(captured.datagrams().iter().all(|bytes| bytes.len() <= 512) && captured.datagrams().len() > 5);
}

#[test]
fn the_last_clone_closes() {
    let (client, captured) = client(|config| config);
    let clone = client.clone();
    client.send(["a"], "first");
    drop(client);
    assert_eq!(clone.send(["a"], "second"), Outcome::Queued);
    drop(clone);
    assert_eq!(captured.messages().len(), 2);
}

#[test]
fn without_destinations_nothing_leaves() {
    let none: [Destination; 0] = [];
    let client = Client::new(Config::default().destinations(none).statsd(false)).unwrap();
    assert_eq!((client.send(["a"], "b"), client.incr("a")), (Outcome::Off, Outcome::Off));
    assert!(client.flush());
    assert_eq!(client.stats(), Stats::default());
}

#[test]
fn a_noop_destination_takes_everything() {
    let client =
        Client::new(Config::default().destination(Destination::noop()).statsd_destination(Destination::noop()));
    let client = client.unwrap();
    assert_eq!((client.send(["a"], "b"), client.incr("a")), (Outcome::Queued, Outcome::Queued));
    assert!(client.flush());
    let stats = client.stats();
    assert_eq!((stats.datagrams, stats.statsd_datagrams, stats.send_errors), (1, 1, 0));
}

/// Scenario: the host's name resolves to nothing.
/// Guarantees: callers see nothing of it, and the errors are counted.
#[test]
fn an_unreachable_destination_is_counted() {
    let config = Config::default().destination("unix:/nonexistent/metlog.sock").statsd(false);
    let client = Client::new(config).unwrap();
    assert_eq!(client.send(["a"], "b"), Outcome::Queued);
    assert!(client.flush());
    let stats = client.stats();
    assert_eq!((stats.queued, stats.datagrams, stats.send_errors, stats.dropped), (1, 1, 1, 0));
}
