//! `metlog tail`: messages as they arrive, for people or as JSON lines.
use crate::arguments::TailOptions;
use crate::ask::{Server, runtime};
use crate::failure::Failure;
use crate::filter::Filter;
use crate::logs;
use crate::serve::MISSED;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Write, stdout};

/// Prints until the server ends or nobody reads any more.
///
/// # Errors
/// Where the filter is wrong, nobody answers, or the server ends.
pub fn run(options: &TailOptions) -> Result<(), Failure> {
    Filter::parse(&options.filter).map_err(Failure::usage)?;
    runtime()?.block_on(follow(options))
}

async fn follow(options: &TailOptions) -> Result<(), Failure> {
    let server = Server::of(&options.server)?;
    let mut response = server.get("/api/tail", &[("filter", &options.filter)]).await?;
    if !response.status().is_success() {
        return Err(server.refusal(response).await);
    }
    let ended = |why: &dyn std::fmt::Display| Failure::failed(format!("{}: {why}", server.address()));
    let mut pending = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| ended(&error))? {
        pending.extend_from_slice(&chunk);
        let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = pending.drain(..whole).collect();
        print(&lines, options.json).map_err(|error| Failure::output(&error))?;
    }
    Err(ended(&"the server has ended"))
}

fn print(lines: &[u8], as_json: bool) -> std::io::Result<()> {
    let mut out = stdout().lock();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Value = serde_json::from_slice(line)?;
        if let Some(missed) = message[MISSED].as_u64() {
            logs::say(&format!("(too fast for this reader: {missed} batches are not shown)"));
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
