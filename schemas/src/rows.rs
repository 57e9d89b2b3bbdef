//! Rows of `messages`, built column by column straight from the bytes that came: no message is ever a
//! value of its own on the fast path. A row is begun, filled in any order, and committed or rolled back.
use crate::table::{RowBuilder, Table, TableRows, timestamp_type};
use arrow::array::{
    Array, ArrayRef, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use metlog_wire::Severity;
use metlog_wire::message::Message;
use metlog_wire::v1::MessageView;
use std::collections::HashSet;
use std::sync::Arc;

/// Most room that a column keeps from one batch for the next.
const ROOM_BYTES_MAX: usize = 4 << 20;

/// Strings behind each other.
#[derive(Debug, Default)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<i32>,
}

impl Strings {
    /// Appends one.
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len() as i32);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One of them, by its place.
    pub fn get(&self, at: usize) -> Option<&str> {
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? as usize };
        std::str::from_utf8(self.bytes.get(start..*self.ends.get(at)? as usize)?).ok()
    }

    fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }

    fn finish(&mut self) -> Result<StringArray, ArrowError> {
        let (ends, bytes) = (filled(&mut self.ends), filled(&mut self.bytes));
        StringArray::try_new(offsets(ends)?, Buffer::from_vec(bytes), None)
    }
}

/// What a column holds; it goes on empty, with room for as much again, so that it need not grow step by step.
pub(crate) fn filled<T>(column: &mut Vec<T>) -> Vec<T> {
    let room = column.len().min(ROOM_BYTES_MAX / size_of::<T>());
    std::mem::replace(column, Vec::with_capacity(room))
}

/// Ends that go back are those of more than 2 GiB, which whoever fills rows must not let happen.
pub(crate) fn offsets(ends: Vec<i32>) -> Result<OffsetBuffer<i32>, ArrowError> {
    if !ends.is_sorted() || ends.first().is_some_and(|first| *first < 0) {
        return Err(ArrowError::OffsetOverflowError(ends.len()));
    }
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.extend_from_slice(&ends);
    Ok(OffsetBuffer::new(ScalarBuffer::from(offsets)))
}

/// The name that it had; use [`MessageRows`].
pub type Rows = MessageRows;

/// The single texts of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Text {
    /// `type`
    Type,
    /// `logger`
    Logger,
    /// `hostname`
    Hostname,
    /// `payload`
    Payload,
    /// `env_version`
    EnvVersion,
}

const TEXTS: usize = 5;

/// Rows on their way to a [`RecordBatch`] of the table `messages`.
#[derive(Debug, Default)]
pub struct MessageRows {
    timestamp: Vec<i64>,
    received_at: Vec<i64>,
    severity: Vec<i32>,
    pid: Vec<i64>,
    texts: [Strings; TEXTS],
    tokens: Strings,
    tokens_end: Vec<i32>,
    keys: Strings,
    values: Strings,
    fields_end: Vec<i32>,
}

impl MessageRows {
    /// Committed rows.
    pub fn len(&self) -> usize {
        self.timestamp.len()
    }

    /// True if no row is committed.
    pub fn is_empty(&self) -> bool {
        self.timestamp.is_empty()
    }

