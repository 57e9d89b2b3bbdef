//! Whatever a table is: what goes into files comes out of them, in order, in its folder, and is never skipped.
use super::super::order::ORDER;
use super::*;
use ::parquet::file::metadata::RowGroupMetaData;
use ::parquet::file::page_index::column_index::ColumnIndexMetaData;
use ::parquet::file::statistics::Statistics;
use arrow::array::{Array, ArrayRef};
use arrow::compute::{SortColumn, filter, is_not_null, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type};
use metlog_schemas::table::{Definition, Lay};
use random_table::{Cell, Random, cell, definition, rows};
use std::collections::BTreeMap;

#[path = "../../../../schemas/tests/random_table/mod.rs"]
#[allow(dead_code)]
mod random_table;

type Row = Vec<Cell>;

fn cells(rows: &RecordBatch) -> Vec<Row> {
    (0..rows.num_rows()).map(|row| rows.columns().iter().map(|column| cell(column, row)).collect()).collect()
}

/// The folder of a time, by another calendar than the code's.
fn folder(time: &Cell) -> String {
    let Cell::Number(time) = time else { panic!("no time: {time:?}") };
    chrono::DateTime::from_timestamp_micros(*time).unwrap().format("dt=%Y-%m-%d/hour=%H").to_string()
}

const UNKNOWN: &str = "dt=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__";

fn files(definition: &'static Definition, batches: &[RecordBatch], config: &Config) -> BTreeMap<String, Bytes> {
    let ordered = OrderedRows::defined(Table::Messages, definition, batches.to_vec()).unwrap();
    let batch = batch_of(Vec::new());
    let file = |at| {
        let (path, bytes) = ordered.encode(at, &batch, config).unwrap().unwrap();
        (path.key().strip_prefix("messages/").unwrap().rsplit_once('/').unwrap().0.to_owned(), bytes)
    };
    let files: BTreeMap<_, _> = (0..ordered.len()).map(file).collect();
    assert_eq!(files.len(), ordered.len(), "one file a folder");
    files
}

/// The rows as they should lie in files, with the files' own division into hours and strays.
fn expected(
    definition: &Definition,
    batches: &[RecordBatch],
    files: &BTreeMap<String, Bytes>,
) -> BTreeMap<String, Vec<Row>> {
    let column = |name: &str| definition.schema().index_of(name).unwrap();
    let (time, order) = (column(definition.time), definition.order.iter().map(|name| column(name)).collect::<Vec<_>>());
    let mut expected: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in batches.iter().flat_map(cells) {
        let own = folder(&row[time]);
        expected.entry(if files.contains_key(&own) { own } else { UNKNOWN.to_owned() }).or_default().push(row);
    }
    for (folder, rows) in &mut expected {
        match folder == UNKNOWN {
            true => rows.sort_by_key(|row| row[time].clone()),
            false => rows.sort_by_key(|row| order.iter().map(|key| row[*key].clone()).collect::<Vec<_>>()),
        }
    }
    expected
}

/// The values of each leaf, depth first; nulls left out.
fn leaves(column: &ArrayRef, found: &mut Vec<ArrayRef>) {
    let column = filter(column, &is_not_null(column).unwrap()).unwrap();
    match column.data_type() {
        DataType::List(_) => leaves(column.as_list::<i32>().values(), found),
        DataType::Map(..) => column.as_map().entries().columns().iter().for_each(|part| leaves(part, found)),
        DataType::Struct(_) => column.as_struct().columns().iter().for_each(|part| leaves(part, found)),
        _ => found.push(column),
    }
}

/// A value as Parquet stores it, which is what Bloom filters go by.
fn stored(leaf: &ArrayRef, row: usize) -> Vec<u8> {
    match leaf.data_type() {
        DataType::Boolean => vec![leaf.as_boolean().value(row).into()],
        DataType::Int32 => leaf.as_primitive::<Int32Type>().value(row).to_le_bytes().to_vec(),
        DataType::Date32 => leaf.as_primitive::<Date32Type>().value(row).to_le_bytes().to_vec(),
        DataType::Int64 => leaf.as_primitive::<Int64Type>().value(row).to_le_bytes().to_vec(),
        DataType::Float64 => leaf.as_primitive::<Float64Type>().value(row).to_le_bytes().to_vec(),
        DataType::Timestamp(..) => leaf.as_primitive::<TimestampMicrosecondType>().value(row).to_le_bytes().to_vec(),
        DataType::Utf8 => leaf.as_string::<i32>().value(row).as_bytes().to_vec(),
        DataType::Binary => leaf.as_binary::<i32>().value(row).to_vec(),
        other => panic!("{other} is not a leaf"),
    }
}

