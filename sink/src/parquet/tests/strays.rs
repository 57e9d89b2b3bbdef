//! However many hours a batch's rows are of, it comes to few objects, and every row is in one of them.
use super::*;
use crate::parquet::objects::{HOURS_MAX, OWN_ROWS_MIN};
use metlog_schemas::time::SECOND;
use std::collections::BTreeMap;

/// Hours from 1970 to 2099.
const HOURS: i64 = 1_139_544;

fn objects_of(rows: &OrderedRows, batch: &Batch) -> Vec<(ObjectPath, Bytes)> {
    (0..rows.len()).map(|at| rows.encode(at, batch, &Config::default()).unwrap().unwrap()).collect()
}

/// Scenario: 20,000 messages with times spread from 1970 to 2099, besides 3,000 of one hour and 1,100 of another.
/// Guarantees: at most 64 objects, one more for each 1,024 rows, and one; each row once, its time untouched; the strays
/// sorted by time and cut into pages that readers can skip.
#[test]
fn a_batch_of_all_times_comes_to_few_objects() {
    let mut times: Vec<i64> = (0..20_000).map(|n| n * 7_919 % HOURS * HOUR + n * SECOND % HOUR).collect();
    times.extend((0..3_000).map(|n| 400_000 * HOUR + n));
    times.extend((0..1_100).map(|n| 400_001 * HOUR + n));
    let batch = batch_of(times.chunks(4_096).map(messages).collect());
    let rows = OrderedRows::new(Table::Messages, batch.rows[Table::Messages].clone()).unwrap();
    let objects = objects_of(&rows, &batch);
    assert!(objects.len() <= HOURS_MAX + times.len() / OWN_ROWS_MIN + 1, "{}", objects.len());
    let mut found = Vec::new();
    for (path, bytes) in &objects {
        let times = super::times(&read(bytes.clone()));
        assert!(times.is_sorted());
        match path.partition {
            Partition::Hour(hour) => assert!(times.iter().all(|time| Hour::of(*time) == hour)),
            Partition::Unknown => {
                assert_eq!(times.len(), times_of_strays(&times));
                let metadata = metadata(bytes);
                let pages = metadata.offset_index().unwrap()[0][0].page_locations().len();
                assert!(pages >= times.len() / 2_048, "{pages} pages for {} rows", times.len());
                assert!(path.key().contains("/dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__/"));
            }
        }
        found.extend(times);
    }
    let strays = objects.iter().filter(|(path, _)| path.partition == Partition::Unknown).count();
    let whole = |hour| objects.iter().any(|(path, _)| path.partition == Partition::Hour(Hour(hour)));
    assert_eq!((strays, whole(400_000), whole(400_001)), (1, true, true));
    found.sort_unstable();
    times.sort_unstable();
    assert_eq!(found, times);
    let keys = |objects: Vec<(ObjectPath, Bytes)>| objects.into_iter().map(|(path, _)| path.key()).collect::<Vec<_>>();
    let again = OrderedRows::new(Table::Messages, batch.rows[Table::Messages].clone()).unwrap();
    assert_eq!(keys(objects_of(&again, &batch)), keys(objects), "a repeat writes the same objects");
}

/// How many rows there are, where no hour has as many as would give it an object of its own.
fn times_of_strays(times: &[i64]) -> usize {
    let mut hours: BTreeMap<Hour, usize> = BTreeMap::new();
    times.iter().for_each(|time| *hours.entry(Hour::of(*time)).or_default() += 1);
    assert!(hours.values().all(|rows| *rows < OWN_ROWS_MIN));
    hours.values().sum()
}

#[test]
fn up_to_64_hours_have_objects_of_their_own() {
    for (hours, expected) in [(64, 64), (65, 65), (70, 65)] {
        let batch = batch_of(vec![messages(&(0..hours).map(|hour| hour * HOUR).collect::<Vec<_>>())]);
        let rows = OrderedRows::new(Table::Messages, batch.rows[Table::Messages].clone()).unwrap();
        assert_eq!(objects_of(&rows, &batch).len(), expected, "{hours} hours");
    }
}

/// Guarantees: after the first batch every table has an object that shows its columns, once, and no row more.
#[tokio::test]
async fn a_table_without_rows_has_an_object_that_shows_its_columns() {
    let (objects, store) = in_memory("w");
    let mut sink = Parquet::new(Config::default(), store.clone());
    for segment in [3, 4] {
        sink.write(&Batch { segment, ..batch_of(vec![messages(&[HOUR])]) }).await.unwrap();
    }
    // Another process finds them.
    Parquet::new(Config::default(), store).write(&batch_of(vec![messages(&[HOUR])])).await.unwrap();
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Messages) {
        let objects = objects_in(objects.as_ref()).await;
        let prefix = format!("w/{}/", table.name());
        let found: Vec<_> = objects.iter().filter(|(key, _)| key.starts_with(&prefix)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.ends_with("/dt=1970-01-01/hour=01/l-000000000003.parquet"), "{}", found[0].0);
        let reader = ParquetRecordBatchReaderBuilder::try_new(found[0].1.clone()).unwrap();
        assert_eq!(reader.schema().fields(), table.schema().fields());
        assert_eq!(reader.build().unwrap().count(), 0);
    }
}

#[cfg(feature = "toy")]
mod toy {
    use super::*;
    use metlog_schemas::table::{RowBuilder, toy};

    fn rows_of(rows: &RecordBatch) -> Vec<(String, i64)> {
        let names = rows.column_by_name("name").unwrap().as_string::<i32>().clone();
        names.iter().flatten().map(str::to_owned).zip(times(rows)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Guarantees: rows of an hour are sorted by the columns of their table's definition, and rows of many hours
        /// by time.
        #[test]
        fn rows_are_sorted_as_their_table_says(
            rows in prop::collection::vec(("[a-c]{1,2}", 0..3 * HOUR), 1..160),
            is_spread in any::<bool>(),
        ) {
            let spread = if is_spread { 100 } else { 1 };
            let mut batches = Vec::new();
            for part in rows.chunks(7) {
                let mut builder = toy::Rows::default();
                for (name, time) in part {
                    let (name, timestamp) = (name.clone(), time * spread);
                    builder.push(toy::Toy { timestamp, name, ..toy::Toy::default() });
                }
                batches.push(builder.finish().unwrap());
            }
            let ordered = OrderedRows::new(Table::Toy, batches.clone()).unwrap();
            let mut found = Vec::new();
            for (path, bytes) in objects_of(&ordered, &batch_of(Vec::new())) {
                let sorting = metadata(&bytes).row_group(0).sorting_columns().unwrap().clone();
                let rows = rows_of(&read(bytes));
                match path.partition {
                    Partition::Hour(hour) => {
                        prop_assert_eq!(sorting.iter().map(|c| c.column_idx).collect::<Vec<_>>(), vec![2, 0]);
                        prop_assert!(rows.is_sorted() && rows.iter().all(|(_, time)| Hour::of(*time) == hour));
                    }
                    Partition::Unknown => prop_assert!(rows.is_sorted_by_key(|(_, time)| *time)),
                }
                found.extend(rows);
            }
            let mut expected: Vec<_> = batches.iter().flat_map(rows_of).collect();
            expected.sort();
            found.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
