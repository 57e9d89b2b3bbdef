//! From a batch to documents: which messages go together, under which uuid, and as what JSON.
//!
//! Invariant: the same batch and the same configuration always come to the same documents.
use super::config::Config;
use crate::Batch;
use arrow::array::{Array, AsArray, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use metlog_schemas::table::Table;
use metlog_schemas::time::rfc3339;
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use uuid::Uuid;

/// Messages that go in one request: all of one logger, and of one type where the URL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Empty where the URL does not name it.
    pub logger: String,
    /// Empty where the URL does not name it.
    pub r#type: String,
    /// Which row of which of the batch's parts, in the order in which they came.
    pub rows: Vec<(usize, usize)>,
}

impl Document {
    /// Two documents of half of the messages each, or `None` for a single message.
    pub fn halves(&self) -> Option<[Document; 2]> {
        let (first, second) = self.rows.split_at_checked(self.rows.len().div_ceil(2))?;
        let half = |rows: &[_]| Document { rows: rows.to_vec(), ..self.clone() };
        (!second.is_empty()).then(|| [half(first), half(second)])
    }
}

/// The documents of a batch, in the order of their first messages.
pub fn documents(batch: &Batch, columns: &[Columns], config: &Config) -> Vec<Document> {
    let mut documents: Vec<Document> = Vec::new();
    let mut open: HashMap<(&str, &str), usize> = HashMap::new();
    for (part, (rows, columns)) in batch.rows[Table::Messages].iter().zip(columns).enumerate() {
        for row in 0..rows.num_rows() {
            let logger = if config.url.has_logger() { columns.logger.value(row) } else { "" };
            let r#type = if config.url.has_type() { columns.r#type.value(row) } else { "" };
            let new = documents.len();
            let at = open.entry((logger, r#type)).or_insert(new);
            if documents.get(*at).is_none_or(|document| document.rows.len() >= config.batch_messages) {
                *at = new;
                documents.push(Document { logger: logger.to_owned(), r#type: r#type.to_owned(), rows: Vec::new() });
            }
            documents[*at].rows.push((part, row));
        }
    }
    documents
}

/// The name of a document: made of whose it is, where it begins and what it says, so that a repeat has the
/// same one and no other document has it.
pub fn uuid(batch: &Batch, document: &Document, body: &[u8]) -> Uuid {
    let (part, row) = document.rows.first().copied().unwrap_or_default();
    let begin = batch.rows[Table::Messages].iter().take(part).map(RecordBatch::num_rows).sum::<usize>() + row;
    let mut name = format!("{}\0{}\0{begin}\0", batch.listener, batch.segment).into_bytes();
    name.extend_from_slice(body);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, &name)
}

/// The columns of one part of a batch.
#[derive(Debug, Clone)]
pub struct Columns {
    timestamp: Arc<[i64]>,
    r#type: StringArray,
    logger: StringArray,
    severity: Int32Array,
    hostname: StringArray,
    pid: Int64Array,
    tokens: ListArray,
    payload: StringArray,
    fields: MapArray,
    env_version: StringArray,
}

impl Columns {
    /// The columns of rows of `messages`, or `None` if one is missing or of another type, which would be a defect.
    pub fn of(rows: &RecordBatch) -> Option<Columns> {
        let text = |name| Some(rows.column_by_name(name)?.as_string_opt::<i32>()?.clone());
        Some(Columns {
            timestamp: rows.column_by_name("timestamp")?.as_primitive_opt::<TimestampMicrosecondType>()?.values()[..]
                .into(),
            r#type: text("type")?,
            logger: text("logger")?,
            severity: rows.column_by_name("severity")?.as_primitive_opt::<Int32Type>()?.clone(),
            hostname: text("hostname")?,
            pid: rows.column_by_name("pid")?.as_primitive_opt::<Int64Type>()?.clone(),
            tokens: rows.column_by_name("tokens")?.as_list_opt::<i32>()?.clone(),
            payload: text("payload")?,
            fields: rows.column_by_name("fields")?.as_map_opt()?.clone(),
            env_version: text("env_version")?,
        })
    }
}

/// A document as a JSON array of Metlog messages (0.8), `tokens` besides.
pub fn body(document: &Document, columns: &[Columns]) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(document.rows.len() * 512);
    for (nth, (part, row)) in document.rows.iter().enumerate() {
        json.push(if nth == 0 { b'[' } else { b',' });
        message(&mut json, &columns[*part], *row)?;
    }
    json.push(b']');
    Ok(json)
}

fn message(json: &mut Vec<u8>, columns: &Columns, row: usize) -> serde_json::Result<()> {
    text(json, "{\"type\":", columns.r#type.value(row))?;
    text(json, ",\"timestamp\":", &rfc3339(columns.timestamp[row]))?;
    text(json, ",\"logger\":", columns.logger.value(row))?;
    let _ = write!(json, ",\"severity\":{}", columns.severity.value(row));
    text(json, ",\"payload\":", columns.payload.value(row))?;
    json.extend_from_slice(b",\"fields\":{");
    let entries = columns.fields.value(row);
    let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
    for at in 0..entries.len() {
        text(json, if at == 0 { "" } else { "," }, keys.value(at))?;
        text(json, ":", values.value(at))?;
    }
    text(json, "},\"env_version\":", columns.env_version.value(row))?;
    let _ = write!(json, ",\"metlog_pid\":{}", columns.pid.value(row));
    text(json, ",\"metlog_hostname\":", columns.hostname.value(row))?;
    json.extend_from_slice(b",\"tokens\":[");
    let tokens = columns.tokens.value(row);
    for (at, token) in tokens.as_string::<i32>().iter().flatten().enumerate() {
        text(json, if at == 0 { "" } else { "," }, token)?;
    }
    json.extend_from_slice(b"]}");
    Ok(())
}

fn text(json: &mut Vec<u8>, before: &str, text: &str) -> serde_json::Result<()> {
    json.extend_from_slice(before.as_bytes());
    serde_json::to_writer(json, text)
}
