//! The command line, and its help.
mod ship;
#[cfg(test)]
mod tests;

pub use ship::{ReplayOptions, SendOptions, TemplateOptions};

use clap::builder::TypedValueParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use metlog_query::format::Format;
use metlog_schemas::ddl::Dialect;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Collects messages and metrics from many programs into files that SQL can query. Nothing accepted is lost, and every
/// message is accounted for.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Start with `metlog up --demo`, then `metlog query \"select type, count(*) from messages group by type\"`."
)]
pub struct Arguments {
    #[command(flatten)]
    pub logs: LogOptions,
    #[command(subcommand)]
    pub command: Command,
}

/// Our own logs.
#[derive(Debug, Args)]
pub struct LogOptions {
    /// Log more on stderr; -vv and -vvv log even more. The variable METLOG_LOG sets an exact filter:
    /// `METLOG_LOG=metlog_listener=debug`.
    #[arg(short, long, global = true, help_heading = "Logs", hide_short_help = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Log format. With json, everything on stderr is JSON except errors in the command line itself.
    #[arg(long, global = true, help_heading = "Logs", hide_short_help = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines of plain text.
    Text,
    /// One JSON object per line.
    Json,
}

/// The command to run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process: receive messages, store them, serve SQL.
    #[command(
        after_help = "Examples:\n  metlog up --demo\n  metlog up --config metlog.toml\n  metlog up --data /var/lib/metlog\n\nAfter ctrl-c or SIGTERM it stores everything and exits; a second one leaves the rest in the journal."
    )]
    Up(UpOptions),
    /// Receive and store messages, without SQL. The state is still served: /api/ledger, /metrics, /health.
    #[command(after_help = "Example:\n  metlog listen --config metlog.toml")]
    Listen(ListenOptions),
    /// Be an agent of the mesh: probe the network to every other node, and send what is found to a listener.
    #[command(
        after_help = "Examples:\n  metlog mesh --config metlog.toml\n  metlog mesh --name web-1 --peer 10.0.0.7:5571 --to 10.0.0.1:5565\n\nIt finds other agents as [mesh] of the configuration says. See docs/mesh.md."
    )]
    Mesh(MeshOptions),
    /// Serve the page and SQL over a warehouse that other processes fill. Receives nothing.
    #[command(
        after_help = "Examples:\n  metlog serve --config metlog.toml\n  metlog serve --warehouse s3://logs/metlog --http 127.0.0.1:8080"
    )]
    Serve(ServeOptions),
    /// Run an SQL query on the running server, or directly on a warehouse.
    #[command(after_help = QUERY_HELP)]
    Query(QueryOptions),
    /// Send one message. Exits with 1 if it was not sent, or nobody listens.
    #[command(after_help = ship::SEND_HELP)]
    Send(SendOptions),
    /// Send the lines of files: Metlog JSON unchanged, any other line as the payload of a message.
    #[command(after_help = ship::REPLAY_HELP)]
    Replay(ReplayOptions),
    /// Show messages as they arrive.
    #[command(after_help = TAIL_HELP)]
    Tail(TailOptions),
    /// Watch a server in the terminal: rates, ledger, sinks, senders, largest names.
    #[command(after_help = TOP_HELP)]
    Top(TopOptions),
    /// Show where every message is: stored, held, rejected, dropped, lost. Exits with 1 if something is wrong or was
    /// lost.
    #[command(after_help = "Examples:\n  metlog status\n  metlog status --json | jq .ledger.held")]
    Status(StatusOptions),
    /// Check a configuration file. Exits with 2 if it has errors.
    #[command(
        after_help = "Examples:\n  metlog check --config metlog.toml\n  metlog check --online --config metlog.toml"
    )]
    Check(CheckOptions),
    /// Show a datagram or a journal segment as JSON lines.
    #[command(
        after_help = "Examples:\n  metlog decode data/journal/segment-179527626525.mlj\n  socat -u UDP-RECV:5565 - | metlog decode -"
    )]
    Decode(DecodeOptions),
    /// Offer everything set aside to the store again, while metlog is stopped. Exits with 1 if some of it is still set
    /// aside.
    #[command(after_help = "Example:\n  metlog recover --config metlog.toml")]
    Recover(ConfigOptions),
    /// Print the statements that define the tables in another engine.
    #[command(
        after_help = "Examples:\n  metlog ddl --dialect duckdb --warehouse file:///var/lib/metlog/warehouse | duckdb\n  metlog ddl --dialect hive --config metlog.toml > metlog.hql"
    )]
    Ddl(DdlOptions),
    /// Print the line of the configuration for a password, which is read from the terminal or from stdin.
    #[command(after_help = "Example:\n  metlog password >> metlog.toml")]
    Password,
    /// Make a token for a program, and print it with the lines of the configuration that let it in.
    #[command(
        after_help = "Examples:\n  metlog token grafana\n  metlog token --loggers sync,push --expires 2027-12-31 dashboard"
    )]
    Token(TokenOptions),
    /// Run queries for the server that starts this.
    #[command(hide = true)]
    QueryWorker,
    /// Print a shell completion script for commands and options.
    #[command(
        after_help = "Examples:\n  source <(metlog completions bash)\n  metlog completions zsh > ~/.zfunc/_metlog\n  metlog completions fish > ~/.config/fish/completions/metlog.fish"
    )]
    Completions(CompletionsOptions),
}

