//! Our own logs: on stderr, quiet unless asked otherwise, as text or JSON.
use crate::arguments::{LogFormat, LogOptions};
use crate::failure::Failure;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// The variable that says more exactly than `-v` what is logged: `metlog_listener=debug,warn`.
pub const VARIABLE: &str = "METLOG_LOG";

/// Starts logging for this process.
///
/// # Errors
/// A filter that cannot be read.
pub fn start(options: &LogOptions) -> Result<(), Failure> {
    let typed = std::env::var(VARIABLE).unwrap_or_default();
    let directives = if typed.is_empty() { default_directives(options.verbose) } else { &typed };
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| Failure::usage(format!("{VARIABLE}: `{directives}` is no log filter: {error}")))?;
    let stderr = std::io::stderr;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match options.log_format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
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
