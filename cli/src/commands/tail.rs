//! `metlog tail`: messages as they arrive, for people or as JSON lines.
use crate::arguments::TailOptions;
use crate::ask::{Server, innermost, runtime};
use crate::failure::Failure;
use crate::live::{COUNTS, MISSED, MISSED_MESSAGES};
use crate::logs;
use crate::plural::{counted, verb};
use metlog_query::filter::Filter;
use metlog_schemas::table::Table;
use reqwest::Response;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Write, stdout};
use std::time::Duration;

/// How long a server that has stopped is left alone before it is asked again, at first and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
const AGAIN_MOST: Duration = Duration::from_secs(5);

/// Prints until nobody reads any more; where the server stops, waits for it to come back.
///
/// # Errors
/// Where the filter is wrong, or nobody answers at first.
pub fn run(options: &TailOptions) -> Result<(), Failure> {
    let filter = Filter::parse(Table::Messages, &options.filter).map_err(|error| Failure::usage(error.to_string()))?;
    if options.show_sql {
        let sql = format!("select * from messages where {} order by timestamp", filter.to_sql());
        return super::print(&format!("{sql}\n"));
    }
    runtime()?.block_on(follow(options))
}

async fn follow(options: &TailOptions) -> Result<(), Failure> {
    let server = Server::of(&options.server)?;
    let mut response = connect(&server, options).await?;
    loop {
        let ended = show(response, options.json).await?;
        let address = server.address();
        logs::say(&format!("{address}: {ended}; what comes until it is back is not shown here"));
        let mut wait = AGAIN_FIRST;
        response = loop {
            tokio::time::sleep(wait).await;
            match connect(&server, options).await {
                Ok(response) => break response,
                // It is there, but does not want to: so it is said.
                Err(Refused::ByServer(failure)) => return Err(failure),
                Err(Refused::NobodyThere(_)) => wait = (wait * 2).min(AGAIN_MOST),
            }
        };
        logs::say(&format!("{address}: connected again"));
    }
}

enum Refused {
    NobodyThere(Failure),
    ByServer(Failure),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        let (Refused::NobodyThere(failure) | Refused::ByServer(failure)) = refused;
        failure
    }
}

async fn connect(server: &Server, options: &TailOptions) -> Result<Response, Refused> {
    let response = server.get("/api/tail", &[("filter", &options.filter)]).await.map_err(Refused::NobodyThere)?;
    // While it starts or stops, it may answer that it cannot.
    match response.status() {
        status if status.is_success() => Ok(response),
        status if status.is_server_error() => Err(Refused::NobodyThere(server.refusal(response).await)),
        _ => Err(Refused::ByServer(server.refusal(response).await)),
    }
}

/// Prints what comes, and gives why nothing more does.
async fn show(mut response: Response, as_json: bool) -> Result<String, Failure> {
    let mut pending = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok("the server has stopped".to_owned()),
            Err(error) => return Ok(format!("the connection broke: {}", innermost(&error))),
            Ok(Some(chunk)) => pending.extend_from_slice(&chunk),
        }
        let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = pending.drain(..whole).collect();
        print(&lines, as_json).map_err(|error| Failure::output(&error))?;
    }
}

fn print(lines: &[u8], as_json: bool) -> std::io::Result<()> {
    let mut out = stdout().lock();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Value = serde_json::from_slice(line)?;
        if let Some(missed) = message[MISSED].as_u64() {
            // Readers of some loggers are not told how many messages others send.
            let (count, noun) = match message[MISSED_MESSAGES].as_u64() {
                Some(messages) => (messages, "message"),
                None => (missed, "batch"),
            };
            let (what, are) = (counted(count, noun), verb(count, "is", "are"));
            logs::say(&format!("(too fast for this reader: {what} {are} not shown)"));
        } else if message[COUNTS].is_object() {
            // Counts are for readers that asked for a rate.
        } else if as_json {
            out.write_all(line)?;
            out.write_all(b"\n")?;
        } else {
            writeln!(out, "{}", in_words(&message))?;
        }
    }
    out.flush()
}

/// `2026-01-02T03:04:05.678901Z 6 web-1 accounts login [browserid, login] signed in user=25`
fn in_words(message: &Value) -> String {
    let text = |key: &str| message[key].as_str().unwrap_or_default();
    let mut line = format!("{} {}", text("timestamp"), message["severity"]);
    for part in [text("hostname"), text("logger"), text("type")].into_iter().filter(|part| !part.is_empty()) {
        let _ = write!(line, " {part}");
    }
    let tokens: Vec<&str> = message["tokens"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !tokens.is_empty() {
        let _ = write!(line, " [{}]", tokens.join(", "));
    }
    if !text("payload").is_empty() {
        let _ = write!(line, " {}", text("payload"));
    }
    for (key, value) in message["fields"].as_object().into_iter().flatten() {
        let _ = write!(line, " {key}={}", value.as_str().unwrap_or_default());
    }
    metlog_query::format::harmless(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_is_one_harmless_line() {
        let message = json!({"timestamp": "2026-01-02T03:04:05.678901Z", "type": "login", "logger": "accounts",
            "severity": 6, "hostname": "", "tokens": ["a", "b"], "payload": "signed\n\u{1b}[2Jin é", "fields": {"user": "25"}});
        assert_eq!(
            in_words(&message),
            "2026-01-02T03:04:05.678901Z 6 accounts login [a, b] signed\\n\\u{1b}[2Jin é user=25"
        );
    }
}
