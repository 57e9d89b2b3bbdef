//! `metlog status`: the ledger of a running server, in words and numbers.
use super::print;
use crate::arguments::StatusOptions;
use crate::ask::{Server, runtime};
use crate::failure::Failure;
use crate::plural::grouped;
use serde_json::{Value, json};
use std::fmt::Write;

/// Each key of the ledger that is always shown, the sign that it has in the sum, and what it means.
const COLUMNS: [(&str, &str, &str); 6] = [
    ("received", " ", "messages that arrived; a statsd value is one"),
    ("stored", "=", "in the store, acknowledged"),
    ("held", "+", "in the journal, on the way to the store"),
    ("set_aside", "+", "on disk in `set_aside`: corrupt, or refused by the store; needs attention"),
    ("rejected", "+", "invalid or not allowed"),
    ("dropped", "+", "no space: the journal's disk or budget was used up"),
];

/// Rejected messages that are shown, and how much of each.
const SAMPLE_MAX: usize = 5;
const SAMPLE_CHARACTERS_MAX: usize = 80;

/// What never arrived: each is a loss.
const LOSSES: [(&str, &str); 3] = [
    ("lost", "numbered datagrams that never arrived"),
    ("dropped_by_clients", "messages that clients dropped before sending, by their own count"),
    ("dropped_by_kernel", "datagrams that did not fit into a receive buffer, since the server started"),
];

/// Asks and prints.
///
/// # Errors
/// Where nobody answers, the server is not healthy, or anything was lost.
pub fn run(options: &StatusOptions) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let server = Server::of(&options.server)?;
        let health: Value = json(&server, "/health", true).await?;
        let ledger: Value = json(&server, "/api/ledger", false).await?;
        // A server of before has no sample.
        let rejected: Value = json(&server, "/api/rejected", false).await.unwrap_or_default();
        let wrong = wrong(&health, &ledger);
        let text = match options.json {
            true => {
                let mut status = in_json(server.address(), &health, &ledger, wrong.as_deref());
                status["rejected"] = rejected;
                format!("{status}\n")
            }
            false => in_words(server.address(), &health, &ledger) + &sample(&rejected),
        };
        print(&text)?;
        wrong.map_or(Ok(()), |wrong| Err(Failure::failed(wrong)))
    })
}

/// What is wrong, worst first; `None` where all is well.
fn wrong(health: &Value, ledger: &Value) -> Option<String> {
    let problems = health["problems"].as_array().is_some_and(|problems| !problems.is_empty());
    let losses = losses(ledger);
    if !balances(ledger) {
        return Some("the ledger does not balance".to_owned());
    }
    match (health["ok"].as_bool(), losses.is_empty()) {
        (Some(true), true) => problems.then(|| "messages are accepted, but something is wrong".to_owned()),
        (Some(true), false) => Some(format!("something was lost on the way: {}", losses.join(", "))),
        (_, true) => Some("not healthy".to_owned()),
        (_, false) => Some(format!("not healthy, and something was lost on the way: {}", losses.join(", "))),
    }
}

fn losses(ledger: &Value) -> Vec<String> {
    let count = |key: &str| ledger[key].as_u64().filter(|count| *count > 0);
    LOSSES.iter().filter_map(|(key, _)| Some(format!("{} {key}", grouped(count(key)?)))).collect()
}

fn in_json(address: &str, health: &Value, ledger: &Value, wrong: Option<&str>) -> Value {
    json!({"server": address, "ok": wrong.is_none(), "wrong": wrong, "health": health, "ledger": ledger,
        "balances": balances(ledger)})
}

/// `health` answers with an error's status where something is wrong, and says what in its body.
async fn json(server: &Server, path: &str, even_if_failed: bool) -> Result<Value, Failure> {
    let response = server.get_soon(path, &[]).await?;
    if !response.status().is_success() && !even_if_failed {
        return Err(server.refusal(response).await);
    }
    response.json().await.map_err(|error| Failure::failed(format!("{}{path}: {error}", server.address())))
}

