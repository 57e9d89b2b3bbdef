//! Configurations that can and cannot be.
use super::*;

fn settings(toml: &str) -> Settings {
    Config::from_toml(toml).unwrap().settings().unwrap()
}

/// The error of reading or of validating.
fn error(toml: &str) -> String {
    Config::from_toml(toml).and_then(|config| config.validate()).unwrap_err().to_string()
}

#[test]
fn every_key_of_the_documentation() {
    let docs = include_str!("../lib.rs");
    let from = docs.find("//! ```toml\n").unwrap() + "//! ```toml\n".len();
    let example = &docs[from..][..docs[from..].find("//! ```\n").unwrap()];
    let toml: String = example.lines().map(|line| format!("{}\n", line.trim_start_matches("//!"))).collect();
    let settings = settings(&toml);
    assert_eq!(settings.destinations.len(), 2);
    assert!(matches!(&settings.destinations[1].0, Target::Unix(path) if path.ends_with("metlog.sock")));
    assert_eq!(settings.statsd.as_ref().map(|statsd| statsd.prefix.as_str()), Some("sync."));
    assert_eq!((settings.logger.as_str(), settings.hostname.as_str()), ("sync", "web1"));
    assert_eq!((settings.severity.number(), settings.r#type.as_str()), (6, "metlog"));
    assert_eq!(settings.key.map(|key| (key.id, key.secret)), Some(("web".into(), b"a shared secret".to_vec())));
    assert!(settings.disabled_timers.contains("slow.one") && !settings.all_timers_disabled);
    assert!(!settings.filters.passes("debug", Severity::ERROR));
    assert!(!settings.filters.passes("wsgi", Severity::ERROR));
    assert!(!settings.filters.passes("login", Severity::NOTICE));
    assert!(settings.filters.passes("login", Severity::WARNING));
}

#[test]
fn defaults() {
    let settings = settings("[metlog]\n[other]\nunknown = 1\n");
    assert!(
        matches!(&settings.destinations[..], [Destination(Target::Udp { host, port: 5565 })] if host == "127.0.0.1")
    );
    let statsd = settings.statsd.unwrap();
    assert!(matches!(&statsd.destination.0, Target::Udp { host, port: 8125 } if host == "127.0.0.1"));
    assert_eq!((settings.datagram_bytes, statsd.datagram_bytes, statsd.prefix.as_str()), (1_432, 1_432, ""));
    assert_eq!(settings.hostname, origin::hostname());
    let bytes = settings.message_datagrams * 1_432 + statsd.datagrams * 1_432;
    assert!((QUEUE_BYTES_DEFAULT - 2 * 1_432..=QUEUE_BYTES_DEFAULT).contains(&bytes), "{bytes}");
}

#[test]
fn lists_may_be_a_single_text() {
    let settings = settings("[metlog]\ndestinations = \"[::1]:1\"\ndisabled_timers = \"*\"\nstatsd = false");
    assert!(settings.all_timers_disabled && settings.statsd.is_none());
    assert!(matches!(&settings.destinations[..], [Destination(Target::Udp { host, port: 1 })] if host == "::1"));
    assert_eq!(settings.message_datagrams, QUEUE_BYTES_DEFAULT / 1_432, "all of the queue is for messages");
}

fn check_refused(toml: &str, parts: &[&str]) {
    let error = error(toml);
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    check_refused("[metlog]\nloger = \"x\"", &["line 2", "loger", "`logger`"]);
    check_refused("[metlog.filters]\nseverity = 3", &["line 2", "severity", "severity_max"]);
    check_refused("[metlog]\nstatsd = \"no\"", &["line 2", "statsd", "boolean"]);
    check_refused("[metlog]\n\nseverity = 8", &["line 3", "severity 8 is not between 0 and 7"]);
    check_refused("[metlog.filters]\ntype_severity_max = { a = -1 }", &["severity -1"]);
    check_refused("[metlog", &["line 1"]);
    check_refused("[metlogs]", &["no [metlog] section"]);
    check_refused("[metlog]\ndestinations = [\"localhost\"]", &["metlog.destinations", "`localhost`"]);
    check_refused("[metlog]\nstatsd_destination = \"a:b\"", &["metlog.statsd_destination", "`a:b`"]);
    check_refused("[metlog]\ndatagram_bytes = 100", &["metlog.datagram_bytes", "256 to 65507"]);
    check_refused("[metlog]\nstatsd_datagram_bytes = 65508", &["metlog.statsd_datagram_bytes", "65507"]);
    check_refused("[metlog]\nqueue_bytes = 5000", &["metlog.queue_bytes", "4 datagrams"]);
    check_refused("[metlog]\nkey_id = \"web\"", &["metlog.key_id", "`key`"]);
    check_refused("[metlog]\nkey = \"secret\"", &["metlog.key", "`key_id`"]);
    check_refused("[metlog]\nkey = \"\"\nkey_id = \"web\"", &["metlog.key", "empty"]);
    check_refused(&format!("[metlog]\nlogger = \"{}\"", "x".repeat(256)), &["metlog.logger", "256 bytes"]);
    let long = format!("[metlog]\nlogger = \"{0}\"\nhostname = \"{0}\"\ndatagram_bytes = 512", "x".repeat(255));
    check_refused(&long, &["metlog.datagram_bytes", "at least 684"]);
}

/// Guarantees: the header that `check_sizes` reckons with is the one that the encoder writes.
#[test]
fn the_reckoned_header_is_the_encoders() {
    let key = SigningKey { id: "key".into(), secret: b"secret".to_vec() };
    let mut encoder = metlog_wire::v1::Encoder::new(1_432, 1, 2, "host", "logger", Some(key));
    let reckoned = HEADER_BYTES_FIXED + "host".len() + "logger".len() + "key".len() + MAC_BYTES;
    assert_eq!(encoder.finish(0, 0).len(), reckoned);
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("service.toml");
    let refused = Config::from_file(&path).unwrap_err();
    assert!(matches!(refused, ConfigError::Read { .. }) && refused.to_string().contains("service.toml"));
    std::fs::write(&path, "[metlog]\nloger = 1").unwrap();
    let refused = Config::from_file(&path).unwrap_err().to_string();
    assert!(refused.contains("service.toml") && refused.contains("loger"), "{refused}");
    std::fs::write(&path, "port = 80\n[metlog]\nlogger = \"sync\"").unwrap();
    assert_eq!(Config::from_file(&path).unwrap().settings().unwrap().logger, "sync");
}

fn from_variables(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let get = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
    Config::default().logger("default").with_variables(get)
}

#[test]
fn the_environment() {
    let settings = from_variables(&[]).unwrap().settings().unwrap();
    assert_eq!(settings.logger, "default", "what is not set does not change");
    let variables = [
        ("METLOG_DESTINATION", "127.0.0.1:1, [::1]:2"),
        ("METLOG_STATSD", "Off"),
        ("METLOG_LOGGER", "sync"),
        ("METLOG_HOSTNAME", "web1"),
        ("METLOG_SEVERITY", "3"),
        ("METLOG_TYPE", "wsgi"),
        ("METLOG_DATAGRAM_BYTES", "512"),
        ("METLOG_QUEUE_BYTES", "51200"),
        ("METLOG_KEY_ID", "web"),
        ("METLOG_KEY", "secret"),
        ("METLOG_DISABLED_TIMERS", "a,b"),
        ("METLOG_SEVERITY_MAX", "5"),
        ("METLOG_TYPE_BLACKLIST", "debug"),
        ("METLOG_TYPE_WHITELIST", "login, sync"),
        ("METLOG_TYPE_SEVERITY_MAX", "login=4, sync=3"),
    ];
    let settings = from_variables(&variables).unwrap().settings().unwrap();
    assert_eq!((settings.destinations.len(), settings.statsd.is_none()), (2, true));
    assert_eq!((settings.logger.as_str(), settings.hostname.as_str()), ("sync", "web1"));
    assert_eq!((settings.severity.number(), settings.r#type.as_str()), (3, "wsgi"));
    assert_eq!((settings.datagram_bytes, settings.message_datagrams), (512, 100));
    let filters = &settings.filters;
    assert_eq!(filters.severity_max.map(|most| most.number()), Some(5));
    assert_eq!((filters.type_blacklist.len(), filters.type_whitelist.len()), (1, 2));
    assert_eq!(filters.type_severity_max["sync"].number(), 3);
    assert_eq!((settings.key.map(|key| key.id), settings.disabled_timers.len()), (Some("web".into()), 2));
    let statsd = [("METLOG_STATSD_DESTINATION", "[::1]:9"), ("METLOG_STATSD_PREFIX", "a.b"), ("METLOG_STATSD", "1")];
    let statsd = from_variables(&statsd).unwrap().settings().unwrap().statsd.unwrap();
    assert_eq!(statsd.prefix, "a.b.");
}

#[test]
fn the_environment_is_refused_by_variable() {
    for (variable, value) in
        [("METLOG_STATSD", "maybe"), ("METLOG_SEVERITY", "8"), ("METLOG_SEVERITY", "x"), ("METLOG_QUEUE_BYTES", "1M")]
    {
        let error = from_variables(&[(variable, value)]).unwrap_err().to_string();
        assert!(error.contains(variable) && error.contains(value), "{error}");
    }
    let config = from_variables(&[("METLOG_DESTINATION", "nowhere")]).unwrap();
    assert!(config.validate().unwrap_err().to_string().contains("`nowhere`"));
}

#[test]
fn the_first_destination_replaces_the_default() {
    let config = Config::default().destination("a:1").destination("b:2");
    assert_eq!(config.settings().unwrap().destinations.len(), 2);
    let none: [Destination; 0] = [];
    assert!(config.destinations(none).settings().unwrap().destinations.is_empty());
}
