//! Records, as the messages that they become.
use super::*;
use crate::{Captured, Config, Destination, Filters};
use log::Log as _;
use std::sync::{Arc, Mutex};

fn client(config: Config) -> (Client, Captured) {
    let (destination, captured) = Destination::capture();
    (Client::new(config.destination(destination).statsd(false)).unwrap(), captured)
}

fn record(logger: &dyn log::Log, level: Level, target: &str, text: &str) {
    logger.log(&Record::builder().level(level).target(target).args(format_args!("{text}")).build());
}

/// Another logger: keeps what it gets, and logs something itself meanwhile.
#[derive(Clone, Default)]
struct Other {
    got: Arc<Mutex<Vec<String>>>,
    again: Option<&'static Log>,
}

impl log::Log for Other {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() != "secret"
    }

    fn log(&self, of: &Record<'_>) {
        self.got.lock().unwrap().push(of.args().to_string());
        if let Some(again) = self.again {
            record(again, Level::Error, "a", "from within");
        }
    }

    fn flush(&self) {
        self.got.lock().unwrap().push("flushed".into());
    }
}

#[test]
fn a_record_keeps_what_it_says() {
    let (client, captured) = client(Config::default().logger("shop"));
    let log = Log::with_client(client.clone()).level(LevelFilter::Trace).of_type("app");
    let pairs: &[(&str, kv::Value<'_>)] = &[
        ("user", 25.into()),
        ("name", "ann".into()),
        ("ok", true.into()),
        ("took", 0.5.into()),
        ("none", kv::Value::null()),
    ];
    for level in Level::iter() {
        log.log(
            &Record::builder()
                .level(level)
                .target("auth::login")
                .module_path(Some("shop::auth"))
                .file(Some("src/auth.rs"))
                .line(Some(7))
                .key_values(&pairs)
                .args(format_args!("bad {}", "password"))
                .build(),
        );
    }
    record(&log, Level::Info, "plain", &"x".repeat(700));
    log.flush();
    let messages = captured.messages();
    let severities: Vec<u8> = messages[..5].iter().map(|message| message.severity.number()).collect();
    assert_eq!(severities, [3, 4, 6, 7, 7]);
    let first = &messages[0];
    assert_eq!(
        (first.r#type.as_str(), first.logger.as_str(), first.payload.as_str()),
        ("app", "auth::login", "bad password")
    );
    let fields: Vec<String> = first.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let expected =
        ["user=25", "name=ann", "ok=true", "took=0.5", "none=null", "source=src/auth.rs:7", "module=shop::auth"];
    assert_eq!(fields, expected);
    assert_eq!((messages[5].payload.len(), messages[5].fields.len(), messages.len()), (700, 0, 6));
}

#[test]
fn levels_by_target_and_the_configured_filters() {
    let filters = Filters { type_blacklist: ["noise".to_owned()].into(), ..Filters::default() };
    let (client, captured) = client(Config::default().filters(filters));
    let log = Log::with_client(client.clone()).level_of("hyper", LevelFilter::Warn);
    let log = log.level_of("hyper::proto", LevelFilter::Trace).level_of("off", LevelFilter::Off);
    assert_eq!(log.max_level(), LevelFilter::Trace);
    let cases = [
        ("app", Level::Info, true),
        ("app", Level::Debug, false),
        ("hyper", Level::Info, false),
        ("hyper::client", Level::Warn, true),
        ("hyperion", Level::Info, true),
        ("hyper::proto::h1", Level::Trace, true),
        ("off", Level::Error, false),
    ];
    for (target, level, sent) in cases {
        assert_eq!(log.enabled(&Metadata::builder().target(target).level(level).build()), sent, "{target} {level}");
        record(&log, level, target, target);
    }
    record(&Log::with_client(client.clone()).of_type("noise"), Level::Error, "app", "filtered");
    log.flush();
    let sent: Vec<String> = captured.messages().into_iter().map(|message| message.payload).collect();
    assert!(sent.iter().eq(cases.iter().filter(|(_, _, sent)| *sent).map(|(target, _, _)| target)), "{sent:?}");
    assert_eq!(client.stats().filtered, 1);
}

#[test]
fn another_logger_gets_the_records_that_it_wants() {
    let (client, captured) = client(Config::default());
    let other = Other::default();
    let log = Log::with_client(client).level(LevelFilter::Error).also(other.clone(), LevelFilter::Info);
    assert_eq!(log.max_level(), LevelFilter::Info);
    assert!(log.enabled(&Metadata::builder().target("a").level(Level::Info).build()));
    record(&log, Level::Error, "a", "both");
    record(&log, Level::Info, "a", "the other one");
    record(&log, Level::Error, "secret", "this one");
    log.flush();
    assert_eq!(*other.got.lock().unwrap(), ["both", "the other one", "flushed"]);
    assert!(captured.messages().iter().map(|message| message.payload.as_str()).eq(["both", "this one"]));
}

/// Scenario: a value that logs while it is written, and another logger that logs while it logs.
/// Guarantees: neither comes here again, on this thread; what is left out is counted.
#[test]
fn what_is_logged_while_logging_is_dropped_and_counted() {
    struct Chatty(&'static Log);

    impl fmt::Display for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            record(self.0, Level::Error, "a", "from a value");
            f.write_str("chatty")
        }
    }

    let (client, captured) = client(Config::default());
    let inner: &'static Log = Box::leak(Box::new(Log::with_client(client.clone())));
    let other = Other { again: Some(inner), ..Other::default() };
    let log: &'static Log = Box::leak(Box::new(Log::with_client(client.clone()).also(other, LevelFilter::Error)));
    log.log(&Record::builder().level(Level::Error).target("a").args(format_args!("{}", Chatty(log))).build());
    let panics = || log.log(&Record::builder().level(Level::Error).args(format_args!("{}", Panics)).build());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    record(log, Level::Error, "a", "afterwards");
    assert!(client.flush());
    assert!(captured.messages().iter().map(|message| message.payload.as_str()).eq(["chatty", "afterwards"]));
    assert_eq!(client.stats().dropped, 4, "of the value, twice; of the other logger, twice");
}

struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a value that cannot be written")
    }
}
