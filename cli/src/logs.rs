//! Our own logs: on stderr, quiet unless asked otherwise, as text or JSON.
//!
//! What a command has to say to whoever started it is no log: it is always said. As text it is a plain line, and a
//! failure begins with `error:`; where
//! logs are JSON it is JSON too, so that a program can read all of stderr the same way.
use crate::arguments::{LogFormat, LogOptions};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing_subscriber::EnvFilter;

/// The variable that says more exactly than `-v` what is logged: `metlog_listener=debug,warn`.
pub const VARIABLE: &str = "METLOG_LOG";

/// The target of what is always said, whatever the filter is.
const SAID: &str = "metlog::said";

/// True where stderr is JSON lines.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Starts logging for this process.
///
/// # Errors
/// In words, where the filter cannot be read. It can be reported all the same.
pub fn start(options: &LogOptions) -> Result<(), String> {
    let typed = std::env::var(VARIABLE).unwrap_or_default();
    let directives = if typed.is_empty() { default_directives(options.verbose) } else { &typed };
    let (filter, started) = match EnvFilter::try_new(format!("{directives},{SAID}=info")) {
        Ok(filter) => (filter, Ok(())),
        Err(error) => {
            let refused = format!("{VARIABLE}: `{directives}` is no log filter: {error}");
            (EnvFilter::new(format!("{SAID}=info")), Err(refused))
        }
    };
    let stderr = std::io::stderr;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match options.log_format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    IS_JSON.store(options.log_format == LogFormat::Json, Ordering::Relaxed);
    started
}

/// Tells whoever started this process something that is no failure.
pub fn say(text: &str) {
    match IS_JSON.load(Ordering::Relaxed) {
        true => tracing::info!(target: SAID, "{text}"),
        false => eprintln!("{text}"),
    }
}

/// Tells whoever started this process why it fails.
pub fn say_failure(text: &str) {
    match IS_JSON.load(Ordering::Relaxed) {
        true => tracing::error!(target: SAID, "{text}"),
        false => eprintln!("error: {text}"),
    }
}

/// Libraries are not what a user of metlog asks about before the third `-v`.
fn default_directives(verbose: u8) -> &'static str {
    match verbose {
        0 => "warn",
        1 => "warn,metlog=info,metlog_listener=info,metlog_sink=info,metlog_query=info",
        2 => "warn,metlog=debug,metlog_listener=debug,metlog_sink=debug,metlog_query=debug",
        _ => "debug",
    }
}
