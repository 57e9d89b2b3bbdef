//! `GET /api/tail`: messages as they arrive, filtered here, as lines of JSON.
//!
//! A line is a message, unless it has one of the keys below. A reader that is too slow misses messages and is told how many.
//! With `rate` no more than that many messages a second are sent, and each second a line says how many there were.
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use metlog_listener::{Listener, Live, LiveEvent};
use metlog_query::Rights;
use metlog_query::filter::{Filter, FilterError, term};
use metlog_query::format::{Format, Writer};
use metlog_schemas::table::Table;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The key of a line that is no message: how many batches of rows, of whatever table, came too fast for this reader.
pub const MISSED: &str = "missed_batches";
/// In the same line: how many messages they held, before any filter. Not for readers of some loggers.
pub const MISSED_MESSAGES: &str = "missed_messages";
/// The key of a line that counts messages: see [`Counts`].
pub const COUNTS: &str = "live";

/// Highest `rate`, in messages a second.
const RATE_MAX: u32 = 1_000;
/// The rate is kept in parts of a second, so that what is shown moves.
const PARTS_OF_SECOND: u32 = 4;

/// The parameters of `/api/tail`; all that are given must match.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailQuery {
    r#type: Option<String>,
    logger: Option<String>,
    token: Option<String>,
    /// This or more severe: a number or a name.
    severity: Option<String>,
    /// The payload contains it.
    text: Option<String>,
    #[serde(default)]
    filter: String,
    /// Most messages a second.
    rate: Option<u32>,
}

