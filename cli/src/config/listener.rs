//! The sections `[listener]`, `[journal]`, `[statsd]` and `[privacy]`: their keys, defaults, bounds and relations.
use super::document::{Document, Section};
use super::sinks::ParquetConfig;
use super::{Context, TlsFiles, values};
use crate::arguments::AddressOptions;
use metlog_listener::SERVERS;
use metlog_listener::config::{At, Config, JournalConfig, Listen, Serve, TlsConfig, WindowConfig};
use metlog_listener::privacy::{Action, Rule, Target};
use metlog_schemas::format::statsd::GaugeDeltas;
use metlog_schemas::format::{self, Transport};
use metlog_schemas::object_path::{LISTENER_BYTES_MAX, is_listener_name};
use metlog_schemas::wire::limits::NAME_BYTES_MAX;
use metlog_schemas::wire::v1::{SigningKey, secret};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const DAY: Duration = Duration::from_secs(86_400);
/// A journal must have room for segments that wait while one is written.
const SEGMENTS_IN_BUDGET_MIN: u64 = 2;

/// Reads the configuration of the listener.
pub fn read(
    document: &Document<'_>,
    root: &mut Section<'_>,
    data: PathBuf,
    parquet: &ParquetConfig,
    context: &Context,
) -> Config {
    let mut section = root.section("listener");
    let hostname = section.read("hostname", values::text).unwrap_or_else(|| context.hostname.clone());
    let name = section.read("name", listener_name).unwrap_or_else(|| fit(&hostname));
    let (statsd_windows, gauge_deltas) = statsd(document, root);
    let config = Config {
        name,
        hostname,
        data,
        sockets: sockets(&mut section, &context.addresses),
        http: section.read("http", values::addresses).unwrap_or_default(),
        tls: tls(&mut section),
        submit: super::submit::read(&mut section),
        servers: servers(&mut section, &context.addresses),
        sampling: super::sampling::read(root, &context.folder),
        workers: section.read("workers", values::integer(1..=64)).unwrap_or(1) as usize,
        receive_buffer: section.read("receive_buffer", values::size(4096..=GIB)).unwrap_or(8 * MIB) as usize,
        replay_window: section
            .read("replay_window", values::duration(Duration::from_secs(1)..=DAY))
            .unwrap_or(Duration::from_secs(15 * 60)),
        memory_bytes: section.read("memory", values::size(MIB..=64 * GIB)).unwrap_or(256 * MIB) as usize,
        budget: super::limits::read(root),
        keys: keys(&mut section),
        journal: journal(document, root, parquet),
        json_tags: section.read("json_tags", values::texts).unwrap_or_default(),
        gauge_deltas,
        statsd_windows,
        privacy: privacy(root),
    };
    if config.sockets.is_empty() && config.http.is_empty() && config.servers.is_empty() {
        section.problem("metlog", "nothing is left to listen on: give metlog, statsd or statsd_tcp an address");
    }
    section.finish();
    config
}

/// The certificate of the TCP addresses.
fn tls(section: &mut Section<'_>) -> Option<TlsConfig> {
    let (tls, plain) = super::access::tls(section, |tls| tls.read("plain", tcp_keys).unwrap_or_default());
    tls.map(|TlsFiles { certificate, key }| TlsConfig { certificate, key, plain })
}

/// Names of keys that have TCP addresses.
fn tcp_keys(value: &toml::de::DeValue<'_>) -> Result<Vec<String>, String> {
    let is_tcp = |socket: &format::Socket| socket.transport == Transport::TcpLines;
    let lines = format::sockets().into_iter().filter(is_tcp).map(|socket| socket.key);
    let known: Vec<&str> =
        std::iter::once("http").chain(lines).chain(SERVERS.iter().map(|server| server.key)).collect();
    let keys = values::texts(value)?;
    match keys.iter().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => Err(format!("`{unknown}` is none of the TCP addresses of [listener]: {}", known.join(", "))),
        None => Ok(keys),
    }
}

