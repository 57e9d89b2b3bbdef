//! What the command line takes, refuses and says of itself.
use super::*;

#[test]
fn the_definition_is_sound() {
    command().debug_assert();
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
        "metlog query",
        "metlog query -",
        "metlog query -f report.sql --format csv",
        "metlog send --to a:1 --logger l --type t --severity 0 --token a --token b --field k=v=w payload",
        "metlog replay --to a:1 --rate 10 one two",
        "metlog tail --filter type=x",
        "metlog tail",
        "metlog tail --filter x --show-sql",
        "metlog top",
        "metlog top --once --server a:1",
        "metlog status --config f",
        "metlog status --json",
        "metlog up --listen-offset 100 --metlog 127.0.0.1:1 --metlog [::1]:1 --statsd 127.0.0.1:2 --http 0.0.0.0:3",
        "metlog listen --listen-offset 1",
        "metlog send --severity warn -",
        "metlog completions zsh",
        "metlog replay --follow --state s f",
        "metlog replay --line-regex (?<payload>.*) --time-format %s --time-zone +02:00 f",
        "metlog check --config f",
        "metlog check --online --config f",
        "metlog decode f",
        "metlog recover --config f --data d",
        "metlog ddl --dialect hive4 --warehouse s3://b/p",
    ] {
        parse(line).unwrap();
    }
}

#[test]
fn what_is_wrong_is_refused() {
    for (line, said) in [
        ("metlog", "Usage"),
        ("metlog query --format arrow select", "one of table, json, csv, spreadsheet, ndjson"),
        ("metlog query -f f select", "cannot be used with"),
        ("metlog query --warehouse file:///w --server a:1 select", "cannot be used with"),
        ("metlog send --severity 8 x", "a number from 0 to 7, or one of emergency"),
        ("metlog replay --follow f", "--state"),
        ("metlog replay --line-regex ( f", "unclosed group"),
        ("metlog replay --time-zone x f", "+02:00"),
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
    assert_eq!((options.payload.as_deref(), options.severity.number()), (Some("p"), 6));
}

#[test]
fn every_help_has_the_exit_codes_and_the_logs_apart() {
    for name in ["", "up", "query", "send", "replay", "status", "check"] {
        let mut command = command();
        let command = if name.is_empty() { &mut command } else { command.find_subcommand_mut(name).unwrap() };
        assert!(command.render_help().to_string().contains("Exit codes: 0 success; 1"), "{name}");
    }
    let said = |help| Arguments::try_parse_from(["metlog", "status", help]).unwrap_err().to_string();
    assert!(!said("-h").contains("--log-format"), "not in each short help");
    let long = said("--help");
    let (own, logs) = (long.find("Write one JSON object").unwrap(), long.find("\nLogs:").unwrap());
    assert!(own < logs && long[logs..].contains("--log-format"), "under a heading of their own, at the end: {long}");
}

#[test]
fn severities_have_names() {
    for (name, number) in [("warn", 4), ("ERROR", 3), ("7", 7)] {
        let Ok(Command::Send(options)) = parse(&format!("metlog send --severity {name} p")) else { panic!("{name}") };
        assert_eq!(options.severity.number(), number);
    }
}
