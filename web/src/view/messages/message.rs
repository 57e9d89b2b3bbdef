//! A message as the page reads it from a result, and how its columns are shown.
use crate::ask::{Fault, Rows};
use crate::cell::{Cell, time};
use crate::text::{cell, visible};
use arrow::array::{AsArray, RecordBatch};
use maud::{Markup, html};
use metlog_query::filter::Filter;
use metlog_schemas::wire::Severity;
use sha2::{Digest, Sha256};

/// What a query of messages selects.
pub(super) const SELECTED: &str =
    "timestamp, received_at, type, logger, severity, hostname, pid, tokens, payload, fields, env_version";

/// Digits of an identity.
const ID_DIGITS: usize = 16;
/// Characters around a place that was found, where a payload is long.
const AROUND_CHARACTERS: usize = 80;
/// Characters of a payload in a row.
const PAYLOAD_CHARACTERS_MAX: usize = 240;

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) timestamp: i64,
    /// The columns that hold one value, by name.
    pub(super) columns: Vec<(&'static str, Cell)>,
    pub(super) tokens: Vec<String>,
    pub(super) fields: Vec<(String, String)>,
}

/// Columns that hold one value, but the time.
const PLAIN: [&str; 8] = ["type", "logger", "severity", "hostname", "pid", "payload", "received_at", "env_version"];

/// All rows.
pub(super) fn of(rows: &Rows) -> Result<Vec<Message>, Fault> {
    let each = rows.batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| read(batch, row)));
    each.collect::<Option<_>>().ok_or_else(|| Fault::new("the result has not the columns of messages"))
}

fn read(batch: &RecordBatch, row: usize) -> Option<Message> {
    let column = |name| batch.column_by_name(name).map(|column| Cell::of(column, row));
    let tokens = batch.column_by_name("tokens")?.as_list_opt::<i32>()?.value(row);
    let fields = batch.column_by_name("fields")?.as_map_opt()?.value(row);
    let (keys, values) = (fields.column(0).as_string_opt::<i32>()?, fields.column(1).as_string_opt::<i32>()?);
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Some(Message {
        timestamp: column("timestamp")?.time()?,
        columns: PLAIN.into_iter().filter_map(|name| Some((name, column(name)?))).collect(),
        tokens: tokens.as_string_opt::<i32>()?.iter().map(text).collect(),
        fields: keys.iter().zip(values.iter()).map(|(key, value)| (text(key), text(value))).collect(),
    })
}

impl Message {
    /// The text of a column that holds one value.
    pub(super) fn text(&self, name: &str) -> String {
        self.columns.iter().find(|(other, _)| *other == name).map(|(_, cell)| cell.text()).unwrap_or_default()
    }

    pub(super) fn field(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str())
    }

    /// What tells it from others of the same time. Messages that are equal in everything have the same.
    pub(super) fn id(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        };
        self.columns.iter().for_each(|(_, cell)| add(&cell.text()));
        self.tokens.iter().for_each(|token| add(token));
        self.fields.iter().for_each(|(key, value)| [key, value].into_iter().for_each(|text| add(text)));
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        digits[..ID_DIGITS].to_owned()
    }

    /// The trace that it belongs to, where it says so.
    pub(super) fn trace(&self) -> Option<&str> {
        let id = ["trace_id", "traceId", "traceid", "trace.id", "otel.trace_id"].into_iter().find_map(|key| self.field(key))?;
        // Only what is an identity becomes a part of an address.
        (matches!(id.len(), 16 | 32) && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
    }

    /// A column in a row of the table, with what was searched for marked.
    pub(super) fn show(&self, column: &str, filter: &Filter) -> Markup {
        match column {
            "timestamp" => time(self.timestamp),
            "severity" => severity(&self.text(column)),
            "payload" => found(&self.text(column), filter),
            "tokens" => html! { @for token in &self.tokens { span.token { (visible(token)) } " " } },
            "fields" => html! { @for (key, value) in &self.fields { span.pair { (visible(key)) "=" b { (visible(value)) } } " " } },
            _ => match column.strip_prefix("fields.") {
                Some(key) => match self.field(key) {
                    Some(value) => cell(value),
                    None => html! { span.null { "–" } },
                },
                None => match self.columns.iter().find(|(name, _)| *name == column) {
                    Some((_, cell)) => cell.show(),
                    None => html! {},
                },
            },
        }
    }
}

/// A severity by its name, so that nobody must know the numbers.
pub(super) fn severity(number: &str) -> Markup {
    match Severity::find(number) {
        Some(found) => html! { span class=(format!("severity v{}", found.number())) title=(number) { (found.name()) } },
        None => visible(number),
    }
}

/// A text with what the filter searches for marked. Of a long one the beginning, or what is around the first place.
pub(super) fn found(text: &str, filter: &Filter) -> Markup {
    let places = filter.found_in("payload", text);
    let first = places.first().map_or(0, |place| place.start);
    let before = text[..first].char_indices().rev().nth(AROUND_CHARACTERS - 1).map_or(0, |(at, _)| at);
    let is_far = text[..first].chars().nth(PAYLOAD_CHARACTERS_MAX - AROUND_CHARACTERS).is_some();
    let start = if is_far { before } else { 0 };
    let end = text[start..].char_indices().nth(PAYLOAD_CHARACTERS_MAX).map_or(text.len(), |(at, _)| start + at);
    let mut at = start;
    html! {
        @if start > 0 { span.note { "… " } }
        @for place in places.iter().filter(|place| place.start >= start && place.end <= end) {
            (visible(&text[at..place.start]))
            mark { (visible(&text[place.clone()])) }
            ({ at = place.end; "" })
        }
        (visible(&text[at..end]))
        @if end < text.len() { span.note { " …" } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metlog_schemas::table::Table;

    fn marked(text: &str, filter: &str) -> String {
        found(text, &Filter::parse(Table::Messages, filter).unwrap()).into_string()
    }

    #[test]
    fn what_was_searched_for_is_marked_and_stays_text() {
        assert_eq!(marked("a <b> b", "b"), "a &lt;<mark>b</mark>&gt; <mark>b</mark>");
        assert_eq!(marked("x\u{202e}y", "payload~y"), "x<span class=\"steers\">U+202E</span><mark>y</mark>");
        assert_eq!(marked("plain", ""), "plain");
    }

    #[test]
    fn long_texts_show_the_place_that_was_found() {
        let long = format!("{}needle{}", "ä".repeat(5_000), "ö".repeat(5_000));
        let shown = marked(&long, "needle");
        assert!(shown.contains("<mark>needle</mark>") && shown.len() < 1_000, "{shown}");
        assert!(shown.starts_with("<span class=\"note\">… </span>ä") && shown.ends_with("ö<span class=\"note\"> …</span>"));
        assert!(marked(&long, "").ends_with("ä<span class=\"note\"> …</span>"));
    }

    #[test]
    fn identities_differ_and_traces_are_hexadecimal() {
        let message = |field: &str| Message {
            timestamp: 0,
            columns: vec![("type", Cell::Text("a".into()))],
            tokens: vec![],
            fields: vec![("trace_id".into(), field.into())],
        };
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(message(id).trace(), Some(id));
        assert_eq!(message("../../x").trace(), None);
        assert_ne!(message("a").id(), message("b").id());
        assert_eq!(message("a").id().len(), ID_DIGITS);
    }
}