impl TailQuery {
    fn filter(&self) -> Result<Filter, FilterError> {
        let mut filter = Filter::parse(Table::Messages, &self.filter)?;
        for (column, value) in [("type", &self.r#type), ("logger", &self.logger), ("token", &self.token)] {
            if let Some(value) = value {
                filter = filter.and(Filter::equal(Table::Messages, column, value)?);
            }
        }
        if let Some(severity) = &self.severity {
            filter = filter.and(Filter::parse(Table::Messages, &term("severity", "<=", severity))?);
        }
        if let Some(text) = &self.text {
            filter = filter.and(Filter::containing(Table::Messages, text)?);
        }
        Ok(filter)
    }
}

/// Answers until the reader leaves or the listener stops.
pub async fn tail(
    State(listener): State<Listener>,
    rights: Rights,
    query: Result<Query<TailQuery>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return crate::serve::refusal_with(&rejection.body_text(), json!({})),
    };
    let filter = match query.filter() {
        Ok(filter) => filter,
        Err(error) => {
            let details = json!({"position": error.position, "nearest": error.nearest});
            return crate::serve::refusal_with(&error.to_string(), details);
        }
    };
    if query.rate.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
        return crate::serve::refusal_with(&format!("rate is from 1 to {RATE_MAX} messages a second"), json!({}));
    }
    let tail = Tail::new(listener.subscribe(), rights, filter, query.rate);
    let lines = stream::unfold(tail, |mut tail| async move {
        let lines = tail.next_lines().await?;
        Some((Ok::<Bytes, Infallible>(lines.into()), tail))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// Messages since the reader came.
#[derive(Debug, Clone, Default, Serialize)]
struct Counts {
    /// All that the reader may see, but for those that were missed.
    received: u64,
    /// Of those: match the filter.
    matched: u64,
    /// Of those: were sent.
    shown: u64,
    /// Came too fast, so that nobody knows whether they match.
    missed: u64,
}

/// How many more may be sent.
struct Budget {
    rate: u32,
    tick: Interval,
    ticks: u32,
    left: usize,
}

impl Budget {
    fn new(rate: u32) -> Budget {
        let mut tick = interval(Duration::from_secs(1) / PARTS_OF_SECOND);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Budget { rate, tick, ticks: 0, left: 0 }
    }

    /// Begins the next part of a second; true where a second begins.
    fn refill(&mut self) -> bool {
        let part = self.ticks % PARTS_OF_SECOND;
        self.ticks = self.ticks.wrapping_add(1);
        // The parts of a second add up to the rate.
        self.left = (self.rate * (part + 1) / PARTS_OF_SECOND - self.rate * part / PARTS_OF_SECOND) as usize;
        part == 0
    }
}

/// One reader.
struct Tail {
    live: Live,
    rights: Rights,
    filter: Filter,
    counts: Counts,
    budget: Option<Budget>,
}

impl Tail {
    fn new(live: Live, rights: Rights, filter: Filter, rate: Option<u32>) -> Tail {
        Tail { live, rights, filter, counts: Counts::default(), budget: rate.map(Budget::new) }
    }

    /// The next lines that there are, never none of them; `None` when the listener has stopped.
    async fn next_lines(&mut self) -> Option<Vec<u8>> {
        loop {
            let event = match &mut self.budget {
                None => self.live.next().await?,
                Some(budget) => tokio::select! {
                    event = self.live.next() => event?,
                    _ = budget.tick.tick() => {
                        if budget.refill() {
                            return Some(line(&json!({ COUNTS: self.counts })));
                        }
                        continue;
                    }
                },
            };
            let lines = match event {
                LiveEvent::Missed { batches, rows } => self.missed(batches, rows[Table::Messages]),
                LiveEvent::Rows(rows) if rows.table == Table::Messages => {
                    self.of(&rows.batch).unwrap_or_else(|error| {
                        tracing::error!(%error, "messages could not be shown");
                        Vec::new()
                    })
                }
                LiveEvent::Rows(_) => Vec::new(),
            };
            if !lines.is_empty() {
                return Some(lines);
            }
        }
    }

    /// How much others send is not for those who may not see it.
    fn missed(&mut self, batches: u64, messages: u64) -> Vec<u8> {
        if self.rights.is_restricted() {
            return line(&json!({ MISSED: batches }));
        }
        self.counts.missed += messages;
        match messages {
            0 => Vec::new(),
            _ => line(&json!({ MISSED: batches, MISSED_MESSAGES: messages })),
        }
    }

    fn of(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        let seen = self.rights.filter(Table::Messages, batch)?;
        let matched = self.filter.apply(&seen)?;
        let most = self.budget.as_ref().map_or(usize::MAX, |budget| budget.left);
        let shown = matched.slice(0, matched.num_rows().min(most));
        if let Some(budget) = &mut self.budget {
            budget.left -= shown.num_rows();
        }
        self.counts.received += seen.num_rows() as u64;
        self.counts.matched += matched.num_rows() as u64;
        self.counts.shown += shown.num_rows() as u64;
        json_lines(&shown)
    }
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

fn json_lines(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let mut writer = Writer::new(Format::Ndjson, &batch.schema(), Vec::new())?;
    writer.write(batch)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(query: &str) -> Result<String, String> {
        let query: TailQuery = serde_json::from_str(query).map_err(|error| error.to_string())?;
        query.filter().map(|filter| filter.to_sql()).map_err(|error| error.to_string())
    }

    #[test]
    fn all_parameters_must_match() {
        let query = r#"{"type": "a b", "logger": "x'y", "token": "(", "severity": "warning", "text": "type=z", "filter": "pid=1 or pid=2"}"#;
        let expected = "(pid = 1 or pid = 2) and type = 'a b' and logger = 'x''y' and array_has(tokens, '(') \
                        and severity <= 4 and contains(payload, 'type=z')";
        assert_eq!(sql(query).unwrap(), expected);
        assert_eq!(sql("{}").unwrap(), "true");
        assert!(sql(r#"{"severity": "loud"}"#).unwrap_err().contains("not a severity"));
        assert!(sql(r#"{"filter": "tipe=x"}"#).unwrap_err().contains("did you mean `type`"));
    }

    #[tokio::test]
    async fn the_parts_of_a_second_add_up_to_the_rate() {
        for rate in [1, 3, 50, RATE_MAX] {
            let mut budget = Budget::new(rate);
            let parts: Vec<(bool, usize)> = (0..8).map(|_| (budget.refill(), budget.left)).collect();
            assert_eq!(parts.iter().map(|(_, left)| left).sum::<usize>(), 2 * rate as usize, "{rate}");
            assert_eq!(parts.iter().filter(|(is_second, _)| *is_second).count(), 2);
        }
    }
}
