//! What the Parquet sink writes, read back with a reader of its own.
mod random;
mod strays;
mod traces;

use super::objects::OrderedRows;
use super::*;
use crate::conformance::{self, Place, sample_batch};
use crate::store::open_store;
use crate::{Next, conformance::BlackHole};
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use ::parquet::basic::{Compression, Encoding};
use ::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use arrow::array::{AsArray, RecordBatch, RecordBatchReader};
use arrow::compute::concat_batches;
use arrow::datatypes::TimestampMicrosecondType;
use futures::TryStreamExt;
use metlog_schemas::object_path::ObjectPath;
use metlog_schemas::rows::Rows;
use metlog_schemas::table::TableMap;
use metlog_schemas::time::{HOUR, Hour};
use metlog_schemas::wire::message::Message;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use url::Url;

/// Tables that [`sample_batch`] has two rows of, each in its own hour.
const OTHER_TABLES: usize = Table::COUNT - 2;
/// The index of the traces that its spans are of.
const INDEX_OBJECTS: usize = 1;

fn read(bytes: Bytes) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let schema = reader.schema();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

/// Every object of a store, by key.
async fn objects_in(store: &dyn ObjectStore) -> Vec<(String, Bytes)> {
    let mut listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    listed.sort_by(|a, b| a.location.cmp(&b.location));
    let mut objects = Vec::new();
    for object in listed {
        let bytes = store.get(&object.location).await.unwrap().bytes().await.unwrap();
        objects.push((object.location.to_string(), bytes));
    }
    objects
}

fn in_memory(prefix: &str) -> (Arc<InMemory>, Store) {
    let objects = Arc::new(InMemory::new());
    (objects.clone(), Store { objects, prefix: Path::from(prefix), folder: None })
}

fn messages(timestamps: &[i64]) -> RecordBatch {
    let mut rows = Rows::default();
    for (nth, timestamp) in timestamps.iter().enumerate() {
        rows.push_message(&Message { timestamp: *timestamp, payload: nth.to_string(), ..Message::default() }, 0);
    }
    rows.finish().unwrap()
}

fn batch_of(messages: Vec<RecordBatch>) -> Batch {
    let mut rows = TableMap::default();
    rows[Table::Messages] = messages;
    Batch { listener: "l".into(), segment: 3, rows, windows: Vec::new() }
}

fn times(rows: &RecordBatch) -> Vec<i64> {
    rows.column(0).as_primitive::<TimestampMicrosecondType>().values().to_vec()
}

#[tokio::test]
async fn a_batch_becomes_one_object_for_each_table_and_hour() {
    let (objects, store) = in_memory("ware/house");
    let batch = sample_batch().unwrap();
    let receipt = Parquet::new(Config::default(), store).write(&batch).await.unwrap();
    assert_eq!(receipt, Receipt { written: 6 + 2 * 24 + 2 * OTHER_TABLES as u64, set_aside: 0 });
    let objects = objects_in(objects.as_ref()).await;
    let keys: Vec<&str> = objects.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys.len(), 3 + 2 * OTHER_TABLES + INDEX_OBJECTS);
    assert_eq!(
        keys[..3],
        [
            "ware/house/messages/dt=2026-01-02/hour=03/listener_1-000000000007.parquet",
            "ware/house/messages/dt=2026-01-02/hour=04/listener_1-000000000007.parquet",
            "ware/house/metrics/dt=2026-01-02/hour=03/listener_1-000000000007.parquet",
        ]
    );
    let first = read(objects[0].1.clone());
    assert_eq!(first.schema().fields(), Table::Messages.schema().fields());
    assert!(times(&first).is_sorted());
    // Rows of one timestamp stay as they came: part 0 before part 1.
    let payloads: Vec<_> = first.column_by_name("payload").unwrap().as_string::<i32>().iter().flatten().collect();
    assert_eq!(payloads, ["payload \"1\"\n", "payload \"3\"\n", "payload \"0\"\n", "payload \"4\"\n"]);
    let metrics = read(objects[2].1.clone());
    assert_eq!((metrics.num_rows(), metrics.schema().fields()), (8, Table::Metrics.schema().fields()));
}

#[tokio::test]
async fn nothing_comes_to_no_object() {
    let (objects, store) = in_memory("");
    let receipt = Parquet::new(Config::default(), store).write(&batch_of(vec![messages(&[])])).await.unwrap();
    assert_eq!(receipt, Receipt::default());
    assert!(objects_in(objects.as_ref()).await.is_empty());
}

fn metadata(bytes: &Bytes) -> Arc<ParquetMetaData> {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    ArrowReaderMetadata::load(bytes, options).unwrap().metadata().clone()
}

