//! The command line, and its help.
use clap::{Args, Parser, Subcommand, ValueEnum};
use metlog_query::format::Format;
use metlog_schemas::ddl::Dialect;
use std::path::PathBuf;

/// Messages and metrics of many programs, in files that SQL reads. Nothing accepted is lost, and every message is
/// accounted for.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Begin with `metlog up --demo`, then `metlog query \"select type, count(*) from messages group by type\"`."
)]
pub struct Arguments {
    #[command(flatten)]
    pub logs: LogOptions,
    #[command(subcommand)]
    pub command: Command,
}

/// How we speak about ourselves.
#[derive(Debug, Args)]
pub struct LogOptions {
    /// Say more on stderr; -vv and -vvv even more. The variable METLOG_LOG says exactly what:
    /// `METLOG_LOG=metlog_listener=debug`.
    #[arg(short, long, global = true, help_heading = "Logs", action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How logs are written. With json everything on stderr is JSON, but for mistakes in the command line itself.
    #[arg(long, global = true, help_heading = "Logs", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process: take messages, store them, answer SQL.
    #[command(
        after_help = "Examples:\n  metlog up --demo\n  metlog up --config metlog.toml\n  metlog up --data /var/lib/metlog\n\nIt ends with ctrl-c or SIGTERM when everything is stored; a second one leaves the rest in the journal."
    )]
    Up(UpOptions),
    /// Take messages and store them, without SQL. The state is still served: /api/ledger, /metrics, /health.
    #[command(after_help = "Example:\n  metlog listen --config metlog.toml")]
    Listen(ListenOptions),
    /// Ask a question in SQL: of the running server, or of a warehouse that nobody serves.
    #[command(after_help = QUERY_HELP)]
    Query(QueryOptions),
    /// Send one message. Exit code 1 where it was not sent.
    #[command(
        after_help = "Example:\n  metlog send --logger accounts --type login --token browserid --field user=25 \"signed in\"\n\nSigned where METLOG_KEY_ID and METLOG_KEY are set. UDP does not tell whether anybody listens."
    )]
    Send(SendOptions),
    /// Send the lines of files: Metlog JSON as it is, any other line as the payload of a message.
    #[command(
        after_help = "Examples:\n  metlog replay metrics_hdfs.log\n  metlog replay --type sshd --logger web1 --rate 1000 auth.log\n  zcat old.log.gz | metlog replay -"
    )]
    Replay(ReplayOptions),
    /// Show messages as they arrive.
    #[command(after_help = TAIL_HELP)]
    Tail(TailOptions),
    /// Say where every message is: stored, held, rejected, dropped, lost. Exit code 1 where something is wrong.
    Status(ServerOptions),
    /// Look for mistakes in a configuration file. Exit code 2 where there are any.
    #[command(after_help = "Example:\n  metlog check --config metlog.toml")]
    Check(CheckOptions),
    /// Show a datagram or a journal segment as JSON lines.
    #[command(after_help = "Example:\n  metlog decode data/journal/segment-179527626525.mlj")]
    Decode(DecodeOptions),
    /// Print the statements that make the tables known to another engine.
    #[command(
        after_help = "Examples:\n  metlog ddl --dialect duckdb --warehouse file:///var/lib/metlog/warehouse | duckdb\n  metlog ddl --dialect hive --config metlog.toml > metlog.hql"
    )]
    Ddl(DdlOptions),
    /// Run queries for the server that starts this.
    #[command(hide = true)]
    QueryWorker,
}

const QUERY_HELP: &str = "Examples:
  metlog query \"select type, count(*) as n from messages group by type order by n desc\"
  metlog query \"select * from messages where fields['user'] = '25' order by timestamp desc limit 10\"
  metlog query --format csv \"select timestamp, name, count from metrics\" > metrics.csv
  metlog query --warehouse s3://logs/metlog \"select count(*) from messages where dt = '2026-01-02'\"

Tables: messages, metrics, senders.";

const TAIL_HELP: &str = "A filter is words with blanks between; a message must match them all:
  type=login          the same; also logger, hostname, payload, env_version, token, fields.<key>
  logger!=web         not the same
  payload~time.?out   a regular expression that is found in it; !~ where it is not
  severity<=3         numbers: severity, pid; also < > >=
  refused             the payload contains it
Words with blanks go in quotes: \"payload=not found\".

Example:
  metlog tail --filter 'type=login severity<=4 fields.user=25'";

