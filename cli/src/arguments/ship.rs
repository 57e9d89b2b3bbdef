//! The options of the commands that send: `send` and `replay`.
use super::ServerOptions;
use crate::severity;
use chrono::FixedOffset;
use clap::Args;
use metlog_schemas::wire::Severity;
use regex::Regex;
use std::path::PathBuf;

pub const SEND_HELP: &str = "Examples:
  metlog send --logger accounts --type login --token browserid --field user=25 \"signed in\"
  uptime | metlog send --type uptime -

Messages are signed if METLOG_KEY_ID and METLOG_KEY are set. UDP does not confirm that a message arrived: if the server on
this host, or the one given by --server or --config, responds, its count is compared.";

pub const REPLAY_HELP: &str = "Examples:
  metlog replay metrics_hdfs.log
  metlog replay --type sshd --logger web1 --rate 1000 auth.log
  metlog replay old.log.gz older.log.zst          (recognised by their first bytes)
  zcat old.log.gz | metlog replay -
  metlog replay --type access --line-regex '^(?<client>\\S+) \\S+ \\S+ \\[(?<time>[^]]+)\\] \"(?<payload>[^\"]*)\"' access.log
  metlog replay --line-regex '^(?<time>\\S+ \\S+) (?<severity>\\w+) (?<payload>.*)' --time-format '%Y-%m-%d %H:%M:%S,%3f' app.log
  metlog replay --follow --state /var/lib/metlog/app.state /var/log/app.log

Lines are kept unchanged; invalid UTF-8 becomes U+FFFD, which is counted. At the end, if the server on this host, or the one
given by --server or --config, responds, the number of messages sent is compared with the number it received.

With --state, lines are re-sent until the server has them, and the state file records how far the files were read: after any
interruption the same command resumes where it stopped, without skipping or repeating a line.

Messages are signed if METLOG_KEY_ID and METLOG_KEY are set.";

/// `metlog send`.
#[derive(Debug, Args)]
pub struct SendOptions {
    /// host:port, [::1]:port or unix:/path.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5565")]
    pub to: String,
    #[command(flatten)]
    pub server: ServerOptions,
    /// The program that sends it.
    #[arg(long, default_value = "")]
    pub logger: String,
    /// The type of the message [default: metlog].
    #[arg(long = "type", value_name = "TYPE")]
    pub r#type: Option<String>,
    /// How urgent it is: emergency, alert, critical, error, warning, notice, info, debug, or 0 to 7.
    #[arg(long, default_value = "info", value_parser = severity::parse)]
    pub severity: Severity,
    /// A string that classifies it; may be given several times.
    #[arg(long = "token", value_name = "TOKEN")]
    pub tokens: Vec<String>,
    /// A named value, KEY=VALUE; may be given several times.
    #[arg(long = "field", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub fields: Vec<(String, String)>,
    /// The text of the message; `-` reads it from stdin.
    pub payload: Option<String>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it is written KEY=VALUE".to_owned()),
    }
}

/// `metlog replay`.
#[derive(Debug, Args)]
pub struct ReplayOptions {
    /// host:port, [::1]:port or unix:/path.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5565")]
    pub to: String,
    #[command(flatten)]
    pub server: ServerOptions,
    /// Messages per second; 0 sends as fast as possible, and UDP may lose some of them.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    pub rate: u64,
    /// Type of the messages made from plain lines.
    #[arg(long = "type", value_name = "TYPE", default_value = "line")]
    pub r#type: String,
    /// Logger of the messages made from plain lines; by default the file's name.
    #[arg(long)]
    pub logger: Option<String>,
    #[command(flatten)]
    pub template: TemplateOptions,
    /// Keep sending lines appended to the files, across rotations. Requires --state.
    #[arg(long, requires = "state")]
    pub follow: bool,
    /// Keep positions in this file, and re-send what the server has not received.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Files to send; `-` is stdin. Files compressed with gzip or zstd are supported.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// How the parts of a plain line are extracted.
#[derive(Debug, Clone, Default, Args)]
pub struct TemplateOptions {
    /// Regular expression with named groups: `time`, `severity`, `type`, `logger`, `hostname`, `pid` and `payload` set
    /// those of the message; any other group becomes a field. Without `payload` the payload is the whole line. A line
    /// that does not match is sent whole, and counted.
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    pub line_regex: Option<Regex>,
    /// strftime format of `time`, such as `%d/%b/%Y:%H:%M:%S %z`; without it the usual formats are tried. A missing year
    /// becomes the latest one that is not in the future.
    #[arg(long, value_name = "FORMAT", requires = "line_regex")]
    pub time_format: Option<String>,
    /// Time zone of times without one: utc, or an offset such as +02:00.
    #[arg(long, value_name = "ZONE", default_value = "utc", value_parser = zone)]
    pub time_zone: Option<FixedOffset>,
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}

fn zone(text: &str) -> Result<FixedOffset, String> {
    let text = if text.eq_ignore_ascii_case("utc") { "+00:00" } else { text };
    text.parse().map_err(|_| "it is utc, or an offset such as +02:00".to_owned())
}
