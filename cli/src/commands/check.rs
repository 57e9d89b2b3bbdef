//! `metlog check`: looks for mistakes in a configuration file, and says what it comes to and what was not checked.
use super::print;
use crate::arguments::{AddressOptions, CheckOptions};
use crate::ask::runtime;
use crate::config::{self, AccessConfig, Config};
use crate::failure::Failure;
use crate::plural::counted;
use crate::sinks;
use metlog_listener::SERVERS;
use metlog_listener::config::At;
use metlog_schemas::format::{self, Socket};
use metlog_sink::probe::probe_all;

/// What is only known when it runs.
const NOT_CHECKED: &str = "Not checked: whether the addresses are free, and whether the data folder can be written to";

/// Exit code 2 and every mistake, or a short summary; with `--online`, exit code 1 where a sink cannot be used.
///
/// # Errors
/// Where there is a mistake.
pub fn run(options: &CheckOptions) -> Result<(), Failure> {
    let config = config::load(Some(&options.config), None, &AddressOptions::default())?;
    print(&format!("{}: fine\n{}", options.config.display(), summary(&config)))?;
    if options.online {
        let tried = online(&config);
        return print(&format!("{NOT_CHECKED}.\n")).and(tried);
    }
    print(&format!(
        "{NOT_CHECKED}; nor whether the store and the other sinks can be reached and take what is sent (--online tries it).\n"
    ))
}

/// Tries each sink.
fn online(config: &Config) -> Result<(), Failure> {
    let warehouse = sinks::open_warehouse(&config.sinks.parquet)?;
    let mut sinks = sinks::open(&config.sinks, warehouse)?;
    let tried = runtime()?.block_on(probe_all(&mut sinks));
    let mut broken = Vec::new();
    for (name, result) in &tried {
        match result {
            Ok(()) => print(&format!("sink.{name}: can be reached and used\n"))?,
            Err(error) => broken.push(format!("sink.{name}: {error}")),
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(Failure::failed(broken.join("; "))) }
}

/// Where a socket listens, in words.
fn listens(listener: &metlog_listener::config::Config, socket: &Socket) -> String {
    let listen = listener.sockets.iter().find(|listen| listen.socket.key == socket.key);
    match listen.map(|listen| &listen.at) {
        Some(At::Path(path)) => path.display().to_string(),
        Some(At::Addresses(list)) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        None => "nowhere".to_owned(),
    }
}

/// Where a server listens, in words.
fn serves(listener: &metlog_listener::config::Config, key: &str) -> String {
    let serve = listener.servers.iter().find(|serve| serve.key == key);
    let list = serve.map(|serve| serve.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    match serve {
        Some(serve) if serve.is_default => format!("{} if free", list.unwrap_or_default()),
        _ => list.unwrap_or_else(|| "nowhere".to_owned()),
    }
}

fn access(config: &AccessConfig) -> String {
    match (config.users.len(), config.tokens.len()) {
        (0, 0) => "everybody who reaches the address".to_owned(),
        (users, tokens) => format!("{} and {}", counted(users as u64, "user"), counted(tokens as u64, "token")),
    }
}

fn summary(config: &Config) -> String {
    let listener = &config.listener;
    let sinks = &config.sinks;
    let mut lines = vec![("listener", listener.name.clone())];
    lines.extend(format::sockets().iter().map(|socket| (socket.key, listens(listener, socket))));
    lines.extend(SERVERS.iter().map(|server| (server.key, serves(listener, server.key))));
    lines.extend([
        ("signatures", if listener.keys.is_empty() { "not asked for" } else { "required" }.to_owned()),
        ("privacy rules", listener.privacy.len().to_string()),
        ("data", listener.data.display().to_string()),
        ("warehouse", sinks.parquet.url.clone()),
        ("queries", config.query.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ("access", access(&config.access)),
    ]);
    lines.extend(sinks.graphite.as_ref().map(|graphite| ("graphite", graphite.address.clone())));
    lines.extend(sinks.http.as_ref().map(|http| ("http", format!("{} documents at a time", http.in_flight))));
    lines.iter().map(|(name, value)| format!("  {name:<16} {value}\n")).collect()
}
