//! `metlog status`: the ledger of a running server, in words and numbers.
use super::print;
use crate::arguments::ServerOptions;
use crate::ask::{Server, runtime};
use crate::failure::Failure;
use serde_json::Value;
use std::fmt::Write;

/// Each key of the ledger that is always shown, the sign that it has in the sum, and what it means.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("received", " ", "messages that arrived; a statsd value is one"),
    ("stored", "=", "in the store, acknowledged"),
    ("held", "+", "in the journal, on their way to the store"),
    ("set_aside", "+", "on disk in `set_aside`: corrupt, or refused by the store; look at them"),
    ("rejected", "+", "could not be read or were not allowed"),
    ("dropped", "+", "no room: the journal's disk or its budget was used up"),
];

/// What never arrived.
const NEVER_ARRIVED: [(&str, &str); 3] = [
    ("lost", "datagrams that senders numbered and that never came"),
    ("dropped_by_clients", "messages that programs could not send, by their own count"),
    ("dropped_by_kernel", "datagrams that this host had no room for"),
];

/// Asks and prints.
///
/// # Errors
/// Where nobody answers, or the server is not healthy.
pub fn run(options: &ServerOptions) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let server = Server::of(options)?;
        let health: Value = json(&server, "/health", true).await?;
        let ledger: Value = json(&server, "/api/ledger", false).await?;
        print(&in_words(server.address(), &health, &ledger))?;
        match (health["ok"].as_bool(), health["problems"].as_array()) {
            _ if !balances(&ledger) => Err(Failure::failed("the ledger does not balance")),
            (Some(true), Some(problems)) if problems.is_empty() => Ok(()),
            (Some(true), _) => Err(Failure::failed("messages are taken, but something is wrong")),
            _ => Err(Failure::failed("not healthy")),
        }
    })
}

/// `health` answers with an error's status where something is wrong, and says what in its body.
async fn json(server: &Server, path: &str, even_if_failed: bool) -> Result<Value, Failure> {
    let response = server.get(path, &[]).await?;
    if !response.status().is_success() && !even_if_failed {
        return Err(server.refusal(response).await);
    }
    response.json().await.map_err(|error| Failure::failed(format!("{}{path}: {error}", server.address())))
}

fn in_words(address: &str, health: &Value, ledger: &Value) -> String {
    let is_fine = health["ok"].as_bool() == Some(true);
    let mut text = format!("metlog at {address} {}\n", if is_fine { "takes messages." } else { "is NOT healthy." });
    for problem in health["problems"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "  ! {}", problem.as_str().unwrap_or_default());
    }
    text.push('\n');
    let number = |key: &str| grouped(ledger[key].as_u64().unwrap_or(0));
    for (key, sign, meaning) in COLUMNS {
        let _ = writeln!(text, "{sign} {key:<18} {:>15}  {meaning}", number(key));
        if key == "rejected" {
            for (reason, count) in ledger["rejected_by_reason"].as_object().into_iter().flatten() {
                let _ = writeln!(text, "      {reason:<30} {:>15}", grouped(count.as_u64().unwrap_or(0)));
            }
        }
    }
    text.push('\n');
    for (key, meaning) in NEVER_ARRIVED {
        let _ = writeln!(text, "  {key:<18} {:>15}  {meaning}", number(key));
    }
    let balance = if balances(ledger) { "The ledger balances." } else { "The ledger does NOT balance." };
    let _ = writeln!(text, "\n{balance}");
    text
}

fn balances(ledger: &Value) -> bool {
    let sum: u64 = COLUMNS[1..].iter().filter_map(|(key, ..)| ledger[*key].as_u64()).sum();
    ledger["received"].as_u64() == Some(sum)
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_have_commas() {
        let shown = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_ledger_is_told_in_words() {
        let ledger = json!({"received": 1012, "stored": 1000, "held": 10, "rejected": 2, "dropped": 0, "set_aside": 0,
            "rejected_by_reason": {"not_json": 2}, "lost": 3, "dropped_by_clients": 0});
        let text = in_words("a:1", &json!({"ok": true, "problems": ["graphite: connection refused"]}), &ledger);
        for said in [
            "metlog at a:1 takes messages.",
            "! graphite: connection refused",
            "1,012",
            "not_json",
            "The ledger balances.",
        ] {
            assert!(text.contains(said), "{said} in {text}");
        }
        let text = in_words("a:1", &json!({"ok": false}), &json!({"received": 1}));
        assert!(text.contains("NOT healthy") && text.contains("does NOT balance"), "{text}");
    }
}