const QUERY_HELP: &str = "Examples:
  metlog query \"select type, count(*) as n from messages group by type order by n desc\"
  metlog query \"select * from messages where fields['user'] = '25' order by timestamp desc limit 10\"
  metlog query --format csv \"select timestamp, name, count from metrics\" > metrics.csv
  metlog query --warehouse s3://logs/metlog \"select count(*) from messages where dt = '2026-01-02'\"
  metlog query -f report.sql
  metlog query                    (a prompt, with history and completion)

Tables: messages, metrics, senders.";

const TAIL_HELP: &str = "A filter is the same here, in the page and in the API. Its terms:
  type=login          equal; also logger, hostname, payload, env_version, token, fields.<key>
  logger!=web         not equal; also true without a value
  payload~time.?out   matches a regular expression; !~ does not match
  severity<=warning   numbers: severity (also by name), pid, fields.<key>; also < > >=
  timestamp>=2026-01-31T12:00:00Z
  refused             the payload contains it
Terms side by side must all match; `and`, `or`, `not` and parentheses join them. Quote values that contain spaces:
payload=\"not found\", or the whole term: \"payload=not found\".

Examples:
  metlog tail --filter 'type=login severity<=warning fields.user=25'
  metlog tail --filter 'severity<=error or (type=page and not payload~\"^GET /health\")'
  metlog query \"$(metlog tail --filter 'fields.ms>500' --show-sql)\"     (the same messages, from the store)";

const TOP_HELP: &str =
    "Rates are of the last two seconds. Keys: Tab for senders, types and names; s and r to sort; / to filter;
p to pause; ? for help; q to quit. NO_COLOR is respected.

Examples:
  metlog top
  metlog top --server 10.0.0.7:5580
  metlog top --once | mail -s metlog ops@example.com";

/// The configuration to use.
#[derive(Debug, Args)]
pub struct ConfigOptions {
    /// Configuration file; without it every key has its default.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the journal and the warehouse; overrides the file's `data`.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Addresses to listen on. These flags take precedence over the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct AddressOptions {
    /// UDP address for Metlog messages, instead of `listener.metlog`; may be given several times.
    #[arg(long, value_name = "ADDR")]
    pub metlog: Vec<SocketAddr>,
    /// UDP address for statsd lines, instead of `listener.statsd`; may be given several times.
    #[arg(long, value_name = "ADDR")]
    pub statsd: Vec<SocketAddr>,
    /// HTTP address, instead of `query.listen`.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Add this to every default port (5565, 8125, 5580, 4318 …), so that several servers can run on one host.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=50_000))]
    pub listen_offset: u16,
}

