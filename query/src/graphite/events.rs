//! `/events/get_data`: messages as annotations of a chart. With `tags`, messages that have each as a token or as their
//! type (with `set=union`, any); without, messages of the type `event`, as DogStatsD's events are.
use super::request::{Parameters, Refusal, json};
use super::rows::{Rows, list_of, quoted, text_of};
use super::{Graphite, seconds_now};
use crate::access::Rights;
use arrow::array::AsArray;
use arrow::datatypes::TimestampMicrosecondType;
use axum::extract::State;
use axum::response::Response;
use metlog_schemas::time::{Hour, SECOND};
use serde_json::{Value, json};

/// Most events of a result: the last ones.
const EVENTS_MAX: usize = 1_000;
/// Tags of a request.
const TAGS_MAX: usize = 50;
/// Characters of a payload that are the event's title.
const TITLE_CHARACTERS_MAX: usize = 120;
/// Days that are looked at.
const SECONDS_MAX: i64 = 31 * 86_400;

/// The query; times in seconds since 1970 UTC.
fn query(from: i64, until: i64, tags: &[String], is_union: bool) -> String {
    let one = |tag: &String| format!("(array_has(tokens, {0}) or type = {0})", quoted(tag));
    let each: Vec<String> = tags.iter().map(one).collect();
    let condition = match each.as_slice() {
        [] => "type = 'event'".to_owned(),
        each => each.join(if is_union { " or " } else { " and " }),
    };
    let date = |at: i64| Hour::of(at.max(0) * SECOND).date();
    format!(
        "select timestamp, type, logger, payload, tokens from messages where dt >= '{}' and dt <= '{}' \
         and timestamp >= to_timestamp_micros({}) and timestamp <= to_timestamp_micros({}) and ({condition}) \
         order by timestamp desc limit {EVENTS_MAX}",
        date(from),
        date(until),
        from * SECOND,
        until * SECOND
    )
}

pub(super) async fn get_data(
    State(graphite): State<Graphite>,
    rights: Rights,
    parameters: Parameters,
) -> Result<Response, Refusal> {
    let now = parameters.now(seconds_now())?;
    let until = parameters.time("until", now)?.unwrap_or(now);
    let from = parameters.time("from", now)?.unwrap_or(until - 86_400).max(until - SECONDS_MAX);
    let tags: Vec<String> =
        parameters.all("tags").iter().flat_map(|tags| tags.split_whitespace()).map(str::to_owned).collect();
    if tags.len() > TAGS_MAX {
        return Err(Refusal::request(format!("more than {TAGS_MAX} tags")));
    }
    let is_union = parameters.get("set") == Some("union");
    let found = graphite.rows(rights).rows(query(from, until, &tags, is_union)).await?;
    let mut events: Vec<Value> = Vec::new();
    for batch in &found {
        let column = |name: &str| batch.column_by_name(name);
        let [r#type, logger, payload] = ["type", "logger", "payload"].map(|name| column(name).and_then(text_of));
        let at = column("timestamp").and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>().cloned());
        let tokens = column("tokens").and_then(list_of);
        let (Some(at), Some(r#type), Some(logger), Some(payload), Some(tokens)) = (at, r#type, logger, payload, tokens)
        else {
            continue;
        };
        for row in 0..batch.num_rows() {
            let title = payload.value(row).lines().next().unwrap_or_default();
            let title: String = title.chars().take(TITLE_CHARACTERS_MAX).collect();
            let title = if title.is_empty() { format!("{} {}", r#type.value(row), logger.value(row)) } else { title };
            events.push(json!({
                "id": events.len() + 1, "when": at.value(row).div_euclid(SECOND), "what": title,
                "data": payload.value(row), "tags": tokens.texts(row),
            }));
        }
    }
    Ok(json(&events.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_text_in_the_query() {
        let sql = query(0, 60, &["it's".to_owned(), "b".to_owned()], false);
        assert!(
            sql.contains("((array_has(tokens, 'it''s') or type = 'it''s') and (array_has(tokens, 'b') or type = 'b'))"),
            "{sql}"
        );
        assert!(query(0, 60, &[], false).contains("(type = 'event')"));
    }
}