/// True if a value lies between bounds, as any reader compares them.
fn is_within(leaf: &ArrayRef, row: usize, min: &[u8], max: &[u8]) -> bool {
    let value = stored(leaf, row);
    let int32 = |bytes: &[u8]| i32::from_le_bytes(bytes.try_into().unwrap());
    let int64 = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap());
    let float = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().unwrap());
    match leaf.data_type() {
        DataType::Int32 | DataType::Date32 => (int32(min)..=int32(max)).contains(&int32(&value)),
        DataType::Int64 | DataType::Timestamp(..) => (int64(min)..=int64(max)).contains(&int64(&value)),
        // The format leaves NaN out of bounds: readers that look for it cannot go by them.
        DataType::Float64 => float(&value).is_nan() || (float(min)..=float(max)).contains(&float(&value)),
        _ => min <= value.as_slice() && value.as_slice() <= max,
    }
}

/// The bounds of each page that has any, as bytes.
fn page_bounds(index: &ColumnIndexMetaData) -> Vec<(Vec<u8>, Vec<u8>)> {
    macro_rules! numbers {
        ($index:expr) => {
            $index
                .min_values_iter()
                .zip($index.max_values_iter())
                .filter_map(|(min, max)| Some((min?.to_le_bytes().to_vec(), max?.to_le_bytes().to_vec())))
                .collect()
        };
    }
    match index {
        ColumnIndexMetaData::INT32(index) => numbers!(index),
        ColumnIndexMetaData::INT64(index) => numbers!(index),
        ColumnIndexMetaData::DOUBLE(index) => numbers!(index),
        ColumnIndexMetaData::BOOLEAN(index) => {
            let bounds = index.min_values_iter().zip(index.max_values_iter());
            bounds.filter_map(|(min, max)| Some((vec![(*min?).into()], vec![(*max?).into()]))).collect()
        }
        ColumnIndexMetaData::BYTE_ARRAY(index) => {
            let bounds = index.min_values_iter().zip(index.max_values_iter());
            bounds.filter_map(|(min, max)| Some((min?.to_vec(), max?.to_vec()))).collect()
        }
        _ => Vec::new(),
    }
}

/// Each value of a column that is not nested lies within the bounds of its own page, and no page of nulls has it.
fn check_pages(metadata: &ParquetMetaData, group: usize, leaf: usize, column: &ArrayRef) {
    let index = &metadata.column_index().unwrap()[group][leaf];
    let starts = metadata.offset_index().unwrap()[group][leaf].page_locations();
    let mut bounds = page_bounds(index).into_iter();
    let pages: Vec<_> = (0..starts.len()).map(|page| (!index.is_null_page(page)).then(|| bounds.next())).collect();
    for row in (0..column.len()).filter(|row| column.is_valid(*row)) {
        let page = starts.partition_point(|start| start.first_row_index <= row as i64) - 1;
        let Some(Some((min, max))) = &pages[page] else { panic!("no bounds of page {page}, which has row {row}") };
        assert!(is_within(column, row, min, max), "row {row} of page {page}: not in {min:?} to {max:?}");
    }
}

/// What one row group says of its values is true, and it says what the definition promises.
fn check_group(definition: &Definition, bytes: &Bytes, nth: usize) {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes.clone(), options).unwrap();
    let metadata = reader.metadata().clone();
    let group: &RowGroupMetaData = metadata.row_group(nth);
    let of_group = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap().with_row_groups(vec![nth]);
    let of_group = of_group.build().unwrap();
    let schema = of_group.schema();
    let rows = concat_batches(&schema, &of_group.map(Result::unwrap).collect::<Vec<_>>()).unwrap();
    let mut found = Vec::new();
    rows.columns().iter().for_each(|column| leaves(column, &mut found));
    assert_eq!(found.len(), group.num_columns());
    let mut leaf = 0;
    for (column, array) in definition.columns.iter().zip(rows.columns()) {
        // An index is left out of a chunk where a page has no bounds, as that of NaN alone.
        let has_index = metadata.column_index().is_some_and(|of| !page_bounds(&of[nth][leaf]).is_empty());
        if !array.data_type().is_nested() && has_index {
            check_pages(&metadata, nth, leaf, array);
        }
        leaf += column.lays.len();
    }
    for (at, (leaf, lay)) in found.iter().zip(definition.lays()).enumerate() {
        let (chunk, name) = (group.column(at), group.column(at).column_path().string());
        let filter = reader.get_row_group_column_bloom_filter(nth, at).unwrap();
        assert_eq!(filter.is_some(), matches!(lay, Lay::Label | Lay::Id | Lay::Key), "{name}: {lay:?}");
        let has_bounds = !matches!(lay, Lay::Word | Lay::Text);
        let bounds = chunk.statistics().and_then(|of: &Statistics| Some((of.min_bytes_opt()?, of.max_bytes_opt()?)));
        let pages = metadata.column_index().map(|index| page_bounds(&index[nth][at])).unwrap_or_default();
        assert!(has_bounds || (bounds.is_none() && pages.is_empty()), "{name}: {lay:?}");
        let is_known =
            (0..leaf.len()).any(|row| leaf.as_primitive_opt::<Float64Type>().is_none_or(|of| !of.value(row).is_nan()));
        assert!(!has_bounds || !is_known || bounds.is_some(), "{name} has no bounds");
        for row in 0..leaf.len() {
            let value = stored(leaf, row);
            assert!(filter.as_ref().is_none_or(|filter| filter.check(value.as_slice())), "{name}: no {value:?}");
            assert!(bounds.is_none_or(|(min, max)| is_within(leaf, row, min, max)), "{name}: {value:?} of {bounds:?}");
            let is_in_a_page = pages.iter().any(|(min, max)| is_within(leaf, row, min, max));
            assert!(pages.is_empty() || is_in_a_page, "{name}: {value:?} in no page of {pages:?}");
        }
    }
}