/// The addresses of every socket of the registry of formats; those that have none are left out.
fn sockets(section: &mut Section<'_>, flags: &AddressOptions) -> Vec<Listen> {
    let mut listens = Vec::new();
    for socket in format::sockets() {
        let mut is_default = false;
        let at = match socket.transport {
            Transport::UnixDatagram | Transport::UnixLines => section.read(socket.key, values::path).map(At::Path),
            Transport::Udp | Transport::TcpLines => {
                let on_loopback = |port| vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port + flags.listen_offset))];
                let default = || socket.default_port.map(on_loopback);
                // What was typed in the file is checked even where a flag goes before it.
                let typed = section.read(socket.key, values::addresses);
                let chosen = flags.of(socket.key).map(<[SocketAddr]>::to_vec).or(typed);
                is_default = chosen.is_none() && socket.yields;
                let addresses = chosen.or_else(default);
                addresses.filter(|list| !list.is_empty()).map(At::Addresses)
            }
        };
        listens.extend(at.map(|at| Listen { socket, at, is_default }));
    }
    listens
}

/// The addresses of every server of the registry of servers; those that have none are left out.
fn servers(section: &mut Section<'_>, flags: &AddressOptions) -> Vec<Serve> {
    let mut serves = Vec::new();
    for server in SERVERS {
        let typed = section.read(server.key, values::addresses);
        let is_default = typed.is_none();
        let on_loopback = || vec![SocketAddr::from((Ipv4Addr::LOCALHOST, server.default_port + flags.listen_offset))];
        let addresses = typed.unwrap_or_else(on_loopback);
        serves.extend((!addresses.is_empty()).then_some(Serve { key: server.key, addresses, is_default }));
    }
    serves
}

fn listener_name(value: &toml::de::DeValue<'_>) -> Result<String, String> {
    let name = values::text(value)?;
    if is_listener_name(&name) {
        return Ok(name);
    }
    Err(format!("must be 1 to {LISTENER_BYTES_MAX} of a-z A-Z 0-9 _ . (it is part of paths), such as `{}`", fit(&name)))
}

/// Makes any text a name that may stand in a path.
fn fit(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
    let fit: String = name.trim_start_matches('.').chars().map(kept).take(LISTENER_BYTES_MAX).collect();
    if is_listener_name(&fit) { fit } else { "metlog".to_owned() }
}

fn keys(section: &mut Section<'_>) -> Vec<SigningKey> {
    section.texts("keys", |id, text| match secret(text)? {
        _ if !(1..=NAME_BYTES_MAX).contains(&id.len()) => Err("its name must have 1 to 255 bytes".to_owned()),
        secret => Ok(SigningKey { id: id.to_owned(), secret }),
    })
}

fn journal(document: &Document<'_>, root: &mut Section<'_>, parquet: &ParquetConfig) -> JournalConfig {
    let mut section = root.section("journal");
    let sync_bounds = Duration::from_millis(1)..=Duration::from_secs(60);
    let config = JournalConfig {
        sync_interval: section
            .read("sync_interval", values::duration(sync_bounds))
            .unwrap_or(Duration::from_millis(100)),
        budget_bytes: section.read("budget", values::size(MIB..=1024 * 1024 * GIB)).unwrap_or(8 * GIB),
        roll_after: parquet.roll_after,
        roll_bytes: parquet.roll_bytes,
    };
    section.finish();
    let least = config.roll_bytes.saturating_mul(SEGMENTS_IN_BUDGET_MIN);
    if config.budget_bytes < least {
        let [budget, roll] = [config.budget_bytes, config.roll_bytes].map(values::format_size);
        let message = format!(
            "the budget of {budget} must be at least {SEGMENTS_IN_BUDGET_MIN} times sink.parquet.roll_bytes ({roll})"
        );
        document.conflict(&["journal.budget", "sink.parquet.roll_bytes"], message);
    }
    config
}