/// Guarantees: what lets readers skip is there: statistics, page index, bloom filters, order, row groups.
#[test]
fn an_object_has_what_readers_skip_by() {
    let batch = batch_of(vec![messages(&(0..1_000).collect::<Vec<_>>())]);
    let config = Config { row_group_rows: 400, ..Config::default() };
    let ordered = OrderedRows::new(Table::Messages, batch.rows[Table::Messages].clone()).unwrap();
    let (_, bytes) = ordered.encode(0, &batch, &config).unwrap().unwrap();
    let metadata = metadata(&bytes);
    let groups: Vec<i64> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [400, 400, 200]);
    let group = metadata.row_group(1);
    assert_eq!(group.sorting_columns().map(|columns| columns[0].column_idx), Some(0));
    let column = |name: &str| group.columns().iter().find(|column| column.column_path().string() == name).unwrap();
    let [time, kind, payload] = ["timestamp", "type", "payload"].map(column);
    assert!(time.statistics().is_some_and(|statistics| statistics.min_bytes_opt() == Some(&400_i64.to_le_bytes())));
    assert!(time.encodings().any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED));
    assert!(kind.encodings().any(|encoding| encoding == Encoding::RLE_DICTIONARY));
    assert!(!payload.encodings().any(|encoding| encoding == Encoding::RLE_DICTIONARY));
    for (column, has_bloom_filter) in [(kind, true), (column("logger"), true), (payload, false)] {
        assert_eq!(column.bloom_filter_offset().is_some(), has_bloom_filter, "{}", column.column_path());
        assert!(matches!(column.compression(), Compression::ZSTD(_)));
    }
    assert!(metadata.column_index().is_some() && metadata.offset_index().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Guarantees: each row is in the object of its hour, once, and rows lie there as a stable sort by time leaves
    /// them, however the batch was cut.
    #[test]
    fn rows_are_sorted_and_cut_into_hours(
        parts in prop::collection::vec(prop::collection::vec(0..3 * HOUR / 1_000_000, 0..40), 0..4),
        already_sorted in any::<bool>(),
    ) {
        let mut parts: Vec<Vec<i64>> =
            parts.into_iter().map(|part| part.into_iter().map(|seconds| seconds * 1_000_000).collect()).collect();
        if already_sorted {
            let mut all: Vec<i64> = parts.concat();
            all.sort();
            let mut rest = all.as_slice();
            for part in &mut parts {
                let (first, behind) = rest.split_at(part.len());
                (*part, rest) = (first.to_vec(), behind);
            }
        }
        let mut expected: Vec<(i64, usize, usize)> = Vec::new();
        for (part, times) in parts.iter().enumerate() {
            expected.extend(times.iter().enumerate().map(|(row, time)| (*time, part, row)));
        }
        expected.sort_by_key(|(time, ..)| *time);
        let expected: Vec<(i64, String)> = expected.iter().map(|(time, _, row)| (*time, row.to_string())).collect();
        let batch = batch_of(parts.iter().map(|times| messages(times)).collect());
        let ordered = OrderedRows::new(Table::Messages, batch.rows[Table::Messages].clone()).unwrap();
        let mut found = Vec::new();
        for at in 0..ordered.len() {
            let (path, bytes) = ordered.encode(at, &batch, &Config::default()).unwrap().unwrap();
            let rows = read(bytes);
            prop_assert!(times(&rows).iter().all(|time| path.partition == Partition::Hour(Hour::of(*time))));
            let payloads = rows.column_by_name("payload").unwrap().as_string::<i32>().clone();
            found.extend(times(&rows).into_iter().zip(payloads.iter().flatten().map(str::to_owned)));
        }
        prop_assert_eq!(found, expected);
    }
}

/// A folder, as a place.
struct Folder {
    root: TempDir,
}