    /// Bytes of text held, a measure of its size.
    pub fn text_bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(|column| column.bytes.len()).sum();
        texts + self.tokens.bytes.len() + self.keys.bytes.len() + self.values.bytes.len()
    }

    /// Begins a row. What was begun before and not committed is forgotten.
    pub fn begin(&mut self) -> Row<'_> {
        self.rollback();
        Row {
            rows: self,
            timestamp: None,
            severity: Severity::default(),
            pid: 0,
            keys: None,
            number: 10,
            own_fields: 0..0,
        }
    }

    fn rollback(&mut self) {
        let rows = self.timestamp.len();
        for column in &mut self.texts {
            column.truncate(rows);
        }
        self.tokens.truncate(self.tokens_end.last().map_or(0, |end| *end as usize));
        let fields = self.fields_end.last().map_or(0, |end| *end as usize);
        self.keys.truncate(fields);
        self.values.truncate(fields);
    }

    /// Appends a message of a wire datagram.
    pub fn push_view(&mut self, view: &MessageView<'_>, received_at: i64) {
        let mut row = self.begin();
        row.timestamp = Some(view.timestamp);
        row.severity = view.severity;
        row.pid = view.pid;
        row.text(Text::Type, view.r#type);
        row.text(Text::Logger, view.logger);
        row.text(Text::Hostname, view.hostname);
        row.text(Text::Payload, view.payload);
        row.text(Text::EnvVersion, view.env_version);
        for token in view.tokens {
            row.token(token);
        }
        let mut fields = view.fields;
        while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
            row.field(key, value);
        }
        row.commit(received_at);
    }

    /// Appends a message.
    pub fn push_message(&mut self, message: &Message, received_at: i64) {
        let mut row = self.begin();
        row.timestamp = Some(message.timestamp);
        row.severity = message.severity;
        row.pid = message.pid;
        row.text(Text::Type, &message.r#type);
        row.text(Text::Logger, &message.logger);
        row.text(Text::Hostname, &message.hostname);
        row.text(Text::Payload, &message.payload);
        row.text(Text::EnvVersion, &message.env_version);
        for token in &message.tokens {
            row.token(token);
        }
        for (key, value) in &message.fields {
            row.field(key, value);
        }
        row.commit(received_at);
    }

    /// The committed rows as one batch; none are left here.
    ///
    /// # Errors
    /// Only where Arrow refuses the columns, which would be a defect.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rollback();
        let schema = Table::Messages.schema();
        let [r#type, logger, hostname, payload, env_version] = &mut self.texts;
        let time = |values: &mut Vec<i64>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(filled(values)).with_data_type(timestamp_type()))
        };
        let columns: Vec<ArrayRef> = vec![
            time(&mut self.timestamp),
            time(&mut self.received_at),
            Arc::new(r#type.finish()?),
            Arc::new(logger.finish()?),
            Arc::new(Int32Array::from(filled(&mut self.severity))),
            Arc::new(hostname.finish()?),
            Arc::new(Int64Array::from(filled(&mut self.pid))),
            list(schema.field(7), filled(&mut self.tokens_end), &mut self.tokens)?,
            Arc::new(payload.finish()?),
            map(schema.field(9), filled(&mut self.fields_end), &mut self.keys, &mut self.values)?,
            Arc::new(env_version.finish()?),
        ];
        RecordBatch::try_new(schema, columns)
    }
}

impl RowBuilder for MessageRows {
    fn len(&self) -> usize {
        MessageRows::len(self)
    }

    fn text_bytes(&self) -> usize {
        MessageRows::text_bytes(self)
    }

    fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        MessageRows::finish(self)
    }
}

impl TableRows for MessageRows {
    const TABLE: Table = Table::Messages;
}

fn list(field: &Field, ends: Vec<i32>, items: &mut Strings) -> Result<ArrayRef, ArrowError> {
    let DataType::List(item) = field.data_type() else {
        return Err(ArrowError::SchemaError(format!("{} is not a list", field.name())));
    };
    Ok(Arc::new(ListArray::try_new(item.clone(), offsets(ends)?, Arc::new(items.finish()?), None)?))
}

fn map(field: &Field, ends: Vec<i32>, keys: &mut Strings, values: &mut Strings) -> Result<ArrayRef, ArrowError> {
    let DataType::Map(entry, sorted) = field.data_type() else {
        return Err(ArrowError::SchemaError(format!("{} is not a map", field.name())));
    };
    let DataType::Struct(parts) = entry.data_type() else {
        return Err(ArrowError::SchemaError(format!("{} has no entries", field.name())));
    };
    let columns: Vec<ArrayRef> = vec![Arc::new(keys.finish()?), Arc::new(values.finish()?)];
    let entries = StructArray::try_new(parts.clone(), columns, None)?;
    debug_assert_eq!(entries.null_count(), 0);
    Ok(Arc::new(MapArray::try_new(entry.clone(), offsets(ends)?, entries, None, *sorted)?))
}