fn statsd(document: &Document<'_>, root: &mut Section<'_>) -> (WindowConfig, GaugeDeltas) {
    let mut section = root.section("statsd");
    let gauge_deltas = section.read("gauge_deltas", values::choice(&GaugeDeltas::ALL)).unwrap_or(GaugeDeltas::Auto);
    let flush_bounds = Duration::from_millis(100)..=Duration::from_secs(3600);
    let config = WindowConfig {
        flush_interval: section
            .read("flush_interval", values::duration(flush_bounds))
            .unwrap_or(Duration::from_secs(10)),
        percentiles: section.read("percentiles", values::percentiles).unwrap_or_else(|| vec![90.0]),
        idle_after: section
            .read("idle_after", values::duration(Duration::from_secs(1)..=365 * DAY))
            .unwrap_or(Duration::from_secs(300)),
        series_max: section.read("series_max", values::integer(1..=100_000_000)).unwrap_or(100_000) as usize,
        tags_max: section.read("tags_max", values::integer(0..=1_000)).unwrap_or(32) as usize,
    };
    section.finish();
    if config.idle_after < config.flush_interval {
        let [idle, flush] = [config.idle_after, config.flush_interval].map(values::format_duration);
        let message = format!("idle_after ({idle}) must not be shorter than flush_interval ({flush})");
        document.conflict(&["statsd.idle_after", "statsd.flush_interval"], message);
    }
    (config, gauge_deltas)
}

#[derive(Clone, Copy)]
enum Verb {
    Drop,
    Hash,
    Mask,
}

fn privacy(root: &mut Section<'_>) -> Vec<Rule> {
    let mut section = root.section("privacy");
    let rules = section.sections("rules").into_iter().filter_map(rule).collect();
    section.finish();
    rules
}

fn rule(mut section: Section<'_>) -> Option<Rule> {
    let r#type = section.read("type", values::text);
    let logger = section.read("logger", values::text);
    let tokens = section.read("tokens", values::whole_regex).map(Target::Tokens);
    let fields = section.read("fields", values::whole_regex).map(Target::Fields);
    let payload = section.read("payload", values::regex).map(Target::Payload);
    let verb =
        section.read("action", values::choice(&[("drop", Verb::Drop), ("hash", Verb::Hash), ("mask", Verb::Mask)]));
    let key = section.read("key", |value| Ok(secret(&values::text(value)?)?));
    let mask = section.read("mask", values::any_text);
    let named = [tokens.is_some(), fields.is_some(), payload.is_some()].into_iter().filter(|named| *named).count();
    let typed = ["tokens", "fields", "payload"].into_iter().filter(|key| section.has(key)).count();
    if typed > 1 {
        section.problem("action", "one rule is about one of tokens, fields, payload: make them rules of their own");
    }
    if !section.has("action") {
        section.problem("action", "must be said: drop, hash or mask");
    }
    let action = match verb {
        Some(Verb::Drop) => Some(Action::Drop),
        Some(Verb::Hash) if !section.has("key") => {
            section.problem("key", "a hash needs a key: `key = \"hex:…\"` or any text");
            None
        }
        Some(Verb::Hash) => key.map(Action::Hash),
        Some(Verb::Mask) => Some(Action::Mask(mask.unwrap_or_else(|| "***".to_owned()))),
        None => None,
    };
    if section.has("key") && !matches!(verb, Some(Verb::Hash)) {
        section.problem("key", "only `action = \"hash\"` has a key");
    }
    if section.has("mask") && !matches!(verb, Some(Verb::Mask)) {
        section.problem("mask", "only `action = \"mask\"` has a mask");
    }
    if typed == 0 && matches!(verb, Some(Verb::Hash | Verb::Mask)) {
        section.problem("action", "without tokens, fields or payload the message as a whole is meant: only drop");
    }
    section.finish();
    let target = if named == 0 { Some(Target::Message) } else { tokens.or(fields).or(payload) };
    Some(Rule { r#type, logger, target: target?, action: action? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_hostname_becomes_a_listener_name() {
        for (hostname, name) in [
            ("web-1.example.org", "web_1.example.org"),
            ("..hidden", "hidden"),
            ("", "metlog"),
            ("é-è", "___"),
            (&"x".repeat(80), &"x".repeat(64)),
        ] {
            assert_eq!(fit(hostname), name);
            assert!(is_listener_name(&fit(hostname)));
        }
    }
}