impl Folder {
    fn new() -> Folder {
        Folder { root: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> Store {
        open_store(Url::from_directory_path(self.root.path()).unwrap().as_str(), &[], []).unwrap()
    }

    /// The object that is written last.
    fn last(&self) -> std::path::PathBuf {
        let (table, hour) = (Table::Metrics, Hour(1_767_322_800 / 3_600));
        let path = ObjectPath { table, partition: hour.into(), listener: "listener_1".into(), segment: 7 };
        self.root.path().join(path.key())
    }
}

fn s3_at(address: SocketAddr, timeout: &str) -> Store {
    let options = [
        ("endpoint", format!("http://{address}")),
        ("access_key_id", "k".into()),
        ("secret_access_key", "s".into()),
        ("region", "r".into()),
        ("timeout", timeout.into()),
    ];
    open_store("s3://bucket/prefix", &options.map(|(key, value)| (key.to_owned(), value)), []).unwrap()
}

impl Place for Folder {
    type Sink = Parquet;

    fn sink(&self) -> Parquet {
        Parquet::new(Config::default(), self.store())
    }

    fn sink_to(&self, black_hole: SocketAddr) -> Parquet {
        let put_timeout = Duration::from_millis(300);
        Parquet::new(Config { put_timeout, ..Config::default() }, s3_at(black_hole, "10s"))
    }

    async fn contents(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for (key, bytes) in objects_in(self.store().objects.as_ref()).await {
            let mut json = arrow::json::LineDelimitedWriter::new(Vec::new());
            json.write(&read(bytes)).unwrap();
            json.finish().unwrap();
            let text = String::from_utf8(json.into_inner()).unwrap();
            rows.extend(text.lines().map(|line| format!("{key} {line}")));
        }
        rows
    }

    /// A folder where the last object should be: the others are put, and this one cannot be.
    fn fail_part_way(&self, failing: bool) {
        if failing {
            std::fs::create_dir_all(self.last().join("in the way")).unwrap();
        } else {
            std::fs::remove_dir_all(self.last()).unwrap();
        }
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    assert_eq!(conformance::check(Folder::new).await, Ok(()));
}

/// Guarantees: what a killed process left half-written is no object, and the repeat uses it up.
#[tokio::test]
async fn a_torn_file_is_never_seen() {
    let folder = Folder::new();
    let last = folder.last();
    let torn = last.with_file_name(format!(".{}#1", last.file_name().unwrap().to_string_lossy()));
    std::fs::create_dir_all(torn.parent().unwrap()).unwrap();
    std::fs::write(&torn, b"PAR1 and no more").unwrap();
    assert!(objects_in(folder.store().objects.as_ref()).await.is_empty());
    folder.sink().write(&sample_batch().unwrap()).await.unwrap();
    assert!(!torn.exists() && last.exists());
    assert_eq!(objects_in(folder.store().objects.as_ref()).await.len(), 3 + 2 * OTHER_TABLES + INDEX_OBJECTS);
}

/// A store that answers too late by itself, not by our clock.
#[tokio::test]
async fn a_request_has_its_own_timeout() {
    let black_hole = BlackHole::new().unwrap();
    let mut sink = Parquet::new(Config::default(), s3_at(black_hole.address(), "100ms"));
    let error = sink.write(&sample_batch().unwrap()).await.unwrap_err();
    assert_eq!(error.next, Next::Retry(None), "{error}");
}

/// A compression level that zstd does not have can never be written with.
#[tokio::test]
async fn what_can_never_be_encoded_is_set_aside() {
    let (_, store) = in_memory("");
    let config = Config { compression_level: 99, ..Config::default() };
    let error = Parquet::new(config, store).write(&sample_batch().unwrap()).await.unwrap_err();
    assert_eq!(error.next, Next::SetAside);
}

/// Objects above the size of a part go up in parts and come back whole.
#[tokio::test]
async fn a_large_object_goes_up_in_parts() {
    let (objects, store) = in_memory("p");
    let bytes = Bytes::from((0..40_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    Putter::new(store, Duration::from_secs(60)).put("a/b.parquet", bytes.clone()).await.unwrap();
    let found = objects_in(objects.as_ref()).await;
    assert!(found == [("p/a/b.parquet".to_owned(), bytes)]);
}

/// Guarantees: while one write is under way, be it one that was given up on, another does not touch its file.
#[tokio::test]
async fn files_are_written_one_at_a_time() {
    let folder = Folder::new();
    let putter = Putter::new(folder.store(), Duration::from_secs(60));
    let puts = (0..8).map(|_| putter.put("x/y.parquet", Bytes::from(vec![7; 1_000_000])));
    let results = futures::future::join_all(puts).await;
    assert!(results.iter().any(Result::is_ok));
    assert!(results.iter().flat_map(|result| result.as_ref().err()).all(|error| error.next == Next::Retry(None)));
    assert_eq!(std::fs::read_dir(folder.root.path().join("x")).unwrap().count(), 1, "nothing is left behind");
}

/// Guarantees: the check of a folder leaves nothing there, and says what cannot be done.
#[tokio::test]
async fn a_folder_is_checked_and_left_as_it_was() {
    let folder = Folder::new();
    folder.sink().probe().await.unwrap();
    assert_eq!(std::fs::read_dir(folder.root.path()).unwrap().count(), 0, "nothing is left behind");
    // What stands in the way hinders everybody, also one who may write everywhere.
    std::fs::write(folder.root.path().join("_probe"), "in the way").unwrap();
    let error = folder.sink().probe().await.unwrap_err();
    assert!(error.message.contains("cannot be written") && error.next == Next::Retry(None), "{error}");
}

/// Guarantees: what another process is checking the store with is left alone.
#[tokio::test]
async fn two_checks_do_not_disturb_each_other() {
    let folder = Folder::new();
    let mut sinks: Vec<_> = (0..8).map(|_| folder.sink()).collect();
    let results = futures::future::join_all(sinks.iter_mut().map(|sink| sink.probe())).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// A folder on a medium that can only be read.
#[tokio::test]
async fn a_folder_that_can_only_be_read_is_found_by_the_check() {
    let objects = Arc::new(object_store::local::LocalFileSystem::new_with_prefix("/proc/self").unwrap());
    let store = Store { objects, prefix: object_store::path::Path::default(), folder: Some("/proc/self".into()) };
    let error = Parquet::new(Config::default(), store).probe().await.unwrap_err();
    assert!(error.message.contains("cannot be written"), "{error}");
}
