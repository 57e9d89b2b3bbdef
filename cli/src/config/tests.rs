//! What the configuration promises: the documented file is true, and every mistake is named where it is.
use super::*;
use std::collections::BTreeSet;
use std::time::Duration;

const DOCUMENTED: &str = include_str!("../../../docker/metlog.toml");

fn context() -> Context {
    let addresses = AddressOptions::default();
    Context { hostname: "web-1".into(), data: None, addresses, folder: "/srv".into(), environment: Some(Vec::new()) }
}

fn config(text: &str) -> Config {
    from_text("metlog.toml", text, &context()).unwrap()
}

fn problems(text: &str) -> String {
    from_text("metlog.toml", text, &context()).unwrap_err().to_string()
}

#[track_caller]
fn check(text: &str, message: &str) {
    assert_eq!(problems(text), format!("metlog.toml:{message}"), "for {text:?}");
}

/// The documented file with its keys that have no default.
fn all_keys() -> String {
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    DOCUMENTED.lines().map(uncommented).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_documented_file_says_the_defaults() {
    assert_eq!(format!("{:#?}", config(DOCUMENTED)), format!("{:#?}", config("")));
}

#[test]
fn the_documented_file_has_every_key() {
    let (all, context) = (all_keys(), context());
    let document = Document::parse("metlog.toml", &all).unwrap();
    read(&document, &context);
    let known = document.asked();
    document.finish().unwrap();
    let typed = typed_keys(&all);
    let missing: Vec<_> = known.difference(&typed).collect();
    assert!(missing.is_empty(), "docker/metlog.toml does not document {missing:?}");
    assert!(known.len() > 40, "{known:?}");
}

/// The keys of a file whose tables all have headers.
fn typed_keys(text: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut prefix = String::new();
    for line in text.lines() {
        if let Some(table) = line.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            keys.insert(table.to_owned());
            prefix = format!("{table}[].");
        } else if let Some(table) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            keys.extend(table.match_indices('.').map(|(dot, _)| table[..dot].to_owned()));
            keys.insert(table.to_owned());
            prefix = format!("{table}.");
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.insert(format!("{prefix}{key}"));
        }
    }
    keys
}

#[test]
fn defaults_that_are_promises() {
    let config = config("");
    let listener = &config.listener;
    assert_eq!(listener.addresses("metlog"), ["127.0.0.1:5565".parse().unwrap()]);
    assert_eq!(listener.addresses("statsd"), ["127.0.0.1:8125".parse().unwrap()]);
    assert_eq!(config.query.listen, ["127.0.0.1:5580".parse().unwrap()]);
    assert_eq!(listener.name, "web_1");
    assert_eq!(listener.data, std::path::Path::new("/srv/data"));
    assert_eq!(config.sinks.parquet.url, "file:///srv/data/warehouse");
    assert_eq!(listener.journal.sync_interval, Duration::from_millis(100));
    assert_eq!(listener.statsd_windows.flush_interval, Duration::from_secs(10));
    assert!(config.sinks.graphite.is_none() && config.sinks.http.is_none());
}

#[test]
fn what_is_typed_is_taken() {
    let config = config(concat!(
        "data = \"/d ir\"\n",
        "[listener]\nmetlog = [\"[::1]:5565\", \"localhost:1\"]\nstatsd = \"\"\nkeys = { a = \"hex:00ff\", b = \"text\" }\n",
        "[statsd]\nflush_interval = \"1s\"\npercentiles = [90, 99.9, -10]\n",
        "[sink.graphite]\naddress = \"carbon:2004\"\nprotocol = \"pickle\"\nprefix = \"{hostname}.\"\n",
        "[sink.parquet]\nroll_after = \"2s\"\nroll_bytes = 1_000_000\n",
        "[sink.http]\nurl = \"http://h/submit/{logger}/{uuid}\"\nheaders = { x = \"y\" }\n",
    ));
    assert_eq!(config.listener.addresses("metlog").len(), 2);
    assert!(config.listener.addresses("statsd").is_empty());
    let secrets: Vec<_> = config.listener.keys.iter().map(|key| (key.id.as_str(), key.secret.as_slice())).collect();
    assert_eq!(secrets, [("a", &[0, 255][..]), ("b", b"text")]);
    assert_eq!(config.listener.statsd_windows.percentiles, [90.0, 99.9, -10.0]);
    assert_eq!(config.listener.journal.roll_after, Duration::from_secs(2));
    assert_eq!(config.listener.journal.roll_bytes, 1_000_000);
    assert_eq!(config.sinks.parquet.url, "file:///d%20ir/warehouse");
    assert_eq!(config.sinks.graphite.unwrap().protocol, metlog_sink::graphite::Protocol::Pickle);
    assert_eq!(config.sinks.http.unwrap().headers, [("x".to_owned(), "y".to_owned())]);
}