fn in_words(address: &str, health: &Value, ledger: &Value) -> String {
    let is_fine = health["ok"].as_bool() == Some(true);
    let mut text =
        format!("metlog at {address} {}\n", if is_fine { "is accepting messages." } else { "is NOT healthy." });
    for problem in health["problems"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "  ! {}", problem.as_str().unwrap_or_default());
    }
    for warning in health["warnings"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "  - {}", warning.as_str().unwrap_or_default());
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
    for (key, meaning) in LOSSES {
        let _ = writeln!(text, "  {key:<18} {:>15}  {meaning}", number(key));
    }
    let balance = match (balances(ledger), losses(ledger)) {
        (false, _) => "The ledger does NOT balance.".to_owned(),
        (true, losses) if losses.is_empty() => "The ledger balances, and nothing was lost on the way.".to_owned(),
        (true, losses) => format!("What arrived balances, but something was LOST on the way: {}.", losses.join(", ")),
    };
    let _ = writeln!(text, "\n{balance}");
    text
}

/// The last messages that were rejected, one a line.
fn sample(rejected: &Value) -> String {
    let mut text = String::new();
    for one in rejected.as_array().into_iter().flatten().take(SAMPLE_MAX) {
        let begins = if text.is_empty() { "\nRecently rejected (full sample: /api/rejected):\n" } else { "" };
        let (reason, source) =
            (one["reason"].as_str().unwrap_or_default(), one["source"].as_str().unwrap_or("a Unix socket"));
        let shown: String = one["text"].as_str().unwrap_or_default().chars().take(SAMPLE_CHARACTERS_MAX).collect();
        let _ = writeln!(text, "{begins}  {reason} from {source}: {}", metlog_query::format::harmless(&shown));
    }
    text
}

fn balances(ledger: &Value) -> bool {
    let sum: u64 = COLUMNS[1..].iter().filter_map(|(key, ..)| ledger[*key].as_u64()).sum();
    ledger["received"].as_u64() == Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_ledger_is_told_in_words() {
        let ledger = json!({"received": 1012, "stored": 1000, "held": 10, "rejected": 2, "dropped": 0, "set_aside": 0,
            "rejected_by_reason": {"not_json": 2}, "lost": 3, "dropped_by_clients": 0});
        let text = in_words("a:1", &json!({"ok": true, "problems": ["graphite: connection refused"]}), &ledger);
        for said in [
            "metlog at a:1 is accepting messages.",
            "! graphite: connection refused",
            "1,012",
            "not_json",
            "LOST on the way: 3 lost.",
        ] {
            assert!(text.contains(said), "{said} in {text}");
        }
        let text = in_words("a:1", &json!({"ok": false}), &json!({"received": 1}));
        assert!(text.contains("NOT healthy") && text.contains("does NOT balance"), "{text}");
    }

    #[test]
    fn a_few_rejected_messages_are_shown() {
        let one = json!({"reason": "not_json", "source": "127.0.0.1:9", "text": "{\u{1b}\n"});
        let text = sample(&Value::from(vec![one; 9]));
        assert_eq!(text.lines().count(), 2 + SAMPLE_MAX, "{text}");
        assert!(text.ends_with("  not_json from 127.0.0.1:9: {\\u{1b}\\n\n"), "{text}");
        assert_eq!(sample(&Value::Null), "");
    }

    #[test]
    fn all_is_well_only_where_nothing_was_lost() {
        let healthy = json!({"ok": true, "problems": []});
        let ledger = |key: &str| json!({"received": 1, "stored": 1, key: 2_000});
        assert_eq!(wrong(&healthy, &json!({"received": 1, "stored": 1, "lost": 0})), None);
        for key in ["lost", "dropped_by_clients", "dropped_by_kernel"] {
            let ledger = ledger(key);
            let said = wrong(&healthy, &ledger).unwrap();
            assert_eq!(said, format!("something was lost on the way: 2,000 {key}"));
            let text = in_words("a:1", &healthy, &ledger);
            assert!(text.contains(&format!("LOST on the way: 2,000 {key}.")), "{text}");
            let said = in_json("a:1", &healthy, &ledger, Some(&said));
            assert_eq!((&said["ok"], &said["ledger"][key]), (&json!(false), &json!(2_000)));
        }
        assert!(wrong(&json!({"ok": false}), &ledger("lost")).unwrap().starts_with("not healthy, and"));
        assert!(wrong(&json!({"ok": true, "problems": ["x"]}), &json!({"received": 0})).is_some());
    }
}
