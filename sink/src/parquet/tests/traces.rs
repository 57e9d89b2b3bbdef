//! The index of traces: complete with the first object, few objects after many, the same after each retry.
use super::*;
use metlog_schemas::span::SpanRows;
use metlog_schemas::table::Table;
use metlog_schemas::trace_index::{self, IndexPath, MERGED_AT_ONCE};
use std::collections::BTreeSet;

/// Spans of a segment: one of a trace that all segments have, in two hours, and two of its own.
fn spans(segment: u64) -> Batch {
    let mut rows = SpanRows::default();
    rows.resource("otlp");
    let own = u128::from(segment) << 8;
    for (nth, (trace, hour)) in [(7, 0), (7, 1), (own + 1, 0), (own + 2, 1)].into_iter().enumerate() {
        let mut row = rows.begin();
        row.trace_id(u128::to_be_bytes(trace)).span_id((nth as u64 + 1).to_be_bytes()).name("n");
        row.start(u64::try_from(HOUR * hour * 1_000 + 5_000).unwrap()).duration(1);
        row.commit(1).unwrap();
    }
    let mut tables = TableMap::default();
    tables[Table::Spans] = vec![rows.finish().unwrap()];
    Batch { listener: "web_1".into(), segment, rows: tables, windows: Vec::new() }
}

/// The current objects of the index, and all of their rows.
async fn index_of(store: &InMemory) -> (Vec<IndexPath>, BTreeSet<(String, i64, i64)>) {
    let listed: Vec<_> = store.list(Some(&Path::from("w/trace_index"))).try_collect().await.unwrap();
    let parse = |location: &Path| IndexPath::parse(location.as_ref().strip_prefix("w/").unwrap()).unwrap();
    let (current, _) = trace_index::current(listed.iter().map(|meta| parse(&meta.location)).collect(), |path| path);
    let mut rows = BTreeSet::new();
    for path in &current {
        let bytes = store.get(&Path::from(format!("w/{}", path.key()))).await.unwrap().bytes().await.unwrap();
        let batch = read(bytes);
        assert_eq!(batch.schema().fields(), trace_index::schema().fields());
        let ids: Vec<_> = batch.column(0).as_string::<i32>().iter().flatten().collect();
        assert!(ids.is_sorted(), "{path:?}");
        let number = |column: usize| batch.column(column).as_primitive::<arrow::datatypes::Int64Type>().clone();
        let (segments, hours) = (number(1), number(2));
        rows.extend((0..ids.len()).map(|row| (ids[row].to_owned(), segments.value(row), hours.value(row))));
    }
    (current, rows)
}

fn expected(segments: std::ops::Range<u64>) -> BTreeSet<(String, i64, i64)> {
    let of = |segment: u64| {
        let own = u128::from(segment) << 8;
        let rows = [(7, 0), (7, 1), (own + 1, 0), (own + 2, 1)];
        rows.map(|(trace, hour)| (format!("{trace:032x}"), segment.cast_signed(), hour))
    };
    segments.flat_map(of).collect()
}

/// Guarantees: after every batch the index has each trace with each of its objects, and however many batches there are, the
/// objects are few. A batch that is written again changes nothing.
#[tokio::test]
async fn the_index_is_complete_and_small_after_every_batch() {
    let (objects, store) = in_memory("w");
    let mut sink = Parquet::new(Config::default(), store);
    let segments = (MERGED_AT_ONCE * MERGED_AT_ONCE) as u64 + 5;
    for segment in 1..=segments {
        sink.write(&spans(segment)).await.unwrap();
        if segment % 50 < 3 || segment > segments - 7 {
            let (current, rows) = index_of(&objects).await;
            assert!(current.len() <= 2 * MERGED_AT_ONCE, "{segment}: {}", current.len());
            assert_eq!(rows, expected(1..segment + 1), "{segment}");
        }
    }
    let (before, rows) = index_of(&objects).await;
    assert!(before.iter().any(|path| path.level == 2), "{before:?}");
    sink.write(&spans(segments)).await.unwrap();
    assert_eq!(index_of(&objects).await, (before, rows));
    // Every object that the index names is there.
    for (_, segment, hour) in expected(1..segments + 1) {
        let path = ObjectPath {
            table: Table::Spans,
            partition: Hour(hour).into(),
            listener: "web_1".to_owned(),
            segment: segment.cast_unsigned(),
        };
        assert!(objects.head(&Path::from(format!("w/{}", path.key()))).await.is_ok(), "{path:?}");
    }
}

/// Scenario: a process dies after it has put a merged object and before it has deleted what that was made of.
/// Guarantees: readers pass over the inputs, and the next batch deletes them.
#[tokio::test]
async fn what_a_kill_leaves_behind_is_deleted() {
    let (objects, store) = in_memory("w");
    let mut sink = Parquet::new(Config::default(), store);
    for segment in 1..MERGED_AT_ONCE as u64 {
        sink.write(&spans(segment)).await.unwrap();
    }
    let listed: Vec<_> = objects.list(Some(&Path::from("w/trace_index"))).try_collect().await.unwrap();
    let mut inputs = Vec::new();
    for meta in &listed {
        inputs.push((meta.location.clone(), objects.get(&meta.location).await.unwrap().bytes().await.unwrap()));
    }
    sink.write(&spans(MERGED_AT_ONCE as u64)).await.unwrap();
    for (location, bytes) in &inputs {
        objects.put(location, bytes.clone().into()).await.unwrap();
    }
    let (current, rows) = index_of(&objects).await;
    assert_eq!((current.len(), rows), (1, expected(1..MERGED_AT_ONCE as u64 + 1)));
    sink.write(&spans(MERGED_AT_ONCE as u64 + 1)).await.unwrap();
    let left: Vec<_> = objects.list(Some(&Path::from("w/trace_index"))).try_collect().await.unwrap();
    assert_eq!(left.len(), 2);
}