#[test]
fn the_command_line_goes_before_the_file() {
    let context = Context { data: Some("other".into()), ..context() };
    let config = from_text("f", "data = \"typed\"", &context).unwrap();
    assert_eq!(config.listener.data, std::path::Path::new("/srv/other"));
}

#[test]
fn ports_can_be_chosen_on_the_command_line() {
    let at = |text: &str, addresses: AddressOptions| {
        let config = from_text("f", text, &Context { addresses, ..context() }).unwrap();
        let list = [config.listener.addresses("metlog"), config.listener.addresses("statsd"), &config.query.listen];
        list.concat().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let offset = AddressOptions { listen_offset: 1_000, ..AddressOptions::default() };
    assert_eq!(at("", offset.clone()), "127.0.0.1:6565 127.0.0.1:9125 127.0.0.1:6580");
    let typed = "[listener]\nmetlog = \"127.0.0.1:7\"\n";
    assert_eq!(at(typed, offset), "127.0.0.1:7 127.0.0.1:9125 127.0.0.1:6580", "what is typed is no default");
    let single = AddressOptions {
        metlog: vec!["0.0.0.0:1".parse().unwrap(), "[::1]:1".parse().unwrap()],
        http: Some("127.0.0.1:3".parse().unwrap()),
        ..AddressOptions::default()
    };
    assert_eq!(at(typed, single), "0.0.0.0:1 [::1]:1 127.0.0.1:8125 127.0.0.1:3");
    let meeting = AddressOptions { statsd: vec!["127.0.0.1:5565".parse().unwrap()], ..AddressOptions::default() };
    let error = from_text("f", "", &Context { addresses: meeting, ..context() }).unwrap_err().to_string();
    assert!(error.contains("want the same port"), "{error}");
}

#[test]
fn unknown_keys_are_named_with_the_nearest_right_one() {
    check(
        "[listener]\nmetlog = \"127.0.0.1:0\"\nstatd = \"127.0.0.1:0\"\n",
        "3:1: listener.statd: unknown key, did you mean `statsd`?",
    );
    check("[lisener]\n", "1:2: lisener: unknown key, did you mean `listener`?");
    check("dat = \"x\"\n", "1:1: dat: unknown key, did you mean `data`?");
    check("[sink.grafite]\n", "1:7: sink.grafite: unknown key, did you mean `graphite`?");
    check("[sink.http]\nbearer = \"x\"\n", "2:1: sink.http.bearer: unknown key, did you mean `bearer_token`?");
    check(
        "[query]\n\n  zzz = 1\n",
        "3:3: query.zzz: unknown key, known here: listen, flight, memory, concurrency, rows_max, time_max, store_wait",
    );
    check(
        "[[privacy.rules]]\naction = \"drop\"\ntoken = \"a\"\n",
        "3:1: privacy.rules[0].token: unknown key, did you mean `tokens`?",
    );
}

#[test]
fn wrong_types_are_named() {
    check(
        "[listener]\nworkers = \"two\"\n",
        "2:11: listener.workers: must be a whole number from 1 to 64, not the text `two`",
    );
    check(
        "[query]\nlisten = 5580\n",
        "2:10: query.listen: must be an address and a port such as \"127.0.0.1:5565\" or \"[::1]:5565\", not the number 5580",
    );
    check("listener = 3\n", "1:12: listener: must be a table: `[listener]`");
    check("[privacy]\nrules = 1\n", "2:9: privacy.rules: must be tables: `[[privacy.rules]]`");
    check(
        "[sink.graphite]\nlegacy_namespace = \"no\"\n",
        "2:20: sink.graphite.legacy_namespace: must be true or false, not the text `no`",
    );
    check("[listener.keys]\na = 1\n", "2:5: listener.keys.a: must be a string, not the number 1");
    check(
        "[statsd]\npercentiles = 90\n",
        "2:15: statsd.percentiles: must be a list of numbers such as [90, 99.9, -10], not the number 90",
    );
}

#[test]
fn impossible_values_are_named() {
    check("[statsd]\nflush_interval = \"10ms\"\n", "2:18: statsd.flush_interval: must be from 100ms to 1h, not 10ms");
    check(
        "[statsd]\nflush_interval = \"10\"\n",
        "2:18: statsd.flush_interval: must be a duration such as \"100ms\", \"10s\", \"5m\", not the text `10`",
    );
    check(
        "[statsd]\npercentiles = [90, 0]\n",
        "2:15: statsd.percentiles: percentiles are from -100 to 100, except 0; not 0",
    );
    check("[journal]\nbudget = \"1\"\n", "2:10: journal.budget: must be a size such as \"64MiB\", not the text `1`");
    check(
        "[listener]\nname = \"a/b\"\n",
        "2:8: listener.name: must be 1 to 64 of a-z A-Z 0-9 _ . (it is part of paths), such as `a_b`",
    );
    check(
        "[sink.parquet]\nurl = \"ftp://x\"\n",
        "2:7: sink.parquet.url: must be file:///folder, s3://bucket/prefix, gs://… or az://…, not `ftp://x`",
    );
    check(
        "[sink.graphite]\naddress = \"carbon\"\n",
        "2:11: sink.graphite.address: must be a host and a port such as \"graphite.example:2003\", not the text `carbon`",
    );
    check(
        "[sink.graphite]\nprotocol = \"pikle\"\n",
        "2:12: sink.graphite.protocol: must be one of plaintext, pickle, not the text `pikle`, did you mean `pickle`?",
    );
    check(
        "[sink.http]\nurl = \"http://h/\"\n",
        "2:7: sink.http.url: `http://h/`: {uuid} is required, to tell a retry from a new document",
    );
    check(
        "[sink.http.headers]\n\"x y\" = \"1\"\n",
        "2:9: sink.http.headers.x y: header `x y`: the name cannot be sent",
    );
    check(
        "[sink.http]\nbearer_token = \"a\\nb\"\n",
        "2:16: sink.http.bearer_token: has a character that no header can hold",
    );
    check(
        "[sink.parquet]\nurl = \"s3://logs\"\n[sink.parquet.options]\nregoin = \"x\"\n",
        "4:10: sink.parquet.options.regoin: `s3` has no option `regoin`, did you mean `region`?",
    );
    check(
        "[sink.parquet.options]\nregion = \"x\"\n",
        "2:10: sink.parquet.options.region: `file` has no option `region`",
    );
    check(
        "[listener.keys]\na = \"hex:0\"\n",
        "2:5: listener.keys.a: after `hex:` must come pairs of hexadecimal digits",
    );
}

/// Scenario: the options' names are right, and the store's own client refuses to be made.
/// Guarantees: `check` says so, and where, though only `up` opens the store.
#[test]
fn what_the_store_would_refuse_is_named() {
    let s3 = |options: &str| format!("[sink.parquet]\nurl = \"s3://logs\"\n[sink.parquet.options]\n{options}");
    check(
        &s3("region = \"x\"\nallow_http = \"maybe\"\ntimeout = \"soon\"\n"),
        "5:14: sink.parquet.options.allow_http: failed to parse \"maybe\" as boolean\n\
         metlog.toml:6:11: sink.parquet.options.timeout: failed to parse \"soon\" as Duration",
    );
    let half = s3("access_key_id = \"k\"\n");
    check(&half, "4:17: sink.parquet.options.access_key_id: Missing SecretAccessKey");
    let environment = vec![("AWS_SECRET_ACCESS_KEY".into(), "s".into())];
    from_text("f", &half, &Context { environment: Some(environment), ..context() }).unwrap();
    check("[sink.parquet]\nurl = \"az://logs\"\n", "2:7: sink.parquet.url: Account must be specified");
    config("[sink.parquet]\nurl = \"az://logs\"\noptions = { account_name = \"a\" }\n");
}

#[test]
fn privacy_rules_that_make_no_sense_are_named() {
    let rule = |keys: &str| format!("[[privacy.rules]]\n{keys}\n");
    check(&rule("fields = \"a\""), "1:1: privacy.rules[0].action: must be said: drop, hash or mask");
    check(
        &rule("fields = \"a\"\naction = \"hash\""),
        "1:1: privacy.rules[0].key: a hash needs a key: `key = \"hex:…\"` or any text",
    );
    check(
        &rule("action = \"mask\""),
        "2:10: privacy.rules[0].action: without tokens, fields or payload the message as a whole is meant: only drop",
    );
    check(
        &rule("tokens = \"a\"\npayload = \"b\"\naction = \"drop\""),
        "4:10: privacy.rules[0].action: one rule is about one of tokens, fields, payload: make them rules of their own",
    );
    check(
        &rule("payload = \"(\"\naction = \"drop\""),
        "2:11: privacy.rules[0].payload: is no regular expression: unclosed group",
    );
    check(&rule("action = \"drop\"\nkey = \"k\""), "3:7: privacy.rules[0].key: only `action = \"hash\"` has a key");
}

#[test]
fn values_that_do_not_go_together_are_named() {
    check(
        "[sink.parquet]\nroll_bytes = \"64MiB\"\n[journal]\nbudget = \"100MiB\"\n",
        "4:10: journal.budget: the budget of 100MiB must be at least 2 times sink.parquet.roll_bytes (64MiB)",
    );
    check(
        "[statsd]\nflush_interval = \"10m\"\n",
        "2:18: statsd.flush_interval: idle_after (5m) must not be shorter than flush_interval (10m)",
    );
    check(
        "[listener]\nmetlog = \"127.0.0.1:9\"\nstatsd = \"0.0.0.0:9\"\n",
        "3:10: listener.statsd: listener.statsd (0.0.0.0:9) and listener.metlog (127.0.0.1:9) want the same port",
    );
    check(
        "[listener]\nstatsd_tcp = \"127.0.0.1:5580\"\n",
        "2:14: listener.statsd_tcp: query.listen (127.0.0.1:5580) and listener.statsd_tcp (127.0.0.1:5580) want the same port",
    );
    let sockets = metlog_schemas::format::sockets().into_iter().filter(|socket| socket.yields).map(|socket| socket.key);
    let others: String =
        sockets.chain(metlog_listener::SERVERS.iter().map(|of| of.key)).map(|key| format!("{key} = []\n")).collect();
    check(
        &format!("[listener]\nmetlog = \"\"\nstatsd = []\n{others}"),
        "2:10: listener.metlog: nothing is left to listen on: give metlog, statsd or statsd_tcp an address",
    );
}

#[test]
fn the_same_port_of_udp_and_tcp_and_port_0_are_free() {
    config("[listener]\nmetlog = \"127.0.0.1:5580\"\nstatsd = [\"127.0.0.1:0\", \"127.0.0.1:0\", \"[::1]:8125\"]\n");
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let lines = problems("[query]\nlisten = 1\nx = 2\n[listener]\nworkers = 0\n");
    let starts: Vec<_> = lines.lines().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(starts, ["metlog.toml:2:10", "metlog.toml:3:1", "metlog.toml:5:11"]);
}

#[test]
fn what_is_no_toml_has_a_place_too() {
    assert!(
        problems("[listener]\nmetlog = \n").starts_with("metlog.toml:2:"),
        "{}",
        problems("[listener]\nmetlog = \n")
    );
    assert!(problems("[listener]\nworkers = 1\nworkers = 2\n").starts_with("metlog.toml:3:1: "));
}

#[test]
fn durations_and_sizes() {
    for text in ["100ms", "10s", "90s", "5m", "1h", "1d"] {
        let duration = values::parse_duration(text).unwrap();
        let shown = values::format_duration(duration);
        assert_eq!(values::parse_duration(&shown), Some(duration), "{text} {shown}");
    }
    for text in ["", "s", "10", "-1s", "1.5s", "1 week", "99999999999999999d"] {
        assert_eq!(values::parse_duration(text), None, "{text}");
    }
    assert_eq!(values::format_size(64 << 20), "64MiB");
    assert_eq!(values::format_size(1_000_000), "1000000B");
}

#[test]
fn who_may_post_is_read_and_mistakes_are_named() {
    let on = config(
        "[listener]\nhttp = \"127.0.0.1:0\"\n[listener.submit]\nloggers = [\"web_*\"]\norigins = [\"https://a.example\"]\n",
    );
    assert!(on.listener.submit.is_on() && !config("").listener.submit.is_on());
    for (text, message) in [
        ("loggers = [\"a*b\"]", "2:11: listener.submit.loggers: `a*b` must be a logger"),
        ("origins = [\"https://a.example/\"]", "2:11: listener.submit.origins: `https://a.example/` is no origin"),
        (
            "origins = [\"https://a.example:443\"]",
            "2:11: listener.submit.origins: `https://a.example:443` is no origin",
        ),
        (
            "[[listener.submit.tokens]]\nname = \"a\"\nloggers = [\"*\"]",
            "2:1: listener.submit.tokens[0].sha256: is required",
        ),
    ] {
        let found = problems(&format!("[listener.submit]\n{text}\n"));
        assert!(found.contains(message), "{found}");
    }
}