impl AddressOptions {
    /// The addresses of a socket, by its key in `[listener]`; `None` if it has no flag, or none was given.
    pub fn of(&self, key: &str) -> Option<&[SocketAddr]> {
        let flag = match key {
            "metlog" => &self.metlog,
            "statsd" => &self.statsd,
            _ => return None,
        };
        Some(flag.as_slice()).filter(|flag| !flag.is_empty())
    }
}

/// `metlog up`.
#[derive(Debug, Args)]
pub struct UpOptions {
    #[command(flatten)]
    pub config: ConfigOptions,
    #[command(flatten)]
    pub addresses: AddressOptions,
    /// Run a small demo service that sends messages and metrics through the client library.
    #[arg(long)]
    pub demo: bool,
}

/// `metlog listen`.
#[derive(Debug, Args)]
pub struct ListenOptions {
    #[command(flatten)]
    pub config: ConfigOptions,
    #[command(flatten)]
    pub addresses: AddressOptions,
}

/// `metlog mesh`.
#[derive(Debug, Args)]
pub struct MeshOptions {
    /// Configuration file; without it every key has its default.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Name of this node, instead of `mesh.name`.
    #[arg(long)]
    pub name: Option<String>,
    /// Address to respond at, UDP and TCP, instead of `mesh.listen`.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// A peer, instead of `mesh.peers`; may be given several times.
    #[arg(long = "peer", value_name = "PEER")]
    pub peers: Vec<String>,
    /// The listener that gets results, instead of `mesh.to`.
    #[arg(long, value_name = "ADDR")]
    pub to: Option<String>,
}

/// `metlog serve`.
#[derive(Debug, Args)]
pub struct ServeOptions {
    #[command(flatten)]
    pub config: ConfigOptions,
    #[command(flatten)]
    pub addresses: AddressOptions,
    /// Warehouse to read, instead of `[sink.parquet] url`: file:///folder, s3://bucket/prefix, gs:// or az://.
    #[arg(long, value_name = "URL")]
    pub warehouse: Option<String>,
}

/// The server to use.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerOptions {
    /// Configuration file of the server; its address is `[query] listen`.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub config: Option<PathBuf>,
    /// Address of the server, such as 127.0.0.1:5580, or https://metlog.example.org:5580 if it serves TLS.
    #[arg(long, value_name = "ADDR")]
    pub server: Option<String>,
    /// Token to identify with, if the server requires one; by default the variable METLOG_TOKEN. Others on this host can see
    /// what stands in a command line.
    #[arg(long, value_name = "TOKEN", hide_short_help = true)]
    pub access_token: Option<String>,
    /// PEM file of the certificate authority of the server's certificate; by default the variable METLOG_CA_FILE, and
    /// otherwise those of the system.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub ca_file: Option<PathBuf>,
}

/// `metlog query`.
#[derive(Debug, Args)]
pub struct QueryOptions {
    #[command(flatten)]
    pub server: ServerOptions,
    /// Read this warehouse directly: file:///folder, s3://bucket/prefix, gs:// or az://. It has only stored rows.
    #[arg(long, value_name = "URL", conflicts_with = "server")]
    pub warehouse: Option<String>,
    /// Format of the result: table, json, csv, spreadsheet (CSV whose text no spreadsheet runs), ndjson or parquet.
    #[arg(long, value_parser = printable_format, default_value = "table")]
    pub format: Format,
    /// Fail if the store cannot be read, instead of returning a partial result.
    #[arg(long, conflicts_with = "warehouse")]
    pub strict: bool,
    /// Width of a table in columns; by default that of the terminal. In a file or a pipe nothing is truncated.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(20..).map(usize::from))]
    pub width: Option<usize>,
    /// Run the queries in this file; each ends with a semicolon.
    #[arg(short, long, value_name = "FILE", conflicts_with = "sql")]
    pub file: Option<PathBuf>,
    /// The query; `-` reads queries from stdin. Without a query, a prompt opens if stdin is a terminal.
    pub sql: Option<String>,
}

