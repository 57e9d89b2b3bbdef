//! What server and worker say to each other. Both are the same program, so there are no versions.
use crate::access::Rights;
use crate::engine::Config;
use crate::error::{Error, Kind};
use crate::format::Format;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// What a worker is told first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    memory_bytes: usize,
    rows_max: usize,
    time_max: Duration,
    store_wait: Duration,
    /// Where the store is; the program that starts the worker knows how to read it. It may hold secrets.
    pub(crate) store: Value,
    /// True where there is a listener.
    pub(crate) has_hot: bool,
}

impl Setup {
    pub(crate) fn new(config: &Config, store: Value, has_hot: bool) -> Setup {
        let Config { memory_bytes, rows_max, time_max, store_wait, .. } = *config;
        Setup { memory_bytes, rows_max, time_max, store_wait, store, has_hot }
    }

    /// The bounds of its engine.
    pub(crate) fn config(&self) -> Config {
        Config {
            memory_bytes: self.memory_bytes,
            rows_max: self.rows_max,
            time_max: self.time_max,
            store_wait: self.store_wait,
            concurrency: 1,
        }
    }
}

/// One query, and how its result is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Query {
    pub(crate) sql: String,
    /// Name of the format of its result.
    format: String,
    /// True where a part of the rows is not enough.
    pub(crate) is_strict: bool,
    /// True where the result must be complete before its first byte leaves.
    pub(crate) is_whole: bool,
    /// True where the first rows leave at once, and what was read is told while it runs.
    pub(crate) is_live: bool,
    /// True where only the columns are wanted: the query is planned and does not run.
    pub(crate) is_only_planned: bool,
    /// Who asks.
    pub(crate) rights: Rights,
    /// What is left of its time.
    pub(crate) time: Duration,
}

impl Query {
    pub(crate) fn new(sql: String, rights: Rights, format: Format, is_strict: bool, is_whole: bool) -> Query {
        let format = format.name().to_owned();
        Query { sql, rights, format, is_strict, is_whole, is_live: false, is_only_planned: false, time: Duration::ZERO }
    }

    /// For [`super::Pool::stream`]: the first rows leave at once, and what was read is told while it runs.
    pub fn streamed(sql: impl Into<String>, rights: &Rights) -> Query {
        Query { is_live: true, ..Query::new(sql.into(), rights.clone(), Format::Arrow, false, false) }
    }

    /// For [`super::Pool::batches`]: the columns of a query, which is planned and does not run.
    pub fn schema_of(sql: impl Into<String>, rights: &Rights) -> Query {
        Query { is_only_planned: true, ..Query::batches(sql, rights) }
    }

    /// For [`super::Pool::batches`]: what of the store cannot be read is left out, and said.
    pub fn batches(sql: impl Into<String>, rights: &Rights) -> Query {
        Query::new(sql.into(), rights.clone(), Format::Arrow, false, true)
    }

    pub(crate) fn format(&self) -> Format {
        self.format.parse().unwrap_or(Format::Json)
    }
}

/// The hot rows that were taken; they stay with the server.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) listener: String,
    pub(crate) first_segment: u64,
    /// For each table, by its name, the number of rows in each batch.
    pub(crate) tables: Vec<(String, Vec<usize>)>,
    /// The descriptions of the cold segments.
    pub(crate) cold: Vec<String>,
}

/// A request for rows of a batch.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RowsOf {
    pub(crate) table: String,
    pub(crate) batch: usize,
    pub(crate) from: usize,
    pub(crate) rows_max: usize,
    pub(crate) columns: Vec<usize>,
}

/// A request for bytes of a cold segment.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BytesOf {
    pub(crate) segment: usize,
    pub(crate) offset: u64,
}

/// The beginning of a result.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Begin {
    /// Bytes of the whole, where they are known.
    pub(crate) length: Option<u64>,
    /// Why it is only a part of the rows, where it is.
    pub(crate) partial: Option<String>,
}

/// The end of a result.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// True where nothing of the query is left in the worker.
    pub(crate) is_clean: bool,
}

/// Why there is no result, or no more of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failed {
    kind: String,
    message: String,
    position: Option<(u64, u64)>,
    /// As [`Done::is_clean`].
    pub(crate) is_clean: bool,
}

impl Failed {
    pub(crate) fn new(error: Error, is_clean: bool) -> Failed {
        Failed { kind: error.kind.name().to_owned(), message: error.message, position: error.position, is_clean }
    }

    pub(crate) fn error(self) -> Error {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == self.kind).unwrap_or(Kind::Internal);
        Error { position: self.position, ..Error::new(kind, self.message) }
    }
}

/// A batch as an Arrow stream.
///
/// # Errors
/// Where Arrow cannot write it.
pub(crate) fn to_ipc(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    writer.into_inner()
}

/// The batch of an Arrow stream that has one.
///
/// # Errors
/// Where it is none.
pub(crate) fn from_ipc(bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    let none = || ArrowError::IpcError("a stream without rows".to_owned());
    StreamReader::try_new(bytes, None)?.next().ok_or_else(none)?
}