/// Which configuration.
#[derive(Debug, Args)]
pub struct ConfigOptions {
    /// The configuration; without it every key has its default.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the journal and the warehouse; stronger than the file's `data`.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// `metlog up`.
#[derive(Debug, Args)]
pub struct UpOptions {
    #[command(flatten)]
    pub config: ConfigOptions,
    /// Add a small service that sends messages and metrics through the client library, to have something to ask
    /// about.
    #[arg(long)]
    pub demo: bool,
}

/// `metlog listen`.
#[derive(Debug, Args)]
pub struct ListenOptions {
    #[command(flatten)]
    pub config: ConfigOptions,
}

/// Which server is asked.
#[derive(Debug, Args)]
pub struct ServerOptions {
    /// The server's configuration: its `[query] listen` is asked.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub config: Option<PathBuf>,
    /// Ask this address instead, such as 127.0.0.1:5580.
    #[arg(long, value_name = "ADDR")]
    pub server: Option<String>,
}

/// `metlog query`.
#[derive(Debug, Args)]
pub struct QueryOptions {
    #[command(flatten)]
    pub server: ServerOptions,
    /// Read this warehouse oneself: file:///folder, s3://bucket/prefix, gs:// or az://. Only stored rows are there.
    #[arg(long, value_name = "URL", conflicts_with = "server")]
    pub warehouse: Option<String>,
    /// How the answer is written: table, json, csv or ndjson.
    #[arg(long, value_parser = printable_format, default_value = "table")]
    pub format: Format,
    /// Fail where the store cannot be read, instead of answering with the rows that the server still holds.
    #[arg(long, conflicts_with = "warehouse")]
    pub strict: bool,
    /// The question.
    pub sql: String,
}

fn printable_format(name: &str) -> Result<Format, String> {
    let printable = |format: &Format| *format != Format::Arrow;
    let found = Format::ALL.into_iter().filter(printable).find(|format| format.name() == name);
    found.ok_or_else(|| "it is one of table, json, csv, ndjson".to_owned())
}

/// `metlog send`.
#[derive(Debug, Args)]
pub struct SendOptions {
    /// host:port, [::1]:port or unix:/path.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5565")]
    pub to: String,
    /// Which program speaks.
    #[arg(long, default_value = "")]
    pub logger: String,
    /// What kind of message it is.
    #[arg(long = "type", value_name = "TYPE", default_value = "metlog")]
    pub r#type: String,
    /// 0 (emergency) to 7 (debug).
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(0..=7))]
    pub severity: u8,
    /// A string that classifies it; may be given several times.
    #[arg(long = "token", value_name = "TOKEN")]
    pub tokens: Vec<String>,
    /// A named value, KEY=VALUE; may be given several times.
    #[arg(long = "field", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub fields: Vec<(String, String)>,
    /// Its text.
    #[arg(default_value = "")]
    pub payload: String,
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
    /// Messages a second; 0 for as fast as it goes, which UDP may lose some of.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    pub rate: u64,
    /// Type of the messages that are made of plain lines.
    #[arg(long = "type", value_name = "TYPE", default_value = "line")]
    pub r#type: String,
    /// Logger of the messages that are made of plain lines; the file's name unless said otherwise.
    #[arg(long)]
    pub logger: Option<String>,
    /// What is sent; `-` is stdin.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `metlog tail`.
#[derive(Debug, Args)]
pub struct TailOptions {
    #[command(flatten)]
    pub server: ServerOptions,
    /// Only messages that match all of these words; see below.
    #[arg(long, value_name = "EXPR", default_value = "")]
    pub filter: String,
    /// Write JSON lines instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `metlog check`.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// The file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// `metlog decode`.
#[derive(Debug, Args)]
pub struct DecodeOptions {
    /// One datagram as it was on the wire, or a journal segment.
    pub file: PathBuf,
}

/// `metlog ddl`.
#[derive(Debug, Args)]
pub struct DdlOptions {
    /// hive (before version 4), hive4, spark, duckdb or datafusion.
    #[arg(long, value_parser = dialect)]
    pub dialect: Dialect,
    /// Where the tables lie; without it as the configuration says.
    #[arg(long, value_name = "URL")]
    pub warehouse: Option<String>,
    /// The configuration whose `[sink.parquet] url` is meant.
    #[arg(long, value_name = "FILE", conflicts_with = "warehouse")]
    pub config: Option<PathBuf>,
}

fn dialect(name: &str) -> Result<Dialect, String> {
    let names: Vec<&str> = Dialect::ALL.into_iter().map(Dialect::name).collect();
    Dialect::from_name(name).ok_or_else(|| format!("it is one of {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[track_caller]
    fn parse(line: &str) -> Result<Command, String> {
        let words = line.split(' ').filter(|word| !word.is_empty());
        Arguments::try_parse_from(words).map(|arguments| arguments.command).map_err(|error| error.to_string())
    }

    #[test]
    fn commands_of_the_manual() {
        for line in [
            "metlog up",
            "metlog up --config metlog.toml --data d --demo -vv --log-format json",
            "metlog listen --config f",
            "metlog query --warehouse file:///w --format json select",
            "metlog query --config f --format ndjson select",
            "metlog send --to a:1 --logger l --type t --severity 0 --token a --token b --field k=v=w payload",
            "metlog replay --to a:1 --rate 10 one two",
            "metlog tail --filter type=x",
            "metlog tail",
            "metlog status --config f",
            "metlog check --config f",
            "metlog decode f",
            "metlog ddl --dialect hive4 --warehouse s3://b/p",
        ] {
            parse(line).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (line, said) in [
            ("metlog", "Usage"),
            ("metlog query --format arrow select", "one of table, json, csv, ndjson"),
            ("metlog query --warehouse file:///w --server a:1 select", "cannot be used with"),
            ("metlog send --severity 8 x", "8 is not in 0..=7"),
            ("metlog send --field novalue x", "KEY=VALUE"),
            ("metlog replay", "FILE"),
            ("metlog check", "--config"),
            ("metlog ddl --dialect mysql", "one of hive"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn a_field_keeps_what_follows_its_first_equals_sign() {
        let Ok(Command::Send(options)) = parse("metlog send --field k=v=w p") else { panic!("send") };
        assert_eq!(options.fields, [("k".to_owned(), "v=w".to_owned())]);
        assert_eq!((options.payload.as_str(), options.severity), ("p", 6));
    }
}
