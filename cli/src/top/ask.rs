//! Asks the server, again and again: its state twice a second, what needs SQL less often. Where it does not answer, it is
//! asked until it does.
use super::grid::{Cell, Pane, Row};
use super::model::Event;
use super::sample::Sample;
use crate::ask::Server;
use crate::failure::Failure;
use metlog_query::format::harmless;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Between two samples.
pub const SAMPLE_EVERY: Duration = Duration::from_millis(500);
/// A round of SQL, and of the samples beside it.
const SQL_EVERY: Duration = Duration::from_secs(5);
/// How long a server that is away is left alone, at first and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(500);
const AGAIN_MOST: Duration = Duration::from_secs(5);

/// Rows of a table that comes from SQL.
const ROWS_MAX: usize = 1_000;

/// What of a table the server is asked.
fn sql(pane: Pane) -> Option<String> {
    match pane {
        Pane::Senders => None,
        Pane::Types => Some(format!(
            "select type, logger, count(*) as n, count(*) / 60.0 as rate, count(*) filter (where severity <= 3) as errors \
             from messages where received_at > now() - interval '1 minute' and timestamp > now() - interval '1 hour' \
             group by type, logger order by n desc limit {ROWS_MAX}"
        )),
        Pane::Names => Some(format!(
            "select name, kind, round(count(*) / count(distinct timestamp)) as series, sum(n) as n, sum(n) / 600.0 as rate \
             from (select name, kind, timestamp, case kind when 'timer' then coalesce(samples, count) when 'counter' then count \
             else 1 end as n from metrics where timestamp > now() - interval '10 minutes') \
             group by name, kind order by n desc limit {ROWS_MAX}"
        )),
    }
}

/// Sends events until nobody takes them any more.
pub async fn follow(server: Server, events: Sender<Event>) {
    let mut wait = AGAIN_FIRST;
    let started = Instant::now();
    loop {
        match sample(&server, started).await {
            Ok(sample) => {
                wait = AGAIN_FIRST;
                if events.send(Event::Sample(Box::new(sample))).is_err() {
                    return;
                }
                // Samples do not wait for a query; a query that takes longer than its turn is dropped with it.
                let queries = tokio::time::timeout(SQL_EVERY, rows(&server, &events));
                let _ = tokio::join!(queries, samples(&server, started, &events));
            }
            Err(failure) => {
                if events.send(Event::Away(harmless(&failure.to_string()))).is_err() {
                    return;
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(AGAIN_MOST);
            }
        }
    }
}

/// Samples for as long as a round of SQL may take.
async fn samples(server: &Server, started: Instant, events: &Sender<Event>) {
    let rounds = SQL_EVERY.as_millis() / SAMPLE_EVERY.as_millis();
    for _ in 0..rounds {
        tokio::time::sleep(SAMPLE_EVERY).await;
        let event = match sample(server, started).await {
            Ok(sample) => Event::Sample(Box::new(sample)),
            Err(_) => return,
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// The state of the server now; `started` is when its clock began.
///
/// # Errors
/// Where it does not answer.
pub async fn sample(server: &Server, started: Instant) -> Result<Sample, Failure> {
    let (health, ledger, senders) = tokio::try_join!(
        get(server, "/health", true),
        get(server, "/api/ledger", false),
        get(server, "/api/senders", false)
    )?;
    // A server of 0.1 does not have it.
    let sinks = get(server, "/api/sinks", false).await.unwrap_or_default();
    let clock = chrono::Utc::now().format("%H:%M:%SZ").to_string();
    Ok(Sample { at: started.elapsed().as_secs_f64(), clock, health, ledger, sinks, senders })
}

async fn get<T: DeserializeOwned>(server: &Server, path: &str, even_if_failed: bool) -> Result<T, Failure> {
    let response = server.get_soon(path, &[]).await?;
    if !response.status().is_success() && !even_if_failed {
        return Err(server.refusal(response).await);
    }
    response.json().await.map_err(|error| Failure::failed(format!("{path}: {error}")))
}

/// The tables that need SQL.
pub async fn rows(server: &Server, events: &Sender<Event>) {
    for pane in Pane::ALL {
        let Some(sql) = sql(pane) else { continue };
        if events.send(Event::Rows(pane, query(server, pane, &sql).await)).is_err() {
            return;
        }
    }
}

async fn query(server: &Server, pane: Pane, sql: &str) -> Result<Vec<Row>, String> {
    let found = async {
        let response = server.post("/api/sql", &json!({ "query": sql }), "application/json").await?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Err(Failure::failed("this server has no SQL: it was started with `metlog listen`"));
        }
        if !response.status().is_success() {
            return Err(server.refusal(response).await);
        }
        response.json::<Vec<Value>>().await.map_err(Failure::failed)
    };
    let found = found.await.map_err(|failure: Failure| harmless(&failure.to_string()))?;
    Ok(found.iter().map(|row| cells(pane, row)).collect())
}

fn cells(pane: Pane, row: &Value) -> Row {
    let text = |key: &str| Cell::Text(harmless(row[key].as_str().unwrap_or_default()));
    let number = |key: &str| row[key].as_f64().map_or(Cell::Unknown, Cell::Number);
    match pane {
        Pane::Names => vec![text("name"), text("kind"), number("series"), number("n"), number("rate")],
        _ => vec![text("type"), text("logger"), number("n"), number("rate"), number("errors")],
    }
}
