//! `metlog check`: looks for mistakes in a configuration file, and says what it comes to.
use super::print;
use crate::arguments::CheckOptions;
use crate::config::{self, Config};
use crate::failure::Failure;
use metlog_listener::config::At;
use metlog_schemas::format::{self, Socket};

/// Exit code 2 and every mistake, or a short summary.
///
/// # Errors
/// Where there is a mistake.
pub fn run(options: &CheckOptions) -> Result<(), Failure> {
    let config = config::load(Some(&options.config), None)?;
    print(&format!("{}: fine\n{}", options.config.display(), summary(&config)))
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

fn summary(config: &Config) -> String {
    let listener = &config.listener;
    let sinks = &config.sinks;
    let mut lines = vec![("listener", listener.name.clone())];
    lines.extend(format::sockets().iter().map(|socket| (socket.key, listens(listener, socket))));
    lines.extend([
        ("signatures", if listener.keys.is_empty() { "not asked for" } else { "required" }.to_owned()),
        ("privacy rules", listener.privacy.len().to_string()),
        ("data", listener.data.display().to_string()),
        ("warehouse", sinks.parquet.url.clone()),
        ("questions", config.query.listen.to_string()),
    ]);
    lines.extend(sinks.graphite.as_ref().map(|graphite| ("graphite", graphite.address.clone())));
    lines.extend(sinks.http.as_ref().map(|http| ("http", format!("{} documents at a time", http.in_flight))));
    lines.iter().map(|(name, value)| format!("  {name:<16} {value}\n")).collect()
}