fn printable_format(name: &str) -> Result<Format, String> {
    let printable = |format: &Format| *format != Format::Arrow;
    let names = || Format::ALL.into_iter().filter(printable).map(Format::name).collect::<Vec<_>>().join(", ");
    let found = Format::ALL.into_iter().filter(printable).find(|format| format.name() == name);
    found.ok_or_else(|| format!("it is one of {}", names()))
}

/// `metlog status`.
#[derive(Debug, Args)]
pub struct StatusOptions {
    #[command(flatten)]
    pub server: ServerOptions,
    /// Write one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `metlog tail`.
#[derive(Debug, Args)]
pub struct TailOptions {
    #[command(flatten)]
    pub server: ServerOptions,
    /// Show only messages that match this filter; see below.
    #[arg(long, value_name = "EXPR", default_value = "")]
    pub filter: String,
    /// Write the filter as SQL for `metlog query`, and end.
    #[arg(long)]
    pub show_sql: bool,
    /// Write JSON lines instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `metlog top`.
#[derive(Debug, Args)]
pub struct TopOptions {
    #[command(flatten)]
    pub server: ServerOptions,
    /// Print everything once as plain text, and end.
    #[arg(long)]
    pub once: bool,
}

/// `metlog check`.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Also check that each sink can be reached and accepts data. Exits with 1 if one does not.
    #[arg(long)]
    pub online: bool,
}

/// `metlog decode`.
#[derive(Debug, Args)]
pub struct DecodeOptions {
    /// A datagram as sent on the wire, or a journal segment; `-` is stdin.
    pub file: PathBuf,
}

/// `metlog ddl`.
#[derive(Debug, Args)]
pub struct DdlOptions {
    /// hive (before version 4), hive4, spark, duckdb or datafusion.
    #[arg(long, value_parser = dialect)]
    pub dialect: Dialect,
    /// Location of the tables; by default that of the configuration.
    #[arg(long, value_name = "URL")]
    pub warehouse: Option<String>,
    /// Configuration file whose `[sink.parquet] url` is used.
    #[arg(long, value_name = "FILE", conflicts_with = "warehouse")]
    pub config: Option<PathBuf>,
}

fn dialect(name: &str) -> Result<Dialect, String> {
    let names: Vec<&str> = Dialect::ALL.into_iter().map(Dialect::name).collect();
    Dialect::from_name(name).ok_or_else(|| format!("it is one of {}", names.join(", ")))
}

/// `metlog token`.
#[derive(Debug, Args)]
pub struct TokenOptions {
    /// Name of the program that gets the token.
    pub name: String,
    /// reader, or admin: sees also what is not about one logger, such as /api/rejected.
    #[arg(long, value_parser = ["reader", "admin"], default_value = "reader")]
    pub role: String,
    /// Show only what these loggers sent, separated by commas; by default all.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub loggers: Vec<String>,
    /// Last day on which it is valid, such as 2027-12-31; by default it does not expire.
    #[arg(long, value_name = "DATE")]
    pub expires: Option<String>,
}

/// `metlog completions`.
#[derive(Debug, Args)]
pub struct CompletionsOptions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Every help text ends with this.
const EXIT_CODES: &str = "Exit codes: 0 success; 1 it failed, or something is wrong or missing; 2 the command line or the \
     configuration is invalid.";

/// The whole command line, each help with the exit codes.
pub fn command() -> clap::Command {
    let with_codes = |command: clap::Command| {
        let help = match command.get_after_help() {
            Some(help) => format!("{help}\n\n{EXIT_CODES}"),
            None => EXIT_CODES.to_owned(),
        };
        command.after_help(help)
    };
    with_codes(Arguments::command().mut_subcommands(with_codes))
}

impl Arguments {
    /// Those of this process. Help and mistakes end it.
    pub fn of_this_process() -> Arguments {
        let matches = command().get_matches();
        Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}
