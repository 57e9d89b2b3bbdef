//! The crate as its users see it: an engine over a store in memory and a listener that is made up.
mod attacks;
mod away;
mod bounds;
mod ddl;
mod every_function;
mod fake_store;
mod filters;
mod functions;
mod http;
mod isolated;
mod plans;
mod refusals;
mod requests;
mod rights;
mod sight;
mod sketches;
mod strays;
mod streamed;
mod traces;
mod words;

use crate::{ColdSegment, Config, Decoder, Engine, Error, Hot, HotRows};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::error::ArrowError;
use futures::FutureExt;
use futures::future::BoxFuture;
use metlog_schemas::object_path::ObjectPath;
use metlog_schemas::rows::Rows;
use metlog_schemas::table::{Table, TableMap, metrics_rows};
use metlog_schemas::time::Hour;
use metlog_schemas::window::Window;
use metlog_schemas::wire::message::Message;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// 2026-03-04T05:00:00Z.
const HOUR: Hour = Hour(492_389);

/// Messages whose payloads are these, a second apart from the beginning of an hour, as hot and stored rows are.
fn messages(hour: Hour, payloads: &[&str]) -> RecordBatch {
    let mut rows = Rows::default();
    for (at, payload) in payloads.iter().enumerate() {
        let message = Message {
            timestamp: hour.start() + at as i64 * 1_000_000,
            r#type: "wsgi".into(),
            logger: "sync".into(),
            hostname: "h1".into(),
            pid: 7,
            payload: (*payload).into(),
            tokens: vec!["login".into(), (*payload).into()],
            fields: vec![("headers.path".into(), format!("/{payload}"))],
            ..Message::default()
        };
        rows.push_message(&message, hour.start() + 1);
    }
    rows.finish().unwrap()
}

fn no_rows(table: Table) -> RecordBatch {
    RecordBatch::new_empty(table.schema())
}

fn key(table: Table, hour: Hour, listener: &str, segment: u64) -> String {
    ObjectPath { table, partition: hour.into(), listener: listener.into(), segment }.key()
}

async fn put(store: &dyn ObjectStore, key: &str, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    store.put(&Path::from(key), bytes.into()).await.unwrap();
}

/// A journal segment that a test makes: rows of tables as Arrow streams in JSON, or something else that no decoder
/// takes.
#[derive(Clone)]
struct FakeCold {
    bytes: Vec<u8>,
    reads: Arc<Mutex<usize>>,
}

impl FakeCold {
    fn of(tables: &[(Table, RecordBatch)]) -> FakeCold {
        let streams = tables.iter().map(|(table, batch)| {
            let mut writer = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
            writer.write(batch).unwrap();
            (table.name(), writer.into_inner().unwrap())
        });
        let bytes = serde_json::to_vec(&streams.collect::<Vec<_>>()).unwrap();
        FakeCold { bytes, reads: Arc::default() }
    }
}

impl ColdSegment for FakeCold {
    fn description(&self) -> String {
        "described".into()
    }

    fn bytes(&self) -> std::io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        if offset == 0 {
            *self.reads.lock().unwrap() += 1;
        }
        let rest = &self.bytes[offset as usize..];
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}

/// Decodes a [`FakeCold`].
fn decoder() -> Decoder {
    Arc::new(|description, bytes| {
        assert_eq!(description, "described");
        let streams: Vec<(String, Vec<u8>)> =
            serde_json::from_slice(bytes).map_err(|error| ArrowError::ComputeError(format!("torn: {error}")))?;
        let rows = |bytes: Vec<u8>| {
            arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap().map(Result::unwrap).collect()
        };
        let mut tables = TableMap::default();
        streams.into_iter().for_each(|(name, bytes)| tables[Table::from_name(&name).unwrap()] = rows(bytes));
        Ok(tables)
    })
}

/// A listener whose rows a test decides.
struct FakeHot {
    first_segment: Mutex<u64>,
    messages: Mutex<Vec<RecordBatch>>,
    metrics: Mutex<Vec<RecordBatch>>,
    cold: Mutex<Vec<FakeCold>>,
    /// What happens after the rows are taken and before the query goes on.
    after: Mutex<Option<BoxFuture<'static, ()>>>,
    calls: Mutex<usize>,
}

impl FakeHot {
    fn new(first_segment: u64, messages: Vec<RecordBatch>) -> Arc<FakeHot> {
        Arc::new(FakeHot {
            first_segment: first_segment.into(),
            messages: messages.into(),
            metrics: Mutex::default(),
            cold: Mutex::default(),
            after: Mutex::default(),
            calls: Mutex::default(),
        })
    }
}

impl Hot for FakeHot {
    fn rows(&self) -> BoxFuture<'_, Result<HotRows, ArrowError>> {
        async move {
            *self.calls.lock().unwrap() += 1;
            let mut batches = TableMap::default();
            batches[Table::Messages] = self.messages.lock().unwrap().clone();
            batches[Table::Metrics] = self.metrics.lock().unwrap().clone();
            let cold = self.cold.lock().unwrap().iter().map(|cold| Arc::new(cold.clone()) as _).collect();
            let first_segment = *self.first_segment.lock().unwrap();
            let rows = HotRows { listener: "a".into(), first_segment, batches, cold };
            let after = self.after.lock().unwrap().take();
            if let Some(after) = after {
                after.await;
            }
            Ok(rows)
        }
        .boxed()
    }

    fn senders(&self) -> Result<RecordBatch, ArrowError> {
        let hostname: ArrayRef = Arc::new(StringArray::from(vec!["h1"]));
        let logger: ArrayRef = Arc::new(StringArray::from(vec!["sync"]));
        let lost: ArrayRef = Arc::new(Int64Array::from(vec![3]));
        RecordBatch::try_from_iter([("hostname", hostname), ("logger", logger), ("lost", lost)])
    }
}

fn engine(store: &Arc<InMemory>, hot: Option<Arc<FakeHot>>) -> Engine {
    engine_with(Config::default(), store, hot)
}

fn engine_with(config: Config, store: &Arc<InMemory>, hot: Option<Arc<FakeHot>>) -> Engine {
    let hot = hot.map(|hot| (hot as Arc<dyn Hot>, decoder()));
    Engine::new(config, Arc::clone(store) as Arc<dyn ObjectStore>, Path::default(), hot).unwrap()
}

async fn ask(engine: &Engine, sql: &str) -> Result<Value, Error> {
    let answer = engine.query(sql).await?;
    let schema = answer.schema();
    let batches = answer.collect().await?;
    let mut writer = crate::format::Writer::new(crate::format::Format::Json, &schema, Vec::new()).unwrap();
    batches.iter().try_for_each(|batch| writer.write(batch)).unwrap();
    Ok(serde_json::from_slice(&writer.finish().unwrap()).unwrap())
}

/// Asks, and expects rows.
#[track_caller]
fn check(found: Result<Value, Error>, expected: Value) {
    assert_eq!(found, Ok(expected));
}

/// Stack of the threads that run queries in the server.
const STACK_BYTES: usize = 16 << 20;

/// Runs on a thread with such a stack; a panic there is one here.
fn on_a_workers_stack<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap()
}