/// A row that is not committed yet. Dropping it forgets it.
#[derive(Debug)]
pub struct Row<'r> {
    rows: &'r mut MessageRows,
    /// µs since 1970 UTC; `None`: the time of receipt.
    pub timestamp: Option<i64>,
    /// How urgent.
    pub severity: Severity,
    /// The process.
    pub pid: i64,
    /// The keys, where there are too many to look through.
    keys: Option<HashSet<Box<str>>>,
    /// What stands behind the next `#`: each number is tried once.
    number: usize,
    /// Which fields are those of the message's own `fields`, where it has other keys too.
    pub(crate) own_fields: std::ops::Range<usize>,
}

/// Up to so many fields, looking through their keys is the cheapest way to find one.
const FEW_FIELDS: usize = 32;

impl Row<'_> {
    /// Sets a text; the last one counts. What is never set is empty.
    pub fn text(&mut self, column: Text, text: &str) {
        let strings = &mut self.rows.texts[column as usize];
        strings.truncate(self.rows.timestamp.len());
        strings.push(text);
    }

    /// A text as it stands, empty where it was not set.
    pub fn get(&self, column: Text) -> &str {
        self.rows.texts[column as usize].get(self.rows.timestamp.len()).unwrap_or_default()
    }

    /// Adds a token.
    pub fn token(&mut self, token: &str) {
        self.rows.tokens.push(token);
    }

    /// Adds a field. A key that the row already has gets the next free of `key#2` to `key#9`, and then a number from
    /// 10 on that the row has not used, so nothing is lost, and a thousand times the same key costs no search each.
    pub fn field(&mut self, key: &str, value: &str) {
        if self.has_field(key) {
            let few = (2..10).map(|n| format!("{key}#{n}")).find(|key| !self.has_field(key));
            let free = few.unwrap_or_else(|| self.numbered(key));
            self.key(&free);
        } else {
            self.key(key);
        }
        self.rows.values.push(value);
    }

    fn numbered(&mut self, key: &str) -> String {
        loop {
            let numbered = format!("{key}#{}", self.number);
            self.number += 1;
            if !self.has_field(&numbered) {
                return numbered;
            }
        }
    }

    fn key(&mut self, key: &str) {
        self.rows.keys.push(key);
        if let Some(keys) = &mut self.keys {
            keys.insert(key.into());
        } else if self.fields().len() >= FEW_FIELDS {
            self.keys = Some(self.fields().filter_map(|at| self.rows.keys.get(at)).map(Box::from).collect());
        }
    }

    /// The value of a field, of the message's own `fields` first: there another key of the message may have taken
    /// its name, so that it is the second.
    pub fn field_value(&self, key: &str) -> Option<&str> {
        let (all, second) = (self.fields(), format!("{key}#2"));
        let own = all.start + self.own_fields.start..all.start + self.own_fields.end;
        let find = |mut places: std::ops::Range<usize>, key| places.find(|at| self.rows.keys.get(*at) == Some(key));
        let at = find(own.clone(), key).or_else(|| find(own, &second)).or_else(|| find(all, key))?;
        self.rows.values.get(at)
    }

    /// Forgets all fields but the first so many.
    pub(crate) fn truncate_fields(&mut self, count: usize) {
        let from = self.fields().start + count;
        match &mut self.keys {
            Some(keys) if count > FEW_FIELDS => {
                (from..self.rows.keys.len()).filter_map(|at| self.rows.keys.get(at)).for_each(|key| {
                    keys.remove(key);
                });
            }
            keys => *keys = None,
        }
        self.rows.keys.truncate(from);
        self.rows.values.truncate(from);
    }

    /// Bytes of keys and values so far, for bounds: only the difference of two calls means something.
    pub(crate) fn field_bytes(&self) -> usize {
        self.rows.keys.bytes.len() + self.rows.values.bytes.len()
    }

    /// How many fields it has so far.
    pub(crate) fn field_count(&self) -> usize {
        self.fields().len()
    }

    fn fields(&self) -> std::ops::Range<usize> {
        self.rows.fields_end.last().map_or(0, |end| *end as usize)..self.rows.keys.len()
    }

    /// Compares lengths first: most keys differ in theirs.
    fn has_field(&self, key: &str) -> bool {
        if let Some(keys) = &self.keys {
            return keys.contains(key);
        }
        let keys = &self.rows.keys;
        let mut start = match self.fields().start {
            0 => 0,
            first => keys.ends[first - 1] as usize,
        };
        keys.ends[self.fields()].iter().any(|end| {
            let range = start..*end as usize;
            start = *end as usize;
            range.len() == key.len() && keys.bytes[range] == *key.as_bytes()
        })
    }

    /// The row as a message of its own.
    pub fn to_message(&self, received_at: i64) -> Message {
        let text = |column| self.get(column).to_owned();
        let first_token = self.rows.tokens_end.last().map_or(0, |end| *end as usize);
        let owned = |strings: &Strings, at| strings.get(at).unwrap_or_default().to_owned();
        Message {
            timestamp: self.timestamp.unwrap_or(received_at),
            r#type: text(Text::Type),
            logger: text(Text::Logger),
            severity: self.severity,
            hostname: text(Text::Hostname),
            pid: self.pid,
            tokens: (first_token..self.rows.tokens.len()).map(|at| owned(&self.rows.tokens, at)).collect(),
            payload: text(Text::Payload),
            fields: self.fields().map(|at| (owned(&self.rows.keys, at), owned(&self.rows.values, at))).collect(),
            env_version: text(Text::EnvVersion),
        }
    }

    /// Makes it a row. `received_at` is in µs since 1970 UTC.
    pub fn commit(self, received_at: i64) {
        let rows = self.rows;
        let committed = rows.timestamp.len() + 1;
        for column in &mut rows.texts {
            if column.len() < committed {
                column.push("");
            }
        }
        rows.tokens_end.push(rows.tokens.len() as i32);
        rows.fields_end.push(rows.keys.len() as i32);
        rows.timestamp.push(self.timestamp.unwrap_or(received_at));
        rows.received_at.push(received_at);
        rows.severity.push(i32::from(self.severity.number()));
        rows.pid.push(self.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::json::ArrayWriter;

    fn json(rows: &mut MessageRows) -> serde_json::Value {
        let mut writer = ArrayWriter::new(Vec::new());
        writer.write(&rows.finish().unwrap()).unwrap();
        writer.finish().unwrap();
        serde_json::from_slice(&writer.into_inner()).unwrap()
    }

    #[test]
    fn a_dropped_row_leaves_nothing() {
        let mut rows = MessageRows::default();
        let mut row = rows.begin();
        row.text(Text::Type, "lost");
        row.token("t");
        row.field("k", "v");
        let mut row = rows.begin();
        row.text(Text::Type, "first");
        row.text(Text::Type, "last");
        row.field("k", "v");
        row.field("k", "w");
        assert_eq!(row.get(Text::Type), "last");
        assert_eq!(row.field_value("k#2"), Some("w"));
        assert_eq!(row.to_message(7).fields.len(), 2);
        row.commit(7);
        let found = json(&mut rows);
        assert_eq!(found[0]["type"], "last");
        assert_eq!(found[0]["timestamp"], "1970-01-01T00:00:00.000007Z");
        assert_eq!(found[0]["fields"], serde_json::json!({"k": "v", "k#2": "w"}));
        assert_eq!(found.as_array().map(Vec::len), Some(1));
        assert!(rows.is_empty());
    }

    #[test]
    fn many_fields_of_one_key_are_all_kept() {
        let mut rows = MessageRows::default();
        let mut row = rows.begin();
        (0..3 * FEW_FIELDS).for_each(|n| row.field(if n % 2 == 0 { "k" } else { "other" }, &n.to_string()));
        let fields: std::collections::BTreeMap<_, _> = row.to_message(0).fields.into_iter().collect();
        assert_eq!(fields.len(), 3 * FEW_FIELDS);
        assert_eq!((fields["k"].as_str(), fields["k#2"].as_str(), fields["other#9"].as_str()), ("0", "2", "17"));
    }

    #[test]
    fn a_message_comes_back_as_it_went() {
        let message = Message {
            timestamp: 5,
            r#type: "t".into(),
            tokens: vec!["a".into(), "".into()],
            fields: vec![("k".into(), "".into())],
            ..Message::default()
        };
        let mut rows = MessageRows::default();
        rows.push_message(&message, 9);
        rows.push_message(&Message::default(), 9);
        let found = json(&mut rows);
        assert_eq!(found[0]["tokens"], serde_json::json!(["a", ""]));
        assert_eq!(found[1]["tokens"], serde_json::json!([]));
    }
}