fn check_sorting_columns(definition: &Definition, folder: &str, bytes: &Bytes) {
    let order = if folder == UNKNOWN { vec![definition.time] } else { definition.order.to_vec() };
    for group in metadata(bytes).row_groups() {
        let said = group.sorting_columns().unwrap();
        assert!(said.iter().all(|column| !column.descending && !column.nulls_first));
        let names = said.iter().map(|column| group.column(column.column_idx as usize).column_path().string());
        assert_eq!(names.collect::<Vec<_>>(), order);
    }
}

/// The rows of a batch in the order of their table, as those of one sender often are.
fn in_order(definition: &Definition, rows: &RecordBatch) -> RecordBatch {
    let key = |name: &&str| SortColumn { values: rows.column_by_name(name).unwrap().clone(), options: Some(ORDER) };
    let order = lexsort_to_indices(&definition.order.iter().map(key).collect::<Vec<_>>(), None).unwrap();
    take_record_batch(rows, &order).unwrap()
}

fn check(definition: &'static Definition, batches: &[RecordBatch], row_group_rows: usize) -> Result<(), TestCaseError> {
    let files = files(definition, batches, &Config { row_group_rows, ..Config::default() });
    let found: BTreeMap<_, _> =
        files.iter().map(|(folder, bytes)| (folder.clone(), cells(&read(bytes.clone())))).collect();
    prop_assert_eq!(&found, &expected(definition, batches, &files));
    for (folder, bytes) in &files {
        prop_assert_eq!(&read(bytes.clone()).schema().fields, &definition.schema().fields);
        check_sorting_columns(definition, folder, bytes);
        (0..metadata(bytes).num_row_groups()).for_each(|group| check_group(definition, bytes, group));
    }
    prop_assert!(files.len() > 64 || !files.contains_key(UNKNOWN));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Guarantees: of any table each row is in the file of its hour, once, as it was; rows lie in the order that the
    /// table and the file declare, equal ones as they came; and neither a Bloom filter nor a bound of a row group or
    /// a page excludes a value that is there.
    #[test]
    fn any_table_is_read_as_it_was_written(
        definition in definition(),
        counts in prop::collection::vec(0_usize..60, 1..4),
        hours in prop_oneof![3 => 1_u64..4, 1 => 60_u64..100],
        row_group_rows in 5_usize..80,
        seed in any::<u64>(),
    ) {
        let mut random = Random(seed);
        let batches: Vec<_> = counts.iter().map(|count| rows(definition, *count, hours, &mut random)).collect();
        check(definition, &batches, row_group_rows)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 64, ..ProptestConfig::with_cases(12) })]
    /// Guarantees: the same where rows are so many that they are written piece by piece, with and without a copy, and
    /// come to several pages.
    #[test]
    fn any_table_is_read_as_it_was_written_in_pieces(
        definition in definition(),
        counts in prop::collection::vec(1_000_usize..3_000, 2..4),
        is_in_order in any::<bool>(),
        hours in prop_oneof![3 => 1_u64..3, 1 => 300_u64..500],
        row_group_rows in 1_000_usize..6_000,
        seed in any::<u64>(),
    ) {
        let all = rows(definition, counts.iter().sum(), hours, &mut Random(seed));
        let all = if is_in_order { in_order(definition, &all) } else { all };
        let starts = counts.iter().scan(0, |end, count| Some(std::mem::replace(end, *end + count)));
        let batches: Vec<_> = starts.zip(&counts).map(|(start, count)| all.slice(start, *count)).collect();
        check(definition, &batches, row_group_rows)?;
    }
}
